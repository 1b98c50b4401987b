"""The multi-scale perceptual loss by hand, through networks whose maps are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lipdub.faces.perceptual import load_features, multi_scale_perceptual


class Same(nn.Module):
    """Its one map is the picture."""

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        return [pictures * 1]


class Twice(nn.Module):
    """Its maps are the picture, and the picture's mean thrice as bright."""

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        return [pictures, 3 * pictures.mean((2, 3), keepdim=True)]


def pictures(seed: int, count: int = 2, side: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """The root of the mean squared difference of each picture (n, ...), as a mean over pictures."""
    roots = [float((one - other).square().mean()) ** 0.5 for one, other in zip(a.double(), b.double(), strict=True)]
    return float(sum(roots) / len(roots))


def halve(x: torch.Tensor) -> torch.Tensor:
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_distances_at_full_size_at_half_of_it_and_so_on_are_averaged(levels: int) -> None:
    a, b = pictures(0), pictures(1)
    found, total = multi_scale_perceptual(Same(), a, b, levels), 0.0
    for _ in range(levels):
        total += distance(a, b) / levels
        a, b = halve(a), halve(b)
    assert float(found) == pytest.approx(total, rel=1e-5)


def test_distances_of_maps_are_added() -> None:
    a, b = pictures(0), pictures(1)
    means = [3 * x.mean((2, 3), keepdim=True) for x in (a, b)]
    expected = distance(a, b) + distance(*means)
    assert float(multi_scale_perceptual(Twice(), a, b, levels=1)) == pytest.approx(expected, rel=1e-5)


def test_each_picture_counts_alike_however_large_it_is() -> None:
    a, b = pictures(0, count=1), pictures(1, count=1)
    wide, other = (x.repeat(1, 1, 2, 2) for x in (a, b))
    small = float(multi_scale_perceptual(Same(), a, b, levels=1))
    assert float(multi_scale_perceptual(Same(), wide, other, levels=1)) == pytest.approx(small, rel=1e-5)
    apart = [float(multi_scale_perceptual(Same(), a[:1], b[:1] + shift)) for shift in (0.0, 1.0)]
    both = multi_scale_perceptual(Same(), a.expand(2, -1, -1, -1), torch.cat([b, b + 1]))
    assert float(both) == pytest.approx(sum(apart) / 2, rel=1e-5)


def test_slopes_are_finite_where_pictures_are_equal_and_the_true_ones_have_none() -> None:
    made, true = pictures(0).requires_grad_(), pictures(0).requires_grad_()
    loss = multi_scale_perceptual(Same(), made, true)
    loss.backward()
    assert float(loss.detach()) < 1e-3 and made.grad is not None and bool(made.grad.isfinite().all())
    multi_scale_perceptual(Same(), made, true + 0.1).backward()
    assert made.grad.any()
    other = pictures(1).requires_grad_()
    multi_scale_perceptual(Same(), made, other).backward()
    assert other.grad is None


@pytest.mark.usefixtures("weights_folder")
def test_a_picture_is_nearer_to_a_blurred_copy_than_to_another() -> None:
    features, _ = load_features()
    true = pictures(0, side=32)
    blurred = torch.nn.functional.avg_pool2d(true, 3, 1, 1)
    near, far = (float(multi_scale_perceptual(features, made, true)) for made in (true + 0.01, 1 - true))
    assert near < float(multi_scale_perceptual(features, blurred, true)) < far
