"""The discriminator that judges patches."""

from __future__ import annotations

import pytest
import torch

from lipdub.networks.patch_discriminator import PatchDiscriminator


def pictures(side: int, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("side", "layers", "patches"), [(64, 4, 16), (8, 3, 1), (32, 2, 64)])
def test_one_logit_for_each_patch(side: int, layers: int, patches: int) -> None:
    torch.manual_seed(0)
    network, shown = PatchDiscriminator(4, layers), pictures(side).requires_grad_()
    logits = network(shown)
    assert logits.shape == (2, patches) and logits.unique().numel() == 2 * patches
    logits.sum().backward()
    assert shown.grad is not None and bool((shown.grad != 0).all())


def test_a_patch_is_judged_by_what_is_near_it() -> None:
    """Two layers and the last see 18 pixels to a side: a change at one end leaves the logits of the other."""
    torch.manual_seed(0)
    network, shown = PatchDiscriminator(4, 2), pictures(64, 1)
    changed = shown.clone()
    changed[..., :4, :4] += 1
    with torch.no_grad():
        differs = (network(changed) != network(shown)).unflatten(1, (16, 16))[0]
    assert bool(differs[0, 0]) and not bool(differs[4:].any()) and not bool(differs[:, 4:].any())


def test_layers_double_their_channels() -> None:
    network = PatchDiscriminator(32, 4)
    assert [block[0].out_channels for block in network.blocks] == [32, 64, 128, 256]
    assert sum(value.numel() for value in network.parameters()) == 692_449
