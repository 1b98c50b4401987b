"""Named columns of a talker's tables."""

from __future__ import annotations

import numpy as np

from lipdub.faces.talker_tables import MotionColumn, MotionTable, UnitColumn, UnitTable, build_unit_row

MOTION = np.arange(20, dtype=np.float32).reshape(2, 10)


def test_columns_are_numbered_without_gaps() -> None:
    assert list(MotionColumn) == list(range(10))
    assert list(UnitColumn) == list(range(17))


def test_a_motion_table_names_its_columns() -> None:
    table = MotionTable(MOTION)
    parts = [table.measures, table.angles, table.scale[:, None], table.lip_heights, table.mouth_centre]
    assert np.array_equal(np.concatenate(parts, 1), MOTION)
    assert np.array_equal(np.stack([table.opening, table.width], 1), table.measures)
    assert np.array_equal(table.yaw, table.angles[:, 0])
    assert np.array_equal(table.roll, table.angles[:, 2])
    assert len(table[1:]) == 1


def test_frames_without_the_face_are_not_visible() -> None:
    gaps = MOTION.copy()
    gaps[0] = np.nan
    assert MotionTable(gaps).is_visible.tolist() == [False, True]


def test_a_unit_row_is_read_back() -> None:
    row = build_unit_row(
        17,
        MOTION[1],
        sharpness=3.5,
        colour=np.array([0.1, 0.2, 0.3]),
        brow_colour=np.array([0.4, 0.5, 0.6]),
        is_whole=True,
    )
    assert row.dtype == np.float32
    table, motion = UnitTable(row[None]), MotionTable(MOTION[1:])
    assert table.frame.tolist() == [17]
    assert table.sharpness.tolist() == [3.5]
    assert np.allclose(table.colour, [[0.1, 0.2, 0.3]])
    assert np.allclose(table.brow_colour, [[0.4, 0.5, 0.6]])
    assert table.is_whole.tolist() == [True]
    for name in ("measures", "angles", "scale", "lip_heights"):
        assert np.array_equal(getattr(table, name), getattr(motion, name))
