"""score: how good a dub is, in numbers: mouth against speech, pictures against the source, likeness to a truth.

Not cached: it reads a result of lipdub or of another tool (and, where given, the workspace it was made in) and returns
numbers, weak moments, and what a report shows. Frames are streamed: memory does not grow with the video's length, but for
some hundred bytes a frame.
"""

from __future__ import annotations

import time as clock
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import LipdubError, WeightsError
from lipdub.faces.detectors import DEFAULT_DETECTOR
from lipdub.media.pixels import to_eight_bits
from lipdub.progress import Callback, Event, ignore_event
from lipdub.scoring import full_reference, moments, no_reference, run_workspace, speech
from lipdub.scoring.report import MomentPictures, ReportEntry
from lipdub.scoring.rows import Moment, Row, Score, finite_or_none
from lipdub.scoring.video_pass import PassResult, run_pass

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from lipdub.media.pixels import Picture
    from lipdub.weights.store import WeightsStore
    from lipdub.workspace.folder import Workspace

WAVE_RATE = 50  # levels a second that a report draws of the sound
SHOT_FRAMES, SHOT_STEP = 4, 0.08  # pictures of a weak moment, and seconds between them
SHOT_HEIGHT = 200  # pixels
# Published networks some numbers need, as they are called in the weights store.
SYNCNET, ARCFACE, INCEPTION, ALEXNET = "syncnet-v2", "arcface", "inception-fid", "alexnet"


@dataclass(frozen=True)
class ScoreOptions:
    """What a result is held against. workspace: of the run that made it. truth: what it should look like. source: the
    video it was made from (by default what the workspace names). speech: the sound it follows (by default the result's
    own); offset: seconds after the first frame at which that begins. detector: what finds the faces (by default what
    the workspace's run used).
    """

    workspace: Path | None = None
    truth: Path | None = None
    source: Path | None = None
    speech: Path | None = None
    offset: float | None = None
    detector: str | None = None


def score(
    result: str | os.PathLike[str],
    *,
    workspace: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    speech: str | os.PathLike[str] | None = None,
    offset: float | None = None,
    detector: str | None = None,
    progress: Callback | None = None,
) -> Score:
    """Measures a result; arguments as in :class:`ScoreOptions`.

    Raises InputError for unreadable files, UsageError for a folder that is no workspace of this result.
    """
    given = {"workspace": workspace, "truth": truth, "source": source, "speech": speech}
    places = {name: Path(place) for name, place in given.items() if place is not None}
    return score_with_report(
        Path(result), ScoreOptions(**places, offset=offset, detector=detector), progress or ignore_event
    ).score


def score_with_report(
    result: Path, options: ScoreOptions, tell: Callback = ignore_event, *, pictures: bool = False
) -> ReportEntry:
    """Measures a result, and with `pictures` cuts out its weak moments for a report. Raises as :func:`score`."""
    began = clock.perf_counter()
    made = run_workspace.open_finished(options.workspace) if options.workspace is not None else None
    source = options.source or (run_workspace.find_source(made) if made is not None else None)
    store = _store()
    heard = _heard(result, options, made)
    hearing = clock.perf_counter() - began
    faces, expected = run_workspace.read_expected_faces(made) if made is not None else (1, None)
    detector = options.detector or (run_workspace.read_detector(made) if made is not None else DEFAULT_DETECTOR)
    look = _look(result, source, made, store)
    seen = run_pass(result, [look], expected=expected, faces=faces, detector=detector, tell=tell, what="result")
    own = no_reference.NoReferenceMetrics(frozenset())  # of the source only the flicker is wanted
    before = None
    if source is not None:
        before = run_pass(source, [own], faces=faces, detector=detector, tell=tell, what="source")
    duration = _duration(seen)
    spans = _spans(duration)
    found = _Found([_faces_row(seen)], [{"start": a, "end": b} for a, b in spans], moments.visible(look))
    if heard is not None:
        real = None
        if source is not None and before is not None:
            hearing -= clock.perf_counter()
            own_sound = speech.load_own_sound(source, "the source's own sound")
            hearing += clock.perf_counter()
            real = _Clip(source, before, own_sound)
        _follow(found, _Clip(result, seen, heard), real, spans)
        hearing -= clock.perf_counter()
        found.rows += _lse(_Clip(result, seen, heard), real, store, spans, tell)
        hearing += clock.perf_counter()
    wanted = _wanted(seen, made, heard)
    if wanted is not None and made is not None:
        found.rows += speech.wanted_rows(seen.times, wanted, seen.motion.opening, "the run")
        found.weak += moments.missed(seen.times, wanted, seen.motion.opening)
    found.rows += no_reference.rows(look, spans, own.flicker() if own.brightness else None)
    if made is not None:
        found.rows += run_workspace.untouched_rows(result, made, source, tell)
    if options.truth is not None:
        found.rows += _truth(result, options.truth, seen, store, spans, tell, detector)
    worst = moments.select_weakest(found.weak)
    tell(Event("done", "score", done=len(seen), total=len(seen)))
    passes = [seen, *([before] if before is not None else [])]
    whole = Score(
        result=str(result),
        frames=len(seen),
        duration=duration,
        rows=tuple(found.rows),
        windows=tuple(found.windows),
        moments=worst,
        series=_series(seen, wanted),
        seconds={
            "all": clock.perf_counter() - began,
            "networks": hearing + sum(p.meshing for p in passes),
            "pictures": sum(p.looking for p in passes),
            "waiting for frames": sum(p.decoding for p in passes),
        },
        notes=_notes(heard, source, store, options.truth is not None),
    )
    wave = _wave(heard, duration) if heard is not None else np.zeros(0)
    shots = _shots(result, source, made, seen, worst) if pictures else ()
    return ReportEntry(whole, wave, WAVE_RATE, shots)


@dataclass
class _Found:
    """What was found so far."""

    rows: list[Row]
    windows: list[Mapping[str, float | None]]
    weak: list[Moment]


@dataclass(frozen=True)
class _Clip:
    """A video that was watched, and what is heard beside it."""

    path: Path
    seen: PassResult
    heard: speech.SpeechTrack | None


def _follow(found: _Found, result: _Clip, real: _Clip | None, spans: Sequence[tuple[float, float]]) -> None:
    """Adds how the result's mouth follows its speech. real: the source, as the real video beside it."""
    assert result.heard is not None
    laid = speech.compare_with_speech(result.seen, result.heard)
    own = speech.compare_with_speech(real.seen, real.heard) if real is not None and real.heard is not None else None
    found.rows += speech.sync_rows(laid, spans, own)
    motion, sound = (real.seen.motion, real.heard) if real is not None else (None, None)
    found.rows += speech.motion_rows(result.seen, result.heard, motion, sound)
    found.windows = speech.sync_windows(laid, spans)
    found.weak += moments.out_of_sync(laid)
    pauses = result.heard.silent(_duration(result.seen))
    found.weak += moments.restless(result.seen.times, result.seen.motion.opening, pauses)


# -- what it is held against


def _store() -> WeightsStore:
    from lipdub.weights.store import WeightsStore

    return WeightsStore()


def _has(store: WeightsStore, name: str) -> bool:
    from lipdub.weights import manifest

    return any(entry.name == name and store.has(entry) for entry in manifest.list_entries())


def _heard(result: Path, options: ScoreOptions, made: Workspace | None) -> speech.SpeechTrack | None:
    if options.speech is None:
        return speech.load_own_sound(result, "the result's own sound")
    begins = options.offset
    if begins is None:
        begins = run_workspace.read_offset(made) if made is not None else 0.0
    return speech.load_speech(options.speech, begins, options.speech.name)


def _order(result_times: np.ndarray, source: Path, made: Workspace | None) -> np.ndarray:
    """Number of the source's frame that belongs to each of the result's, (n,); -1 where there is none."""
    from lipdub.media.frame_index import read_frame_times

    if made is not None:
        known = run_workspace.read_frame_order(made)
        out = np.full(len(result_times), -1)
        out[: min(len(known), len(out))] = known[: len(out)]
        return out
    times = read_frame_times(source)
    times = times - times[0]
    spacing = float(np.median(np.diff(times))) if len(times) > 1 else np.inf
    after = np.minimum(np.searchsorted(times, result_times), len(times) - 1)
    before = np.maximum(after - 1, 0)
    near = np.where(result_times - times[before] < times[after] - result_times, before, after)
    return np.where(result_times <= times[-1] + spacing / 2, near, -1)


def _look(
    result: Path, source: Path | None, made: Workspace | None, store: WeightsStore
) -> no_reference.NoReferenceMetrics:
    from lipdub.media.frame_index import read_frame_times

    times = read_frame_times(result)
    times = times - times[0]
    closely = no_reference.sample_frames(times)
    beside: Iterator[Picture] | None = None
    embed = None
    if source is not None:
        order = _order(times, source, made)
        closely = [k for k in closely if order[k] >= 0]
        beside = _picked(source, order[: closely[-1] + 1] if closely else order[:0], frozenset(closely))
        embed = _embedding(store)
    mask = run_workspace.load_masks(made) if made is not None else None
    return no_reference.NoReferenceMetrics(frozenset(closely), mask, beside, embed)


def _picked(source: Path, order: np.ndarray, wanted: frozenset[int]) -> Iterator[Picture]:
    """The source's frames that belong to the wanted ones. All in between are decoded too: less work than jumping."""
    from lipdub.media.read import read_frames_in_order

    there = np.flatnonzero(order >= 0)
    for k, frame in zip(there, read_frames_in_order(source, order[there]), strict=True):
        if int(k) in wanted:
            yield frame.picture


def _embedding(store: WeightsStore) -> Any:
    """What makes embeddings of faces, where its weights are there."""
    if not _has(store, ARCFACE):
        return None
    from lipdub.metrics import csim

    network = csim.load_arcface(store)

    def embed(rgb: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        return csim.embed_faces(network, csim.crop_arcface(to_eight_bits(rgb), mesh)[None])[0]

    return embed


# -- rows


def _duration(seen: PassResult) -> float:
    if len(seen) < 2:
        return 0.0
    return float(seen.times[-1] + np.median(np.diff(seen.times)))


def _spans(duration: float) -> list[tuple[float, float]]:
    from lipdub.metrics.bootstrap import make_windows

    return make_windows(duration)


def _faces_row(seen: PassResult) -> Row:
    share = seen.motion.faces / max(1, len(seen))
    return Row("faces", "frames with a face", "frame", share, "share", "higher")


def _wanted(seen: PassResult, made: Workspace | None, heard: speech.SpeechTrack | None) -> np.ndarray | None:
    """Opening asked for at each frame, in distances of the eyes: by the run; else by the speech, brought to the range of
    the mouth, as nobody knows how wide this talker opens it.
    """
    asked = run_workspace.read_target_opening(made) if made is not None else None
    if asked is not None:
        out = np.full(len(seen), np.nan)
        out[: min(len(asked), len(out))] = asked[: len(out)]
        return out
    if heard is None:
        return None
    opening = np.interp(seen.times, heard.times, heard.lips[:, 0])
    inside = (seen.times >= heard.begins) & (seen.times <= heard.ends)
    known = inside & np.isfinite(seen.motion.opening)
    if known.sum() < 3 or opening[known].std() == 0:
        return None
    got = seen.motion.opening[known]
    scaled = (opening - opening[known].mean()) / opening[known].std() * got.std() + got.mean()
    return np.where(inside, scaled, np.nan)


def _lse(
    result: _Clip, real: _Clip | None, store: WeightsStore, spans: Sequence[tuple[float, float]], tell: Callback
) -> list[Row]:
    """LSE-D, LSE-C and SyncNet's offset, where SyncNet's weights are in the store. real: the source."""
    if not _has(store, SYNCNET):
        return []
    from lipdub.metrics import lse_video
    from lipdub.metrics.bootstrap import bootstrap_interval
    from lipdub.speech.mfcc import SYNCNET_FPS

    network = lse_video.load_syncnet(store)
    apart = _lse_distances(network, result, tell)
    whole = _lse_scores(apart)
    if whole is None:
        return [Row("lse_c", "LSE-C", "crop", None, "", "higher", note=lse_video.TOO_SHORT)]
    parts = [_lse_scores(apart[:, round(a * SYNCNET_FPS) : round(b * SYNCNET_FPS)]) for a, b in spans]
    kept = [part for part in parts if part is not None]
    own = _lse_scores(_lse_distances(network, real, tell)) if real is not None and real.heard is not None else None
    note = "several tools reach more than real video does: read it beside that"
    rows = []
    for name, title, unit, better, values in (
        ("lse_d", "LSE-D", "", "lower", [s and s.distance for s in (whole, own, *kept)]),
        ("lse_c", "LSE-C", "", "higher", [s and s.confidence for s in (whole, own, *kept)]),
        (
            "lse_offset_ms",
            "SyncNet: picture after its sound by",
            "ms",
            "near zero",
            [s and s.offset * 1000 / SYNCNET_FPS for s in (whole, own, *kept)],
        ),
    ):
        around = bootstrap_interval(np.array(values[2:], np.float64))
        bounds = finite_or_none(around.low), finite_or_none(around.high)
        rows.append(
            Row(name, title, "crop", finite_or_none(values[0]), unit, better, *bounds, finite_or_none(values[1]), note)  # type: ignore[arg-type]
        )
    return rows


def _lse_distances(network: Any, clip: _Clip, tell: Callback) -> np.ndarray:
    from lipdub.media.read import read_frames
    from lipdub.metrics import lse_video

    assert clip.heard is not None
    tell(Event("progress", "score", done=0, total=len(clip.seen), message="SyncNet"))
    frames = (to_eight_bits(frame.picture.rgb()) for frame in read_frames(clip.path))
    times, boxes = clip.seen.times, clip.seen.boxes
    return lse_video.video_distances(frames, times, boxes, clip.heard.sound, network, clip.heard.begins)


def _lse_scores(apart: np.ndarray) -> Any:
    """The scores of some clips' distances, None where no face is seen long enough."""
    from lipdub.metrics import lse_video

    try:
        return lse_video.score_clips(apart)
    except ValueError:
        return None


def _truth(
    result: Path,
    path: Path,
    seen: PassResult,
    store: WeightsStore,
    spans: Sequence[tuple[float, float]],
    tell: Callback,
    detector: str,
) -> list[Row]:
    """All rows that hold the result against a ground truth."""
    from lipdub.media.read import read_frames

    right = run_pass(path, detector=detector, tell=tell, what="truth")
    notes: list[Row] = []
    lpips, inception = (_network(store, name, notes) for name in (ALEXNET, INCEPTION))
    whole = full_reference.FullReferenceMetrics()
    face = full_reference.FullReferenceMetrics(lpips, inception)
    ours, theirs = [], []
    last = (-2, -2)
    for made, other, number in full_reference.pair_frames(read_frames(result), read_frames(path)):
        a, b, peak = full_reference.match_depth(made.picture, other.picture, str(path))
        k = made.index
        fresh = (k - 1, number - 1) != last and (k - 1, number) != last
        last = (k, number)
        whole.add(seen.times[k], a, b, peak, fresh)
        points, real = seen.points[k], right.points[number]
        ours.append(points)
        theirs.append(real)
        if np.isfinite(real).all():
            face.add(seen.times[k], full_reference.align_face(a, real), full_reference.align_face(b, real), peak, fresh)
        tell(Event("progress", "score", done=k + 1, total=len(seen), message="truth"))
    note = f"{len(ours)} of {len(seen)} frames"
    rows = whole.rows("frame", "", note, spans)
    rows += face.rows("crop", "_crop", f"{len(face.alike)} of {len(seen)} faces", spans)
    if ours:
        rows += full_reference.landmark_rows(
            whole.times, np.stack(ours).astype(np.float64), np.stack(theirs).astype(np.float64), spans
        )
    return rows + notes


def _network(store: WeightsStore, name: str, notes: list[Row]) -> Any:
    """A network some numbers need, None where its weights or its package are not there; then a row says so."""
    from lipdub.metrics import fid, lpips

    row, load = ("lpips_crop", lpips.load_lpips) if name == ALEXNET else ("fid_crop", fid.load_inception)
    try:
        return load(store)
    except (WeightsError, LipdubError) as error:
        notes.append(Row(row, row.split("_")[0].upper(), "crop", None, "", "lower", note=str(error)))
        return None


# -- the report


def _series(seen: PassResult, wanted: np.ndarray | None) -> dict[str, list[float | None]]:
    out = {"time": seen.times.tolist(), "opening": seen.motion.opening.tolist(), "width": seen.motion.width.tolist()}
    if wanted is not None:
        out["wanted"] = wanted.tolist()
    return {name: [finite_or_none(v) for v in values] for name, values in out.items()}


def _remarks(store: WeightsStore, truth_too: bool) -> list[str]:
    """What a person should know of the published networks' weights that numbers were made with."""
    from lipdub.weights import manifest

    names = (SYNCNET, ARCFACE, *((ALEXNET, INCEPTION) if truth_too else ()))
    kept = (store.verify(manifest.find_entry(name)) for name in names if _has(store, name))
    return [k.remark for k in kept if k.remark]


def _notes(
    heard: speech.SpeechTrack | None, source: Path | None, store: WeightsStore, truth_too: bool
) -> tuple[str, ...]:
    notes = []
    if heard is None:
        notes.append("there is no sound to hold the mouth against: give --speech")
    else:
        notes.append(f"the mouth is held against {heard.origin}")
    if source is None:
        notes.append(
            "without the source, seams, colours and sharpness are judged by the result alone, which finds less"
        )
    notes += _remarks(store, truth_too)
    if not _has(store, SYNCNET):
        notes.append(f"LSE-D and LSE-C need SyncNet's published weights: lipdub weights pull {SYNCNET}")
    return tuple(notes)


def _wave(heard: speech.SpeechTrack, duration: float) -> np.ndarray:
    """Levels 0..1 of the sound from the first frame on, `WAVE_RATE` a second."""
    size = SAMPLE_RATE_HZ // WAVE_RATE
    shift = round(heard.begins * SAMPLE_RATE_HZ)
    sound = heard.sound[-shift:] if shift < 0 else np.concatenate([np.zeros(shift, np.float32), heard.sound])
    sound = sound[: round(duration * SAMPLE_RATE_HZ)]
    count = len(sound) // size
    levels = np.abs(sound[: count * size].reshape(count, size)).max(1) if count else np.zeros(0)
    return levels / max(float(levels.max(initial=0)), 1e-6)


def _shots(
    result: Path, source: Path | None, made: Workspace | None, seen: PassResult, worst: Sequence[Moment]
) -> list[MomentPictures]:
    """The faces around each weak moment."""
    from lipdub.scoring.report import encode_jpeg

    order = _order(seen.times, source, made) if source is not None else None
    out = []
    for moment in worst:
        times = moment.time + (np.arange(SHOT_FRAMES) - (SHOT_FRAMES - 1) / 2) * SHOT_STEP
        frames = np.unique(np.abs(seen.times[:, None] - times).argmin(0))
        points = seen.points[frames]
        known = np.isfinite(points).all((1, 2))
        box = _face_box(points[known]) if known.any() else None
        strips = [_strip(result, frames, box)]
        if source is not None and order is not None and (order[frames] >= 0).all():
            strips.append(_strip(source, order[frames], box))
        out.append(
            MomentPictures(moment, *(encode_jpeg(s) for s in strips))
            if len(strips) == 2
            else MomentPictures(moment, encode_jpeg(strips[0]), None)
        )
    return out


def _face_box(points: np.ndarray) -> tuple[float, float, float, float]:
    low, high = points.min((0, 1)), points.max((0, 1))
    middle, half = (low + high) / 2, 0.62 * float((high - low).max())
    return (*(middle - half), *(middle + half))


def _strip(path: Path, frames: np.ndarray, box: tuple[float, float, float, float] | None) -> np.ndarray:
    """Frames beside each other, cut to a box, RGB uint8."""
    import cv2

    from lipdub.media.read import read_frames_in_order

    tiles = []
    for frame in read_frames_in_order(path, frames):
        picture = frame.picture
        if box is None:
            rgb = picture.rgb()
        else:
            x0, y0 = (int(max(0, v)) // 2 * 2 for v in box[:2])
            x1, y1 = int(min(picture.width, box[2])), int(min(picture.height, box[3]))
            rgb = picture.rgb((x0, y0, max(x1, x0 + 2), max(y1, y0 + 2)))
        rgb = to_eight_bits(rgb)
        width = max(1, round(rgb.shape[1] * SHOT_HEIGHT / rgb.shape[0]))
        tiles.append(cv2.resize(rgb, (width, SHOT_HEIGHT), interpolation=cv2.INTER_AREA))
    height = SHOT_HEIGHT
    widest = max(t.shape[1] for t in tiles)
    canvas = np.full((height, widest * len(tiles) + 4 * (len(tiles) - 1), 3), 255, np.uint8)
    for k, tile in enumerate(tiles):
        canvas[:, k * (widest + 4) : k * (widest + 4) + tile.shape[1]] = tile
    return canvas
