"""The contrastive loss by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from lipdub.training.losses.contrastive import contrastive, score_matrix


def embeddings(count: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_scores_of_identical_pairs_are_one_on_the_diagonal() -> None:
    faces = embeddings(4, 0)
    scores = score_matrix(faces, faces, 1.0)
    torch.testing.assert_close(scores.diagonal(), torch.ones(4))
    torch.testing.assert_close(scores, scores.T)
    assert (scores <= 1 + 1e-6).all()


def test_the_loss_of_two_pairs_by_hand() -> None:
    """Eq. 16: cross-entropies of rows and columns of the scores, each a mean, then halved."""
    faces = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    sounds = torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    temperature = 0.5
    scores = [[0.6 / temperature, 0.0], [0.8 / temperature, 1.0 / temperature]]

    def entropy(right: float, wrong: float) -> float:
        return -math.log(math.exp(right) / (math.exp(right) + math.exp(wrong)))

    rows = (entropy(scores[0][0], scores[0][1]) + entropy(scores[1][1], scores[1][0])) / 2
    columns = (entropy(scores[0][0], scores[1][0]) + entropy(scores[1][1], scores[0][1])) / 2
    assert float(contrastive(faces, sounds, temperature)) == pytest.approx((rows + columns) / 2, rel=1e-5)


def test_right_pairs_are_cheaper_than_wrong_ones() -> None:
    faces = embeddings(6, 0)
    assert float(contrastive(faces, faces)) < 0.2 < float(contrastive(faces, faces.roll(1, 0)))


def test_a_pair_alone_has_nothing_to_be_told_from() -> None:
    assert float(contrastive(embeddings(1, 0), embeddings(1, 1))) == 0
    same = embeddings(1, 2).expand(4, -1)
    assert float(contrastive(same, same)) == pytest.approx(math.log(4), rel=1e-5)


def test_both_sides_are_treated_alike() -> None:
    faces, sounds = embeddings(5, 0), embeddings(5, 1)
    torch.testing.assert_close(contrastive(faces, sounds), contrastive(sounds, faces))
