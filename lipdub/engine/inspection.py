"""Inspect a video within seconds, by samples of its frames, and report what a run would find.

The inspection uses a run's detector, tracker, limits of size and pose, and test for covered mouths.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.engine.contact_sheet import SheetPicture, cut_face, draw_overview, write_contact_sheet
from lipdub.engine.estimate import estimate_cost, measure_megapixels
from lipdub.errors import InputError
from lipdub.faces import detectors
from lipdub.faces.detectors.base import MAX_SEARCH_SIDE, RESTART_CHANGE
from lipdub.faces.smoothing import find_runs
from lipdub.faces.unit_selection import MAX_UNIT_YAW, MIN_MOUTH_PX
from lipdub.progress import Callback, Event, ignore_event
from lipdub.stages.detect.summary import describe_cut_spans, describe_false_spans
from lipdub.stages.job import default_out
from lipdub.stages.visibility import PROFILE_DEGREES, profile_weights

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from lipdub.arrays import F32, F64, U8
    from lipdub.faces.detectors.face_check import FaceScores
    from lipdub.media.frame_index import FrameIndex
    from lipdub.media.probe import MediaFacts, VideoFacts
    from lipdub.media.read import SourceFrame

SCHEMA = 1
MAX_EXACT_WORK = 900.0  # frames times megapixels of the largest video that is read from end to end
SAMPLE_COUNT = 96  # frames searched for faces
MAX_KEY_DISTANCE = 60  # most frames decoded to reach a sample; else the previous key frame is the sample
MIN_COVERAGE = 0.8  # share of the video that the samples must span; below it, a note reports partial samples
CHANGE_WIDTH = 160  # columns of the pictures compared for cuts
MIN_OPENING_SPREAD = 0.035  # least spread of a talking mouth's opening, in distances between the eyes
COARSE_MOUTH_PX = 22.0  # mouth width below which a note warns of few details; a run dubs the mouth all the same
CHECK_STEP = 4  # samples per sample whose faces are checked
OVERVIEW_COUNT = 8  # whole frames of the contact sheet
_MIN_MOVING_SAMPLES = 5  # fewest samples that show whether a mouth moves
_SILENT_SHARE = 0.98  # share of silence from which a speech counts as silent
_LENGTH_TOLERANCE = 0.5  # seconds between the ends of video and speech without a note


@dataclass
class _Face:
    """One face in one sample; `track` is 0 if the tracker drops it as noise."""

    sample: int
    box: F64  # x, y of the middle and size, pixels of the video
    mouth_px: float
    opening: float
    yaw: float
    colour: F64  # RGB 0..1 of the skin around the mouth
    brow_colour: F64  # RGB 0..1 of the skin between the eyebrows
    picture: U8
    view: tuple[bool, bool, bool]  # what the picture shows of the face, in the order of `FaceViews`
    scores: FaceScores | None = None  # of a second look at the face
    covered: bool = False
    track: int = 0


@dataclass
class _Samples:
    """The samples of a video and the faces in them."""

    times: list[float]  # seconds from the first frame
    shots: list[tuple[int, int]]
    faces: list[_Face]
    false_spans: list[tuple[float, float]]  # of what looks like a face, but is none
    cut_spans: list[tuple[float, float]]  # of faces whose mouth is not wholly in the picture
    overview: list[SheetPicture]
    end: float  # of the video, seconds from the first frame
    is_exact: bool  # every frame was compared with the one before
    is_dense: bool  # every frame was searched

    @property
    def spacing(self) -> float:
        """Median seconds between two samples."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0

    def find_spans(self, samples: Sequence[int]) -> list[list[float]]:
        """Join neighbouring samples to spans [start, end] in seconds."""
        spans: list[list[float]] = []
        previous = -2
        for sample in samples:
            is_last = sample + 1 >= len(self.times)
            until = max(self.end, self.times[sample]) if is_last else self.times[sample + 1]
            if sample == previous + 1:
                spans[-1][1] = round(until, 3)
            else:
                spans.append([round(self.times[sample], 3), round(until, 3)])
            previous = sample
        return spans


def inspect(
    video: str | os.PathLike[str],
    *,
    speech: str | os.PathLike[str] | None = None,
    sheet: Path | None = None,
    detector: str = detectors.DEFAULT_DETECTOR,
    progress: Callback | None = None,
) -> dict[str, Any]:
    """Inspect a video: its facts, shots, faces and difficulties, and the cost of a run.

    Short videos are read whole, and `exact` is True. Of long videos, up to `SAMPLE_COUNT` frames are read, key frames
    where possible. This takes seconds, and spans are exact to the distance of two samples. All times are seconds from
    the first frame.

    Args:
        video: the source.
        speech: the speech of the run, for its length.
        sheet: where a contact sheet is written, as PNG, JPEG, WebP, TIFF or BMP.
        detector: name of the face detector, one of `faces.detectors.DETECTORS`.
        progress: called with events.

    Returns:
        Plain values: schema, path, video, audio, speech, exact, sampled, sampled_until, spacing, shots, tracks,
        faceless, profile, small, covered, false_faces, cut_mouths, usable, notes, estimate, sheet.

    Raises:
        InputError: the file is unreadable or holds no video.
        UsageError: no detector has this name, or the contact sheet an ending of no picture.
        WeightsError: the detector's weights are not installed.
    """
    from lipdub.media.mux_plan import SourceInput
    from lipdub.media.picture_files import check_picture_name
    from lipdub.media.probe import probe
    from lipdub.media.rehearsal import forecast_notes
    from lipdub.media.sound_likeness import describe_old_voice

    if sheet is not None:
        check_picture_name(Path(sheet))
    path = Path(video)
    callback = progress or ignore_event
    facts = probe(path)
    if facts.video is None:
        raise InputError(f"{path} holds no video", hint="Give a video or a picture with a face.")
    samples = _read_samples(path, facts.video, detector, callback)
    _link_faces(samples)
    _mark_covered(samples.faces)
    tracks = _describe_tracks(samples)
    descriptions = _describe_samples(samples, tracks)
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "path": str(path),
        "video": _describe_video(facts, facts.video),
        "audio": [{"codec": a.codec, "rate": a.rate, "channels": a.channels} for a in facts.audio],
        "speech": _describe_speech(Path(speech)) if speech is not None else None,
        **descriptions,
        "sheet": None,
    }
    result["usable"] = any(t["mouth_px"] >= MIN_MOUTH_PX and min(map(abs, t["yaw"])) < MAX_UNIT_YAW for t in tracks)
    speech_seconds = result["speech"]["duration"] if result["speech"] else 0.0
    face_share = max((track["face_px"] ** 2 * track["share"] for track in tracks), default=0.0)
    result["estimate"] = estimate_cost(facts.video, speech_seconds, face_share)
    result["notes"] = [
        *facts.notes,
        *_face_notes(result),
        *_video_notes(result),
        *_speech_notes(result),
        *forecast_notes(SourceInput(path, facts), default_out(path), Path(speech) if speech is not None else None),
        *describe_old_voice(facts),
    ]
    if sheet is not None:
        write_contact_sheet(Path(sheet), result, samples.overview, _collect_pictures(samples))
        result["sheet"] = str(sheet)
    callback(Event("done", "inspect", done=len(samples.times), total=len(samples.times)))
    return result


def _choose_frames(index: FrameIndex, *, is_exact: bool) -> list[int]:
    """Choose the frames to read: all frames of a short video, else samples, at key frames where these are near."""
    count = len(index.pts)
    if is_exact:
        return list(range(count))
    keys = np.searchsorted(index.pts, index.keys)
    keys = keys[(keys < count)]
    spacing = count / SAMPLE_COUNT
    numbers: set[int] = set()
    for target in (np.arange(SAMPLE_COUNT) + 0.5) * spacing:
        before = int(keys[max(0, bisect_right(keys, int(target)) - 1)])
        after = min(bisect_right(keys, int(target)), len(keys) - 1)
        nearest = min((before, int(keys[after])), key=lambda key: abs(key - target))
        if abs(nearest - target) <= spacing / 2:
            # Samples lie 0, 3, 6 or 9 frames after their key frames, in turn, because all key frames may look alike.
            numbers.add(min(nearest + len(numbers) % 4 * 3, count - 1))
        else:
            numbers.add(int(target) if target - before <= MAX_KEY_DISTANCE else before)
    return sorted(numbers)


def _read_frames(path: Path, numbers: list[int], *, is_exact: bool) -> Iterator[SourceFrame]:
    from lipdub.media.read import read_frames

    if is_exact:
        yield from read_frames(path)
        return
    for number in numbers:
        # One thread is fastest: with more threads, the decoder reads many frames before it returns the first.
        yield from read_frames(path, number, number + 1, threads=1)


def _read_samples(path: Path, video: VideoFacts, detector: str, callback: Callback) -> _Samples:
    """Read the chosen frames, and search some of them for faces."""
    from lipdub.faces import shots
    from lipdub.media.frame_index import read_frame_index

    index = read_frame_index(path)
    is_exact = len(index.pts) * measure_megapixels(video) <= MAX_EXACT_WORK
    numbers = _choose_frames(index, is_exact=is_exact)
    callback(Event("start", "inspect", total=len(numbers)))
    step = max(1, round(len(numbers) / SAMPLE_COUNT)) if is_exact else 1
    marks = np.linspace(0, len(numbers) - 1, min(OVERVIEW_COUNT, len(numbers))).astype(int) // step * step
    first = float(index.pts[0] * index.time_base)
    samples = _Samples([], [], [], [], [], [], float(video.duration), is_exact, is_exact and step == 1)
    changes: list[float] = []
    view = shots.ViewChanges()
    is_cut = False
    with detectors.create(detector) as finder:
        for i, frame in enumerate(_read_frames(path, numbers, is_exact=is_exact)):
            thumbnail = shots.make_thumbnail(frame.picture.rgb_small(CHANGE_WIDTH))
            changes.append(view.add(thumbnail))
            is_cut |= not is_exact or changes[-1] >= RESTART_CHANGE
            if i % step:
                continue
            rgb = frame.picture.rgb_small(
                round(video.width * min(1.0, MAX_SEARCH_SIDE / max(video.width, video.height)))
            )
            (meshes,) = finder.detect([rgb], [is_cut])
            is_cut = False
            sample = len(samples.times)
            samples.times.append(float(frame.time) - first)
            faces = [_measure_face(sample, rgb, mesh, frame.picture.width / rgb.shape[1]) for mesh in meshes]
            if sample % CHECK_STEP == 0 or not samples.faces:
                for face, mesh in zip(faces, meshes, strict=True):
                    face.scores = finder.check(rgb, mesh)
            samples.faces += faces
            if i in marks:
                samples.overview.append(SheetPicture(samples.times[-1], draw_overview(rgb, meshes)))
            callback(Event("progress", "inspect", done=i + 1, total=len(numbers), unit="frames"))
    samples.shots = _find_shots(changes, step, len(samples.times), is_exact=is_exact)
    return samples


def _find_shots(changes: list[float], step: int, count: int, *, is_exact: bool) -> list[tuple[int, int]]:
    """Find the half-open spans of samples between cuts. Between distant samples only a large change is a cut."""
    from lipdub.faces import shots

    if is_exact:
        cuts = shots.find_cuts(np.array(changes, np.float64))
    else:
        cuts = [i for i, change in enumerate(changes) if change >= shots.CUT_THRESHOLD]
    edges = sorted({0, count, *(cut for cut in (-(-cut // step) for cut in cuts) if cut < count)})
    return list(pairwise(edges))


def _measure_face(sample: int, rgb: U8, mesh: F32, scale: float) -> _Face:
    """Measure a face. scale: pixels of the video per pixel of the picture."""
    from lipdub.faces import geometry, tracking
    from lipdub.faces.mesh import LIPS_OUTER
    from lipdub.metrics.mouth_motion import measure_mouth_shape
    from lipdub.stages.detect.tracks import view_face

    box = tracking.locate_face(mesh)
    left, right = mesh[LIPS_OUTER[0], :2], mesh[LIPS_OUTER[10], :2]
    return _Face(
        sample,
        box * scale,
        float(np.hypot(*(right - left))) * scale,
        measure_mouth_shape(mesh)[0],
        float(geometry.estimate_angles(mesh)[0]),
        _measure_skin(rgb, mesh),
        _measure_brow(rgb, mesh),
        cut_face(rgb, *(float(v) for v in box)),
        view_face(mesh, rgb.shape[1], rgb.shape[0]),
    )


def _measure_skin(rgb: U8, mesh: F32) -> F64:
    """Measure the colour of the skin around the mouth, RGB 0..1, as the neutralize stage does."""
    from lipdub.faces.mouth_rendering import extract_mouth_points
    from lipdub.stages.neutralize.rest import measure_ring_colour

    points = extract_mouth_points(mesh)
    height, width = rgb.shape[:2]
    left, top = np.clip(np.floor(points.min(0)).astype(int), 0, [width - 1, height - 1])
    right, bottom = np.clip(np.ceil(points.max(0)).astype(int) + 1, [left + 1, top + 1], [width, height])
    return measure_ring_colour(rgb[top:bottom, left:right], points - [left, top])


def _measure_brow(rgb: U8, mesh: F32) -> F64:
    """Measure the colour of the skin between the eyebrows, RGB 0..1, as the neutralize stage does."""
    from lipdub.stages.neutralize.rest import find_brow_skin

    height, width = rgb.shape[:2]
    left, top, side = find_brow_skin(mesh)
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    colour: F64 = rgb[top : top + side, left : left + side].reshape(-1, 3).mean(0) / 255
    return colour


def _link_faces(samples: _Samples) -> None:
    """Link the faces of successive samples to tracks, with the run's tracker and check."""
    from lipdub.faces import tracking
    from lipdub.faces.detectors.face_check import FaceScores
    from lipdub.stages.detect.tracks import FaceViews, find_false_frames

    slots: dict[int, list[_Face]] = {}
    for face in samples.faces:
        slots.setdefault(face.sample, []).append(face)
    boxes = np.full((len(samples.times), max(map(len, slots.values()), default=1), 3), np.nan)
    for sample, faces in slots.items():
        boxes[sample, : len(faces)] = [face.box for face in faces]
    tracks = tracking.link_tracks(
        boxes,
        np.array(samples.times),
        samples.shots,
        # Samples may be further apart than the tracker's own gap, and a face may occur in one sample only.
        max_gap=max(tracking.MAX_GAP_SECONDS, 2 * samples.spacing),
        min_frames=tracking.MIN_TRACK_FRAMES if samples.is_dense else 1,
    )
    numbers = count(1)
    for track in tracks:
        shown = [slots[sample][slot] for sample, slot in zip(track.frames, track.slots, strict=True)]
        unchecked = np.full(len(FaceScores._fields), np.nan)
        checks = np.array([unchecked if face.scores is None else face.scores for face in shown], np.float32)
        views = FaceViews(*np.array([face.view for face in shown]).T)
        is_cut, is_false = ~views.is_mouth_whole, find_false_frames(checks, views)
        moments = [samples.times[frame] for frame in track.frames]
        samples.false_spans += [(moments[a], moments[b - 1]) for a, b in find_runs(is_false)]
        samples.cut_spans += [(moments[a], moments[b - 1]) for a, b in find_runs(is_cut)]
        kept = [face for face, is_out in zip(shown, is_false | is_cut, strict=True) if not is_out]
        number = next(numbers) if kept else 0
        for face in kept:
            face.track = number
    samples.faces = [face for face in samples.faces if face.track]


def _group_by_track(faces: Sequence[_Face]) -> dict[int, list[_Face]]:
    groups: dict[int, list[_Face]] = {}
    for face in faces:
        groups.setdefault(face.track, []).append(face)
    return groups


def _mark_covered(faces: Sequence[_Face]) -> None:
    """Mark faces whose mouth is covered, by the run's test of the skin's colour in faces that can give units."""
    from lipdub.faces.unit_selection import find_covered

    for group in _group_by_track([face for face in faces if abs(face.yaw) < MAX_UNIT_YAW]).values():
        colours = np.array([face.colour for face in group])
        is_covered = find_covered(colours, np.array([face.brow_colour for face in group]))
        for face, covered in zip(group, is_covered, strict=True):
            face.covered = bool(covered)


def _describe_tracks(samples: _Samples) -> list[dict[str, Any]]:
    """Describe each track, the most visible one first."""
    groups = _group_by_track(samples.faces)
    tracks = [_describe_track(number, faces, samples) for number, faces in sorted(groups.items())]
    return sorted(tracks, key=lambda track: -track["share"] * track["face_px"])


def _describe_track(number: int, faces: list[_Face], samples: _Samples) -> dict[str, Any]:
    yaw = np.array([face.yaw for face in faces])
    opening = np.percentile([face.opening for face in faces], [10, 90])
    x, y, size = np.median([face.box for face in faces], 0)
    return {
        "id": number,
        "start": round(samples.times[faces[0].sample], 3),
        "end": round(samples.times[faces[-1].sample] + samples.spacing, 3),
        "samples": len(faces),
        "share": round(len(faces) / len(samples.times), 3),
        "x": round(float(x), 1),
        "y": round(float(y), 1),
        "face_px": round(float(size), 1),
        "mouth_px": round(float(np.median([face.mouth_px for face in faces])), 1),
        "yaw": [round(float(v), 1) for v in (yaw.min(), np.median(yaw), yaw.max())],
        "profile_share": round(float((profile_weights(yaw) <= 0).mean()), 3),
        "mouth_moves": bool(len(faces) >= _MIN_MOVING_SAMPLES and opening[1] - opening[0] > MIN_OPENING_SPREAD),
    }


def _describe_samples(samples: _Samples, tracks: list[dict[str, Any]]) -> dict[str, Any]:
    """Describe shots, tracks, and the spans that a run leaves unchanged."""
    times, faces = samples.times, samples.faces
    edges = [0.0, *(times[start] for start, _ in samples.shots[1:]), samples.end]
    visible = {face.sample for face in faces}
    spans = {
        "faceless": set(range(len(times))) - visible,
        "profile": {face.sample for face in faces if profile_weights(np.array(face.yaw)) <= 0},
        "small": {face.sample for face in faces if face.mouth_px < MIN_MOUTH_PX},
        "covered": {face.sample for face in faces if face.covered},
    }
    return {
        "exact": samples.is_exact,
        "sampled": len(times),
        "sampled_until": round(times[-1] + samples.spacing, 3) if times else 0.0,
        "spacing": round(samples.spacing, 3),
        "shots": [[round(a, 3), round(b, 3)] for a, b in pairwise(edges) if b > a],
        "tracks": tracks,
        **{name: samples.find_spans(sorted(numbers)) for name, numbers in spans.items()},
        "false_faces": [[round(a, 3), round(b, 3)] for a, b in samples.false_spans],
        "cut_mouths": [[round(a, 3), round(b, 3)] for a, b in samples.cut_spans],
    }


def _describe_video(facts: MediaFacts, video: VideoFacts) -> dict[str, Any]:
    return {
        "width": video.width,
        "height": video.height,
        "rotation": video.rotation,
        "codec": video.codec,
        "pix_fmt": video.pix_fmt,
        "bits": video.bit_depth,
        "frames": video.frames,
        "fps": round(float(video.average_rate), 4),
        "fps_kind": "still" if video.is_image else "variable" if video.variable else "constant",
        "duration": round(float(video.duration), 3),
        "colour": {
            "matrix": video.colour.matrix,
            "primaries": video.colour.primaries,
            "transfer": video.colour.transfer,
            "full_range": video.colour.full_range,
        },
        "sample_aspect": str(video.sample_aspect) if video.sample_aspect else None,
        "container": facts.format,
    }


def _describe_speech(path: Path) -> dict[str, Any]:
    from lipdub.media.audio import load_mono, probe_audio_stream
    from lipdub.metrics.silence import find_pauses

    facts = probe_audio_stream(path)
    mono = load_mono(path)
    sound = mono.samples
    peak = float(np.abs(sound).max()) if len(sound) else 0.0
    quiet = sum(b - a for a, b in find_pauses(sound, SAMPLE_RATE_HZ))
    return {
        "path": str(path),
        "codec": facts.codec,
        "rate": facts.rate,
        "channels": facts.channels,
        "duration": round(len(sound) / SAMPLE_RATE_HZ, 3),
        "peak_db": round(20 * float(np.log10(max(peak, 1e-6))), 1),
        "only_channel": mono.channel + 1 if mono.channel is not None else None,
        "odd_samples": mono.odd.describe("the speech"),
        "silent_share": round(quiet * SAMPLE_RATE_HZ / max(1, len(sound)), 3),
    }


def _collect_pictures(samples: _Samples) -> dict[int, list[SheetPicture]]:
    groups = _group_by_track(samples.faces)
    return {
        number: [SheetPicture(samples.times[face.sample], face.picture) for face in faces]
        for number, faces in groups.items()
    }


def _face_notes(result: dict[str, Any]) -> Iterator[str]:
    """Yield notes on the faces for a person, one sentence each."""
    tracks = result["tracks"]
    if result["false_faces"]:
        text = describe_false_spans(result["false_faces"])
        yield f"{text[0].upper()}{text[1:]}: it passes through."
    if result["cut_mouths"]:
        text = describe_cut_spans(result["cut_mouths"])
        yield f"{text[0].upper()}{text[1:]}: it passes through there."
    if not tracks:
        yield "No face was found: a run would refuse this video."
        return
    if not result["usable"]:
        yield "No face is large and frontal enough: a run would refuse this video."
    if any(a["start"] < b["end"] and b["start"] < a["end"] for a in tracks for b in tracks if a is not b):
        yield "Several faces are seen at the same time: choose one with --face."
    if result["faceless"]:
        total = sum(b - a for a, b in result["faceless"])
        yield f"{total:.1f} s without a face pass through untouched."
    if result["profile"]:
        yield f"Faces turned by more than {PROFILE_DEGREES:.0f} degrees are left as they are."
    if result["covered"]:
        yield "Something may be in front of the mouth at times (a guess from colours)."
    if tracks[0]["mouth_px"] < MIN_MOUTH_PX:
        yield f"The mouth is only {tracks[0]['mouth_px']:.0f} pixels wide: it is too small to dub."
    elif tracks[0]["mouth_px"] < COARSE_MOUTH_PX:
        yield f"The mouth is only {tracks[0]['mouth_px']:.0f} pixels wide."


def _video_notes(result: dict[str, Any]) -> Iterator[str]:
    """Yield notes on the video for a person, one sentence each."""
    video, tracks = result["video"], result["tracks"]
    if not result["exact"] and result["sampled_until"] < MIN_COVERAGE * video["duration"]:
        yield f"Only the first {result['sampled_until']:.0f} s were looked at: there are no key frames after."
    if video["fps_kind"] == "still":
        yield "This is a still picture: the inside of the mouth is painted."
    elif tracks and not tracks[0]["mouth_moves"]:
        yield "The mouth hardly moves in the samples: little of it can be reused, so its inside is painted."
    if video["bits"] > 8:
        yield f"{video['bits']} bits are kept; encoding takes longer."


def _speech_notes(result: dict[str, Any]) -> Iterator[str]:
    """Yield notes on the speech for a person, one sentence each."""
    speech, video = result["speech"], result["video"]
    if not speech:
        return
    gap = speech["duration"] - video["duration"]
    if abs(gap) > _LENGTH_TOLERANCE and video["fps_kind"] != "still":
        yield f"The speech is {abs(gap):.1f} s {'longer' if gap > 0 else 'shorter'} than the video."
    if speech["only_channel"] is not None:
        yield f"A mix of the channels would lose the sound: the mouth follows channel {speech['only_channel']} alone."
    yield from (f"{note[0].upper()}{note[1:]}." for note in speech["odd_samples"])
    if speech["silent_share"] > _SILENT_SHARE:
        yield "The speech is silent."
