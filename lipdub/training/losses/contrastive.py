"""The contrastive loss over a batch of faces and their sounds.

Zhang et al., "G4G: A Generic Framework for High Fidelity Talking Face Generation with Fine-grained Intra-modal
Alignment" (2024), Eq. 6 to 10 and 16; its source is Radford et al., "Learning Transferable Visual Models From Natural
Language Supervision" (ICML 2021).
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy


def score_matrix(faces: torch.Tensor, sounds: torch.Tensor, temperature: float) -> torch.Tensor:
    """Compute the scores of all pairs (Eq. 6 and 7): (n, n), row i those of face i. Its transpose is Eq. 7.

    The temperature divides every score. Eq. 8 and 9 print it as a divisor above the fraction and as a factor below it;
    as printed, the fraction would be no probability.

    Args:
        faces: (n, d) of unit length, g_v of the aligned faces.
        sounds: (n, d) of unit length, g_a of the sounds.
        temperature: tau, above 0.
    """
    return faces @ sounds.T / temperature


def contrastive(faces: torch.Tensor, sounds: torch.Tensor, temperature: float = 0.07) -> torch.Tensor:
    """Compute Eq. 16: the cross-entropy of the pairs on the diagonal, from faces to sounds and back, halved.

    Eq. 10 divides the probabilities of Eq. 8 and 9 by their sum over the batch, where they were divided already. Here
    they are normalised once, over the other modality's items, which makes Eq. 10 and 16 one loss.

    Args:
        faces: (n, d) of unit length.
        sounds: (n, d) of unit length; those of row i go with face i.
        temperature: tau, above 0.
    """
    scores = score_matrix(faces, sounds, temperature)
    pairs = torch.arange(len(scores), device=scores.device)
    return (cross_entropy(scores, pairs) + cross_entropy(scores.T, pairs)) / 2
