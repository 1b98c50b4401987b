"""Makes the clips of one video of a dataset.

The detect stage searches the video; its chunks are kept in a scratch folder, so that a long video can be resumed. A
grid of 25 moments a second is laid over the video, and each moment takes the nearest source frame. The stretches in
which a track passes the filters become clips, each written as a shard.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import InputError
from lipdub.progress import Callback, ignore_event
from lipdub.training import shards

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.arrays import F64, I64, Array, Mask
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.metrics.evidence import TimedSpeech
    from lipdub.metrics.motion_sync import Comparison
    from lipdub.training.dataset_options import ClipOptions

VERSION = 2  # of the result for the same video and options
MAX_FACES = 3  # faces that are searched for in a frame: enough to find that there are several
MAX_FRAME_DISTANCE = 0.04  # most seconds from a moment to its source frame
_BLOCK = 256  # frames whose landmarks are in memory at once

REASONS = {
    "no-face": "no face",
    "false-face": "like a face, without eyes and mouth in their places",
    "cut-mouth": "with the mouth at the border of the picture or beyond",
    "several-faces": "more than one face",
    "too-short": "too short",
    "small-face": "face too small",
    "no-sound": "no sound",
    "out-of-sync": "mouth does not go with the sound",
    "late-sound": "picture and sound are apart",
    "duplicate": "same content as another video",
}
"""Reasons why parts of a video are left out, by their names in the index."""


@dataclass(frozen=True)
class _Stretch:
    """Moments first..stop-1 of the grid in which a track passes the filters."""

    track: int
    first: int
    stop: int


def write_clips(
    video: Path,
    name: str,
    shard_folder: Path,
    scratch: Path,
    options: ClipOptions,
    callback: Callback = ignore_event,
    *,
    placements: F64 | None = None,
    has_one_face: bool = False,
) -> dict[str, Any]:
    """Write a video's clips.

    Args:
        video: the video.
        name: prefix of the clips' ids, unique to the video.
        shard_folder: folder of the shards.
        scratch: folder for intermediate files, until all clips are written.
        options: sizes and filters.
        callback: called with the events of the detect stage.
        placements: (n, 4) of the crops of all frames, by default fitted to the face that is found.
        has_one_face: whether the video is known to show one face and no other: the first that is found is trusted.

    Returns:
        `clips` and `rejected` in plain values.

    Raises:
        InputError: the video cannot be read.
        EnvironmentFailure: a shard cannot be written.
    """
    from lipdub.media.frame_index import read_frame_times
    from lipdub.media.probe import probe
    from lipdub.stages.base import StageContext
    from lipdub.stages.detect import stage
    from lipdub.stages.detect.options import DetectOptions
    from lipdub.stages.detect.store import DetectStore
    from lipdub.stages.job import Job
    from lipdub.workspace.stage_store import StageStore

    media = probe(video)
    if media.video is None:
        raise InputError(f"{video} holds no video")
    rejected: list[dict[str, Any]] = []
    if not media.audio:
        return {"clips": [], "rejected": [_make_rejection("no-sound", 0.0, float(media.video.duration))]}
    store = StageStore(scratch, "detect")
    context = StageContext(Job(video=video), media, store, {}, {}, stage="prepare", callback=callback)
    detect = DetectOptions(max_faces=1 if has_one_face else MAX_FACES)
    summary = stage.run(context, detect, must_check=not has_one_face)
    times = read_frame_times(video)
    times = times - times[0]
    detected = DetectStore(store, summary, lambda: times)
    grid, near = resample_moments(times)
    rejected += [_make_rejection("false-face", track["start"], track["end"]) for track in summary["false_tracks"]]
    rejected += [_make_rejection("cut-mouth", part["start"], part["end"]) for part in summary["cut_mouths"]]
    if not detected.tracks:
        rejected = rejected or [_make_rejection("no-face", 0.0, len(grid) / shards.FPS)]
        return {"clips": [], "rejected": rejected}
    speech = _load_sound(video, options)
    clips: list[tuple[_Stretch, TrackLandmarks, dict[str, Any]]] = []
    for track in detected.tracks:
        view = detected.landmarks(track["id"])
        comparison = _compare_mouth(view, times, speech) if options.min_sync > 0 else None
        for stretch in _find_stretches(detected.owners, track["id"], grid, near, options, rejected):
            facts = _measure_stretch(stretch, view, grid, comparison, options, rejected)
            if facts is not None:
                clips.append((stretch, view, facts))
    written = []
    for number, (stretch, view, facts) in enumerate(clips):
        arrays = _cut_arrays(video, grid, stretch, view, options, placements)
        arrays["audio"], arrays["mel"] = _cut_stretch_sound(speech, stretch)
        written.append(_write_clip(f"{name}-{number:04d}", shard_folder, stretch, facts, arrays))
    return {"clips": written, "rejected": rejected}


def _write_clip(
    ident: str, shard_folder: Path, stretch: _Stretch, facts: dict[str, Any], arrays: dict[str, Array]
) -> dict[str, Any]:
    """Write a shard. Returns the clip's row of the index."""
    relative = f"{ident[:2]}/{ident}.safetensors"
    size, digest = shards.write_shard(shard_folder / relative, arrays)
    return {
        "id": ident,
        "track": stretch.track,
        "start": stretch.first / shards.FPS,
        "frames": stretch.stop - stretch.first,
        **facts,
        "shard": relative,
        "bytes": size,
        "digest": digest,
    }


def options_key(options: ClipOptions) -> dict[str, Any]:
    """Return the settings that two runs must share for their clips to belong together, in plain values."""
    from lipdub.stages.detect import stage

    return {"version": [VERSION, stage.SPEC.version, shards.FORMAT], **asdict(options)}


def resample_moments(times: F64) -> tuple[I64, Mask]:
    """Lay a grid of 25 moments a second over frames.

    Args:
        times: (n,) seconds from the first frame.

    Returns:
        the source frame nearest to each moment, the earlier of two, (m,) int64; whether it is near enough, (m,) bool.
    """
    count = int(np.floor(times[-1] * shards.FPS + 0.5 + 1e-6)) + 1
    moment_times = np.arange(count) / shards.FPS
    following = np.clip(np.searchsorted(times, moment_times), 1, max(len(times) - 1, 1))
    previous = following - 1
    following = np.minimum(following, len(times) - 1)
    grid = np.where(times[following] - moment_times < moment_times - times[previous] - 1e-9, following, previous)
    return grid, np.abs(times[grid] - moment_times) <= MAX_FRAME_DISTANCE + 1e-6


def _load_sound(video: Path, options: ClipOptions) -> TimedSpeech:
    """Load the video's sound, and with a sync filter the lip motion that it implies."""
    from lipdub.media.audio import load_audio, probe_audio_source
    from lipdub.media.probe import probe
    from lipdub.metrics.evidence import TimedSpeech
    from lipdub.scoring.speech import load_own_sound

    if options.min_sync > 0:
        speech = load_own_sound(video, "its own sound")
        assert speech is not None
        return speech
    facts = probe(video).video
    assert facts is not None
    begins = float(probe_audio_source(video).start - facts.start_time)
    return TimedSpeech(
        load_audio(video, SAMPLE_RATE_HZ), begins, np.empty(0), np.empty((0, 2), np.float32), "its own sound"
    )


def _compare_mouth(track: TrackLandmarks, times: Array, speech: TimedSpeech) -> Comparison:
    """Compare a track's mouth with the sound."""
    from lipdub.metrics.motion_sync import compare_motion
    from lipdub.metrics.mouth_motion import measure_mouth_shape

    first, stop = track.first, track.last + 1
    shapes = np.full((stop - first, 2), np.nan)
    for low in range(first, stop, _BLOCK):
        points = track.read(low, min(low + _BLOCK, stop))
        for i in np.flatnonzero(np.isfinite(points[:, 0, 0])):
            shapes[low - first + i] = measure_mouth_shape(points[i])[:2]
    return compare_motion(times[first:stop], shapes, speech.times, speech.lips, (speech.start, speech.end))


def _find_stretches(
    owner: Array,
    track: int,
    grid: Array,
    near: Array,
    options: ClipOptions,
    rejected: list[dict[str, Any]],
) -> Iterator[_Stretch]:
    """Find stretches of the allowed length in which the track is visible, and with `faces` "one" no other."""
    from lipdub.faces import smoothing
    from lipdub.faces.tracking import MAX_FILLED_FRAMES

    visible = (owner == track).any(1)
    spans = smoothing.find_runs(visible)
    for (_, a), (b, _) in pairwise(spans):
        if b - a <= MAX_FILLED_FRAMES:  # such gaps are filled by interpolation
            visible[a:b] = True
    fit = visible[grid] & near
    if options.faces == "one":
        others = ((owner != 0) & (owner != track)).any(1)[grid]
        rejected += [
            _make_rejection("several-faces", a / shards.FPS, b / shards.FPS, track)
            for a, b in smoothing.find_runs(fit & others)
        ]
        fit &= ~others
    least, most = round(options.shortest * shards.FPS), round(options.longest * shards.FPS)
    for a, b in smoothing.find_runs(fit):
        edges = np.linspace(a, b, -(-(b - a) // most) + 1).round().astype(int)
        for first, stop in pairwise(edges):
            if stop - first >= least:
                yield _Stretch(track, int(first), int(stop))
            else:
                rejected.append(_make_rejection("too-short", first / shards.FPS, stop / shards.FPS, track))


def _measure_stretch(
    stretch: _Stretch,
    track: TrackLandmarks,
    grid: Array,
    comparison: Comparison | None,
    options: ClipOptions,
    rejected: list[dict[str, Any]],
) -> dict[str, Any] | None:
    """Measure the face and sync of a stretch; None if a filter rejects it."""
    from lipdub.faces.alignment import full_face
    from lipdub.metrics.motion_sync import CHANCE_CONFIDENCE, estimate_sync
    from lipdub.scoring.rows import finite_or_none

    start, end = stretch.first / shards.FPS, stretch.stop / shards.FPS
    places = full_face.fit_placements(_read_points(track, grid, stretch), 1 / shards.FPS)
    face = float(np.median(places[:, 2])) * full_face.SIDE
    facts: dict[str, Any] = {"face_px": round(face, 1), "sync": None, "offset": None, "confidence": None}
    if face < options.min_face:
        rejected.append(_make_rejection("small-face", start, end, stretch.track, face))
        return None
    if comparison is not None:
        estimate = estimate_sync(comparison, start, end)
        if not estimate.agreement >= options.min_sync:
            rejected.append(_make_rejection("out-of-sync", start, end, stretch.track, estimate.agreement))
            return None
        sure = estimate.confidence >= CHANCE_CONFIDENCE
        if sure and abs(estimate.offset) > options.max_offset:
            rejected.append(_make_rejection("late-sound", start, end, stretch.track, estimate.offset))
            return None
        numbers = {
            "sync": estimate.agreement,
            "offset": estimate.offset if sure else None,
            "confidence": estimate.confidence,
        }
        facts |= {
            name: None if (v := finite_or_none(value)) is None else round(v, 4) for name, value in numbers.items()
        }
    return facts


def _read_points(track: TrackLandmarks, grid: Array, stretch: _Stretch) -> Array:
    """Read the track's landmarks at a stretch's moments, (m, 478, 3) pixels of the source frame."""
    frames = grid[stretch.first : stretch.stop]
    result: Array = track.read(int(frames[0]), int(frames[-1]) + 1)[frames - frames[0]]
    return result


def _cut_arrays(
    video: Path,
    grid: Array,
    stretch: _Stretch,
    track: TrackLandmarks,
    options: ClipOptions,
    placements: F64 | None,
) -> dict[str, Array]:
    """Make a shard's arrays but the sound, in one pass over the frames."""
    from lipdub.faces.alignment import full_face
    from lipdub.faces.masks.outlines import draw_lower_face

    side, zoom = options.side, options.side / options.size
    frames = grid[stretch.first : stretch.stop]
    points = _read_points(track, grid, stretch)
    places = full_face.fit_placements(points, 1 / shards.FPS) if placements is None else placements[frames]
    depth = points[..., 2] * (side / (full_face.SIDE * zoom * places[:, 2:3]))
    inside = np.concatenate([full_face.map_to_crops(points, places, side, zoom), depth[..., None]], 2)
    masks = np.stack([draw_lower_face(p, side, side) for p in inside])
    return {
        "crops": read_crops(video, frames, places, side, zoom),
        "landmarks": inside.astype(np.float32),
        "masks": shards.pack_masks(masks),
        "placements": places,
        "frames": frames.astype(np.int32),
    }


def read_crops(video: Path, frames: Array, places: Array, side: int, zoom: float) -> Array:
    """Cut crops from a video.

    Args:
        video: the video.
        frames: (n,) ascending numbers of frames.
        places: (n, 4) placements.
        side: side of the crops, pixels.
        zoom: `side` over the side of the face's square.

    Returns:
        (n, side, side, 3) uint8 RGB.
    """
    from lipdub.faces.alignment import full_face
    from lipdub.media.read import read_frames

    crops = np.empty((len(frames), side, side, 3), np.uint8)
    source = read_frames(video, int(frames[0]), int(frames[-1]) + 1)
    frame = next(source)
    for i, number in enumerate(frames):
        while frame.index < number:
            frame = next(source)
        crops[i] = full_face.align(places[i], side, zoom).crop_picture(frame.picture)
    return crops


def _cut_stretch_sound(speech: TimedSpeech, stretch: _Stretch) -> tuple[Array, Array]:
    """Cut the sound of a stretch and its mel. Before and after the video's sound there is silence."""
    first = round((stretch.first / shards.FPS - speech.start) * SAMPLE_RATE_HZ)
    return cut_sound(speech.sound, first, stretch.stop - stretch.first)


def cut_sound(sound: Array, first: int, frames: int) -> tuple[Array, Array]:
    """Cut a shard's audio and mel out of a sound.

    Args:
        sound: (samples,) float32 at 16 kHz.
        first: first sample; before and after the sound there is silence.
        frames: frames of the shard.

    Returns:
        audio (640 frames,) int16 and mel (columns, 80) float32.
    """
    from lipdub.speech import mel

    out = np.zeros(frames * shards.SAMPLES_PER_FRAME, np.float32)
    a, b = max(first, 0), min(first + len(out), len(sound))
    if a < b:
        out[a - first : b - first] = sound[a:b]
    audio = np.clip(np.round(out * 32768), -32768, 32767).astype(np.int16)
    return audio, mel.compute_spectrogram(audio.astype(np.float32) / 32768).T


def _make_rejection(
    reason: str, start: float, end: float, track: int = 0, value: float | None = None
) -> dict[str, Any]:
    number = None if value is None or not np.isfinite(value) else round(float(value), 4)
    return {"reason": reason, "track": track, "start": float(start), "end": float(end), "value": number}
