"""The numbers of a score, and the stable form in which they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from lipdub.errors import UsageError

SCHEMA = 2
Better = Literal["higher", "lower", "near zero", "near one", ""]


@dataclass(frozen=True)
class Row:
    """One number.

    ``id`` is its stable name, ``on`` what it was measured on: "frame" (whole frames), "crop" (aligned faces), "mouth"
    (landmarks), "sound" or "file". ``better`` says which way is good. ``value`` None: not to be had, and ``note`` says
    why. ``low`` and ``high`` are the 95 % interval over windows, ``anchor`` is the same number of the real video.
    """

    id: str
    name: str
    on: str
    value: float | None
    unit: str = ""
    better: Better = ""
    low: float | None = None
    high: float | None = None
    anchor: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Moment:
    """One of the weakest places: seconds from the first frame, the row it is weak in, and how many times its limit it
    reaches; from 1 on it is to be noticed.
    """

    time: float
    row: str
    times: float
    words: str


@dataclass(frozen=True)
class Score:
    """All that was found. ``windows`` are dicts with "start", "end" and numbers by row id; ``series`` numbers at each of
    the times in its "time"; ``seconds`` what was spent on what; ``notes`` are for people.
    """

    result: str
    frames: int
    duration: float
    rows: tuple[Row, ...]
    windows: tuple[Mapping[str, float | None], ...] = ()
    moments: tuple[Moment, ...] = ()
    series: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def row(self, name: str) -> Row:
        """The row with this id. Raises UsageError when there is none."""
        for row in self.rows:
            if row.id == name:
                return row
        raise UsageError(f"this score has no {name!r}", hint=f"It has {', '.join(row.id for row in self.rows)}.")

    def to_json(self) -> dict[str, Any]:
        """Plain values, without NaN or infinity."""
        return {"schema": SCHEMA, **_plain(asdict(self))}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 5) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def finite_or_none(value: float | None) -> float | None:
    """The value, None where it is none."""
    return float(value) if value is not None and math.isfinite(value) else None


def parse_thresholds(given: Sequence[str]) -> dict[str, float]:
    """Thresholds from "ID=NUMBER" words. Raises UsageError."""
    out = {}
    for word in given:
        name, sign, number = word.partition("=")
        try:
            out[name.strip()] = float(number)
        except ValueError:
            sign = ""
        if not sign:
            raise UsageError(f"a threshold is NAME=NUMBER, not {word!r}", hint="For example: av_sync=0.4")
    return out


def find_failures(score: Score, under: Mapping[str, float], over: Mapping[str, float]) -> list[str]:
    """A line for each threshold that is missed; a number that is not to be had misses it. Raises UsageError for a name the
    score does not have.
    """
    out = []
    for wanted, least in ((under, True), (over, False)):
        for name, limit in wanted.items():
            value = score.row(name).value
            if value is None:
                out.append(f"{name} is not to be had: {score.row(name).note}")
            elif value < limit if least else value > limit:
                out.append(f"{name} is {value:.4g}, {'under' if least else 'over'} {limit:g}")
    return out
