"""The numbers of a score, and the stable form in which they are written."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from lipdub.errors import InputError, UsageError
from lipdub.metrics.metric import Better, Moment

SCHEMA = 3
_JSON_DIGITS = 5  # after the point
#: Ids of schema 2 and their present names. They are accepted, with a note, wherever a row is named.
OLD_IDS = {
    "silence_leak": "silence_motion_ratio",
    "frozen_mouth": "frozen_share",
    "articulation": "opening_range_ratio_source",
    "followed": "opening_target_corr",
    "missed_by": "opening_target_mae",
    "articulation_wanted": "opening_range_ratio_target",
    "mouth_against_cheeks": "sharpness_mouth_vs_cheeks",
    "changed_outside": "unmasked_changed_samples",
    "frame_times": "pts_max_error_ms",
    "f_ld": "f_lmd",
    "f_ld_eyes": "f_lmd_eyes",
}
# Fields of schema 2 and their present names.
_OLD_ROW_FIELDS = {"name": "title", "on": "region", "anchor": "real_value"}
_OLD_MOMENT_FIELDS = {"times": "severity", "words": "text"}
_OLD_SERIES = {"wanted": "target"}


@dataclass(frozen=True)
class Row:
    """One number of a score.

    Attributes:
        id: stable name.
        title: name of the number.
        region: what it was measured on: "frame", "crop" (cut-out faces), "face" or "mouth" (landmarks), or "file".
        value: the number; None if it could not be measured, and then `note` says why.
        unit: of the value; "" for a pure number.
        better: which values are good.
        low: lower bound of the 95 % interval over windows; None if there is none.
        high: upper bound.
        real_value: the same number of the real video; None if unknown.
        note: a remark on the value for the reader.
    """

    id: str
    title: str
    region: str
    value: float | None
    unit: str = ""
    better: Better = ""
    low: float | None = None
    high: float | None = None
    real_value: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Score:
    """All numbers of a result.

    Attributes:
        result: path of the result.
        frames: of the result.
        duration: seconds.
        rows: the numbers.
        windows: for each window "start" and "end", in seconds, and numbers by row id.
        moments: the weakest places, the weakest first.
        series: numbers at each of the times in "time": "opening" and "width" of the mouth, and "target", the target
            opening.
        seconds: time spent on each part of the scoring.
        notes: for people.
        not_measured: by row id, which input is missing for a number.
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
    not_measured: Mapping[str, str] = field(default_factory=dict)

    def row(self, name: str) -> Row:
        """Return the row with this id. Ids of schema 2 are accepted with a DeprecationWarning.

        Raises:
            UsageError: the score has no such row.
        """
        current = OLD_IDS.get(name, name)
        if current != name:
            warnings.warn(f"the row {name} is now called {current}", DeprecationWarning, stacklevel=2)
        for row in self.rows:
            if row.id == current:
                return row
        if current in self.not_measured:
            raise UsageError(f"{current} was not measured: it needs {self.not_measured[current]}")
        raise UsageError(f"this score has no {name!r}", hint=f"It has {', '.join(row.id for row in self.rows)}.")

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without NaN or infinity."""
        return {"schema": SCHEMA, **_to_plain(asdict(self))}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Score:
        """Read the values of `to_json`, of this schema or of schema 2.

        Raises:
            InputError: it is no score of a known schema.
        """
        schema = content.get("schema")
        if schema not in (2, SCHEMA):
            raise InputError(f"a score of schema {schema!r} cannot be read", hint=f"Known are 2 and {SCHEMA}.")
        rows = [_rename(row, _OLD_ROW_FIELDS) for row in content["rows"]]
        moments = [_rename(moment, _OLD_MOMENT_FIELDS) for moment in content["moments"]]
        known = {f.name for f in fields(cls)} & set(content)
        return cls(
            **{name: content[name] for name in known - {"rows", "windows", "moments", "series", "notes"}},
            rows=tuple(Row(**{**row, "id": OLD_IDS.get(row["id"], row["id"])}) for row in rows),
            windows=tuple(content["windows"]),
            moments=tuple(Moment(**{**m, "row": OLD_IDS.get(m["row"], m["row"])}) for m in moments),
            series=_rename(content["series"], _OLD_SERIES),
            notes=tuple(content["notes"]),
        )


def _rename(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_to_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), _JSON_DIGITS) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def finite_or_none(value: float | None) -> float | None:
    """Return the value, None if it is not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def parse_thresholds(words: Sequence[str]) -> dict[str, float]:
    """Parse thresholds of the form "ID=NUMBER"; ids of schema 2 are replaced by the present ones.

    Raises:
        UsageError: a word has another form.
    """
    thresholds = {}
    for word in words:
        name, sign, number = word.partition("=")
        try:
            limit = float(number)
        except ValueError:
            sign = ""
        if not sign:
            raise UsageError(f"a threshold is NAME=NUMBER, not {word!r}", hint="For example: av_sync=0.4")
        thresholds[OLD_IDS.get(name.strip(), name.strip())] = limit
    return thresholds


def find_old_ids(words: Sequence[str]) -> dict[str, str]:
    """Return the ids of schema 2 among thresholds "ID=NUMBER", with their present names."""
    names = (word.partition("=")[0].strip() for word in words)
    return {name: OLD_IDS[name] for name in names if name in OLD_IDS}


def find_failures(score: Score, under: Mapping[str, float], over: Mapping[str, float]) -> list[str]:
    """Return a line for each threshold that a score misses. A number without a value misses every threshold.

    Args:
        score: to check.
        under: by row id, the least value allowed.
        over: by row id, the greatest value allowed.

    Raises:
        UsageError: the score has no row of that name.
    """
    lines = []
    for thresholds, is_minimum in ((under, True), (over, False)):
        for name, limit in thresholds.items():
            row = score.row(name)
            if row.value is None:
                lines.append(f"{name} is not available: {row.note}")
            elif row.value < limit if is_minimum else row.value > limit:
                lines.append(f"{name} is {row.value:.4g}, {'under' if is_minimum else 'over'} {limit:g}")
    return lines
