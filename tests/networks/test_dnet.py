"""D-Net: parity with the published network, and a small copy."""

from __future__ import annotations

import pytest
import torch

from lipdub.networks.dnet import DNet, warp_by_flow
from tests.networks.parity import fill


def test_small_copy() -> None:
    network, source, coefficients = _small()
    with torch.inference_mode():
        out = network(source, coefficients)
        assert out.image.shape == out.warped.shape == (2, 3, 64, 64) and out.flow.shape == (2, 2, 16, 16)
        assert bool(out.image.isfinite().all()) and float(out.image.abs().max()) < 1
        assert torch.equal(out.image, network(source, coefficients).image)
        alone = network(source[1:], coefficients[1:])
    assert torch.allclose(out.image[1:], alone.image, atol=1e-4)
    # pinned after parity held
    found = torch.cat((out.image[1, :, 20, 41], out.warped[1, :, 20, 41], out.flow[1, :, 9, 5])).tolist()
    wanted = [-0.96098, -0.59017, -0.2296, -0.43358, 0.30496, -0.08446, -0.87489, 1.2182]
    assert found == pytest.approx(wanted, abs=1e-4)


def test_all_coefficients_and_frames_of_the_window_count() -> None:
    network, source, coefficients = _small()
    given = coefficients[:1].requires_grad_()
    network(source[:1], given).image.square().sum().backward()
    assert given.grad is not None and bool((given.grad != 0).all())


def test_a_flow_points_to_where_a_pixel_comes_from() -> None:
    image = torch.zeros(1, 1, 64, 64)
    image[..., 32:40, 16:24] = 1
    flow = torch.zeros(1, 2, 16, 16)
    flow[:, 0] = -4  # four pixels of the flow's grid, sixteen of the image, to the left
    with torch.inference_mode():
        moved = warp_by_flow(image, flow)[0, 0]
    rows, columns = (moved > 0.5).nonzero().float().mean(0).tolist()
    assert rows == pytest.approx(35.5, abs=1) and columns == pytest.approx(19.5 + 16, abs=1.5)


def _small() -> tuple[DNet, torch.Tensor, torch.Tensor]:
    """A small network with filled weights, faces and windows of coefficients."""
    network = DNet(descriptor=16, warp_width=4, edit_width=8, widest=16)
    fill(network)
    seeded = torch.Generator().manual_seed(0)
    source = torch.rand(2, 3, 64, 64, generator=seeded) * 2 - 1
    return network, source, torch.randn(2, 73, 26, generator=seeded)
