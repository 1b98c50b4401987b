"""Tables of one talker: the face's motion in each frame, and the units that may be shown elsewhere.

The neutralize stage writes both tables; the sync stage reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I64, Array, Mask


class MotionColumn(IntEnum):
    """Columns of a motion table."""

    OPENING = 0
    WIDTH = 1
    YAW = 2
    PITCH = 3
    ROLL = 4
    SCALE = 5
    UPPER_LIP = 6
    LOWER_LIP = 7
    MOUTH_X = 8
    MOUTH_Y = 9


class UnitColumn(IntEnum):
    """Columns of a unit table; those between FRAME and SHARPNESS are the motion table's."""

    FRAME = 0
    OPENING = 1
    WIDTH = 2
    YAW = 3
    PITCH = 4
    ROLL = 5
    SCALE = 6
    UPPER_LIP = 7
    LOWER_LIP = 8
    SHARPNESS = 9
    RED = 10
    GREEN = 11
    BLUE = 12
    IS_WHOLE = 13
    BROW_RED = 14
    BROW_GREEN = 15
    BROW_BLUE = 16


@dataclass(frozen=True)
class MotionTable:
    """The motion of a talker's face, one row per frame of its track; NaN where the face is not visible.

    Attributes:
        rows: (n, 10) columns of `MotionColumn`.
    """

    rows: Array

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: slice | Array) -> MotionTable:
        return MotionTable(self.rows[item])

    @property
    def is_visible(self) -> Mask:
        """(n,) bool."""
        is_visible: Mask = np.isfinite(self.rows[:, MotionColumn.OPENING])
        return is_visible

    @property
    def measures(self) -> Array:
        """(n, 2) opening and width of the mouth in eye distances."""
        return self.rows[:, MotionColumn.OPENING : MotionColumn.WIDTH + 1]

    @property
    def opening(self) -> F32:
        """(n,) opening of the mouth in eye distances."""
        return self.rows[:, MotionColumn.OPENING]

    @property
    def width(self) -> F32:
        """(n,) width of the mouth in eye distances."""
        return self.rows[:, MotionColumn.WIDTH]

    @property
    def angles(self) -> Array:
        """(n, 3) yaw, pitch and roll of the head in degrees."""
        return self.rows[:, MotionColumn.YAW : MotionColumn.ROLL + 1]

    @property
    def yaw(self) -> Array:
        """(n,) yaw of the head in degrees; positive when the nose points to the picture's right."""
        return self.rows[:, MotionColumn.YAW]

    @property
    def roll(self) -> Array:
        """(n,) roll of the head in degrees."""
        return self.rows[:, MotionColumn.ROLL]

    @property
    def scale(self) -> Array:
        """(n,) pixels per eye distance."""
        return self.rows[:, MotionColumn.SCALE]

    @property
    def lip_heights(self) -> F32:
        """(n, 2) heights of the upper and the lower lip in eye distances."""
        return self.rows[:, MotionColumn.UPPER_LIP : MotionColumn.LOWER_LIP + 1]

    @property
    def mouth_centre(self) -> F32:
        """(n, 2) centre of the mouth in display pixels."""
        return self.rows[:, MotionColumn.MOUTH_X : MotionColumn.MOUTH_Y + 1]


@dataclass(frozen=True)
class UnitTable:
    """A talker's units, one row per unit.

    Attributes:
        rows: (u, 17) columns of `UnitColumn`.
    """

    rows: F32

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def frame(self) -> I64:
        """(u,) source frame."""
        return self.rows[:, UnitColumn.FRAME].astype(int)

    @property
    def measures(self) -> F32:
        """(u, 2) opening and width of the mouth in eye distances."""
        return self.rows[:, UnitColumn.OPENING : UnitColumn.WIDTH + 1]

    @property
    def angles(self) -> F32:
        """(u, 3) yaw, pitch and roll of the head in degrees."""
        return self.rows[:, UnitColumn.YAW : UnitColumn.ROLL + 1]

    @property
    def scale(self) -> F32:
        """(u,) pixels per eye distance."""
        return self.rows[:, UnitColumn.SCALE]

    @property
    def lip_heights(self) -> F32:
        """(u, 2) heights of the upper and the lower lip in eye distances."""
        return self.rows[:, UnitColumn.UPPER_LIP : UnitColumn.LOWER_LIP + 1]

    @property
    def sharpness(self) -> F32:
        """(u,) mean absolute Laplacian around the lips."""
        return self.rows[:, UnitColumn.SHARPNESS]

    @property
    def colour(self) -> F32:
        """(u, 3) RGB 0..1 of the skin around the lips."""
        return self.rows[:, UnitColumn.RED : UnitColumn.BLUE + 1]

    @property
    def brow_colour(self) -> F32:
        """(u, 3) RGB 0..1 of the skin between the eyebrows, which tells the light."""
        return self.rows[:, UnitColumn.BROW_RED : UnitColumn.BROW_BLUE + 1]

    @property
    def is_whole(self) -> Mask:
        """(u,) bool: the mouth lies inside the patch."""
        return self.rows[:, UnitColumn.IS_WHOLE] > 0


def build_unit_row(frame: int, motion: F32, *, sharpness: float, colour: F64, brow_colour: F64, is_whole: bool) -> F32:
    """Build one row of a unit table.

    Args:
        frame: source frame.
        motion: (10,) the frame's row of the motion table.
        sharpness: mean absolute Laplacian around the lips.
        colour: (3,) RGB 0..1 of the skin around the lips.
        brow_colour: (3,) RGB 0..1 of the skin between the eyebrows.
        is_whole: the mouth lies inside the patch.

    Returns:
        (17,) float32.
    """
    row = np.zeros(len(UnitColumn), np.float32)
    row[UnitColumn.FRAME] = frame
    row[UnitColumn.OPENING : UnitColumn.LOWER_LIP + 1] = motion[: MotionColumn.LOWER_LIP + 1]
    row[UnitColumn.SHARPNESS] = sharpness
    row[UnitColumn.RED : UnitColumn.BLUE + 1] = colour
    row[UnitColumn.BROW_RED : UnitColumn.BROW_BLUE + 1] = brow_colour
    row[UnitColumn.IS_WHOLE] = is_whole
    return row
