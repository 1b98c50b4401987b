"""Heat maps of the 68 iBUG landmarks: a small network that takes FAN's place where its weights are not installed.

One hourglass (Newell et al., "Stacked Hourglass Networks for Human Pose Estimation", 2016), as Bulat and Tzimiropoulos
stack four of them in FAN (`networks.fan`). It is trained here (`training.landmark_heatmaps`) on aligned faces, which
are half as large as FAN's and always upright. No published network is like it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import interpolate, leaky_relu

POINTS = 68

_GROUPS = 8
_LEAK = 0.1


@dataclass(frozen=True)
class HeatMapSize:
    """Sizes of the network.

    Attributes:
        width: Channels at the maps' size, a multiple of 8.
        deepest: Channels at smaller sizes, a multiple of 8.
        depth: Times that the hourglass halves the maps.
        sigma: Of the peaks that it learns, cells of the maps.

    Raises:
        ValueError: The channels or the depth make no sense.
    """

    width: int = 32
    deepest: int = 64
    depth: int = 4
    sigma: float = 1.5

    def __post_init__(self) -> None:
        if self.width < _GROUPS or self.width % _GROUPS or self.deepest % _GROUPS or self.deepest < self.width:
            raise ValueError(f"channels must be multiples of {_GROUPS}, not {self.width} and {self.deepest}")
        if self.depth < 1 or self.sigma <= 0:
            raise ValueError(f"no such hourglass: depth {self.depth}, sigma {self.sigma:g}")


class LandmarkHeatMaps(nn.Module):
    """The network."""

    def __init__(self, size: HeatMapSize | None = None) -> None:
        super().__init__()
        self.size = size = size or HeatMapSize()
        self.stem = nn.Sequential(_Layer(3, size.width, 5, 2), _Residual(size.width, size.width))
        self.hourglass = Hourglass(size.width, size.deepest, size.depth)
        self.last = _Residual(size.width, size.width)
        self.maps = nn.Conv2d(size.width, POINTS, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return heat maps (n, 68, P / 2, P / 2), about 1 at the landmarks and 0 elsewhere.

        Args:
            pictures: (n, 3, P, P), RGB in 0..1; P is a multiple of 2 ** (depth + 1).
        """
        out: torch.Tensor = self.maps(self.last(self.hourglass(self.stem(pictures * 2 - 1))))
        return out.float()


class Hourglass(nn.Module):
    """Maps of half the size go through an hourglass of one depth less, and come back beside the full ones."""

    def __init__(self, width: int, deepest: int, depth: int) -> None:
        super().__init__()
        self.beside = _Residual(width, width)
        self.down = _Layer(width, deepest, 3, 2)
        self.inside = Hourglass(deepest, deepest, depth - 1) if depth > 1 else _Residual(deepest, deepest)
        self.up = _Residual(deepest, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        small = self.up(self.inside(self.down(x)))
        out: torch.Tensor = self.beside(x) + interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        return out


class _Layer(nn.Module):
    def __init__(self, inward: int, outward: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inward, outward, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, outward)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return leaky_relu(self.norm(self.convolution(x)), _LEAK)


class _Residual(nn.Module):
    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.first, self.second = _Layer(inward, outward), _Layer(outward, outward)
        self.skip = nn.Identity() if inward == outward else nn.Conv2d(inward, outward, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.skip(x) + self.second(self.first(x))
        return out


def draw_heatmaps(points: torch.Tensor, side: int, sigma: float) -> torch.Tensor:
    """Draw heat maps: Gaussians with a peak of 1.

    Args:
        points: (..., 2), x and y as shares of the picture. Those outside 0..1 or not finite have empty maps.
        side: Of the maps, cells.
        sigma: Of the Gaussians, cells.

    Returns:
        (..., side, side) float32.
    """
    at = (torch.arange(side, device=points.device, dtype=torch.float32) + 0.5) / side
    is_inside = ((points >= 0) & (points <= 1)).all(-1)  # what is not a number is neither
    x, y = torch.where(is_inside[..., None], points, 0.0).float().unbind(-1)
    across, down = (torch.exp(-0.5 * ((at - value[..., None]) * side / sigma).square()) for value in (x, y))
    return down[..., :, None] * across[..., None, :] * is_inside[..., None, None]
