"""Wav2Lip's discriminator: the published state and outputs, and that only lower halves count."""

from __future__ import annotations

import torch

from lipdub.networks.wav2lip_disc import QualityDiscriminator
from tests.networks import parity


def test_a_small_one_gives_the_pinned_numbers() -> None:
    network, frames = _small()
    with torch.inference_mode():
        found = network(frames)
    assert found.shape == (6, 1)
    # pinned after parity held
    wanted = torch.tensor([0.92407, 0.84375, 0.87626, 0.86574, 0.83447, 0.95268])
    torch.testing.assert_close(found[:, 0], wanted, rtol=0, atol=1e-4)


def test_frames_are_judged_one_by_one_by_their_lower_halves() -> None:
    network, frames = _small()
    other = frames.clone()
    other[:, :, :, :48] = 0
    other[1, :, 2, 48:] = 0
    with torch.inference_mode():
        differ = (network(other) - network(frames)).abs()[:, 0] > 1e-6
    # time-major: the third frame of the second clip is the last of the six
    assert differ.tolist() == [False] * 5 + [True]


def _small() -> tuple[QualityDiscriminator, torch.Tensor]:
    """A small network with filled weights, and frames (2, 3, 3, 96, 96)."""
    network = QualityDiscriminator(width=4)
    parity.fill(network, {"gain": 1.5})
    return network, torch.rand(2, 3, 3, 96, 96, generator=torch.Generator().manual_seed(0))
