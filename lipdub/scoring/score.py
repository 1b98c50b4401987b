"""The score of a dub, in numbers.

A score reads a result of lipdub or of another tool, and where given its source, its speech, its ground truth and the
workspace it was made in. It is not cached. Frames are streamed: memory grows by some hundred bytes a frame.
"""

from __future__ import annotations

import time as clock
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.metrics.bootstrap import bootstrap_interval
from lipdub.progress import Callback, Event, ignore_event
from lipdub.scoring.gather import GatheredEvidence, gather
from lipdub.scoring.moments import select_weakest
from lipdub.scoring.options import ScoreOptions
from lipdub.scoring.report import ReportEntry
from lipdub.scoring.rows import Row, Score, finite_or_none

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from lipdub.arrays import F64
    from lipdub.metrics.evidence import Evidence, TimedSpeech
    from lipdub.metrics.metric import Measurement, Metric, Moment

WAVE_RATE = 50  # levels of the sound per second in a report
_MIN_LEVEL = 1e-6


def score(
    result: str | os.PathLike[str],
    *,
    workspace: str | os.PathLike[str] | None = None,
    ground_truth: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    speech: str | os.PathLike[str] | None = None,
    offset: float | None = None,
    detector: str | None = None,
    progress: Callback | None = None,
    truth: str | os.PathLike[str] | None = None,
) -> Score:
    """Measure a result.

    Args:
        result: a dubbed video, of lipdub or of another tool.
        workspace: folder of the run that made it.
        ground_truth: video that the result should look like.
        source: the video that the result was made from; by default the one that the workspace names.
        speech: the sound that the result should follow; by default its own.
        offset: seconds after the first frame at which the speech begins; by default as in the workspace, else 0.
        detector: name of the face detector; by default the one the workspace was made with, else "mediapipe".
        progress: called with events.
        truth: former name of `ground_truth`, deprecated.

    Raises:
        InputError: a file cannot be read.
        UsageError: the folder is no workspace, or its run is unfinished.
    """
    if truth is not None:
        warnings.warn("truth is now called ground_truth", DeprecationWarning, stacklevel=2)
    ground_truth = truth if ground_truth is None else ground_truth
    files = {"workspace": workspace, "ground_truth": ground_truth, "source": source, "speech": speech}
    paths = {name: Path(path) for name, path in files.items() if path is not None}
    options = ScoreOptions(**paths, offset=offset, detector=detector)
    return score_with_report(Path(result), options, progress or ignore_event).score


def score_with_report(
    result: Path, options: ScoreOptions, progress: Callback = ignore_event, *, pictures: bool = False
) -> ReportEntry:
    """Measure a result for a report.

    Args:
        result: a dubbed video.
        options: the files that it is compared with.
        progress: called with events.
        pictures: whether to cut out the weakest moments.

    Raises:
        InputError: a file cannot be read.
        UsageError: the folder is no workspace, or its run is unfinished.
    """
    from lipdub.scoring.moment_pictures import cut_moment_pictures

    start_time = clock.perf_counter()
    gathered = gather(result, options, progress)
    evidence, inputs = gathered.evidence, gathered.inputs
    motion = evidence.result.motion
    rows = _measure_rows(gathered)
    moments = select_weakest(rows.moments)
    progress(Event("done", "score", done=len(motion), total=len(motion)))
    whole = Score(
        result=str(result),
        frames=len(motion),
        duration=motion.duration,
        rows=tuple(rows.rows),
        windows=tuple(rows.windows),
        moments=moments,
        series=_make_series(evidence),
        seconds={
            "all": clock.perf_counter() - start_time,
            "networks": gathered.recognition_seconds + rows.network_seconds + sum(p.meshing for p in gathered.passes),
            "pictures": sum(p.observing for p in gathered.passes),
            "waiting for frames": sum(p.decoding for p in gathered.passes),
        },
        notes=_make_notes(gathered),
        not_measured=gathered.selection.not_measured,
    )
    speech = evidence.result.speech
    wave = _measure_levels(speech, motion.duration) if speech is not None else np.zeros(0)
    cut = cut_moment_pictures(result, inputs.source, inputs.order, motion, moments) if pictures else ()
    return ReportEntry(whole, wave, WAVE_RATE, cut)


@dataclass
class _Rows:
    """The rows, windows and moments of a score."""

    rows: list[Row] = field(default_factory=list)
    windows: list[Mapping[str, float | None]] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    network_seconds: float = 0.0


def _measure_rows(gathered: GatheredEvidence) -> _Rows:
    """Measure every metric whose inputs are available."""
    evidence, selection = gathered.evidence, gathered.selection
    windows: list[dict[str, float | None]] = [{"start": start, "end": end} for start, end in evidence.windows]
    out = _Rows(windows=list(windows))
    for metric in selection.metrics:
        failure = selection.find_failure(metric)
        if failure is not None:
            out.rows.append(Row(metric.id, metric.title, metric.region, None, metric.unit, metric.better, note=failure))
            continue
        start_time = clock.perf_counter()
        measurement = metric.measure(evidence)
        if metric.weights is not None:
            out.network_seconds += clock.perf_counter() - start_time
        if measurement is None:
            continue
        out.rows.append(make_row(metric, measurement))
        if metric.moments is not None:
            out.moments += metric.moments(evidence)
        if measurement.windows is not None:
            for window, value in zip(windows, measurement.windows, strict=True):
                window[metric.id] = finite_or_none(value)
    return out


def make_row(metric: Metric, measurement: Measurement) -> Row:
    """Make the row of a metric from its measurement."""
    low = high = None
    if measurement.windows is not None:
        interval = bootstrap_interval(measurement.windows)
        low, high = finite_or_none(interval.low), finite_or_none(interval.high)
    return Row(
        metric.id,
        metric.title,
        metric.region,
        finite_or_none(measurement.value),
        metric.unit,
        metric.better,
        low,
        high,
        finite_or_none(measurement.real_value),
        "; ".join(note for note in (measurement.note, metric.note) if note),
    )


def _make_series(evidence: Evidence) -> dict[str, list[float | None]]:
    motion = evidence.result.motion
    series = {"time": motion.times, "opening": motion.mouth.opening, "width": motion.mouth.width}
    if evidence.target_opening is not None:
        series["target"] = evidence.target_opening
    return {name: [finite_or_none(value) for value in values.tolist()] for name, values in series.items()}


def _make_notes(gathered: GatheredEvidence) -> tuple[str, ...]:
    speech = gathered.evidence.result.speech
    notes = [
        f"the mouth is compared with {speech.origin}"
        if speech is not None
        else "the result has no sound to compare the mouth with: give --speech"
    ]
    if gathered.inputs.source is None:
        notes.append("without --source, seams, colours and sharpness are judged by the result alone, which finds less")
    return (*notes, *gathered.selection.remarks)


def _measure_levels(speech: TimedSpeech, duration: float) -> F64:
    """Return the levels of a speech from the first frame on, `WAVE_RATE` a second: (n,) 0..1."""
    size = SAMPLE_RATE_HZ // WAVE_RATE
    shift = round(speech.start * SAMPLE_RATE_HZ)
    sound = speech.sound[-shift:] if shift < 0 else np.concatenate([np.zeros(shift, np.float32), speech.sound])
    sound = sound[: round(duration * SAMPLE_RATE_HZ)]
    count = len(sound) // size
    levels = np.abs(sound[: count * size].reshape(count, size)).max(1) if count else np.zeros(0)
    return levels / max(float(levels.max(initial=0)), _MIN_LEVEL)
