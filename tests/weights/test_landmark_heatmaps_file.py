"""Files of heat maps go out and come back, and others are refused."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lipdub.errors import WeightsError
from lipdub.networks.landmark_heatmaps import HeatMapSize, LandmarkHeatMaps
from lipdub.weights import landmark_heatmaps_file

SIZE = HeatMapSize(8, 16, 2, sigma=2.0)


def test_round_trip(tmp_path: Path) -> None:
    network = LandmarkHeatMaps(SIZE)
    path = landmark_heatmaps_file.save(tmp_path / "a" / "maps.safetensors", network, {"seed": 5})
    again = landmark_heatmaps_file.load(path)
    assert again.size == SIZE and not again.training
    for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a.half().float(), b)
    assert landmark_heatmaps_file.read_description(path) == {"size": asdict(SIZE), "notes": {"seed": 5}}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds no network of landmark heat maps"):
        landmark_heatmaps_file.load(Path(__file__).parents[2] / "weights" / "neutral-face.safetensors")
    other = tmp_path / "other.safetensors"
    for told in ("{}", '{"size": 3}', '{"size": {"width": 3}}', '{"size": {"other": 3}}'):
        save_file({"a": torch.zeros(1)}, other, {landmark_heatmaps_file.FORMAT: told})
        with pytest.raises(WeightsError, match="does not say"):
            landmark_heatmaps_file.load(other)
    save_file({"a": torch.zeros(1)}, other, {landmark_heatmaps_file.FORMAT: '{"size": {}}'})
    with pytest.raises(WeightsError, match=r"other\.safetensors"):
        landmark_heatmaps_file.load(other)
