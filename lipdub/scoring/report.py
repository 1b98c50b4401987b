"""A score as one page for people: numbers, curves over time, and the weakest moments as pictures. Nothing outside it is
loaded, so that it can be mailed.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

    from lipdub.scoring.rows import Moment, Row, Score

PER_SECOND = 60  # pixels of the curves
WAVE, CURVE, BAND = 56, 120, 26  # pixels of height
_JPEG = 88


@dataclass(frozen=True)
class MomentPictures:
    """A weak moment's pictures: JPEG of the face in the result, and in the source where there is one; the frames after it
    too, as one strip.
    """

    moment: Moment
    result: bytes
    source: bytes | None


@dataclass(frozen=True)
class ReportEntry:
    """A score with what is drawn of it. wave: (n,) levels 0..1 of the sound, `per_second` of them a second."""

    score: Score
    wave: np.ndarray
    per_second: float
    shots: Sequence[MomentPictures] = ()


def render_page(entries: Sequence[ReportEntry], made_with: str) -> str:
    """The page, HTML, of one score or of several beside each other."""
    return _template().render(
        entries=[
            {
                "score": entry.score,
                "short": PurePath(entry.score.result).name,
                "svg": draw_curves(entry),
                "shots": [
                    {"moment": s.moment, "result": _data(s.result), "source": _data(s.source) if s.source else None}
                    for s in entry.shots
                ],
            }
            for entry in entries
        ],
        table=align_rows([entry.score for entry in entries]),
        notes=list(dict.fromkeys(note for entry in entries for note in entry.score.notes)),
        made_with=made_with,
    )


def align_rows(scores: Sequence[Score]) -> list[dict[str, object]]:
    """A line for each number that any of the scores has: its name, and a cell for each score (None where it has none)."""
    order: dict[str, Row] = {}
    for score in scores:
        for row in score.rows:
            order.setdefault(row.id, row)
    cells: list[Mapping[str, Row]] = [{row.id: row for row in score.rows} for score in scores]
    return [{"row": row, "cells": [own.get(name) for own in cells]} for name, row in order.items()]


def format_number(value: float | None) -> str:
    """A value as people read it."""
    if value is None:
        return "–"
    if abs(value) >= 100 or float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.2g}"


def encode_jpeg(rgb: np.ndarray) -> bytes:
    """A picture (h, w, 3) uint8 as a JPEG file."""
    import cv2

    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG])
    if not done:
        raise ValueError("a picture could not be written as JPEG")
    return data.tobytes()


def draw_curves(entry: ReportEntry) -> str:
    """Waveform, asked and measured opening, agreement of each window and weak moments over time, as SVG."""
    from markupsafe import escape

    score = entry.score
    width = max(320, round(score.duration * PER_SECOND))
    height = WAVE + CURVE + BAND + 22
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">'
    ]
    parts += [_wave(entry.wave, entry.per_second, width)]
    times = np.array([np.nan if t is None else t for t in score.series.get("time", [])], np.float64)
    for name, kind in (("wanted", "asked"), ("opening", "seen")):
        values = np.array([np.nan if v is None else v for v in score.series.get(name, [])], np.float64)
        parts.append(_line(times, values, score.series, kind))
    for k, window in enumerate(score.windows):
        a, b, agreement = window["start"], window["end"], window.get("av_sync")
        if a is None or b is None:
            continue
        words = f"{a:.1f} to {b:.1f} s: agreement {format_number(agreement)}, picture late by {format_number(window.get('av_offset_ms'))} ms"
        # windows overlap by half: each shows its middle
        first = 0.0 if k == 0 else a + (b - a) / 4
        last = score.duration if k == len(score.windows) - 1 else b - (b - a) / 4
        parts.append(
            f'<rect x="{first * PER_SECOND:.1f}" y="{WAVE + CURVE + 2}" width="{(last - first) * PER_SECOND:.1f}" '
            f'height="{BAND - 6}" fill="{_shade(agreement)}"><title>{escape(words)}</title></rect>'
        )
    for k, moment in enumerate(score.moments, 1):
        x = moment.time * PER_SECOND
        if moment.times < 1:
            continue
        parts.append(
            f'<g class="weak"><line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{WAVE + CURVE}"/>'
            f'<text x="{x + 3:.1f}" y="12">{k}</text><title>{escape(f"{moment.time:.2f} s: {moment.words}")}</title></g>'
        )
    for second in range(int(score.duration) + 1):
        x = second * PER_SECOND
        parts.append(f'<text class="tick" x="{x + 2}" y="{height - 6}">{second // 60}:{second % 60:02d}</text>')
        parts.append(f'<line class="tick" x1="{x}" x2="{x}" y1="{height - 20}" y2="{height}"/>')
    return "".join([*parts, "</svg>"])


def _wave(levels: np.ndarray, per_second: float, width: int) -> str:
    x = np.arange(len(levels)) / per_second * PER_SECOND
    kept = x <= width
    top = WAVE / 2 * (1 - np.clip(levels[kept], 0, 1))
    upper = [f"{a:.1f},{b:.1f}" for a, b in zip(x[kept], top, strict=True)]
    lower = [f"{a:.1f},{WAVE - b:.1f}" for a, b in zip(x[kept][::-1], top[::-1], strict=True)]
    return f'<polygon class="wave" points="{" ".join([*upper, *lower])}"/>' if upper else ""


def _line(times: np.ndarray, values: np.ndarray, series: Mapping[str, Sequence[float | None]], kind: str) -> str:
    """A curve, broken where nothing is known; all curves share one scale."""
    if not len(values) or len(values) != len(times):
        return ""
    drawn = [v for name in ("wanted", "opening") for v in series.get(name, []) if v is not None]
    low, high = (min(drawn), max(drawn)) if drawn else (0.0, 1.0)
    y = WAVE + CURVE - 6 - (values - low) / max(high - low, 1e-6) * (CURVE - 14)
    path, on = [], False
    for t, at in zip(times, y, strict=True):
        if np.isfinite(at) and np.isfinite(t):
            path.append(f"{'L' if on else 'M'}{t * PER_SECOND:.1f} {at:.1f}")
        on = bool(np.isfinite(at))
    return f'<path class="{kind}" d="{" ".join(path)}"/>'


def _shade(agreement: float | None) -> str:
    """Green where a window agrees, red where it does not, grey where nothing is known."""
    if agreement is None:
        return "#c9ccd2"
    good = min(max(agreement / 0.8, 0.0), 1.0)
    return f"hsl({round(120 * good)} 55% 52%)"


def _data(content: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")


def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = format_number
    return environment.from_string(files("lipdub.scoring").joinpath("report.html.j2").read_text(encoding="utf-8"))
