"""Frames paired by time."""

from __future__ import annotations

from fractions import Fraction

import pytest

from lipdub.scoring.full_reference import pair_frames


class _Frame:
    def __init__(self, time: float) -> None:
        self.time = Fraction(time).limit_denominator(1000)


@pytest.mark.parametrize(
    ("result", "truth", "expected"),
    [
        ([0, 1, 2], [0, 1, 2], [0, 1, 2]),
        ([0, 1, 2, 3, 4], [0, 1, 2], [0, 1, 2]),
        ([0, 0.5, 1, 1.5, 2], [0, 1, 2], [0, 1, 1, 2, 2]),
        ([0, 2, 4], [0, 1, 2, 3, 4], [0, 2, 4]),
        ([5, 6], [0, 1], [0, 1]),
        ([0, 1], [], []),
    ],
)
def test_frames_are_paired_by_time(result: list[float], truth: list[float], expected: list[float]) -> None:
    pairs = list(pair_frames(iter(map(_Frame, result)), iter(map(_Frame, truth))))
    assert [float(right.time) for _, right, _ in pairs] == expected
    assert [truth[number] for _, _, number in pairs] == expected
