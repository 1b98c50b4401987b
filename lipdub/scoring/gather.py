"""Gather the evidence of a score: select the metrics, load their networks and run the passes."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import LipdubError
from lipdub.faces.detectors import DEFAULT_DETECTOR
from lipdub.metrics.evidence import Evidence, Feed, Observer, PassSetup, ScoredClip, TimedSpeech
from lipdub.metrics.metric import Metric, Need
from lipdub.metrics.registry import METRICS
from lipdub.scoring import full_reference, run_workspace
from lipdub.scoring.close_ups import CloseUpCutter, iter_source_pictures, sample_frames
from lipdub.scoring.speech import load_own_sound, load_speech
from lipdub.scoring.video_pass import CutCloseUp, ExpectedFace, PassResult, run_pass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lipdub.arrays import F64, I64
    from lipdub.progress import Callback
    from lipdub.scoring.options import ScoreOptions
    from lipdub.weights.store import WeightsStore
    from lipdub.workspace.folder import Workspace

_MIN_TARGET_FRAMES = 3  # fewest frames that scale the speech's opening to the mouth's range


@dataclass(frozen=True)
class Inputs:
    """The files of a score, opened.

    Attributes:
        result: the result.
        source: the source video, if known.
        ground_truth: the ground truth, if given.
        run: the workspace of the run, if given.
        speech: the speech that the result should follow; None if none was given and the result has no sound.
        order: (n,) number of the source frame of each frame of the result, -1 if there is none; None without a source.
        detector: name of the face detector.
    """

    result: Path
    source: Path | None
    ground_truth: Path | None
    run: Workspace | None
    speech: TimedSpeech | None
    order: I64 | None
    detector: str

    @property
    def available(self) -> set[Need]:
        """The available inputs."""
        inputs = {
            Need.SPEECH: self.speech,
            Need.SOURCE: self.source,
            Need.GROUND_TRUTH: self.ground_truth,
            Need.RUN: self.run,
        }
        return {need for need, value in inputs.items() if value is not None}


@dataclass
class Selection:
    """The metrics of a score.

    Attributes:
        metrics: the metrics whose inputs are available, in order of their rows.
        not_measured: the missing input of each other metric, by the metric's id.
        networks: the loaded networks, by the name of their weights.
        failures: why a network could not be loaded, by the name of its weights.
        remarks: notes on the weights for a person.
    """

    metrics: list[Metric] = field(default_factory=list)
    not_measured: dict[str, str] = field(default_factory=dict)
    networks: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def find_failure(self, metric: Metric) -> str | None:
        """Return why a metric cannot be measured, None if it can."""
        return self.failures.get(metric.weights.name) if metric.weights is not None else None

    def make_observers(self, feed: Feed, setup: PassSetup) -> dict[tuple[Feed, Any], Observer]:
        """Make the observers of a feed, one for each factory that the metrics name."""
        factories = [m.observers[feed] for m in self.metrics if feed in m.observers and self.find_failure(m) is None]
        return {(feed, factory): factory(setup) for factory in dict.fromkeys(factories)}


@dataclass(frozen=True)
class GatheredEvidence:
    """The evidence of a score, and the seconds that speech recognition took.

    Attributes:
        evidence: the input of the metrics.
        inputs: the files.
        selection: the metrics.
        passes: results of the passes over the result and the source.
        recognition_seconds: time of speech recognition.
    """

    evidence: Evidence
    inputs: Inputs
    selection: Selection
    passes: tuple[PassResult, ...]
    recognition_seconds: float


def gather(result: Path, options: ScoreOptions, progress: Callback) -> GatheredEvidence:
    """Gather the evidence on a result.

    Raises:
        InputError: a file cannot be read.
        UsageError: the folder is no workspace, or its run is unfinished.
    """
    from lipdub.metrics.bootstrap import make_windows
    from lipdub.weights.store import WeightsStore

    start = clock.perf_counter()
    inputs = open_inputs(result, options)
    recognition_seconds = clock.perf_counter() - start
    selection = select_metrics(inputs.available, WeightsStore())
    expected = run_workspace.read_expected_face(inputs.run) if inputs.run is not None else ExpectedFace()
    setup, cut_close_up = _plan_close_ups(inputs, selection.networks)
    observers = selection.make_observers(Feed.RESULT, setup)
    motion = run_pass(
        result,
        observers.values(),
        detector=inputs.detector,
        expected=expected,
        cut_close_up=cut_close_up,
        progress=progress,
        label="result",
    )
    evidence = Evidence(
        ScoredClip(result, motion, inputs.speech),
        make_windows(motion.duration),
        run=run_workspace.read_facts(inputs.run) if inputs.run is not None else None,
        networks=selection.networks,
        observers=observers,
        progress=progress,
    )
    passes = [motion]
    if inputs.source is not None:
        observers |= (source_observers := selection.make_observers(Feed.SOURCE, setup))
        faces = ExpectedFace(expected.max_faces)
        passes.append(
            run_pass(
                inputs.source,
                source_observers.values(),
                detector=inputs.detector,
                expected=faces,
                progress=progress,
                label="source",
            )
        )
        start = clock.perf_counter()
        own_sound = load_own_sound(inputs.source, "the source's own sound") if inputs.speech is not None else None
        recognition_seconds += clock.perf_counter() - start
        evidence.source = ScoredClip(inputs.source, passes[-1], own_sound)
    evidence.target_opening, evidence.target_origin = find_target(evidence, inputs.run)
    _run_pair_passes(inputs, selection, evidence)
    return GatheredEvidence(evidence, inputs, selection, tuple(passes), recognition_seconds)


def open_inputs(result: Path, options: ScoreOptions) -> Inputs:
    """Open the files of a score.

    Raises:
        InputError: a file cannot be read.
        UsageError: the folder is no workspace, or its run is unfinished.
    """
    run = run_workspace.open_finished(options.workspace) if options.workspace is not None else None
    source = options.source or (run_workspace.find_source(run) if run is not None else None)
    if options.speech is None:
        speech = load_own_sound(result, "the result's own sound")
    else:
        offset = options.offset
        if offset is None:
            offset = run_workspace.read_offset(run) if run is not None else 0.0
        speech = load_speech(options.speech, offset, options.speech.name)
    order = find_frame_order(result, source, run) if source is not None else None
    detector = options.detector or (run_workspace.read_detector(run) if run is not None else DEFAULT_DETECTOR)
    return Inputs(result, source, options.ground_truth, run, speech, order, detector)


def select_metrics(available: Iterable[Need], store: WeightsStore) -> Selection:
    """Select the metrics whose inputs are available, and load their networks."""
    from lipdub.weights import manifest

    selection = Selection()
    inputs = set(available)
    for metric in map(METRICS.get, METRICS):
        missing = [need for need in metric.needs if need not in inputs]
        if missing:
            selection.not_measured[metric.id] = missing[0].value
            continue
        selection.metrics.append(metric)
        weights = metric.weights
        if weights is None or weights.name in selection.networks or weights.name in selection.failures:
            continue
        try:
            selection.networks[weights.name] = weights.load(store)
            note = store.verify(manifest.find_entry(weights.name)).trust_note
        except LipdubError as error:
            selection.failures[weights.name] = str(error)
        else:
            selection.remarks += [note] if note else []
    return selection


def find_frame_order(result: Path, source: Path, run: Workspace | None) -> I64:
    """Return the number of the source frame that belongs to each frame of the result.

    The run's workspace holds these numbers. Without a workspace, frames are matched by their times.

    Returns:
        (n,) frame numbers, -1 if there is none.
    """
    from lipdub.media.frame_index import read_frame_times

    result_times = read_frame_times(result)
    result_times = result_times - result_times[0]
    if run is not None:
        run_order = run_workspace.read_frame_order(run)
        order = np.full(len(result_times), -1)
        order[: min(len(run_order), len(order))] = run_order[: len(order)]
        return order
    times = read_frame_times(source)
    times = times - times[0]
    spacing = float(np.median(np.diff(times))) if len(times) > 1 else np.inf
    following = np.minimum(np.searchsorted(times, result_times), len(times) - 1)
    preceding = np.maximum(following - 1, 0)
    nearest = np.where(result_times - times[preceding] < times[following] - result_times, preceding, following)
    return np.where(result_times <= times[-1] + spacing / 2, nearest, -1)


def find_target(evidence: Evidence, run: Workspace | None) -> tuple[F64 | None, str]:
    """Return the target mouth opening of each frame of the result, and the origin of the target.

    A run's workspace holds the target in eye distances. Without a workspace, the opening that the speech implies is
    scaled to the mean and deviation of the measured opening, because the talker's own range is unknown.

    Returns:
        (n,) eye distances, NaN where no target is known, or None without any target; the origin, in words.
    """
    motion = evidence.result.motion
    target = run_workspace.read_target_opening(run) if run is not None else None
    if target is not None:
        opening = np.full(len(motion), np.nan)
        opening[: min(len(target), len(opening))] = target[: len(opening)]
        return opening, "the run"
    speech = evidence.result.speech
    if speech is None:
        return None, ""
    opening = np.interp(motion.times, speech.times, speech.lips[:, 0])
    inside = (motion.times >= speech.start) & (motion.times <= speech.end)
    is_known = inside & np.isfinite(motion.mouth.opening)
    if is_known.sum() < _MIN_TARGET_FRAMES or opening[is_known].std() == 0:
        return None, ""
    measured = motion.mouth.opening[is_known]
    scaled = (opening - opening[is_known].mean()) / opening[is_known].std() * measured.std() + measured.mean()
    return np.where(inside, scaled, np.nan), "the speech"


def _plan_close_ups(inputs: Inputs, networks: Mapping[str, Any]) -> tuple[PassSetup, CutCloseUp]:
    """Choose the frames with close-ups. If there is a source, each of them has a source frame."""
    from lipdub.media.frame_index import read_frame_times

    times = read_frame_times(inputs.result)
    sampled = sample_frames(times - times[0])
    pictures = None
    if inputs.source is not None and inputs.order is not None:
        order = inputs.order
        sampled = [k for k in sampled if order[k] >= 0]
        reach = order[: sampled[-1] + 1] if sampled else order[:0]
        pictures = iter_source_pictures(inputs.source, reach, frozenset(sampled))
    find_mask = run_workspace.load_masks(inputs.run) if inputs.run is not None else None
    setup = PassSetup(tuple(sampled), inputs.source is not None, len(times), networks)
    return setup, CloseUpCutter(sampled, find_mask, pictures)


def _run_pair_passes(inputs: Inputs, selection: Selection, evidence: Evidence) -> None:
    """Run the passes that pair the result with its source or its ground truth, where these are available."""
    setup = PassSetup(frame_count=len(evidence.result.motion), networks=selection.networks)
    progress = evidence.progress
    if inputs.run is not None and inputs.source is not None:
        observers = selection.make_observers(Feed.RUN, setup)
        run_workspace.run_composites(inputs.run, inputs.result, inputs.source, observers.values(), progress)
        evidence.observers |= observers
    if inputs.ground_truth is not None:
        truth = run_pass(inputs.ground_truth, detector=inputs.detector, progress=progress, label="ground truth")
        observers = selection.make_observers(Feed.GROUND_TRUTH, setup)
        motions = evidence.result.motion, truth
        full_reference.run_pairs(inputs.result, inputs.ground_truth, observers.values(), motions, progress)
        evidence.observers |= observers
