"""Lengths and extension of the result."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.errors import UsageError
from lipdub.media.timeline import END_SLACK, EXTENSION_MODES, LENGTH_POLICIES, plan_timeline
from tests.properties import repeatable

BASE = Fraction(1, 12800)


def random_pts(seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    count = int(draw.integers(1, 40))
    gaps = draw.integers(200, 900, count) if seed % 2 else np.full(count, 512)
    return int(draw.integers(0, 5000)) + np.cumsum(gaps)


@pytest.mark.parametrize("length", LENGTH_POLICIES)
@pytest.mark.parametrize("extend", EXTENSION_MODES)
def test_what_holds_for_every_plan(length: str, extend: str) -> None:
    for seed in range(60):
        pts = random_pts(seed)
        draw = np.random.default_rng(1000 + seed)
        speech = float(draw.uniform(0.0, 6.0))
        offset = float(draw.uniform(-0.5, 1.0))
        plan = plan_timeline(pts, BASE, speech, length=length, extend=extend, offset=offset, last_duration=512)
        own = min(len(plan), len(pts))
        # The part that is the source's stays as it is.
        assert plan.original <= len(pts)
        assert np.array_equal(plan.pts[:own], pts[:own]) and np.array_equal(plan.source[:own], np.arange(own))
        # Times rise, frames follow each other without holes, and all of them exist.
        assert (np.diff(plan.pts) > 0).all() and (plan.duration > 0).all()
        assert np.array_equal(plan.pts[1:], plan.pts[:-1] + plan.duration[:-1])
        assert plan.source.min() >= 0 and plan.source.max() < len(pts)
        if len(plan) > len(pts):
            assert plan.original == len(pts)
            assert extend == "loop" or np.abs(np.diff(plan.source)).max(initial=0) <= 1
        # It ends where it should, to within the last frame.
        video_end = float((int(pts[-1]) + 512) * BASE)
        speech_end = float(plan.speech_start) + speech
        expected = {
            "video": video_end,
            "speech": speech_end,
            "longest": max(video_end, speech_end),
            "shortest": min(video_end, speech_end),
        }[length]
        if expected > float(plan.start):
            assert float(plan.end) >= expected - 0.00101
            assert float(plan.time[-1]) <= expected or len(plan) == 1


def test_exact_counts() -> None:
    pts = np.arange(10) * 512
    assert len(plan_timeline(pts, BASE, 0.4, length="longest")) == 10
    assert len(plan_timeline(pts, BASE, 1.0, length="longest")) == 25
    assert len(plan_timeline(pts, BASE, 1.0005, length="longest")) == 25  # half a millisecond asks for no frame
    assert len(plan_timeline(pts, BASE, 1.01, length="longest")) == 26
    assert len(plan_timeline(pts, BASE, 0.2, length="speech")) == 5
    assert len(plan_timeline(pts, BASE, 0.2, length="shortest")) == 5
    assert len(plan_timeline(pts, BASE, 0.2, length="longest")) == 10
    assert len(plan_timeline(pts, BASE, 1.0, length="video")) == 10
    assert len(plan_timeline(pts, BASE, None, length="speech")) == 10
    assert len(plan_timeline(pts, BASE, 0.0, length="speech")) == 1


def test_pingpong_shows_no_end_frame_twice() -> None:
    plan = plan_timeline(np.arange(4) * 512, BASE, 0.56, extend="pingpong")
    assert plan.source.tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]


def test_loop_and_freeze() -> None:
    pts = np.arange(3) * 512
    assert plan_timeline(pts, BASE, 0.28, extend="loop").source.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert plan_timeline(pts, BASE, 0.28, extend="freeze").source.tolist() == [0, 1, 2, 2, 2, 2, 2]


def test_uneven_motion_keeps_its_own_speed_backwards() -> None:
    pts = np.array([0, 100, 400, 1000])
    plan = plan_timeline(pts, Fraction(1, 1000), 2.6, extend="pingpong", last_duration=600)
    assert plan.source.tolist()[:8] == [0, 1, 2, 3, 2, 1, 0, 1]
    assert plan.pts.tolist()[:8] == [0, 100, 400, 1000, 1600, 1900, 2000, 2100]


def test_rates_that_do_not_divide_the_time_base_stay_even() -> None:
    pts = np.array([round(number * 1000 / 29.97) for number in range(30)])
    plan = plan_timeline(pts, Fraction(1, 1000), 60.0, extend="freeze")
    assert abs(len(plan) / 60.0 - 29.97) < 0.05
    assert set(np.diff(plan.pts).tolist()) <= {33, 34}


def test_still_picture_and_offset() -> None:
    plan = plan_timeline(np.array([0]), Fraction(1, 25), 2.0, last_duration=1, offset=0.5)
    assert len(plan) == 63 and (plan.source == 0).all()
    assert plan.speech_start == Fraction(1, 2)


def test_unknown_words_are_usage_errors() -> None:
    with pytest.raises(UsageError):
        plan_timeline(np.array([0]), BASE, 1.0, length="forever")
    with pytest.raises(UsageError):
        plan_timeline(np.array([0]), BASE, 1.0, extend="mirror")
    with pytest.raises(ValueError, match="must rise"):
        plan_timeline(np.array([5, 5]), BASE, 1.0)


@repeatable
@given(
    gaps=st.lists(st.integers(1, 5000), max_size=12),
    start=st.integers(-1000, 100_000),
    denominator=st.sampled_from([24, 25, 1000, 12800, 90000]),
    speech=st.none() | st.fractions(0, 2, max_denominator=1000),
    offset=st.fractions(-1, 1, max_denominator=1000),
    length=st.sampled_from(LENGTH_POLICIES),
    extend=st.sampled_from(EXTENSION_MODES),
    last=st.none() | st.integers(1, 5000),
)
def test_frames_follow_each_other_to_the_end(
    gaps: list[int],
    start: int,
    denominator: int,
    speech: Fraction | None,
    offset: Fraction,
    length: str,
    extend: str,
    last: int | None,
) -> None:
    pts = start + np.concatenate([[0], np.cumsum(gaps)]).astype(np.int64)
    plan = plan_timeline(
        pts, Fraction(1, denominator), speech, length=length, extend=extend, offset=offset, last_duration=last
    )
    assert (plan.duration > 0).all()
    assert np.array_equal(plan.pts[1:], plan.pts[:-1] + plan.duration[:-1])
    assert np.array_equal(plan.source[: plan.original], np.arange(plan.original))
    assert np.array_equal(plan.pts[: plan.original], pts[: plan.original])
    assert plan.source.min() >= 0
    assert plan.source.max() < len(pts)
    assert len(plan) == plan.original or plan.original == len(pts)
    assert plan.speech_start == plan.start + offset
    if length in ("speech", "longest") and speech is not None:
        assert plan.end >= plan.speech_start + speech - END_SLACK
    if speech is not None and len(plan) > len(pts):
        assert int(plan.pts[-1]) * plan.time_base < plan.speech_start + speech  # no frame too many


@pytest.mark.parametrize(("told", "last"), [(None, 10), (1, 10), (5, 5), (700, 700)])
def test_the_last_frame_is_shown_as_long_as_the_file_says_unless_that_is_hardly_at_all(
    told: int | None, last: int
) -> None:
    plan = plan_timeline(np.arange(0, 100, 10), Fraction(1, 250), None, last_duration=told)
    assert plan.duration.tolist() == [10] * 9 + [last]
