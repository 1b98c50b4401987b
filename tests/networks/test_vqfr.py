"""VQFR, both versions: parity with the published networks, small copies, and the deformable convolution."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from lipdub.networks.blocks_vqfr import deformable_conv
from lipdub.networks.vqfr import VQFRv1, VQFRv2
from tests.networks.parity import fill


def test_small_v2() -> None:
    network, image = _small(VQFRv2)
    with torch.inference_mode():
        out = network(image, 0.5)
        assert out.image.shape == out.texture.shape == (2, 3, 32, 32) and bool(out.image.isfinite().all())
        assert torch.equal(out.image, network(image, 0.5).image)
        assert torch.allclose(out.image[1:], network(image[1:], 0.5).image, atol=1e-4)
        # the fidelity blends features, so none of the main branch gives the codes' picture
        assert torch.equal(network(image).image, out.texture)
        assert torch.allclose(network(image, 1e-6).image, out.texture, atol=1e-4)
        assert float((out.image - out.texture).abs().max()) > 0.1
    # pinned after parity held
    found = torch.cat((out.image[1, :, 20, 11], out.texture[0, :, 5, 30])).tolist()
    wanted = [-1.57018, 0.58476, -0.97035, 0.60651, 0.38812, 0.66037]
    assert found == pytest.approx(wanted, abs=1e-4)


def test_small_v1() -> None:
    network, image = _small(VQFRv1)
    with torch.inference_mode():
        out = network(image)
        assert out.image.shape == out.texture.shape == (2, 3, 32, 32) and bool(out.image.isfinite().all())
        assert torch.equal(out.image, network(image).image)
        assert torch.allclose(out.image[1:], network(image[1:]).image, atol=1e-4)
    # pinned after parity held
    found = torch.cat((out.image[1, :, 20, 11], out.texture[0, :, 5, 30])).tolist()
    wanted = [-0.80816, 1.25843, 0.43129, 0.83064, -0.80761, 0.39958]
    assert found == pytest.approx(wanted, abs=1e-4)


def test_a_deformable_convolution_that_moves_nothing_is_a_convolution() -> None:
    x, weight, bias = _layer()
    found = deformable_conv(x, torch.zeros(2, 36, 7, 9), torch.ones(2, 18, 7, 9), weight, bias)
    assert torch.allclose(found, functional.conv2d(x, weight, bias, padding=1), atol=1e-5)


def test_offsets_and_weights_are_those_of_the_tap_and_group() -> None:
    x, weight, bias = _layer()
    offsets = torch.zeros(2, 2, 9, 2, 7, 9)
    offsets[:, 1, 5, 0] = 1  # second group, the tap right of the middle: a pixel further down
    offsets[:, 1, 5, 1] = -0.5  # and half a pixel to the left
    mask = torch.ones(2, 2, 9, 7, 9)
    mask[:, 0, 0] = 0.25  # first group, the tap at the upper left
    found = deformable_conv(x, offsets.flatten(1, 3), mask.flatten(1, 2), weight, bias)

    shares = weight.clone()
    shares[:, :2, 0, 0] *= 0.25
    shares[:, 2:, 1, 2] = 0
    padded = functional.pad(x[:, 2:], (1, 2, 0, 1))
    # pixel (y + 1, x + 0.5) from the pixels on both sides; one column was put before the first
    moved = (padded[:, :, 1:8, 1:10] + padded[:, :, 1:8, 2:11]) / 2
    wanted = functional.conv2d(x, shares, bias, padding=1) + functional.conv2d(moved, weight[:, 2:, 1:2, 2:3])
    assert torch.allclose(found, wanted, atol=1e-5)


def _layer() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of two groups of two channels, and weight and bias of a convolution to three."""
    seeded = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 7, 9, generator=seeded)
    return x, torch.randn(3, 4, 3, 3, generator=seeded), torch.randn(3, generator=seeded)


def _small(kind: type[VQFRv2 | VQFRv1]) -> tuple[VQFRv2 | VQFRv1, torch.Tensor]:
    """A small network with filled weights, and pictures."""
    network = kind(width=32, multipliers=(1, 1, 2), codes=64, code_dim=32)
    fill(network)
    return network, torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
