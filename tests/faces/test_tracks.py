"""Cuts, tracks across gaps, smoothing, choice of the face."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.errors import UsageError
from lipdub.faces import shots, smoothing, track_selection, tracking


def test_cuts_are_found_and_motion_and_flicker_are_none() -> None:
    calm = np.full(60, 2.0)
    calm[[20, 45]] = 60, 40
    assert shots.find_cuts(calm) == [20, 45]
    assert shots.find_shots(calm) == [(0, 20), (20, 45), (45, 60)]
    assert shots.find_cuts(np.full(60, 35.0)) == []
    a, b = np.zeros((36, 64, 3), np.uint8), np.full((36, 64, 3), 90, np.uint8)
    assert shots.measure_change(shots.make_thumbnail(a), shots.make_thumbnail(a)) == 0
    assert shots.measure_change(shots.make_thumbnail(a), shots.make_thumbnail(b)) == pytest.approx(30, abs=1)


def boxes(n: int) -> np.ndarray:
    out = np.full((n, 2, 3), np.nan)
    out[:, 0] = np.stack([np.linspace(100, 150, n), np.full(n, 80), np.full(n, 60)], 1)
    out[:, 1] = (400, 90, 50)
    return out


def test_ids_survive_short_gaps_swapped_slots_and_not_cuts() -> None:
    n = 60
    seen = boxes(n)
    seen[20:26, 0] = np.nan
    seen[30:, [0, 1]] = seen[30:, [1, 0]]
    times = np.arange(n) / 25
    found = tracking.link_tracks(seen, times, [(0, n)])
    assert [t.id for t in found] == [1, 2]
    assert found[0].frames == [*range(20), *range(26, n)] and found[0].slots[-1] == 1
    assert len(found[1].frames) == n
    cut = tracking.link_tracks(seen, times, [(0, 40), (40, n)])
    assert [(t.id, t.shot) for t in cut] == [(1, 0), (2, 0), (3, 1), (4, 1)]
    seen[20:45] = np.nan
    assert len(tracking.link_tracks(seen, times, [(0, n)])) == 4


def test_short_gaps_are_filled_and_long_ones_left() -> None:
    points = np.full((30, 478, 3), np.nan, np.float32)
    points[:10], points[13:20], points[28:] = 1, 4, 9
    filled = tracking.fill_gaps(points)
    assert np.allclose(filled[10:13, 0, 0], [1.75, 2.5, 3.25])
    assert np.isnan(filled[20:28]).all() and np.isnan(points[10]).all()


def test_smoothing_has_no_lag_and_short_runs_are_left() -> None:
    ramp = np.arange(50, dtype=float)[:, None] * [1.0, -2.0]
    assert np.allclose(smoothing.savgol_filter(ramp, 7), ramp)
    assert np.array_equal(smoothing.savgol_filter(ramp[:2], 7), ramp[:2])
    assert smoothing.find_runs(np.array([0, 1, 1, 0, 1])) == [(1, 3), (4, 5)]
    assert smoothing.count_window_frames(0.2, 0.04) == 5 and smoothing.count_window_frames(0.2, 1.0) == 1


def test_smoothing_is_scipys() -> None:
    from scipy.signal import savgol_filter

    values = np.random.default_rng(0).normal(size=(40, 3, 2))
    for window, order in ((5, 2), (7, 2), (9, 3), (5, 1)):
        assert np.allclose(smoothing.savgol_filter(values, window, order), savgol_filter(values, window, order, axis=0))
    short = values[:4].astype(np.float32)
    assert smoothing.savgol_filter(short, 9).dtype == np.float32
    assert np.allclose(smoothing.savgol_filter(short, 9), savgol_filter(short, 3, 2, axis=0), atol=1e-6)


def test_gaussian_mean_is_scipys() -> None:
    from scipy.ndimage import gaussian_filter1d

    values = np.random.default_rng(0).normal(size=(60, 5, 3))
    for sigma in (1.0, 4.5, 30.0):
        assert np.allclose(
            smoothing.gaussian_filter(values, sigma),
            gaussian_filter1d(values, sigma, axis=0, mode="nearest", truncate=3.0),
            atol=5e-3,
        )
    assert np.allclose(smoothing.gaussian_filter(np.ones((3, 2)), 10.0), 1)


def row(i: int, shot: int, x: float, size: float, first: int = 0, last: int = 99) -> dict:
    return {"id": i, "shot": shot, "x": x, "face_px": size, "first": first, "last": last, "frames": last - first + 1}


def test_choice_of_face_by_size_side_and_id() -> None:
    rows = [row(1, 0, 100, 80), row(2, 0, 400, 120), row(3, 1, 50, 60, 100, 199), row(4, 1, 300, 50, 100, 199)]
    everyone = {1, 2, 3, 4}
    assert track_selection.select_track_ids("largest", rows, everyone) == [2, 3]
    assert track_selection.select_track_ids("left", rows, everyone) == [1, 3]
    assert track_selection.select_track_ids("right", rows, everyone) == [2, 4]
    assert track_selection.select_track_ids((4, 1), rows, everyone) == [4, 1]
    assert track_selection.select_track_ids("largest", rows, {1, 4}) == [1, 4]
    with pytest.raises(UsageError, match="no face track 9"):
        track_selection.select_track_ids((9,), rows, everyone)
    with pytest.raises(UsageError, match="inspect"):
        track_selection.parse_face("middle")
    assert track_selection.parse_face("2, 5") == (2, 5)


def test_one_person_who_leaves_and_returns_is_dubbed_both_times() -> None:
    rows = [row(1, 0, 100, 80, 0, 40), row(2, 0, 400, 60, 0, 99), row(3, 0, 110, 80, 60, 99)]
    assert sorted(track_selection.select_track_ids("largest", rows, {1, 2, 3})) == [1, 3]
