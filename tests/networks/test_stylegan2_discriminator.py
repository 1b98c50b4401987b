"""StyleGAN2's discriminator: its layers against their definitions, and its published size."""

from __future__ import annotations

import math

import pytest
import torch

from lipdub.networks.blocks_style import make_blur_kernel, upfirdn
from lipdub.networks.stylegan2_discriminator import DiscriminatorBlock, StyleDiscriminator, deviation_map


def pictures(count: int, side: int = 8, channels: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("count", "groups"),
    [
        (8, [(0, 2, 4, 6), (1, 3, 5, 7)]),
        (4, [(0, 1, 2, 3)]),
        (6, [(0, 3), (1, 4), (2, 5)]),
        (2, [(0, 1)]),
        (3, [(0,), (1,), (2,)]),
        (1, [(0,)]),
    ],
)
def test_the_deviation_map_by_hand(count: int, groups: list[tuple[int, ...]]) -> None:
    x = pictures(count, 3, 2).double()
    found = deviation_map(x, 4)
    assert found.shape == (count, 1, 3, 3)
    for group in groups:
        total = 0.0
        for channel in range(2):
            for row in range(3):
                for column in range(3):
                    values = [float(x[i, channel, row, column]) for i in group]
                    mean = sum(values) / len(values)
                    variance = sum((value - mean) ** 2 for value in values) / len(values)
                    total += math.sqrt(variance + 1e-8)
        for i in group:
            assert found[i].flatten().tolist() == pytest.approx([total / 18] * 9, rel=1e-5)


def test_a_deviation_map_has_the_type_of_its_features() -> None:
    assert deviation_map(pictures(4).bfloat16(), 4).dtype == torch.bfloat16


def test_a_block_halves_the_picture_and_adds_its_skip() -> None:
    torch.manual_seed(0)
    block, x = DiscriminatorBlock(3, 5), pictures(2, 8)
    with torch.no_grad():
        for layer in (block.first[1], block.activate):
            layer.bias.normal_()
        found = block(x)
        kernel = make_blur_kernel()

        def activate(values: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
            values = values + bias[:, None, None]
            return math.sqrt(2) * torch.where(values > 0, values, 0.2 * values)

        def convolve(values: torch.Tensor, weight: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
            scaled = weight / math.sqrt(weight[0].numel())
            return torch.nn.functional.conv2d(values, scaled, stride=stride, padding=padding)

        made = activate(convolve(x, block.first[0].weight, 1, 1), block.first[1].bias)
        made = activate(convolve(upfirdn(made, kernel, (2, 2)), block.second.weight, 2, 0), block.activate.bias)
        skip = convolve(upfirdn(x, kernel, (1, 1)), block.skip.weight, 2, 0)
    assert found.shape == (2, 5, 4, 4)
    torch.testing.assert_close(found, (made + skip) / math.sqrt(2))


@pytest.mark.parametrize("side", [8, 16, 32])
def test_a_logit_for_each_picture_and_a_slope_for_each_pixel(side: int) -> None:
    torch.manual_seed(0)
    network, shown = StyleDiscriminator(side, narrow=1 / 128), pictures(5, side).requires_grad_()
    logits = network(shown)
    assert logits.shape == (5,) and len(set(logits.tolist())) == 5
    logits.sum().backward()
    assert shown.grad is not None and bool(shown.grad.isfinite().all()) and float((shown.grad != 0).float().mean()) == 1


def test_slopes_are_finite_where_all_pictures_are_one() -> None:
    torch.manual_seed(0)
    network, shown = StyleDiscriminator(8, narrow=1 / 128), torch.zeros(4, 3, 8, 8, requires_grad=True)
    network(shown).sum().backward()
    assert shown.grad is not None and bool(shown.grad.isfinite().all())


def test_a_picture_is_judged_together_with_its_group_only() -> None:
    torch.manual_seed(0)
    network, shown = StyleDiscriminator(8, narrow=1 / 128), pictures(8)
    changed = shown.clone()
    changed[2] += 1
    with torch.no_grad():
        differs = (network(changed) - network(shown)).abs() > 1e-6
        assert differs.tolist() == [i % 2 == 0 for i in range(8)]
        alone = torch.cat([network(shown[i::2]) for i in range(2)])
    torch.testing.assert_close(alone.unflatten(0, (2, 4)).T.flatten(), network(shown))


@pytest.mark.parametrize(
    ("size", "widths", "parameters"),
    [
        (256, [128, 256, 512, 512, 512, 512, 512], 28_864_129),
        (1024, [32, 64, 128, 256, 512, 512, 512, 512, 512], 29_012_513),
    ],
)
def test_the_published_widths(size: int, widths: list[int], parameters: int) -> None:
    """The numbers of parameters are those that NVIDIA's training prints."""
    with torch.device("meta"):
        network = StyleDiscriminator(size)
    assert [network.first[0].weight.shape[0], *(block.skip.weight.shape[0] for block in network.blocks)] == widths
    assert network.last[0].weight.shape == (512, 513, 3, 3) and network.judge[0].weight.shape == (512, 512 * 16)
    assert sum(value.numel() for value in network.parameters()) == parameters
