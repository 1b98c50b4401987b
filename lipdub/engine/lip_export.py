"""The lips of a speech for other programs: trajectory, mouth shapes by time, a picture, landmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.engine.lip_options import LipOptions, LipOptionValues, make_lip_options
from lipdub.errors import InputError, UsageError, printable
from lipdub.faces.landmarks import POINT_COUNTS
from lipdub.media.picture_files import check_picture_name, encode_picture
from lipdub.media.pipes import copy_pipes
from lipdub.progress import Callback, Event, ignore_event

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from lipdub.arrays import F32, F64, I32, I64
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.media.audio import MonoSound
    from lipdub.speech.lip_motion import LipMotion
    from lipdub.speech.lip_trajectory import LipTrajectory
    from lipdub.speech.transcript import Transcript
    from lipdub.stages.neutralize.store import Talker

MIN_SPEECH_SECONDS = 0.1
"""Shortest speech that is accepted."""

_NEUTRAL_BLOCK = 1000  # frames of the neutral face computed at once
_STEPS = 2  # of the progress: recognition, then everything else
_TIME_EPSILON = 1e-9  # seconds: rounding of a time must not drop a frame


@dataclass(frozen=True)
class LipLandmarks:
    """Landmarks of a face that speaks the speech.

    The face of a video is in display pixels: x to the right, y down, z away from the camera in the same unit. The
    neutral face is in units of the distance between the eye centres, with the origin between them.

    Attributes:
        points: (n, 68 or 478, 3) float32; NaN where the face of the video is not visible.
        mesh: (68 or 478,) int32, the mesh vertex of each point.
        times: (n,) float64 seconds.
        unit: "pixels" for the face of a video, "eyes" for the neutral face.
        size: Width and height of the video; empty for the neutral face.
        source: (n,) int64, the frame of the video of each row; None for the neutral face.
    """

    points: F32
    mesh: I32
    times: F64
    unit: str
    size: tuple[int, ...] = ()
    source: I64 | None = None


@dataclass(frozen=True)
class Lips:
    """Result of `lips`.

    Attributes:
        trajectory: The lips of the speech.
        landmarks: The landmarks, if they were requested.
        written: The files that were written.
        notes: Notes on the speech and its recognition for a person.
    """

    trajectory: LipTrajectory
    landmarks: LipLandmarks | None
    written: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    @property
    def track(self) -> LipTrajectory:
        """The trajectory, by its name in lipdub 0.1.0."""
        return self.trajectory

    def to_json(self) -> dict[str, Any]:
        """Return a summary in plain values."""
        t = self.trajectory
        landmarks = None
        if self.landmarks is not None:
            points = self.landmarks.points
            landmarks = {"points": points.shape[1], "frames": len(points), "unit": self.landmarks.unit}
        return {
            "source": str(t.source),
            "duration": round(t.duration, 4),
            "heard": t.recognition_source,
            "share_of_words": round(t.text_coverage, 3),
            "language": t.language,
            "rate": t.rate,
            "rows": len(t.times),
            "phones": sum(phone.label != "sil" for phone in t.phones),
            "words": len(t.words),
            "visemes": len(t.visemes),
            "closures": sum(cue.label == "PP" for cue in t.visemes),
            "text": " ".join(word.text for word in t.words),
            "landmarks": landmarks,
            "notes": list(self.notes),
            "written": [str(path) for path in self.written],
        }


def lips(
    speech: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    threads: int = 0,
    progress: Callback | None = None,
    **options: Unpack[LipOptionValues],
) -> Lips:
    """Compute the lip motion of a speech, and write it to a file if ``out`` names one.

    Nothing is written before everything is computed.

    Args:
        speech: Any audio or video file.
        out: The file to write.
        threads: Threads for the video; 0 takes all cores.
        progress: Receives events.
        **options: Fields of `lipdub.engine.lip_options.LipOptions`.

    Raises:
        UsageError: An option is wrong.
        InputError: A file is missing or unusable.
        WeightsError: Weights are missing or damaged.
        EnvironmentFailure: A file cannot be written, or espeak-ng is missing.
    """
    settings = make_lip_options(options)
    target = Path(out) if out is not None else None
    with copy_pipes(None, Path(speech)) as (source,):
        assert source is not None
        return _export(source, target, settings, threads, progress)


def _export(source: Path, target: Path | None, settings: LipOptions, threads: int, progress: Callback | None) -> Lips:
    """Compute and write what :func:`lips` returns."""
    from lipdub.media.audio import describe_mono
    from lipdub.speech import lip_trajectory
    from lipdub.speech.lip_motion import predict_lip_motion
    from lipdub.speech.recognition import recognize
    from lipdub.speech.text_alignment import describe_text_fit

    _check_targets(source, target, settings)
    kind = _resolve_format(target, settings)
    emit = progress or ignore_event
    transcript = _read_transcript(settings)
    sound = _load_speech(source)
    audio = sound.samples
    seconds = len(audio) / SAMPLE_RATE_HZ
    emit(Event("progress", "lips", done=0, total=_STEPS, unit="steps", message="recognizing"))
    recognition = recognize(audio, transcript=transcript, language=settings.language)
    motion = predict_lip_motion(audio, recognition=recognition)
    fit = describe_text_fit(recognition.text) if recognition.text is not None else []
    notes = (*describe_mono(source, sound), *fit)
    for note in notes:
        emit(Event("warn", "lips", message=note))
    emit(Event("progress", "lips", done=1, total=_STEPS, unit="steps", message="drawing"))
    trajectory = lip_trajectory.build_trajectory(
        source, seconds, recognition, motion, rate=settings.fps, start=settings.start, end=settings.end
    )
    landmarks = _compute_landmarks(trajectory, motion, seconds, settings, threads, progress)
    encoders: list[tuple[Path, Callable[[], bytes]]] = []
    if target is not None and landmarks is not None:
        encoders.append((target, partial(_encode_landmarks, landmarks)))
    elif target is not None:
        encoders.append((target, partial(lip_trajectory.FORMATS[kind], trajectory)))
    if settings.plot is not None:
        encoders += _draw_pictures(Path(settings.plot), trajectory, motion, audio, overwrite=settings.overwrite)
    written = _write([(path, encode()) for path, encode in encoders])
    emit(Event("done", "lips", done=_STEPS, total=_STEPS))
    return Lips(trajectory, landmarks, written, notes)


def _check_targets(source: Path, out: Path | None, settings: LipOptions) -> None:
    """Check the files to be written before any work.

    Raises:
        UsageError: A file cannot be written, or may not be replaced.
    """
    picture = Path(settings.plot) if settings.plot is not None else None
    if picture is not None:
        check_picture_name(picture)
    if out is not None and picture is not None and out.absolute() == picture.absolute():
        raise UsageError("--out and --plot name the same file")
    for path in (out, picture):
        if path is not None:
            check_target(path, source, overwrite=settings.overwrite)


def check_target(path: Path, source: Path, *, overwrite: bool) -> None:
    """Check a file that is to be written.

    Args:
        path: The file.
        source: The speech, which must not be replaced.
        overwrite: Whether other files may be replaced.

    Raises:
        UsageError: The path is a folder, the source, or a file that may not be replaced.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint="Name a file.")
    if not path.exists():
        return
    if source.exists() and path.samefile(source):
        raise UsageError(f"the result would replace {source}", hint="Name another file with -o.")
    if not overwrite:
        raise UsageError(f"{path} exists already", hint="Name another file or give --overwrite.")


def _resolve_format(out: Path | None, settings: LipOptions) -> str:
    from lipdub.speech.lip_trajectory import resolve_format

    if settings.landmarks is None:
        return resolve_format(out, settings.format)
    has_other_suffix = settings.format is None and out is not None and out.suffix.lower() != ".npz"
    if settings.format not in (None, "npz") or has_other_suffix:
        raise UsageError("landmarks are written as .npz only", hint="Give -o a name that ends in .npz.")
    return "npz"


def _load_speech(source: Path) -> MonoSound:
    from lipdub.media.audio import load_mono

    sound = load_mono(source, SAMPLE_RATE_HZ)
    if len(sound.samples) < MIN_SPEECH_SECONDS * SAMPLE_RATE_HZ:
        raise InputError(
            f"the speech {source} is only {len(sound.samples) / SAMPLE_RATE_HZ:.2f} s long",
            hint=f"At least {MIN_SPEECH_SECONDS} s is needed.",
        )
    return sound


def _read_transcript(settings: LipOptions) -> Transcript | None:
    """Read the words of the speech, if they are given, and check the language.

    Raises:
        UsageError: The language is unknown.
        InputError: The file is missing, is no text, or holds no words.
    """
    from lipdub.speech.pronunciation import pronounce, resolve_language
    from lipdub.speech.transcript import read_transcript

    if settings.transcript is None:
        return None
    transcript = read_transcript(settings.transcript)
    # This raises an error if there is no such voice.
    pronounce(transcript.words[:1], resolve_language(transcript.words, settings.language))
    return transcript


def _draw_pictures(
    path: Path, trajectory: LipTrajectory, motion: LipMotion, audio: F32, *, overwrite: bool
) -> list[tuple[Path, Callable[[], bytes]]]:
    """Draw the pages, and return the file of each with the function that encodes it."""
    from lipdub.speech import plot
    from lipdub.speech.phone_features import FRAME_RATE

    # the picture shows the motion at its own rate, whatever the rate of the file
    low, high = trajectory.times[0], trajectory.times[-1] + 1 / trajectory.rate
    is_inside = (motion.times >= low - _TIME_EPSILON) & (motion.times < high + _TIME_EPSILON)
    fine = replace(trajectory, rate=FRAME_RATE, times=motion.times[is_inside], values=motion.values[is_inside])
    pictures = plot.draw_pages(fine, audio)
    paths = plot.name_pages(path, len(pictures))
    for page in paths:
        check_target(page, trajectory.source, overwrite=overwrite)
    return [(page, partial(encode_picture, picture, page)) for page, picture in zip(paths, pictures, strict=True)]


def _write(files: list[tuple[Path, bytes]]) -> tuple[Path, ...]:
    from lipdub.engine.checks import check_place
    from lipdub.workspace.atomic_files import write_atomically

    for path, _ in files:
        check_place(path)
    for path, content in files:
        write_atomically(path, content)
    return tuple(path for path, _ in files)


def _encode_landmarks(landmarks: LipLandmarks) -> bytes:
    from lipdub.speech.lip_trajectory import encode_arrays

    arrays = {
        "points": landmarks.points,
        "mesh": landmarks.mesh,
        "times": landmarks.times,
        "unit": np.array(landmarks.unit),
    }
    if landmarks.source is not None:
        arrays |= {"source": landmarks.source, "size": np.array(landmarks.size, np.int32)}
    return encode_arrays(**arrays)


def _compute_landmarks(
    trajectory: LipTrajectory,
    motion: LipMotion,
    seconds: float,
    settings: LipOptions,
    threads: int,
    progress: Callback | None,
) -> LipLandmarks | None:
    """Compute the landmarks, if they are requested."""
    if settings.landmarks is None:
        return None
    if settings.video is None:
        return _animate_neutral_face(trajectory, motion, seconds, settings.landmarks)
    return _animate_video(motion, seconds, settings, threads, progress)


def _compute_measures(motion: LipMotion, lips: F32, seconds: float) -> tuple[F64, F64]:
    """Bring opening and width to a talker's range, as the stage sync does.

    Args:
        motion: The motion of the whole speech.
        lips: (n, len(motion.names)) float32, the requested rows.
        seconds: Length of the speech.

    Returns:
        Opening and width, (n,) each.
    """
    from lipdub.faces.mouth_shapes import OPENING_GAIN_LIMITS, WIDTH_GAIN_LIMITS, estimate_motion_gain

    opening, width = (lips[:, motion.names.index(name)].astype(np.float64) for name in ("opening", "width"))
    opening = opening * estimate_motion_gain(motion.column("opening"), seconds, OPENING_GAIN_LIMITS)
    width = width * estimate_motion_gain(motion.column("width"), seconds, WIDTH_GAIN_LIMITS)
    return opening, np.clip(width, -1, 1)


def _animate_neutral_face(trajectory: LipTrajectory, motion: LipMotion, seconds: float, count: int) -> LipLandmarks:
    from lipdub.faces.landmark_animation import animate_neutral_face
    from lipdub.faces.landmarks import to_point_count
    from lipdub.speech.lip_motion import sample_motion
    from lipdub.speech.phone_features import FRAME_RATE

    times = trajectory.times
    if trajectory.rate == FRAME_RATE:
        lips = motion.values[np.round(times * FRAME_RATE).astype(int).clip(0, len(motion.values) - 1)]
    else:
        lips = sample_motion(motion, times)
    opening, width = _compute_measures(motion, lips, seconds)
    blocks = (slice(i, i + _NEUTRAL_BLOCK) for i in range(0, len(opening), _NEUTRAL_BLOCK))
    faces = [animate_neutral_face(opening[block], width[block]) for block in blocks]
    points = np.concatenate([to_point_count(face, count).astype(np.float32) for face in faces])
    return LipLandmarks(points, _find_vertices(count), times, "eyes")


def _find_vertices(count: int) -> I32:
    """Return the mesh vertex of each of 68 or 478 points, (count,) int32."""
    from lipdub.faces.landmarks import to_point_count

    vertices: I32 = to_point_count(np.arange(max(POINT_COUNTS), dtype=np.int32)[:, None], count)[:, 0]
    return vertices


@dataclass(frozen=True)
class _FramePlan:
    """Frames of the video for the speech.

    Attributes:
        source: (n,) int64, the frame of the video.
        times: (n,) float64 seconds of the speech.
    """

    source: I64
    times: F64


def _animate_video(
    motion: LipMotion, seconds: float, settings: LipOptions, threads: int, progress: Callback | None
) -> LipLandmarks:
    """Compute the landmarks of a face of the video, for each frame that a run over it would show."""
    from lipdub.engine.pipeline import make_job, run_stage
    from lipdub.faces import track_selection
    from lipdub.media.frame_index import read_frame_times
    from lipdub.media.probe import probe
    from lipdub.speech.lip_motion import sample_motion
    from lipdub.stages.detect.store import DetectStore
    from lipdub.stages.neutralize.store import NeutralizeStore
    from lipdub.workspace.folder import Workspace

    assert settings.video is not None
    assert settings.landmarks is not None
    wanted_face = track_selection.parse_face(settings.face)
    if isinstance(wanted_face, Path):
        raise UsageError("--face takes no picture here", hint="Give a track's number, largest, left or right.")
    video, folder = _find_video(Path(settings.video))
    job = make_job(video, workspace=folder, stage="neutralize", threads=threads)
    run_stage("neutralize", job, progress)
    workspace = Workspace(job.folder())
    detect = DetectStore.from_workspace(workspace, lambda: read_frame_times(video))
    neutralize = NeutralizeStore.from_workspace(workspace)
    assert detect is not None
    assert neutralize is not None
    if not neutralize.usable:
        raise InputError(f"no face in {printable(video)} is large and frontal enough")
    plan = _plan_frames(video, seconds, settings)
    opening, width = _compute_measures(motion, sample_motion(motion, plan.times), seconds)
    facts = probe(video).video
    assert facts is not None
    points = np.full((len(plan.source), settings.landmarks, 3), np.nan, np.float32)
    for track in track_selection.select_track_ids(wanted_face, detect.tracks, neutralize.usable):
        _animate_track(points, neutralize.read_talker(track), detect.landmarks(track), plan.source, opening, width)
    return LipLandmarks(
        points, _find_vertices(settings.landmarks), plan.times, "pixels", (facts.width, facts.height), plan.source
    )


def _plan_frames(video: Path, seconds: float, settings: LipOptions) -> _FramePlan:
    """Plan which frame of the video is shown when, inside the requested part."""
    from lipdub.media.frame_index import read_frame_index
    from lipdub.media.probe import probe
    from lipdub.media.timeline import plan_timeline

    facts = probe(video).video
    assert facts is not None
    length = Fraction(seconds).limit_denominator(10**6)
    index = read_frame_index(video)
    timeline = plan_timeline(index.pts, facts.time_base, length, last_duration=index.last_duration)
    times = np.asarray(timeline.time) - timeline.time[0]
    end = settings.end if settings.end is not None else np.inf
    is_wanted = (times >= (settings.start or 0.0) - _TIME_EPSILON) & (times < end)
    if not is_wanted.any():
        raise UsageError("no frame lies between --from and --to")
    return _FramePlan(np.asarray(timeline.source)[is_wanted], times[is_wanted])


def _animate_track(
    points: F32,
    talker: Talker,
    landmarks: TrackLandmarks,
    source: I64,
    opening: F64,
    width: F64,
) -> None:
    """Write the landmarks of one track into `points`.

    Args:
        points: (n, 68 or 478, 3) float32, changed in place.
        talker: As measured.
        landmarks: Of the track.
        source: (n,) int64, the frame of the video of each row.
        opening: (n,) target opening of the mouth.
        width: (n,) target width of the mouth.
    """
    from lipdub.faces import landmark_animation, mouth_shapes
    from lipdub.faces.landmarks import to_point_count
    from lipdub.faces.mouth_rendering import build_skin_mesh
    from lipdub.faces.track_landmarks import LANDMARK_BLOCK

    skin = build_skin_mesh(talker.canonical, mouth_shapes.load_prior())
    follow = landmark_animation.compute_follow_weights(skin)
    rows = np.flatnonzero((source >= landmarks.first) & (source <= landmarks.last))
    for block in np.split(rows, range(LANDMARK_BLOCK, len(rows), LANDMARK_BLOCK)):
        measures = mouth_shapes.map_motion_to_range(opening[block], width[block], talker.speech_range)
        faces = landmark_animation.animate_talker(
            landmarks, talker.canonical, talker.response, follow, source[block], measures
        )
        is_visible = np.isfinite(faces[:, 0, 0])
        points[block[is_visible]] = to_point_count(faces[is_visible], points.shape[1])


def _find_video(path: Path) -> tuple[Path, Path | None]:
    """Return the video and the workspace of a video or a workspace; None if the workspace is the default one.

    Raises:
        UsageError: The folder is not a workspace.
        InputError: The video of the workspace is missing.
    """
    from lipdub.workspace.folder import Workspace

    if not path.is_dir():
        return path, None
    video = Workspace(path).facts.get("path") if Workspace.is_workspace(path) else None
    if video is None:
        raise UsageError(f"{path} is not a workspace of lipdub", hint="Give a video, or the folder made for one.")
    if not Path(video).is_file():
        raise InputError(f"the video of {path} is not at {printable(video)} any more", hint="Put it back there.")
    return Path(video), path
