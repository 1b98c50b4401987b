"""SyncNet v2: the published state and outputs."""

from __future__ import annotations

import torch

from lipdub.networks.syncnet import SyncNet
from tests.networks import parity


def test_a_small_one_gives_the_pinned_numbers() -> None:
    network = SyncNet(width=4, features=16)
    scales = {"netcnnlip": 0.0003, "netcnnaud": 0.04}
    first = [{"match": rf"^{name}\.0\.weight$", "scale": scale} for name, scale in scales.items()]
    parity.fill(network, {"gain": 1.3, "overrides": first})
    seeded = torch.Generator().manual_seed(0)
    mfcc = 20 * torch.rand(2, 1, 13, 20, generator=seeded) - 10
    clips = 255 * torch.rand(2, 3, 5, 224, 224, generator=seeded)
    with torch.inference_mode():
        sound, lips = network(mfcc, clips)
        inner = network.lip_features(clips)
    assert sound.shape == lips.shape == (2, 16) and inner.shape == (2, 64)
    # pinned after parity held
    found = torch.cat([sound[:, 0], lips[:, 0], inner.amax(1), (sound - lips).norm(dim=1)])
    wanted = torch.tensor([-0.53982, -0.55166, 0.01612, 0.01034, 4.59289, 4.5261, 4.53701, 4.4311])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)
