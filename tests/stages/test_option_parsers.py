"""Times and bit rates as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.stages.option_parsers import parse_rate, parse_time


@given(st.integers(0, 10**8))
def test_a_time_is_read_in_each_of_its_forms(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes_of_hour = divmod(minutes, 60)
    forms = (
        f"{seconds:.3f}",
        f"{minutes}:{rest / 1000:06.3f}",
        f"{hours}:{minutes_of_hour:02d}:{rest / 1000:06.3f}",
        f" {seconds:.3f} ",
    )
    for text in forms:
        assert parse_time(text) == pytest.approx(seconds, abs=1e-6)
    assert parse_time(seconds) == seconds


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_time(text)
    except ValueError as error:
        assert "is not a time" in str(error)  # noqa: PT017, most texts are no times
    else:
        assert seconds >= 0


@pytest.mark.parametrize("text", ["", ":", "1:", "-1", "1:2:3:4", "1e3", "nan", "inf", "1,5", "1:-2", "."])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_time(text)


@given(st.integers(1, 10**9))
def test_a_bit_rate_is_read_in_each_of_its_forms(rate: int) -> None:
    assert parse_rate(str(rate)) == parse_rate(rate) == rate
    assert parse_rate(f"{rate}k") == rate * 1000
    assert parse_rate(f"{rate}M") == rate * 1_000_000


@pytest.mark.parametrize("text", ["", "k", "-1k", "1g", "1 000"])
def test_what_is_no_bit_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a bit rate"):
        parse_rate(text)


def test_times() -> None:
    assert [parse_time(text) for text in ("83.5", "1:23.5", "0:01:23.500", ".5", "2", "1:00:00")] == [
        83.5,
        83.5,
        83.5,
        0.5,
        2.0,
        3600.0,
    ]
