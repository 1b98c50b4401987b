"""A score as one page: numbers, curves over time, and the weakest moments as pictures.

The page loads nothing from outside, so that it can be mailed.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

    from lipdub.arrays import F64, U8
    from lipdub.metrics.metric import Moment
    from lipdub.scoring.rows import Row, Score

PER_SECOND = 60  # pixels of the curves
WAVE, CURVE, BAND, TICKS = 56, 120, 26, 22  # pixels of height
_MIN_WIDTH = 320  # pixels
_JPEG_QUALITY = 88
_FULL_AGREEMENT = 0.8  # agreement of a window that is drawn fully green


@dataclass(frozen=True)
class MomentPictures:
    """The pictures of a weak moment.

    Attributes:
        moment: the weak moment.
        result: JPEG file, a strip of frames of the result around the moment.
        source: the same strip of the source; None without a source.
    """

    moment: Moment
    result: bytes
    source: bytes | None


@dataclass(frozen=True)
class ReportEntry:
    """A score with the curves and pictures of its report.

    Attributes:
        score: the numbers.
        wave: (n,) float64 levels of the sound, 0..1.
        per_second: levels a second.
        pictures: of the weakest moments.
    """

    score: Score
    wave: F64
    per_second: float
    pictures: Sequence[MomentPictures] = ()


class AlignedRow(NamedTuple):
    """A line of a table of several scores.

    Attributes:
        row: row of the first score that has it, for the texts.
        cells: the row of each score, None if it has none.
    """

    row: Row
    cells: list[Row | None]


def render_page(entries: Sequence[ReportEntry], made_with: str) -> str:
    """Render the page of one score, or of several side by side, as HTML."""
    return _load_template().render(
        entries=[
            {
                "score": entry.score,
                "short": PurePath(entry.score.result).name,
                "svg": draw_curves(entry),
                "pictures": [
                    {
                        "moment": picture.moment,
                        "result": _make_data_url(picture.result),
                        "source": _make_data_url(picture.source) if picture.source else None,
                    }
                    for picture in entry.pictures
                ],
            }
            for entry in entries
        ],
        table=align_rows([entry.score for entry in entries]),
        notes=list(dict.fromkeys(note for entry in entries for note in entry.score.notes)),
        made_with=made_with,
    )


def align_rows(scores: Sequence[Score]) -> list[AlignedRow]:
    """Return a line for each row that any of the scores has."""
    order: dict[str, Row] = {}
    for score in scores:
        for row in score.rows:
            order.setdefault(row.id, row)
    cells: list[Mapping[str, Row]] = [{row.id: row for row in score.rows} for score in scores]
    return [AlignedRow(row, [own.get(name) for own in cells]) for name, row in order.items()]


def format_number(value: float | None) -> str:
    """Format a value for people: three significant digits, whole numbers as they are."""
    if value is None:
        return "–"
    if abs(value) >= 100 or float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.2g}"


def encode_jpeg(rgb: U8) -> bytes:
    """Encode a picture (h, w, 3) uint8 RGB as a JPEG file."""
    import cv2

    is_done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    if not is_done:
        raise ValueError("a picture could not be written as JPEG")
    content: bytes = data.tobytes()
    return content


def draw_curves(entry: ReportEntry) -> str:
    """Draw waveform, target and measured opening, agreement of each window and weak moments over time, as SVG."""
    score = entry.score
    width = max(_MIN_WIDTH, round(score.duration * PER_SECOND))
    height = WAVE + CURVE + BAND + TICKS
    times = _to_array(score.series.get("time", []))
    curves = [
        _draw_curve(times, _to_array(score.series.get(name, [])), score.series, style)
        for name, style in (("target", "asked"), ("opening", "seen"))
    ]
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            _draw_levels(entry.wave, entry.per_second, width),
            *curves,
            *_draw_windows(score),
            *_draw_moments(score),
            *_draw_ticks(score.duration, height),
            "</svg>",
        ]
    )


def _draw_windows(score: Score) -> list[str]:
    """Draw the agreement of each window as a coloured box."""
    from markupsafe import escape

    parts = []
    for k, window in enumerate(score.windows):
        start, end, agreement = window["start"], window["end"], window.get("av_sync")
        if start is None or end is None:
            continue
        delay = format_number(window.get("av_offset_ms"))
        text = f"{start:.1f} to {end:.1f} s: agreement {format_number(agreement)}, picture late by {delay} ms"
        # windows overlap by half: each shows its middle
        first = 0.0 if k == 0 else start + (end - start) / 4
        last = score.duration if k == len(score.windows) - 1 else end - (end - start) / 4
        parts.append(
            f'<rect x="{first * PER_SECOND:.1f}" y="{WAVE + CURVE + 2}" width="{(last - first) * PER_SECOND:.1f}" '
            f'height="{BAND - 6}" fill="{_choose_colour(agreement)}"><title>{escape(text)}</title></rect>'
        )
    return parts


def _draw_moments(score: Score) -> list[str]:
    """Draw a line at each moment that a viewer notices."""
    from markupsafe import escape

    parts = []
    for k, moment in enumerate(score.moments, 1):
        if moment.severity < 1:
            continue
        x = moment.time * PER_SECOND
        parts.append(
            f'<g class="weak"><line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{WAVE + CURVE}"/>'
            f'<text x="{x + 3:.1f}" y="12">{k}</text><title>{escape(f"{moment.time:.2f} s: {moment.text}")}</title></g>'
        )
    return parts


def _draw_ticks(duration: float, height: int) -> list[str]:
    """Draw the seconds."""
    parts = []
    for second in range(int(duration) + 1):
        x = second * PER_SECOND
        parts.append(f'<text class="tick" x="{x + 2}" y="{height - 6}">{second // 60}:{second % 60:02d}</text>')
        parts.append(f'<line class="tick" x1="{x}" x2="{x}" y1="{height - 20}" y2="{height}"/>')
    return parts


def _to_array(values: Sequence[float | None]) -> F64:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _draw_levels(levels: F64, per_second: float, width: int) -> str:
    """Draw the levels of the sound."""
    x = np.arange(len(levels)) / per_second * PER_SECOND
    is_inside = x <= width
    top = WAVE / 2 * (1 - np.clip(levels[is_inside], 0, 1))
    upper = [f"{a:.1f},{b:.1f}" for a, b in zip(x[is_inside], top, strict=True)]
    lower = [f"{a:.1f},{WAVE - b:.1f}" for a, b in zip(x[is_inside][::-1], top[::-1], strict=True)]
    return f'<polygon class="wave" points="{" ".join([*upper, *lower])}"/>' if upper else ""


def _draw_curve(times: F64, values: F64, series: Mapping[str, Sequence[float | None]], style: str) -> str:
    """Draw a curve, broken where nothing is known; all curves share one scale."""
    if not len(values) or len(values) != len(times):
        return ""
    known = [v for name in ("target", "opening") for v in series.get(name, []) if v is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    y = WAVE + CURVE - 6 - (values - low) / max(high - low, 1e-6) * (CURVE - 14)
    path, is_drawing = [], False
    for time, height in zip(times, y, strict=True):
        if np.isfinite(height) and np.isfinite(time):
            path.append(f"{'L' if is_drawing else 'M'}{time * PER_SECOND:.1f} {height:.1f}")
        is_drawing = bool(np.isfinite(height))
    return f'<path class="{style}" d="{" ".join(path)}"/>'


def _choose_colour(agreement: float | None) -> str:
    """Return green for a window that agrees, red for one that does not, grey if nothing is known."""
    if agreement is None:
        return "#c9ccd2"
    good = min(max(agreement / _FULL_AGREEMENT, 0.0), 1.0)
    return f"hsl({round(120 * good)} 55% 52%)"


def _make_data_url(content: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")


def _load_template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = format_number
    return environment.from_string(files("lipdub.scoring").joinpath("report.html.j2").read_text(encoding="utf-8"))
