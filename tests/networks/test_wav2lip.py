"""Wav2Lip's generator: the published state and outputs, and how frames of clips are folded."""

from __future__ import annotations

import torch

from lipdub.networks.wav2lip import Wav2Lip
from tests.networks import parity


def test_a_small_one_gives_the_pinned_numbers() -> None:
    network, mel, face = _small(clips=2)
    with torch.inference_mode():
        frames = network(mel[:, 0], face[:, :, 0])
    assert frames.shape == (2, 3, 96, 96)
    found = torch.cat([frames.mean((2, 3)).flatten(), frames[0, :, 60, 40]])
    # pinned after parity held
    wanted = torch.tensor([0.5238, 0.5753, 0.33774, 0.5214, 0.57369, 0.34224, 0.55232, 0.62602, 0.26495])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_frames_of_clips_come_back_in_their_places() -> None:
    network, mel, face = _small(clips=2, times=3)
    with torch.inference_mode():
        together = network(mel, face)
        for t in range(3):
            alone = network(mel[:, t], face[:, :, t])
            torch.testing.assert_close(together[:, :, t], alone, rtol=0, atol=1e-5)
    assert together.shape == (2, 3, 3, 96, 96)


def _small(clips: int, times: int = 1) -> tuple[Wav2Lip, torch.Tensor, torch.Tensor]:
    """A small network with filled weights, mel windows (B, T, 1, 80, 16) and faces (B, 6, T, 96, 96)."""
    network = Wav2Lip(width=2)
    parity.fill(network, {"gain": 1.3, "overrides": [{"match": r"^output_block\.1\.weight$", "scale": 0.02}]})
    seeded = torch.Generator().manual_seed(0)
    mel = 8 * torch.rand(clips, times, 1, 80, 16, generator=seeded) - 4
    return network, mel, torch.rand(clips, 6, times, 96, 96, generator=seeded)
