"""Option values as people write them: times and bit rates."""

from __future__ import annotations

import re

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)([kKmM]?)")


def parse_time(text: str | float) -> float:
    """Return the seconds of "83.5", "1:23.5" or "0:01:23.500".

    Raises:
        ValueError: The text is not a time.
    """
    if isinstance(text, (int, float)):
        return float(text)
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time; write seconds or h:mm:ss.sss")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def parse_rate(text: str | int) -> int:
    """Return the bits per second of "256k", "1.5M" or "256000".

    Raises:
        ValueError: The text is not a bit rate.
    """
    if isinstance(text, int):
        return text
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a bit rate; write bits per second, such as 256k")
    number, unit = match.groups()
    return round(float(number) * {"": 1, "k": 1000, "m": 1_000_000}[unit.lower()])
