"""The small network of heat maps, and the maps that it learns."""

from __future__ import annotations

import pytest
import torch

from lipdub.networks.landmark_heatmaps import HeatMapSize, LandmarkHeatMaps, draw_heatmaps

SIZE = HeatMapSize(8, 16, 2)


def test_a_map_is_a_gaussian_around_its_point() -> None:
    points = torch.tensor([[[0.5, 0.25], [1.2, 0.5], [float("nan"), 0.5], [0.0, 1.0]]])
    maps = draw_heatmaps(points, 8, 1.5)
    assert maps.shape == (1, 4, 8, 8)
    # The point (0.5, 0.25) lies at the corner of four cells, half a cell from each middle in both directions.
    assert float(maps[0, 0, 1, 3]) == pytest.approx(torch.exp(torch.tensor(-0.25 / 1.5**2)).item())
    assert float(maps[0, 0].max()) == float(maps[0, 0, 1, 3]) == float(maps[0, 0, 2, 4])
    assert float(maps[0, 0, 1, 6]) == pytest.approx(torch.exp(torch.tensor(-0.5 * (2.5**2 + 0.5**2) / 1.5**2)).item())
    assert not maps[0, 1].any() and not maps[0, 2].any()
    assert float(maps[0, 3].max()) == float(maps[0, 3, 7, 0]) > 0.8


@pytest.mark.parametrize("pixels", [32, 64])
def test_maps_have_half_the_pictures_size(pixels: int) -> None:
    with torch.inference_mode():
        maps = LandmarkHeatMaps(SIZE).eval()(torch.rand(2, 3, pixels, pixels))
    assert maps.shape == (2, 68, pixels // 2, pixels // 2)


@pytest.mark.parametrize("change", [{"width": 12}, {"deepest": 4}, {"depth": 0}, {"sigma": 0.0}])
def test_sizes_without_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"channels|hourglass"):
        HeatMapSize(**{"width": 8, "deepest": 16, "depth": 2, **change})  # type: ignore[arg-type]
