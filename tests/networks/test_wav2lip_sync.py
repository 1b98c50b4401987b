"""Wav2Lip's sync expert: the published state and outputs, and that its embeddings are on the unit sphere."""

from __future__ import annotations

import torch

from lipdub.networks.wav2lip_sync import SyncExpert
from tests.networks import parity


def test_a_small_one_gives_the_pinned_numbers() -> None:
    network = SyncExpert(width=4)
    parity.fill(network, {"gain": 1.3})
    seeded = torch.Generator().manual_seed(0)
    mel = 8 * torch.rand(2, 1, 80, 16, generator=seeded) - 4
    with torch.inference_mode():
        sound, mouth = network(mel, torch.rand(2, 15, 48, 96, generator=seeded))
    for embedding in (sound, mouth):
        assert embedding.shape == (2, 64) and bool((embedding >= 0).all())
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
    # pinned after parity held
    found = torch.cat([(sound * mouth).sum(1), sound.amax(1), mouth.amax(1)])
    wanted = torch.tensor([0.21796, 0.26457, 0.41398, 0.34469, 0.36461, 0.35035])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)
