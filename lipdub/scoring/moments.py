"""Where a result is weakest: the places that reach furthest beyond a limit, apart from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.scoring.rows import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lipdub.metrics.sync import Comparison
    from lipdub.scoring.no_reference import NoReferenceMetrics

COUNT = 10
APART = 0.8  # seconds between two places
SYNC_WINDOW = 1.0  # seconds
# Agreement over a second that half of a real talker's seconds beside another speech reach; what is less is out of sync.
OUT_OF_SYNC = 0.3
MISSED = 0.08  # eye distances by which the opening misses what was asked, over `MISSED_OVER` seconds
MISSED_OVER = 0.2
MOVES = 0.08  # eye distances of opening in a pause, over its median there


def select_weakest(found: Iterable[Moment], count: int = COUNT, apart: float = APART) -> tuple[Moment, ...]:
    """The weakest places, the weakest first, none nearer to a weaker one than `apart`."""
    out: list[Moment] = []
    for moment in sorted(found, key=lambda m: (-m.times, m.time)):
        if len(out) == count:
            break
        if moment.times > 0 and all(abs(moment.time - other.time) >= apart for other in out):
            out.append(moment)
    return tuple(out)


def out_of_sync(compared: Comparison) -> list[Moment]:
    """Seconds in which the mouth does not agree with the speech."""
    from lipdub.metrics.sync import estimate_sync

    out = []
    last = float(compared.times[-1]) if len(compared.times) else 0.0
    for start in np.arange(0.0, max(last - SYNC_WINDOW, 0.0) + 1e-9, SYNC_WINDOW / 2):
        agreement = estimate_sync(compared, start, start + SYNC_WINDOW).agreement
        if np.isfinite(agreement):
            times = (1 - agreement) / (1 - OUT_OF_SYNC)
            out.append(
                Moment(start + SYNC_WINDOW / 2, "av_sync", float(times), f"mouth against speech {agreement:.2f}")
            )
    return out


def missed(times: np.ndarray, wanted: np.ndarray, got: np.ndarray) -> list[Moment]:
    """Places where the opening is not the one asked for; (n,) each, eye distances."""
    off = np.abs(wanted - got)
    out = []
    for start in np.arange(0.0, float(times[-1]) if len(times) else 0.0, MISSED_OVER):
        here = off[(times >= start) & (times < start + MISSED_OVER)]
        here = here[np.isfinite(here)]
        if len(here):
            much = float(here.mean())
            words = f"opening misses what was asked by {much:.2f} eye distances"
            out.append(Moment(start + MISSED_OVER / 2, "followed", much / MISSED, words))
    return out


def restless(times: np.ndarray, opening: np.ndarray, silent: Iterable[tuple[float, float]]) -> list[Moment]:
    """Places in pauses where the mouth is open more than it mostly is there."""
    from lipdub.metrics.silence import MARGIN

    inside = np.zeros(len(times), bool)
    for start, end in silent:
        inside |= (times >= start + MARGIN) & (times <= end - MARGIN)
    known = inside & np.isfinite(opening)
    if known.sum() < 3:
        return []
    more = opening - np.median(opening[known])
    return [
        Moment(
            float(times[k]), "silence_leak", float(more[k]) / MOVES, f"open by {more[k]:.2f} eye distances in a pause"
        )
        for k in np.flatnonzero(known & (more > 0))
    ]


def visible(pixels: NoReferenceMetrics) -> list[Moment]:
    """Seconds with a seam or a step of colour, and frames with a blurred mouth."""
    from lipdub.scoring.no_reference import BLOCK, seam_of, step_of, visible_from

    limits = visible_from(pixels.source is not None)
    out = []
    for at in sorted(pixels.blocks):
        around = pixels.between((at - 1) * BLOCK, (at + 2) * BLOCK)
        for row, of, words in (
            ("seam", seam_of, "seam of {:.1f} grey levels"),
            ("colour_step", step_of, "colours step by {:.1f}"),
        ):
            value = of(around)
            if np.isfinite(value):
                out.append(Moment((at + 0.5) * BLOCK, row, value / limits[row], words.format(value)))
    for time, (mouth, _, _, before) in zip(pixels.times, pixels.sharp, strict=True):
        value = mouth - before if pixels.source is not None else mouth
        if np.isfinite(value):
            times = value / limits["mouth_sharpness"]
            out.append(Moment(time, "mouth_sharpness", times, f"mouth has {-value:.1f} octaves less detail"))
    return out
