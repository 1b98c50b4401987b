"""Still mouths in speech."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.metrics import frozen_share

TIMES = np.arange(100) * 0.04
ALL = [(-1.0, 9.0)]


def _speaking(seed: int = 0, count: int = 100) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(size=count + 8)
    return 0.2 + 0.15 * np.convolve(steps, np.hanning(5), "same")[4:-4]


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
