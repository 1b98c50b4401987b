"""The lips of a speech for other programs: trajectory, mouth shapes by time, a picture, landmarks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, UsageError, printable
from lipdub.progress import Callback, Event, ignore_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.speech.export import LipTrajectory
    from lipdub.speech.lip_motion import LipMotion
    from lipdub.speech.transcript import Transcript

RATE = 16000
MIN_SPEECH_SECONDS = 0.1  # seconds of speech


@dataclass(frozen=True)
class LipLandmarks:
    """points: float32 (n, 68 or 478, 3), NaN where a talker's face is not seen; mesh: int32 (68 or 478,) the
    mesh vertex each point is (`lipdub.faces.landmarks.IBUG`); times: float64 (n,) seconds.

    Of a talker: display pixels of the video (x to the right, y down, z away from the camera in the same
    unit), `size` its width and height, `source` int64 (n,) the frame of the video each row belongs to; `unit`
    "pixels". Of the neutral face: `unit` "eyes", the distance of the eye centres, origin between them; `size`
    and `source` empty.
    """

    points: np.ndarray
    mesh: np.ndarray
    times: np.ndarray
    unit: str
    size: tuple[int, ...] = ()
    source: np.ndarray | None = None


@dataclass(frozen=True)
class Lips:
    """What :func:`lips` made: the track, the landmarks where they were asked for, the files that were
    written, and what a person should know of how it was heard.
    """

    track: LipTrajectory
    landmarks: LipLandmarks | None
    written: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A summary in plain values."""
        t = self.track
        found = self.landmarks
        return {
            "source": str(t.source),
            "duration": round(t.duration, 4),
            "heard": t.way,
            "share_of_words": round(t.share, 3),
            "language": t.language,
            "rate": t.rate,
            "rows": len(t.times),
            "phones": sum(label != "sil" for _, _, label in t.phones),
            "words": len(t.words),
            "visemes": len(t.visemes),
            "closures": sum(label == "PP" for _, _, label in t.visemes),
            "text": " ".join(word.text for word in t.words),
            "landmarks": None
            if found is None
            else {"points": found.points.shape[1], "frames": len(found.points), "unit": found.unit},
            "notes": list(self.notes),
            "written": [str(path) for path in self.written],
        }


def lips(
    speech: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    format: str | None = None,
    fps: float | None = None,
    start: float | None = None,
    end: float | None = None,
    text: str | os.PathLike[str] | None = None,
    language: str = "auto",
    landmarks: int | None = None,
    talker: str | os.PathLike[str] | None = None,
    face: str = "largest",
    plot: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    threads: int = 0,
    progress: Callback | None = None,
) -> Lips:
    """What the lips do in ``speech`` (any audio or video file), as a file if ``out`` names one.

    format
        Of `lipdub.speech.export.FORMATS`; by default what the file's ending tells.
    fps
        Rows a second; by default the trajectory's own 100. With a talker the video says when there are
        frames.
    start, end
        Only this part, seconds of the speech.
    text, language
        The words of the speech: as `lipdub.stages.sync.options.SyncOptions` has them.
    landmarks
        68 (iBUG's) or 478 (MediaPipe's mesh): adds them, as .npz: on the neutral face, or in the geometry of
    talker
        a video, or the workspace of one, for each frame a run over it would show; face says whose (a track,
        largest, left, right).
    plot
        Draws the speech here, as PNG; long ones on several pages.

    Raises UsageError, InputError, WeightsError, EnvironmentFailure. Nothing is written before all is worked
    out.
    """
    from lipdub.speech import export, text_alignment
    from lipdub.speech.lip_motion import predict_lip_motion
    from lipdub.speech.recognition import recognize

    source = Path(speech)
    target, picture = (Path(p) if p is not None else None for p in (out, plot))
    _check(source, target, picture, fps, landmarks, talker, overwrite)
    kind = _kind(target, format, landmarks)
    tell = progress or ignore_event
    script = _script(text, language)
    audio = _sound(source)
    seconds = len(audio) / RATE
    tell(Event("progress", "lips", done=0, total=2, unit="steps", message="hearing"))
    heard = recognize(audio, script=script, language=language)
    motion = predict_lip_motion(audio, heard=heard)
    notes = tuple(text_alignment.describe_text_fit(heard.text)) if heard.text is not None else ()
    for note in notes:
        tell(Event("warn", "lips", message=note))
    tell(Event("progress", "lips", done=1, total=2, unit="steps", message="drawing"))
    track = export.build_trajectory(source, seconds, heard, motion, rate=fps, start=start, end=end)
    found = None
    if landmarks is not None:
        found = (
            _of_neutral(track, motion, seconds, landmarks)
            if talker is None
            else _of_talker(Path(talker), motion, seconds, landmarks, face, start, end, threads, progress)
        )
    contents: list[tuple[Path, Callable[[], bytes]]] = []
    if target is not None:
        contents.append((target, lambda: _packed(track, found) if found is not None else export.FORMATS[kind](track)))
    if picture is not None:
        contents += _pictures(picture, track, motion, audio, overwrite)
    made = [(path, content()) for path, content in contents]
    written = _write(made)
    tell(Event("done", "lips", done=2, total=2))
    return Lips(track, found, written, notes)


def _check(
    source: Path,
    out: Path | None,
    plot: Path | None,
    fps: float | None,
    landmarks: int | None,
    talker: Any,
    overwrite: bool,
) -> None:
    """What can be known wrong before any work."""
    from lipdub.speech.export import FPS_LIMITS

    if landmarks is not None and landmarks not in (68, 478):
        raise UsageError(f"there are no {landmarks} landmarks", hint="Give 68 or 478.")
    if talker is not None and landmarks is None:
        raise UsageError("--talker is for landmarks", hint="Give --landmarks 68 or 478 too.")
    if talker is not None and fps is not None:
        raise UsageError("--fps and --talker exclude each other", hint="The talker's video says when there are frames.")
    if fps is not None and not FPS_LIMITS[0] <= fps <= FPS_LIMITS[1]:
        raise UsageError(f"--fps must be {FPS_LIMITS[0]:g} to {FPS_LIMITS[1]:g}, not {fps:g}")
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"the picture {plot.name} must end in .png")
    if out is not None and plot is not None and out.absolute() == plot.absolute():
        raise UsageError("--out and --plot name the same file")
    for path in (out, plot):
        if path is not None:
            check_target(path, source, overwrite)


def check_target(path: Path, source: Path, overwrite: bool) -> None:
    """Raises UsageError where ``path`` is a folder, the source itself, or a file that is not to be
    replaced.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint="Name a file.")
    if not path.exists():
        return
    if source.exists() and path.samefile(source):
        raise UsageError(f"the result would replace {source}", hint="Name another file with -o.")
    if not overwrite:
        raise UsageError(f"{path} is there already", hint="Name another file or give --overwrite.")


def _kind(out: Path | None, format: str | None, landmarks: int | None) -> str:
    from lipdub.speech.export import resolve_format

    if landmarks is None:
        return resolve_format(out, format)
    if format not in (None, "npz") or (format is None and out is not None and out.suffix.lower() != ".npz"):
        raise UsageError("landmarks are written as .npz alone", hint="Give -o a name that ends in .npz.")
    return "npz"


def _sound(source: Path) -> np.ndarray:
    from lipdub.media.audio import load_audio

    audio = load_audio(source, rate=RATE)
    if len(audio) < MIN_SPEECH_SECONDS * RATE:
        raise InputError(
            f"the speech {source} is only {len(audio) / RATE:.2f} s long",
            hint=f"At least {MIN_SPEECH_SECONDS} s is needed.",
        )
    return audio


def _script(text: str | os.PathLike[str] | None, language: str) -> Transcript | None:
    """The words of the speech, if they are given. Raises UsageError and InputError as a run does."""
    from lipdub.speech.pronunciation import pronounce, resolve_language
    from lipdub.speech.transcript import read_transcript
    from lipdub.stages.sync.options import SyncOptions

    SyncOptions(text=os.fspath(text) if text is not None else None, language=language)
    if text is None:
        return None
    script = read_transcript(text)
    pronounce(script.words[:1], resolve_language(script.words, language))  # tells whether there is such a voice
    return script


def _pictures(
    path: Path, track: LipTrajectory, motion: LipMotion, audio: np.ndarray, overwrite: bool
) -> list[tuple[Path, Callable[[], bytes]]]:
    from dataclasses import replace
    from functools import partial

    from lipdub.speech import plot

    # the picture shows the course as it is, at whatever rate the file gets it
    low, high = track.times[0], track.times[-1] + 1 / track.rate
    inside = (motion.times >= low - 1e-9) & (motion.times < high + 1e-9)
    fine = replace(track, rate=100.0, times=motion.times[inside], values=motion.values[inside])
    drawn = plot.draw_pages(fine, audio)
    paths = plot.name_pages(path, len(drawn))
    for page in paths:
        check_target(page, track.source, overwrite)
    return [(page, partial(plot.encode_png, picture)) for page, picture in zip(paths, drawn, strict=True)]


def _write(made: list[tuple[Path, bytes]]) -> tuple[Path, ...]:
    from lipdub.engine.checks import check_place
    from lipdub.workspace.atomic_files import write_atomically

    for path, _ in made:
        check_place(path)
    for path, content in made:
        write_atomically(path, content)
    return tuple(path for path, _ in made)


# -- landmarks


def _packed(track: LipTrajectory, found: LipLandmarks) -> bytes:
    from lipdub.speech.export import encode_arrays

    source = {} if found.source is None else {"source": found.source, "size": np.array(found.size, np.int32)}
    return encode_arrays(
        points=found.points,
        mesh=found.mesh,
        times=found.times,
        unit=np.array(found.unit),
        **source,
    )


def _measures(motion: LipMotion, at: np.ndarray, seconds: float, own: bool) -> tuple[np.ndarray, np.ndarray]:
    """Opening and width (n,) at times, brought to a talker's range as `sync` does; `own`: the trajectory's
    own rate.
    """
    from lipdub.faces import mouth_shapes
    from lipdub.speech.lip_motion import sample_motion

    lips = (
        motion.values[np.round(at * 100).astype(int).clip(0, len(motion.values) - 1)]
        if own
        else sample_motion(motion, at)
    )
    opening, width = (lips[:, motion.names.index(name)].astype(np.float64) for name in ("opening", "width"))
    whole = (motion.column("opening"), motion.column("width"))
    opening = opening * mouth_shapes.estimate_motion_gain(whole[0], seconds, mouth_shapes.OPENING_GAIN_LIMITS)
    width = width * mouth_shapes.estimate_motion_gain(whole[1], seconds, mouth_shapes.WIDTH_GAIN_LIMITS)
    return opening, np.clip(width, -1, 1)


def _of_neutral(track: LipTrajectory, motion: LipMotion, seconds: float, count: int) -> LipLandmarks:
    from lipdub.faces import landmark_animation, landmarks

    opening, width = _measures(motion, track.times, seconds, own=track.rate == 100)
    points = np.concatenate(
        [
            landmarks.to_point_count(
                landmark_animation.animate_neutral_face(opening[i : i + 1000], width[i : i + 1000]), count
            ).astype(np.float32)
            for i in range(0, len(opening), 1000)
        ]
    )
    return LipLandmarks(points, _mesh(count), track.times, "eyes")


def _mesh(count: int) -> np.ndarray:
    from lipdub.faces.landmarks import to_point_count

    return to_point_count(np.arange(478, dtype=np.int32)[:, None], count)[:, 0]


def _of_talker(
    talker: Path,
    motion: LipMotion,
    seconds: float,
    count: int,
    face: str,
    start: float | None,
    end: float | None,
    threads: int,
    progress: Callback | None,
) -> LipLandmarks:
    from lipdub.engine.pipeline import make_job, run_stage
    from lipdub.faces import landmark_animation, landmarks, mouth_rendering, mouth_shapes, smoothing, track_selection
    from lipdub.faces.landmark_animation import BLOCK_FRAMES
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.media.frame_index import read_frame_pts, read_frame_times
    from lipdub.media.probe import probe
    from lipdub.media.timeline import plan_timeline
    from lipdub.workspace.folder import Workspace

    who = track_selection.parse_face(face)
    if isinstance(who, Path):
        raise UsageError("--face takes no picture here", hint="Give a track's number, largest, left or right.")
    video, folder = _video_of(talker)
    job = make_job(video, workspace=folder, stage="neutralize", threads=threads)
    run_stage("neutralize", job, progress)
    workspace = Workspace(job.folder())
    found, known = workspace.record("detect"), workspace.record("neutralize")
    assert found is not None and known is not None
    usable = {row["id"] for row in known.summary["tracks"] if row["usable"]}
    if not usable:
        raise InputError(f"no face in {printable(video)} is large and frontal enough")
    facts = probe(video).video
    assert facts is not None
    times = read_frame_times(video)
    line = plan_timeline(read_frame_pts(video), facts.time_base, Fraction(seconds).limit_denominator(10**6))
    moments = np.asarray(line.time) - line.time[0]
    asked = (moments >= (start or 0.0) - 1e-9) & (moments < (end if end is not None else np.inf))
    source, moments = np.asarray(line.source)[asked], moments[asked]
    if not len(moments):
        raise UsageError("no frame lies between --from and --to")
    opening, width = _measures(motion, moments, seconds, own=False)
    detect, neutral = workspace.store("detect"), workspace.store("neutralize")
    owner, interval, prior = (
        detect.open("tracks").read(0, len(times)),
        smoothing.estimate_frame_interval(times),
        mouth_shapes.load_prior(),
    )
    points = np.full((len(source), count, 3), np.nan, np.float32)
    rows = {row["id"]: row for row in found.summary["tracks"]}
    for name in track_selection.select_track_ids(who, list(rows.values()), usable):
        row, face_of = rows[name], neutral.open(f"face-{name}").read(0, 4)
        canonical, response, span = mouth_shapes.unpack_talker(face_of, neutral.json(f"track-{name}"))
        view = TrackLandmarks(detect.open("landmarks"), owner, name, row["first"], row["last"], interval)
        here = np.flatnonzero((source >= row["first"]) & (source <= row["last"]))
        follow = landmark_animation.compute_follow_weights(mouth_rendering.build_skin_mesh(canonical, prior))
        for part in np.split(here, range(BLOCK_FRAMES, len(here), BLOCK_FRAMES)):
            wanted = mouth_shapes.map_motion_to_range(opening[part], width[part], span)
            faces = landmark_animation.animate_talker(view, canonical, response, follow, source[part], wanted)
            seen = np.isfinite(faces[:, 0, 0])
            points[part[seen]] = landmarks.to_point_count(faces[seen], count)
    return LipLandmarks(points, _mesh(count), moments, "pixels", (facts.width, facts.height), source)


def _video_of(talker: Path) -> tuple[Path, Path | None]:
    """The video and the workspace that are meant by the one or the other."""
    from lipdub.workspace.folder import Workspace

    if not talker.is_dir():
        return talker, None
    named = Workspace(talker).facts.get("path") if Workspace.is_workspace(talker) else None
    if named is None:
        raise UsageError(f"{talker} is not a workspace of lipdub", hint="Give a video, or the folder made for one.")
    if not Path(named).is_file():
        raise InputError(f"the video of {talker} is not at {printable(named)} any more", hint="Put it back there.")
    return Path(named), talker
