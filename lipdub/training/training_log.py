"""Figures of a training as CSV (and for TensorBoard), and sample pictures."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import EnvironmentFailure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from lipdub.arrays import U8


class TrainingLog:
    """`log.csv` of a folder: a row for each step with figures, and a column for each figure.

    A new figure adds a column. A training that resumes from a step removes the rows after it.

    Args:
        folder: folder of the log.
        step: the step from which the training resumes.
        tensorboard: write event files in the folder `tensorboard` too.

    Raises:
        EnvironmentFailure: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool = False) -> None:
        self.path = folder / "log.csv"
        self._rows = [row for row in read_log(self.path) if int(row["step"]) <= step]
        self._names = list(dict.fromkeys(name for row in self._rows for name in row))
        self._events: Any = None
        self._rewrite()
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise EnvironmentFailure("TensorBoard is not installed", hint="pip install tensorboard") from error
            self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add the figures of a step; further figures of the same step go into its row."""
        row = {"step": str(step), **{name: f"{value:.6g}" for name, value in figures.items()}}
        new = [name for name in row if name not in self._names]
        same = bool(self._rows) and self._rows[-1]["step"] == row["step"]
        if same:
            self._rows[-1] |= row
        else:
            self._rows.append(row)
        if new or same:
            self._names += new
            self._rewrite()
        else:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._names).writerow(row)
        if self._events is not None:
            for name, value in figures.items():
                self._events.add_scalar(name, value, step)
            self._events.flush()

    def add_picture(self, step: int, rows: torch.Tensor) -> Path:
        """Write pictures as `samples/STEP.png`, side by side.

        Args:
            step: the step.
            rows: (rows, columns, 3, h, w) float in 0..1.

        Returns:
            the file.
        """
        import cv2

        path = self.path.parent / "samples" / f"{step:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = tile_pictures(rows)
        cv2.imwrite(str(path), np.ascontiguousarray(whole[..., ::-1]))
        if self._events is not None:
            self._events.add_image("samples", whole, step, dataformats="HWC")
        return path

    def close(self) -> None:
        """Close the event files."""
        if self._events is not None:
            self._events.close()

    def _rewrite(self) -> None:
        if not self._rows:
            self.path.unlink(missing_ok=True)
            return
        partial = self.path.with_suffix(".new")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._names)
            writer.writeheader()
            writer.writerows(self._rows)
        partial.replace(self.path)


def tile_pictures(rows: torch.Tensor) -> U8:
    """Put pictures side by side, two black pixels apart.

    Args:
        rows: (rows, columns, 3, h, w) float in 0..1.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    tiles = (rows.detach().float().cpu().clamp(0, 1) * 255).round().byte().permute(0, 1, 3, 4, 2).numpy()
    padded = np.pad(tiles, [(0, 0), (0, 0), (0, 2), (0, 2), (0, 0)])
    high, wide = padded.shape[0] * padded.shape[2], padded.shape[1] * padded.shape[3]
    return padded.transpose(0, 2, 1, 3, 4).reshape(high, wide, 3)[:-2, :-2]


def read_log(path: Path) -> list[dict[str, str]]:
    """Read the rows of a `log.csv`, without a truncated last one; none if there is no file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return []
    return [row for row in rows if (row.get("step") or "").isdigit() and None not in row and None not in row.values()]
