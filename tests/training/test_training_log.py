"""Figures and sample pictures of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from lipdub.training.training_log import TrainingLog, read_log, tile_pictures

if TYPE_CHECKING:
    from pathlib import Path


def test_pictures_lie_in_rows_and_columns() -> None:
    shades = torch.arange(6).reshape(2, 3, 1, 1, 1) / 5 * torch.ones(2, 3, 3, 4, 5)
    seen = tile_pictures(shades)
    assert seen.shape == (2 * 4 + 2, 3 * 5 + 2 * 2, 3)
    assert [[int(seen[6 * i, 7 * j, 0]) for j in range(3)] for i in range(2)] == [[0, 51, 102], [153, 204, 255]]
    assert not seen[4:6].any() and not seen[:, 5:7].any()


def test_a_new_figure_adds_a_column_and_later_rows_go(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 0)
    log.add(1, {"loss": 2.0})
    log.add(2, {"loss": 1.0})
    log.add(2, {"validation": 0.5})
    log.close()
    assert read_log(tmp_path / "log.csv") == [
        {"step": "1", "loss": "2", "validation": ""},
        {"step": "2", "loss": "1", "validation": "0.5"},
    ]
    TrainingLog(tmp_path, 1).close()
    assert [row["step"] for row in read_log(tmp_path / "log.csv")] == ["1"]
