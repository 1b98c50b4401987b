"""E-Net: parity with the published network, a small copy, and its noise."""

from __future__ import annotations

import pytest
import torch

from lipdub.networks.enet import ENet
from lipdub.networks.lnet import LNet
from tests.networks.parity import fill


def test_small_copy() -> None:
    network, mel, face = _small()
    with torch.inference_mode():
        out = network(mel, face)
        assert out.image.shape == (2, 3, 384, 384) and out.low_res.shape == (2, 3, 96, 96)
        assert bool(out.image.isfinite().all())
        assert torch.equal(out.image, network(mel, face).image)
        assert torch.allclose(out.image[1:], network(mel[1:], face[1:]).image, atol=1e-4)
    # pinned after parity held
    found = [*out.image[0, :, 20, 41].tolist(), *out.image[1, :, 270, 150].tolist()]
    wanted = [1.7147, 0.44681, 1.48732, 1.47513, 0.48166, 1.39409]
    assert found == pytest.approx(wanted, abs=1e-4)


def test_noise_is_what_the_caller_gives() -> None:
    network, mel, face = _small()
    mel, face = mel[:1], face[:1]
    zeros = [torch.zeros(1, 1, size, size) for size in (200, 200, 400, 400)]

    def drawn(seed: int) -> torch.Tensor:
        return network(mel, face, torch.Generator().manual_seed(seed)).image

    with torch.inference_mode():
        base = network(mel, face).image
        assert torch.equal(network(mel, face, zeros).image, base)
        assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))
        for i, zero in enumerate(zeros):
            maps = [*zeros[:i], zero + 1, *zeros[i + 1 :]]
            assert float((network(mel, face, maps).image - base).abs().max()) > 1e-3, i


def _small() -> tuple[ENet, torch.Tensor, torch.Tensor]:
    """A small network with filled weights, mel windows and faces."""
    network = ENet(LNet(width=2, blocks=1, descriptor=16), width=8, style=8)
    fill(network)
    seeded = torch.Generator().manual_seed(0)
    mel = 8 * torch.rand(2, 1, 80, 16, generator=seeded) - 4
    return network, mel, torch.rand(2, 6, 384, 384, generator=seeded)
