"""How far the landmarks of pictures are from those that are wanted, as a difference of heat maps (Su et al., Eq. 6).

Landmarks have no gradient, but the heat maps of a network that finds them do: FAN's, where its weights are installed,
or those of the small network that comes with lipdub.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import grid_sample

from lipdub.errors import WeightsError
from lipdub.faces.alignment import fan
from lipdub.networks.landmark_heatmaps import draw_heatmaps
from lipdub.weights import landmark_heatmaps_file, manifest
from lipdub.weights.checkpoint import load_network
from lipdub.weights.shipped_files import verify_shipped
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

PUBLISHED = "2dfan4"
"""The entry of the manifest of FAN."""

SHIPPED = "landmark-heatmaps.safetensors"

_FAN_SIGMA = 1.0  # of FAN's peaks, cells
_EPSILON = 1e-12  # under a root
_EYES, _MOUTH = slice(36, 48), slice(48, 68)  # of iBUG's points
_EYE_WEIGHT, _MOUTH_WEIGHT = 2.0, 3.0


@dataclass(frozen=True)
class HeatMapper:
    """A frozen network that maps pictures to heat maps, and how it is shown them.

    Attributes:
        name: Says for a person which network it is.
        network: Maps pictures (n, 3, P, P), RGB in 0..1, to heat maps (n, 68, h, h).
        sigma: Of its peaks, cells.
        fit: Takes landmarks (n, 68, 2), returns the squares around faces that it is shown, (n, 3): left, top, side, all
            as shares of the picture. None: it is shown whole pictures.
        pixels: Side of the squares that it is shown.
    """

    name: str
    network: Callable[[torch.Tensor], torch.Tensor]
    sigma: float
    fit: Callable[[torch.Tensor], torch.Tensor] | None = None
    pixels: int = 0

    def compute(self, pictures: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Compute the heat maps (n, 68, h, h) of pictures (n, 3, P, P), RGB in -1..1, around landmarks (n, 68, 2)."""
        shown = pictures
        if self.fit is not None:
            shown = cut_squares(pictures, self.fit(points), self.pixels)
        return self.network((shown + 1) / 2).float()

    def draw_wanted(self, points: torch.Tensor, side: int) -> torch.Tensor:
        """Draw the heat maps (n, 68, side, side) that it should compute for landmarks (n, 68, 2)."""
        return draw_heatmaps(self._to_view(points), side, self.sigma)

    def find_points(self, heatmaps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Find the landmarks (n, 68, 2) of pictures in their heat maps, computed around `points`."""
        found = soft_points(heatmaps)
        if self.fit is None:
            return found
        squares = self.fit(points)
        return found * squares[:, None, 2:] + squares[:, None, :2]

    def _to_view(self, points: torch.Tensor) -> torch.Tensor:
        if self.fit is None:
            return points
        squares = self.fit(points)
        return (points - squares[:, None, :2]) / squares[:, None, 2:]


def landmark_weights(device: torch.device | str = "cpu") -> torch.Tensor:
    """Return a_i of Eq. 6, (68,): mouth and eyes count more. The mean is 1."""
    weights = torch.ones(68, device=device)
    weights[_EYES], weights[_MOUTH] = _EYE_WEIGHT, _MOUTH_WEIGHT
    return weights / weights.mean()


def heatmap_distance(found: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 6: the weighted sum of the distances of heat maps.

    The distance of two maps is taken as the Euclidean norm of their difference. Cell by cell the printed root of a
    square would be the absolute difference, which pulls as hard where a map is all but right.

    Args:
        found: (n, 68, h, h) of the pictures.
        wanted: (n, 68, h, h).
        weights: (68,) of `landmark_weights`.

    Returns:
        (n,).
    """
    apart = ((found - wanted).square().sum((2, 3)) + _EPSILON).sqrt()
    return (apart * weights).sum(1)


def soft_points(heatmaps: torch.Tensor) -> torch.Tensor:
    """Find landmarks in heat maps (n, 68, h, h): (n, 68, 2) as shares of the picture.

    Each is the centre of mass of its map around the peak, so it lies between cells; negative values count as 0.
    """
    side = heatmaps.shape[-1]
    at = (torch.arange(side, device=heatmaps.device, dtype=torch.float32) + 0.5) / side
    heat = heatmaps.float().clamp(min=0)
    peak = heat.flatten(2).argmax(2)
    rows, columns = peak // side, peak % side
    grid = torch.arange(side, device=heatmaps.device)
    near_rows = (grid - rows[..., None]).abs() <= 2
    near_columns = (grid - columns[..., None]).abs() <= 2
    heat = heat * near_rows[..., :, None] * near_columns[..., None, :]
    total = heat.sum((2, 3)).clamp(min=_EPSILON)
    return torch.stack([(heat.sum(2) * at).sum(2) / total, (heat.sum(3) * at).sum(2) / total], 2)


def find_heat_map_weights() -> Path:
    """Return the file of the network that `load_heat_mapper` loads, verified.

    Raises:
        WeightsError: There are no weights, or damaged ones.
    """
    store, entry = WeightsStore(), manifest.find_entry(PUBLISHED)
    if store.has(entry):
        return store.verify(entry).path
    try:
        return verify_shipped(SHIPPED)
    except WeightsError:
        hint = f"Fetch FAN: lipdub weights pull {PUBLISHED}; or train a small one: lipdub train landmark-heatmaps."
        raise WeightsError("there is no network for the landmarks' heat maps", hint=hint) from None


def load_heat_mapper(device: str = "cpu") -> HeatMapper:
    """Load FAN from the weights store, or else the small network that comes with lipdub.

    Raises:
        WeightsError: There are no weights, or damaged ones.
    """
    store, entry = WeightsStore(), manifest.find_entry(PUBLISHED)
    if store.has(entry):
        network = load_network(store.verify(entry).path, entry).to(device).eval().requires_grad_(False)
        return make_fan_mapper(network, entry.file)
    small = landmark_heatmaps_file.load(find_heat_map_weights()).to(device).requires_grad_(False)
    return HeatMapper(f"lipdub's own heat maps ({SHIPPED})", small, small.size.sigma)


def make_fan_mapper(network: nn.Module, name: str) -> HeatMapper:
    """Make a mapper of FAN, whose last hourglass counts."""

    def compute(pictures: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = network(pictures.clamp(0, 1))[-1]
        return maps

    return HeatMapper(f"FAN ({name})", compute, _FAN_SIGMA, fit_fan_squares, fan.SIZE)


def fit_fan_squares(points: torch.Tensor) -> torch.Tensor:
    """Fit the squares that FAN was trained to look at, as `alignment.fan.fit_boxes` does, but not in whole pixels.

    Args:
        points: (n, 68, 2).

    Returns:
        (n, 3): left, top, side.
    """
    low, high = points.amin(1), points.amax(1)
    middle = (low + high) / 2 - torch.stack([torch.zeros_like(low[:, 1]), fan.RISE * (high - low)[:, 1]], 1)
    side = (high - low).sum(1, keepdim=True) * fan.SQUARE / fan.REFERENCE_SCALE
    return torch.cat([middle - side / 2, side], 1)


def cut_squares(pictures: torch.Tensor, squares: torch.Tensor, pixels: int) -> torch.Tensor:
    """Cut squares (n, 3) of left, top and side, shares of the picture, out of pictures (n, c, P, P): (n, c, p, p).

    Beyond the picture's edges is black.
    """
    at = (torch.arange(pixels, device=pictures.device, dtype=torch.float32) + 0.5) / pixels
    left, top, side = (value[:, None] for value in squares.float().unbind(1))
    x, y = (2 * (low + side * at) - 1 for low in (left, top))
    grid = torch.stack([x[:, None].expand(-1, pixels, -1), y[:, :, None].expand(-1, -1, pixels)], 3)
    black = grid_sample(pictures + 1, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return black - 1
