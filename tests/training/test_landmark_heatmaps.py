"""The training of heat maps at tiny size, on drawn faces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.faces import landmarks
from lipdub.networks.landmark_heatmaps import HeatMapSize, draw_heatmaps
from lipdub.training.dataset import open_dataset
from lipdub.training.landmark_heatmaps import (
    HeatMapOptions,
    draw_batch,
    evaluate_heatmaps,
    heatmap_loss,
    measure_distances,
    train_heatmaps,
)
from lipdub.training.loop import LoopOptions
from tests.training.test_face_features import SIDE, SIZE, drawn_faces

if TYPE_CHECKING:
    from pathlib import Path

LOOP = LoopOptions(steps=4, learning_rate=5e-3, warmup=2, save_every=2, report_every=1)
OPTIONS = HeatMapOptions(HeatMapSize(8, 16, 2), faces=4, loop=LOOP)


class StoppedError(Exception):
    """What a test stops a training with."""


def test_a_plain_batch_has_the_ibug_points_of_the_faces(tmp_path: Path) -> None:
    data = open_dataset(drawn_faces(tmp_path))
    batch = draw_batch(data, 3, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    points = np.stack([landmarks.to_ibug(data.draw(rng, 1).landmarks[0])[:, :2] for _ in range(3)])
    assert batch.pictures.shape == (3, 3, SIZE, SIZE)
    np.testing.assert_allclose(batch.points, (points - (SIDE - SIZE) // 2 + 0.5) / SIZE, atol=1e-5)


def test_the_loss_by_hand() -> None:
    points = torch.full((1, 68, 2), 0.5)
    true = draw_heatmaps(points, 4, 1.5)
    assert float(heatmap_loss(true, points, OPTIONS)) == 0
    flat = torch.zeros(1, 68, 4, 4)
    expected = ((1 + 30 * true) * true**2).mean()
    assert float(heatmap_loss(flat, points, OPTIONS)) == pytest.approx(float(expected))


def test_distances_are_shares_of_the_picture_and_points_outside_have_none() -> None:
    points = torch.full((1, 68, 2), 0.5)
    points[0, 3] = torch.tensor([1.1, 0.5])
    found = points.clone()
    found[0, 7, 0] += 0.25
    apart = measure_distances(draw_heatmaps(found.clamp(0, 1), 32, 1.5), points)
    assert np.isnan(apart[0, 3]) and apart[0, 7] == pytest.approx(0.25, abs=1e-3)
    assert np.nanmax(np.delete(apart, 7, 1)) < 1e-3


def test_a_broken_training_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    data = open_dataset(drawn_faces(tmp_path / "faces"))
    whole = train_heatmaps(data, tmp_path / "whole", OPTIONS)

    def stop(line: str) -> None:
        if "step 3," in line:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_heatmaps(data, tmp_path / "broken", OPTIONS, progress=stop)
    again = train_heatmaps(data, tmp_path / "broken", OPTIONS)
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_it_learns_where_points_are(tmp_path: Path) -> None:
    data = open_dataset(drawn_faces(tmp_path / "faces"))
    quiet = replace(LOOP, steps=80, save_every=1000, report_every=1000)
    few, many = (
        train_heatmaps(data, tmp_path / f"{steps}", replace(OPTIONS, loop=replace(quiet, steps=steps)))
        for steps in (1, 80)
    )
    first, last = (evaluate_heatmaps(network, data, OPTIONS) for network in (few, many))
    assert last["landmarks"] < first["landmarks"] / 3 and last["mouth"] < 0.1
