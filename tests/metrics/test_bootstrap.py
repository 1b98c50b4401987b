"""Windows and their confidence intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.metrics import bootstrap


def test_windows_overlap_by_half_and_reach_the_end() -> None:
    assert bootstrap.make_windows(12.0) == [(0, 5), (2.5, 7.5), (5, 10), (7, 12)]
    assert bootstrap.make_windows(10.0) == [(0, 5), (2.5, 7.5), (5, 10)]
    assert (
        bootstrap.make_windows(3.2) == [(0, 3.2)]
        and bootstrap.make_windows(5.0) == [(0, 5)]
        and bootstrap.make_windows(0) == []
    )
    assert len(bootstrap.make_windows(60.0)) == 23
    with pytest.raises(ValueError, match="no windows"):
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
