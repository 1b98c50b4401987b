"""StyleGAN2's generator: parity with the published one, and its layers against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lipdub.networks.blocks_style import ModulatedConv, make_blur_kernel, upfirdn
from lipdub.networks.stylegan2 import StyleGAN2
from tests.networks.parity import fill

FILL = {
    "matrix": "unit",
    "overrides": [
        {"match": r"^style\.\d+\.weight$", "scale": 100.0},
        {"match": r"noise\.weight$", "scale": 0.1, "shift": 0.1},
    ],
    "leave": [r"\.kernel$"],
}


def _small() -> StyleGAN2:
    return fill(StyleGAN2(16, style_dim=24, narrow=1 / 32), FILL)


def _z(n: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(7).standard_normal((n, 24)).astype(np.float32))


def test_the_published_sizes_have_their_layers() -> None:
    assert StyleGAN2(1024, narrow=1 / 64).layers == 18
    assert StyleGAN2(256, narrow=1 / 64).layers == 14


def test_small_copy() -> None:
    network = _small()
    with torch.inference_mode():
        w = network.mapping(_z(2))
        image = network(w)
        assert image.shape == (2, 3, 16, 16) and bool(image.isfinite().all())
        assert torch.equal(image, network(w))
        alone = network(w[1:])
        spread = network(w[:, None].expand(-1, network.layers, -1))
    assert torch.allclose(image[1:], alone, atol=1e-5)
    assert torch.allclose(image, spread, atol=1e-5)
    # pinned after parity held
    assert image[1, :, 5, 9].tolist() == pytest.approx([0.165140, 0.762859, -3.065058], abs=1e-4)


def test_noise_is_the_callers_or_that_of_the_state() -> None:
    network = _small()
    own = list(network.noises.buffers())
    assert [len(n[0, 0]) for n in own] == [4, 8, 8, 16, 16]
    with torch.inference_mode():
        w = network.mapping(_z(1))
        assert torch.equal(network(w), network(w, own))
        none = network(w, [torch.zeros_like(n) for n in own])
        assert not torch.allclose(network(w), none, atol=1e-2)
        for noise in own:
            noise.zero_()
        assert torch.equal(network(w), none)


def test_each_style_has_its_layers() -> None:
    network = _small()
    with torch.inference_mode():
        styles = network.mapping(_z(2))[:, None].repeat(1, network.layers, 1)
        base = network(styles[:1])
        moved = []
        for i in range(network.layers):
            changed = styles[:1].clone()
            changed[:, i] = styles[1:, i]
            moved.append(network(changed) - base)
    assert all(float(m.abs().max()) > 1e-3 for m in moved)
    # the last style is that of the last picture layer alone, which is linear in it
    with torch.inference_mode():
        twice = styles[:1].clone()
        twice[:, -1] += 2 * (styles[1:, -1] - styles[:1, -1])
        assert torch.allclose(network(twice) - base, 2 * moved[-1], atol=1e-4)


@pytest.mark.parametrize(("up", "pad"), [(1, (2, 2)), (1, (1, 1)), (2, (2, 1)), (2, (5, 6)), (3, (0, 1))])
def test_filter_is_its_definition(up: int, pad: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    x, kernel = rng.standard_normal((2, 3, 5, 6)), rng.standard_normal((4, 4))
    sparse = np.zeros((2, 3, 5 * up, 6 * up))
    sparse[..., ::up, ::up] = x
    padded = np.pad(sparse, ((0, 0), (0, 0), pad, pad))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (4, 4), axis=(2, 3))
    wanted = (windows * kernel[::-1, ::-1]).sum((-2, -1))
    got = upfirdn(torch.from_numpy(x), torch.from_numpy(kernel), pad, up).numpy()
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_blur_kernel() -> None:
    kernel = make_blur_kernel(4.0)
    assert kernel.shape == (4, 4) and float(kernel.sum()) == pytest.approx(4)
    assert (kernel[1] / kernel[1, 0]).tolist() == pytest.approx([1, 3, 3, 1])


@pytest.mark.parametrize("demodulate", [False, True])
def test_modulated_convolution_is_its_definition(demodulate: bool) -> None:
    layer = fill(ModulatedConv(5, 4, 3, 6, demodulate=demodulate), FILL).double()
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.standard_normal((2, 5, 7, 8)))
    style = torch.from_numpy(rng.standard_normal((2, 6)))
    with torch.inference_mode():
        got = layer(x, style)
        for i in range(2):
            weight = layer.weight[0] * layer.modulation(style)[i][None, :, None, None] / math.sqrt(5 * 3 * 3)
            if demodulate:
                weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
            wanted = torch.nn.functional.conv2d(x[i : i + 1], weight, padding=1)
            assert torch.allclose(got[i : i + 1], wanted, atol=1e-10)
