"""Measures over time: frozen mouth, articulation, silence leak, flicker, windows and their confidence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.metrics import bootstrap, flicker, frozen_share, opening_range
from lipdub.metrics.silence import find_speech
from lipdub.metrics.silence_motion import silence_motion_ratio

TIMES = np.arange(100) * 0.04


def _speaking(seed: int = 0, count: int = 100) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(size=count + 8)
    return 0.2 + 0.15 * np.convolve(steps, np.hanning(5), "same")[4:-4]


# -- frozen mouth

ALL = [(-1.0, 9.0)]


def test_a_speaking_mouth_is_not_frozen_and_a_still_one_is() -> None:
    opening, width = _speaking(0), 0.6 + _speaking(1) * 0.2
    assert frozen_share.frozen_share(TIMES, opening, width, sounding=ALL) == (0.0, pytest.approx(4.0))
    trembling = np.random.default_rng(2).normal(0, 0.004, 100)
    assert frozen_share.frozen_share(TIMES, 0.2 + trembling, 0.6 + trembling, sounding=ALL).share == 1.0
    # turning the head moves the mouth slowly
    assert frozen_share.frozen_share(TIMES, 0.2 + trembling + 0.05 * TIMES, 0.6 + trembling, sounding=ALL).share == 1.0
    assert frozen_share.frozen_share(TIMES, 0.2 + trembling, 0.6 + _speaking(1), sounding=ALL).share == 0.0


def test_only_the_still_part_of_the_speech_counts() -> None:
    opening = _speaking(0)
    opening[50:] = opening[49]
    found = frozen_share.frozen_share(TIMES, opening, np.full(100, 0.6), sounding=ALL)
    assert found.share == pytest.approx(0.5, abs=0.06) and found.seconds == pytest.approx(4)
    # a mouth that rests in silence is no fault
    quiet = frozen_share.frozen_share(TIMES, opening, np.full(100, 0.6), sounding=[(0.0, 1.9)])
    assert quiet.share < 0.1 and quiet.seconds == pytest.approx(1.92, abs=0.05)


def test_where_there_is_no_long_speech_nothing_is_said() -> None:
    still = np.full(100, 0.2)
    words = [(0.8 * k, 0.8 * k + 0.7) for k in range(5)]
    for sounding, opening in (([], still), (words, still), (ALL, still * np.nan)):
        share, seconds = frozen_share.frozen_share(TIMES, opening, opening, sounding=sounding)
        assert math.isnan(share) and seconds == 0
    assert math.isnan(frozen_share.frozen_share(np.zeros(0), np.zeros(0), np.zeros(0), sounding=ALL).share)
    # a face that is lost for a while parts the speech
    lost = still.copy()
    lost[40:45] = np.nan
    assert frozen_share.frozen_share(TIMES, lost, still, sounding=ALL).seconds == pytest.approx(95 * 0.04)


def test_frame_rates_do_not_matter() -> None:
    fine = np.arange(0, 4, 1 / 60)
    opening = np.interp(fine, TIMES, _speaking(0))
    opening[fine > 2] = opening[-1]
    share = frozen_share.frozen_share(fine, opening, np.full(len(fine), 0.6), sounding=ALL).share
    assert share == pytest.approx(0.5, abs=0.06)


def test_speech_is_told_from_the_noise_of_a_room() -> None:
    rate = 16000
    t = np.arange(rate) / rate
    word = 0.3 * np.sin(2 * np.pi * 180 * t) * (np.abs(t - 0.5) > 0.1)  # with a closure of 0.2 s
    sound = np.concatenate([np.zeros(rate), word, np.zeros(rate), word])
    sound += np.random.default_rng(0).normal(0, 0.004, len(sound))  # 34 dB below: too loud to be silence
    assert find_speech(sound, rate) == [pytest.approx((1, 2), abs=0.03), pytest.approx((3, 4), abs=0.03)]
    assert find_speech(np.zeros(rate), rate) == [] == find_speech(np.zeros(0), rate)


# -- articulation and silence


def test_articulation_is_a_ratio_of_ranges() -> None:
    full = np.linspace(0, 1, 101)
    assert opening_range.motion_range(full) == pytest.approx(0.9)
    assert opening_range.range_ratio(0.3 + full / 4, full) == pytest.approx(0.25)
    spike = np.where(np.arange(101) == 50, 9.0, full)
    assert opening_range.motion_range(spike) == pytest.approx(0.9, abs=0.02)
    assert opening_range.motion_range(np.array([np.nan, 1, 1])) == 0
    assert math.isnan(opening_range.range_ratio(full, np.ones(5)))
    assert math.isnan(opening_range.motion_range(np.full(3, np.nan)))


def test_leak_is_the_motion_left_under_silence() -> None:
    opening = 0.3 + 0.1 * np.sign(np.sin(np.arange(100) * 2.1))
    opening[50:] = 0.3 + (opening[50:] - 0.3) / 4
    assert silence_motion_ratio(TIMES, opening, [(2.0, 4.0)]) == pytest.approx(0.25, rel=0.05)
    opening[50:] = 0.1
    assert silence_motion_ratio(TIMES, opening, [(2.0, 4.0)]) == pytest.approx(0, abs=1e-9)
    assert math.isnan(silence_motion_ratio(TIMES, np.full(100, 0.2), [(2.0, 4.0)]))
    assert math.isnan(silence_motion_ratio(TIMES, opening, []))


# -- flicker


def test_flicker_by_hand() -> None:
    series = np.full((40, 4), 100.0)
    series[:, :3] += 2.0 * (-1) ** np.arange(40)[:, None]
    assert flicker.flicker(series) == pytest.approx(8 / math.sqrt(6))  # second differences of 8
    series[:, 3] += 2.0 * (-1) ** np.arange(40)
    assert flicker.flicker(series) == pytest.approx(0, abs=1e-9)  # light that flickers everywhere is the scene's
    noise = np.random.default_rng(0).normal(0, 1.5, (4000, 4))
    noise[:, 3] = 0
    assert flicker.flicker(noise) == pytest.approx(1.5, rel=0.05)
    slow = np.linspace(0, 200, 40)[:, None] * [1, 1, 1, 0]
    assert flicker.flicker(slow) == pytest.approx(0, abs=1e-9)


def test_a_cut_is_no_flicker() -> None:
    series = np.concatenate([np.full((5, 4), 50.0), np.full((1, 4), np.nan), np.full((5, 4), 200.0) - [0, 0, 0, 99]])
    assert flicker.flicker(series) == 0
    assert math.isnan(flicker.flicker(series[4:7]))


# -- windows


def test_windows_overlap_by_half_and_reach_the_end() -> None:
    assert bootstrap.make_windows(12.0) == [(0, 5), (2.5, 7.5), (5, 10), (7, 12)]
    assert bootstrap.make_windows(10.0) == [(0, 5), (2.5, 7.5), (5, 10)]
    assert (
        bootstrap.make_windows(3.2) == [(0, 3.2)]
        and bootstrap.make_windows(5.0) == [(0, 5)]
        and bootstrap.make_windows(0) == []
    )
    assert len(bootstrap.make_windows(60.0)) == 23
    with pytest.raises(ValueError):
        bootstrap.make_windows(10, overlap=1)


def test_window_means_by_hand() -> None:
    times, values = np.arange(300) / 25, np.arange(300.0)
    values[125:150] = np.nan
    means = bootstrap.average_windows(times, values, [(0, 5), (5, 6), (5, 10), (11, 12)])
    assert means == pytest.approx([62, np.nan, 199.5, 287], nan_ok=True)


def test_the_interval_is_seeded_and_holds_the_mean() -> None:
    values = np.random.default_rng(0).normal(5, 1, 40)
    found = bootstrap.bootstrap_interval(values)
    assert found == bootstrap.bootstrap_interval(values) and found != bootstrap.bootstrap_interval(values, seed=1)
    assert found.low < found.mean < found.high and found.windows == 40
    assert found.mean == pytest.approx(values.mean())
    # independent values: the textbook's half width, 1.96 s / sqrt(n)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / math.sqrt(40), rel=0.25)
    assert bootstrap.bootstrap_interval(np.full(6, 3.0)) == (3, 3, 3, 6)


def test_windows_that_hang_together_are_less_sure() -> None:
    slow = np.repeat(np.random.default_rng(1).normal(0, 1, 20), 4)
    alone, together = bootstrap.bootstrap_interval(slow, run=1), bootstrap.bootstrap_interval(slow, run=8)
    assert together.high - together.low > 1.4 * (alone.high - alone.low)


def test_one_window_has_no_interval() -> None:
    found = bootstrap.bootstrap_interval(np.array([np.nan, 2.0]))
    assert found.mean == 2 and math.isnan(found.low) and math.isnan(found.high) and found.windows == 1
    assert math.isnan(bootstrap.bootstrap_interval(np.zeros(0)).mean)
