"""The scorer of one's own finds how far picture and sound are apart, and tells chance from agreement."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.metrics.motion_sync import MIN_MOUTH_SPREAD, REACH, STEP, compare_motion, estimate_sync, find_out_of_sync
from lipdub.scoring import moments


def motion(seconds: float, seed: int, rate: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    """Times and a smooth opening and width, (n, 2), of somebody who talks at random."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    kernel = np.hanning(16)
    noise = rng.normal(size=(n + 15, 2))
    return np.arange(n) / rate, np.stack([np.convolve(c, kernel, "valid") for c in noise.T], 1)


def seen(times: np.ndarray, heard: np.ndarray, lips: np.ndarray, late: float) -> np.ndarray:
    """A mouth of another size, with some noise, that comes `late` seconds after the sound."""
    rng = np.random.default_rng(9)
    moved = np.stack([np.interp(times - late, heard, c) for c in lips.T], 1)
    return moved * [0.05, -0.02] * [1, -1] + [0.2, 0.6] + rng.normal(0, 0.02, moved.shape)


@pytest.mark.parametrize("fps", [24.0, 25.0, 59.94])
@pytest.mark.parametrize("late", [-0.2, -0.12, -0.04, 0.0, 0.013, 0.04, 0.2])
def test_a_planted_offset_is_found_within_a_part_of_a_frame(late: float, fps: float) -> None:
    heard, lips = motion(8, 1)
    times = np.arange(0, 8, 1 / fps)
    found = estimate_sync(compare_motion(times, seen(times, heard, lips, late), heard, lips, (0, 8)))
    assert found.offset == pytest.approx(late, abs=0.01)
    assert found.confidence > 0.6
    assert (found.agreement > 0.5) == (abs(late) < 0.05)


def test_uneven_frame_times_and_another_clock_change_nothing() -> None:
    heard, lips = motion(8, 2)
    times = np.sort(np.random.default_rng(0).uniform(0, 8, 240))
    mouth = seen(times, heard, lips, 0.08)
    found = estimate_sync(compare_motion(times + 100, mouth, heard + 100, lips, (100, 108)))
    assert found.offset == pytest.approx(0.08, abs=0.015)


def test_another_speech_is_at_chance() -> None:
    found = []
    for seed in range(12):
        heard, lips = motion(10, seed)
        other = motion(10, 100 + seed)[1]
        times = np.arange(0, 10, 0.04)
        found.append(estimate_sync(compare_motion(times, seen(times, heard, lips, 0), heard, other, (0, 10))))
    assert abs(np.mean([f.agreement for f in found])) < 0.1
    assert max(f.confidence for f in found) < 0.5
    assert np.std([f.offset for f in found]) > 0.1


def test_each_stretch_tells_its_own_offset() -> None:
    heard, lips = motion(12, 3)
    times = np.arange(0, 12, 0.04)
    mouth = np.where(times[:, None] < 6, seen(times, heard, lips, 0), seen(times, heard, lips, 0.2))
    compared = compare_motion(times, mouth, heard, lips, (0, 12))
    assert estimate_sync(compared, 0, 6).offset == pytest.approx(0, abs=0.015)
    assert estimate_sync(compared, 6, 12).offset == pytest.approx(0.2, abs=0.015)


def test_a_frozen_mouth_and_a_missing_face_say_nothing() -> None:
    heard, lips = motion(6, 4)
    times = np.arange(0, 6, 0.04)
    still = np.full((len(times), 2), 0.3) + np.random.default_rng(0).normal(0, MIN_MOUTH_SPREAD / 20, (len(times), 2))
    assert estimate_sync(compare_motion(times, still, heard, lips, (0, 6))).confidence < 0.1
    nobody = np.full((len(times), 2), np.nan)
    assert np.isnan(estimate_sync(compare_motion(times, nobody, heard, lips, (0, 6))).offset)
    assert np.isnan(estimate_sync(compare_motion(times[:1], nobody[:1], heard, lips, (0, 6))).agreement)


def test_only_faces_and_speech_are_compared() -> None:
    heard, lips = motion(6, 5)
    times = np.arange(0, 6, 0.04)
    mouth = seen(times, heard, lips, 0)
    mouth[50:100] = np.nan  # two seconds without a face
    compared = compare_motion(times, mouth, heard, lips, (1, 5))
    middle = compared.fit[:, len(compared.lags) // 2]
    assert np.isnan(middle[(compared.times > 2.1) & (compared.times < 3.9)]).all()
    assert (
        np.isnan(middle[compared.times < 1 - STEP]).all()
        and np.isfinite(middle[(compared.times > 1.1) & (compared.times < 1.9)]).all()
    )
    assert estimate_sync(compared).offset == pytest.approx(0, abs=0.02)


def test_by_hand() -> None:
    """Two equal triangles: at no lag the distance is 0, so the fit is 1; the lags are those that were given."""
    heard = np.arange(0, 4 + STEP / 2, STEP)
    wave = np.abs(((heard + 1e-9) % 1) - 0.5)
    lips = np.stack([wave, wave], 1)
    compared = compare_motion(heard, lips, heard, lips, (0, 4))
    assert compared.fit.shape == (len(compared.times), 2 * round(REACH / STEP) + 1)
    assert np.allclose(compared.fit[:, len(compared.lags) // 2], 1, atol=1e-3)
    against = compare_motion(
        heard, lips, heard, -lips, (0, 4)
    )  # the standardized triangle against its negative: 1 - 2 z²
    z = (wave - wave.mean()) / wave.std()
    assert np.allclose(against.fit[:, len(against.lags) // 2], 1 - 2 * z**2, atol=0.01)
    with pytest.raises(ValueError, match="opening and width"):
        compare_motion(heard, lips[:, :1], heard, lips, (0, 4))


def test_a_second_out_of_sync_is_the_weakest() -> None:
    heard = np.arange(0, 12, 0.01)
    rng = np.random.default_rng(0)
    lips = np.stack([np.convolve(rng.normal(size=len(heard) + 15), np.hanning(16), "valid") for _ in range(2)], 1)
    times = np.arange(0, 12, 0.04)
    mouth = np.stack([np.interp(times, heard, c) for c in lips.T], 1) * 0.05
    wrong = (times >= 6) & (times < 7)
    mouth[wrong] = mouth[::-1][wrong]
    worst = moments.select_weakest(find_out_of_sync(compare_motion(times, mouth, heard, lips, (0, 12))))
    assert worst[0].time == pytest.approx(6.5, abs=0.3) and worst[0].severity > 1
    assert all(m.severity < 0.5 for m in worst[1:])
