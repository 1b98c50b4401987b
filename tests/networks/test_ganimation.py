"""GANimation: the published state and outputs, and what attention means."""

from __future__ import annotations

import torch

from lipdub.networks.ganimation import ACTION_UNITS, Ganimation, fuse
from tests.networks import parity


def test_a_small_one_gives_the_pinned_numbers() -> None:
    network = Ganimation(width=4, depth=2)
    parity.fill(network)
    seeded = torch.Generator().manual_seed(0)
    image = 2 * torch.rand(2, 3, 64, 64, generator=seeded) - 1
    units = torch.rand(2, len(ACTION_UNITS), generator=seeded)
    with torch.inference_mode():
        color, attention = network(image, units)
        still, _ = network(image, torch.zeros_like(units))
    assert color.shape == (2, 3, 64, 64) and attention.shape == (2, 1, 64, 64)
    assert float((color - still).abs().max()) > 0.01
    # pinned after parity held
    both = torch.cat([color, attention], dim=1)
    found = torch.cat([both[0, :, 20, 30], both.mean((2, 3)).flatten()])
    pixel, means = [0.27656, 0.65172, 0.19177, 0.40057], [-0.07686, 0.17053, -0.18518, 0.41869]
    wanted = torch.tensor([*pixel, *means, -0.0771, 0.16834, -0.18177, 0.41949])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_where_attention_is_full_the_image_is_kept() -> None:
    image, color = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), -1.0)
    attention = torch.zeros(1, 1, 4, 4)
    attention[..., 2:] = 1
    fused = fuse(image, color, attention)
    assert bool((fused[..., 2:] == 0.5).all()) and bool((fused[..., :2] == -1).all())
