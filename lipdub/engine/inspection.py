"""What a run on a video would meet, told in seconds: samples of its frames instead of all of them."""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces.detectors import DEFAULT_DETECTOR
from lipdub.progress import Callback, Event, ignore_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lipdub.media.frame_index import FrameIndex
    from lipdub.media.probe import MediaFacts

SCHEMA = 1
MAX_EXACT_WORK = 900.0  # a video of at most so many frames times megapixels is read from end to end
SAMPLE_COUNT = 96  # frames searched for faces
MAX_KEY_DISTANCE = 60  # frames decoded at most to reach a sample; else the key frame before it stands in
MIN_COVERAGE = 0.8  # share of the video the samples must span, else the answer says that it is partial
SEARCH_WIDTH = 960  # columns of the pictures searched for faces
CHANGE_WIDTH = 160  # columns of those compared for cuts

PROFILE_DEGREES = 40.0  # yaw beyond which lips are seen from the side
SMALL_MOUTH = 22.0  # pixels between the corners below which lips are hardly seen to move
COVERED = 11.0  # CIELAB colour distance of the skin around the mouth from this track's usual one
MIN_OPENING_SPREAD = 0.035  # spread of a talking mouth's opening, in distances between the eyes; less is a still mouth
LINK = 0.9  # face sizes a face may move between two samples and be the same track

# Of the built-in recipe on two cores, as tests/bench found it: seconds of a run, a frame, a frame's megapixel; bytes
# of memory of a process and a megapixel; bytes of workspace of a frame and of a pixel of the square about its face.
START_SECONDS = 2.5
FRAME_SECONDS = 0.018
MEGAPIXEL_SECONDS = 0.030
MEMORY_BASE = 470_000_000
MEMORY_PER_MEGAPIXEL = 290_000_000
DISK_PER_FRAME = 8_000
DISK_PER_FACE_PIXEL = 5.5
RESULT_PER_MEGAPIXEL = 20_000

THUMB, TEXT_ROW, OVERVIEW = 112, 18, 168  # pixels of the contact sheet


@dataclass
class _Face:
    """One face in one sample."""

    sample: int
    box: np.ndarray  # x, y of the middle and size, pixels
    mouth: float
    opening: float
    yaw: float
    pitch: float
    roll: float
    skin: np.ndarray
    thumb: np.ndarray
    covered: bool = False
    track: int = 0


def inspect(
    video: str | os.PathLike[str],
    *,
    speech: str | os.PathLike[str] | None = None,
    sheet: Path | None = None,
    detector: str = DEFAULT_DETECTOR,
    progress: Callback | None = None,
) -> dict[str, Any]:
    """Facts of a video, its shots, faces and difficulties, and what a run would take.

    Short videos are read whole; of long ones up to `SAMPLES` frames, at key frames where possible, so the answer
    takes seconds and spans are known to within the distance of two samples (`"exact"` tells which). With `sheet` a
    contact sheet is written there as PNG. All times are seconds from the first frame.

    Returns plain values: schema, path, video, audio, speech, exact, sampled, sampled_until, spacing, shots, tracks, faceless,
    profile, small, covered, usable, notes, estimate, sheet. Raises InputError, EnvironmentFailure.
    """
    from lipdub.errors import InputError
    from lipdub.media.frame_index import read_frame_index
    from lipdub.media.probe import probe

    path = Path(video)
    tell = progress or ignore_event
    facts = probe(path)
    if facts.video is None:
        raise InputError(f"{path} holds no video", hint="Give a video or a picture with a face.")
    index = read_frame_index(path)
    times = (index.pts - index.pts[0]) * float(index.time_base)
    whole = len(times) * _megapixels(facts) <= MAX_EXACT_WORK
    numbers = _samples(index, whole)
    tell(Event("start", "inspect", total=len(numbers)))
    at: list[float] = []
    changes: list[float] = []
    faces: list[_Face] = []
    overview: list[tuple[float, np.ndarray]] = []
    cuts = _look_through(path, index, numbers, whole, at, changes, faces, overview, tell, detector)
    spacing = float(np.median(np.diff(at))) if len(at) > 1 else 0.0
    _link(faces, cuts)
    tracks = [_track(number, [f for f in faces if f.track == number], at, spacing) for number in _numbers(faces)]
    tracks.sort(key=lambda track: -track["share"] * track["face_px"])
    _mark_covered(faces)
    end = float(facts.video.duration)
    seen = {f.sample for f in faces}
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "path": str(path),
        "video": _video_facts(facts),
        "audio": [{"codec": a.codec, "rate": a.rate, "channels": a.channels} for a in facts.audio],
        "speech": _speech_facts(Path(speech)) if speech is not None else None,
        "exact": whole,
        "sampled": len(at),
        "sampled_until": round(at[-1] + spacing, 3) if at else 0.0,
        "spacing": round(spacing, 3),
        "shots": _shots(cuts, at, end),
        "tracks": tracks,
        "faceless": _spans([i for i in range(len(at)) if i not in seen], at, spacing, end),
        "profile": _spans(_where(faces, lambda f: abs(f.yaw) > PROFILE_DEGREES), at, spacing, end),
        "small": _spans(_where(faces, lambda f: f.mouth < SMALL_MOUTH), at, spacing, end),
        "covered": _spans(_where(faces, lambda f: f.covered), at, spacing, end),
        "sheet": None,
    }
    result["usable"] = any(t["mouth_px"] >= SMALL_MOUTH / 2 and t["profile_share"] < 1 for t in tracks)
    result["estimate"] = _estimate(facts, result["speech"], tracks)
    result["notes"] = _notes(facts, result)
    if sheet is not None:
        _write_sheet(Path(sheet), result, faces, overview, at)
        result["sheet"] = str(sheet)
    tell(Event("done", "inspect", done=len(at), total=len(at)))
    return result


# -- sampling


def _megapixels(facts: MediaFacts) -> float:
    assert facts.video is not None
    return facts.video.width * facts.video.height / 1e6


def _samples(index: FrameIndex, whole: bool) -> list[int]:
    """Numbers of the frames to look at: all of a short video, else some, on key frames where they are near."""
    count = len(index.pts)
    if whole:
        return list(range(count))
    keys = np.searchsorted(index.pts, index.keys)
    keys = keys[(keys < count)]
    spacing = count / SAMPLE_COUNT
    chosen: set[int] = set()
    for wish in (np.arange(SAMPLE_COUNT) + 0.5) * spacing:
        before = int(keys[max(0, bisect_right(keys, int(wish)) - 1)])
        after = min(bisect_right(keys, int(wish)), len(keys) - 1)
        nearest = min((before, int(keys[after])), key=lambda k: abs(k - wish))
        if abs(nearest - wish) <= spacing / 2:
            # some frames on, by turns: in a loop, or with the encoder's own rhythm, key frames may all look alike
            chosen.add(min(nearest + len(chosen) % 4 * 3, count - 1))
        else:
            chosen.add(int(wish) if wish - before <= MAX_KEY_DISTANCE else before)
    return sorted(chosen)


def _frames(path: Path, numbers: list[int], whole: bool) -> Iterator[Any]:
    from lipdub.media.read import read_frames

    if whole:
        yield from read_frames(path)
        return
    for number in numbers:
        # one thread: with more, the decoder takes in many frames before it gives the first
        yield from read_frames(path, number, number + 1, threads=1)


def _look_through(
    path: Path,
    index: FrameIndex,
    numbers: list[int],
    whole: bool,
    at: list[float],
    changes: list[float],
    faces: list[_Face],
    overview: list[tuple[float, np.ndarray]],
    tell: Callback,
    detector: str,
) -> list[int]:
    """Fills the lists with one entry per sample; returns the samples that begin a new shot."""
    from lipdub.faces import detectors, shots

    every = max(1, round(len(numbers) / SAMPLE_COUNT)) if whole else 1
    first = float(index.pts[0] * index.time_base)
    marks = set(np.linspace(0, len(numbers) - 1, min(8, len(numbers))).astype(int) // every * every)
    before = None
    cut_at: list[int] = []
    with detectors.create(detector) as finder:
        for i, frame in enumerate(_frames(path, numbers, whole)):
            picture = frame.picture
            thumb = shots.make_thumbnail(picture.rgb_small(CHANGE_WIDTH))
            changes.append(shots.measure_change(before, thumb) if before is not None else 0.0)
            before = thumb
            if whole and changes[-1] >= shots.CUT_THRESHOLD:
                finder.reset()
            if not whole:
                finder.reset()
            if i % every:
                continue
            small = picture.rgb_small(SEARCH_WIDTH)
            sample = len(at)
            at.append(float(frame.time) - first)
            scale = picture.width / small.shape[1]
            found = finder.detect([small], [False])[0]
            faces += [_face(sample, small, points, scale) for points in found]
            if i in marks:
                overview.append((at[-1], _overview(small, found)))
            tell(Event("progress", "inspect", done=i + 1, total=len(numbers), unit="frames"))
    for cut in shots.find_cuts(np.array(changes, np.float64)) if whole else _far_changes(changes):
        cut_at.append(-(-cut // every))
    return sorted({c for c in cut_at if c < len(at)})


def _far_changes(changes: list[float]) -> list[int]:
    """Cuts between samples far apart: only what differs altogether counts."""
    from lipdub.faces.shots import CUT_THRESHOLD

    return [i for i, change in enumerate(changes) if change >= CUT_THRESHOLD]


def _face(sample: int, rgb: np.ndarray, points: np.ndarray, scale: float) -> _Face:
    from lipdub.faces import geometry, mesh, tracking
    from lipdub.metrics.mouth import measure_mouth_shape

    box = tracking.locate_face(points)
    rigid = list(mesh.RIGID)
    # the face's own axes: how they lie in the picture is how the head is turned
    pose = geometry.fit_similarity(geometry.to_canonical(points)[rigid], points[None, rigid])
    yaw, pitch, roll = pose.angles()[0]
    corners = points[[mesh.LIPS_OUTER[0], mesh.LIPS_OUTER[10]], :2]
    return _Face(
        sample,
        box * scale,
        float(np.hypot(*(corners[1] - corners[0]))) * scale,
        measure_mouth_shape(points)[0],
        float(yaw),
        float(pitch),
        float(roll),
        _skin(rgb, points),
        _thumb(rgb, box),
    )


def _skin(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Mean CIELAB colour of the skin around the mouth, less that of the cheekbones: light cancels out."""
    import cv2

    around = points[[164, 18, 200, 57, 287, 43, 273, 106, 335, 165, 391], :2]
    above = points[[50, 280, 101, 330, 6, 197], :2]
    size = max(2, int(_eye_distance(points) * 0.05))

    def mean(spots: np.ndarray) -> np.ndarray:
        colours = []
        for x, y in spots.round().astype(int):
            patch = rgb[max(0, y - size) : y + size + 1, max(0, x - size) : x + size + 1]
            if patch.size:
                colours.append(patch.reshape(-1, 3).mean(0))
        if not colours:
            return np.zeros(3, np.float32)
        lab = cv2.cvtColor((np.median(colours, 0) / 255).astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)
        return lab[0, 0]

    return mean(around) - mean(above)


def _eye_distance(points: np.ndarray) -> float:
    """Distance between the middles of the eyes, in pixels of the picture."""
    return float(np.linalg.norm(points[[33, 133], :2].mean(0) - points[[263, 362], :2].mean(0)))


def _thumb(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    import cv2

    x, y, size = box
    r = 0.75 * size
    scale = THUMB / (2 * r)
    move = np.array([[scale, 0, (r - x) * scale], [0, scale, (r - y) * scale]], np.float32)
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.warpAffine(rgb, move, (THUMB, THUMB), flags=smooth if scale >= 1 else cv2.INTER_LINEAR)


def _overview(rgb: np.ndarray, found: list[np.ndarray]) -> np.ndarray:
    import cv2

    from lipdub.faces import mesh

    picture = rgb.copy()
    for points in found:
        oval = points[list(mesh.OVAL), :2].round().astype(np.int32)
        cv2.polylines(picture, [oval], True, (255, 220, 60), max(1, picture.shape[1] // 320), cv2.LINE_AA)
    width = max(1, round(picture.shape[1] * OVERVIEW / picture.shape[0]))
    return cv2.resize(picture, (width, OVERVIEW), interpolation=cv2.INTER_AREA)


# -- tracks and spans


def _link(faces: list[_Face], cuts: list[int]) -> None:
    """Gives faces of successive samples the same track number where they lie close, never across a cut."""
    live: dict[int, _Face] = {}
    highest = 0
    starts = set(cuts)
    samples = sorted({f.sample for f in faces} | starts)
    for sample in samples:
        if sample in starts:
            live = {}
        here = [f for f in faces if f.sample == sample]
        pairs = []
        for number, last in live.items():
            for k, face in enumerate(here):
                away = np.hypot(*(face.box[:2] - last.box[:2])) / max(face.box[2], last.box[2])
                if away < LINK and 0.5 < face.box[2] / last.box[2] < 2:
                    pairs.append((away, number, k))
        taken: set[int] = set()
        for _, number, k in sorted(pairs):
            if here[k].track == 0 and number not in taken:
                here[k].track = number
                taken.add(number)
        for face in sorted(here, key=lambda f: f.box[0]):
            if face.track == 0:
                highest += 1
                face.track = highest
            live[face.track] = face


def _numbers(faces: list[_Face]) -> list[int]:
    return sorted({f.track for f in faces})


def _track(number: int, faces: list[_Face], at: list[float], spacing: float) -> dict[str, Any]:
    yaw = np.array([f.yaw for f in faces])
    opening = np.array([f.opening for f in faces])
    return {
        "id": number,
        "start": round(at[faces[0].sample], 3),
        "end": round(at[faces[-1].sample] + spacing, 3),
        "samples": len(faces),
        "share": round(len(faces) / len(at), 3),
        "x": round(float(np.median([f.box[0] for f in faces])), 1),
        "y": round(float(np.median([f.box[1] for f in faces])), 1),
        "face_px": round(float(np.median([f.box[2] for f in faces])), 1),
        "mouth_px": round(float(np.median([f.mouth for f in faces])), 1),
        "yaw": [round(float(v), 1) for v in (yaw.min(), np.median(yaw), yaw.max())],
        "profile_share": round(float((np.abs(yaw) > PROFILE_DEGREES).mean()), 3),
        "mouth_moves": bool(
            len(faces) > 4 and np.percentile(opening, 90) - np.percentile(opening, 10) > MIN_OPENING_SPREAD
        ),
    }


def _mark_covered(faces: list[_Face]) -> None:
    """Marks faces where the skin around the mouth has another colour than this track's skin usually has."""
    for number in _numbers(faces):
        mine = [f for f in faces if f.track == number]
        usual = np.median([f.skin for f in mine], 0)
        for face in mine:
            away = np.linalg.norm((face.skin - usual) * (0.5, 1, 1))
            face.covered = bool(len(mine) >= 5 and away > COVERED)


def _where(faces: list[_Face], holds: Any) -> list[int]:
    return sorted({f.sample for f in faces if holds(f)})


def _spans(samples: list[int], at: list[float], spacing: float, end: float) -> list[list[float]]:
    """Runs of neighbouring samples as [start, end] in seconds."""
    out: list[list[float]] = []
    previous = -2
    for s in samples:
        until = at[s + 1] if s + 1 < len(at) else max(end, at[s])
        if s == previous + 1:
            out[-1][1] = round(until, 3)
        else:
            out.append([round(at[s], 3), round(until, 3)])
        previous = s
    return out


def _shots(cuts: list[int], at: list[float], end: float) -> list[list[float]]:
    edges = [0.0, *(at[c] for c in cuts), end]
    return [[round(a, 3), round(b, 3)] for a, b in zip(edges, edges[1:], strict=False) if b > a]


# -- facts and forecasts


def _video_facts(facts: MediaFacts) -> dict[str, Any]:
    v = facts.video
    assert v is not None
    return {
        "width": v.width,
        "height": v.height,
        "rotation": v.rotation,
        "codec": v.codec,
        "pix_fmt": v.pix_fmt,
        "bits": v.bit_depth,
        "frames": v.frames,
        "fps": round(float(v.average_rate), 4),
        "fps_kind": "still" if v.is_image else "variable" if v.variable else "constant",
        "duration": round(float(v.duration), 3),
        "colour": {
            "matrix": v.colour.matrix,
            "primaries": v.colour.primaries,
            "transfer": v.colour.transfer,
            "full_range": v.colour.full_range,
        },
        "sample_aspect": str(v.sample_aspect) if v.sample_aspect else None,
        "container": facts.format,
    }


def _speech_facts(path: Path) -> dict[str, Any]:
    from lipdub.media.audio import load_audio, probe_audio_stream
    from lipdub.metrics.silence import find_pauses

    facts = probe_audio_stream(path)
    sound = load_audio(path)
    peak = float(np.abs(sound).max()) if len(sound) else 0.0
    quiet = sum(b - a for a, b in find_pauses(sound, SAMPLE_RATE_HZ))
    return {
        "path": str(path),
        "codec": facts.codec,
        "rate": facts.rate,
        "channels": facts.channels,
        "duration": round(len(sound) / SAMPLE_RATE_HZ, 3),
        "peak_db": round(20 * float(np.log10(max(peak, 1e-6))), 1),
        "silent_share": round(quiet * SAMPLE_RATE_HZ / max(1, len(sound)), 3),
    }


def _estimate(facts: MediaFacts, speech: dict[str, Any] | None, tracks: list[dict[str, Any]]) -> dict[str, Any]:
    """Time, disk and memory of a first run of the built-in recipe."""
    v = facts.video
    assert v is not None
    frames = max(v.frames, round(speech["duration"] * float(v.average_rate)) if speech else 0)
    mega = _megapixels(facts)
    face = max((track["face_px"] ** 2 * track["share"] for track in tracks), default=0.0)
    cores = 2 / max(2, min(8, os.cpu_count() or 2))  # the estimate's machine had two; more help, not without end
    return {
        "seconds": round(START_SECONDS + frames * (FRAME_SECONDS + MEGAPIXEL_SECONDS * mega) * cores, 1),
        "disk_mb": round(frames * (DISK_PER_FRAME + DISK_PER_FACE_PIXEL * face + RESULT_PER_MEGAPIXEL * mega) / 1e6, 1),
        "memory_mb": round((MEMORY_BASE + MEMORY_PER_MEGAPIXEL * mega) / 1e6),
    }


def _notes(facts: MediaFacts, found: dict[str, Any]) -> list[str]:
    """What a person should know, a sentence each."""
    notes = list(facts.notes)
    v, tracks = found["video"], found["tracks"]
    if not tracks:
        notes.append("No face was seen: a run would refuse this video.")
    elif not found["usable"]:
        notes.append("No face is large and frontal enough: a run would change little.")
    if len(tracks) > 1:
        at_once = any(a["start"] < b["end"] and b["start"] < a["end"] for a in tracks for b in tracks if a is not b)
        if at_once:
            notes.append("Several faces are seen at the same time: choose one with --face.")
    if not found["exact"] and found["sampled_until"] < MIN_COVERAGE * v["duration"]:
        notes.append(f"Only the first {found['sampled_until']:.0f} s were looked at: there are no key frames after.")
    if found["faceless"] and tracks:
        total = sum(b - a for a, b in found["faceless"])
        notes.append(f"{total:.1f} s without a face pass through untouched.")
    if found["profile"]:
        notes.append("Some faces are seen from the side: lips there are dubbed less well.")
    if found["covered"]:
        notes.append("Something may be in front of the mouth at times (a guess from colours).")
    if tracks and tracks[0]["mouth_px"] < SMALL_MOUTH:
        notes.append(f"The mouth is only {tracks[0]['mouth_px']:.0f} pixels wide.")
    if v["fps_kind"] == "still":
        notes.append("A still picture: the inside of the mouth is made up.")
    elif tracks and not tracks[0]["mouth_moves"]:
        notes.append("The mouth hardly moves in the samples: little of it can be reused, so its inside is made up.")
    if v["bits"] > 8:
        notes.append(f"{v['bits']} bits are kept; encoding takes longer.")
    if found["speech"]:
        gap = found["speech"]["duration"] - v["duration"]
        if abs(gap) > 0.5 and v["fps_kind"] != "still":
            notes.append(f"The speech is {abs(gap):.1f} s {'longer' if gap > 0 else 'shorter'} than the video.")
        if found["speech"]["silent_share"] > 0.98:
            notes.append("The speech is silent.")
    return notes


# -- the contact sheet


def _write_sheet(
    path: Path,
    found: dict[str, Any],
    faces: list[_Face],
    overview: list[tuple[float, np.ndarray]],
    at: list[float],
) -> None:
    """A picture with whole frames above and a row of faces for each of the first tracks."""
    import cv2

    from lipdub.workspace.atomic_files import write_atomically

    v = found["video"]
    rows: list[np.ndarray] = []
    head = f"{Path(found['path']).name}   {v['width']}x{v['height']}  {v['fps']:g} fps {v['fps_kind']}  {v['codec']}  {v['duration']:.1f} s"
    rows.append(_line(head))
    if overview:
        rows.append(_row([_caption(picture, f"{time:.1f} s") for time, picture in overview]))
    for track in found["tracks"][:8]:
        mine = [f for f in faces if f.track == track["id"]]
        text = f"track {track['id']}: {track['start']:.1f} to {track['end']:.1f} s, mouth {track['mouth_px']:.0f} px, yaw {track['yaw'][0]:.0f} to {track['yaw'][2]:.0f}"
        rows.append(_line(text))
        picked = [mine[i] for i in np.unique(np.linspace(0, len(mine) - 1, 10).astype(int))]
        rows.append(_row([_caption(f.thumb, f"{at[f.sample]:.1f} s") for f in picked]))
    for note in found["notes"]:
        rows.append(_line(note))
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate(
        [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=24) for row in rows]
    )
    done, coded = cv2.imencode(".png", sheet[..., ::-1])
    assert done
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, coded.tobytes())


def _row(pictures: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.pad(p, ((0, 0), (0, 4), (0, 0)), constant_values=24) for p in pictures], 1)


def _line(text: str) -> np.ndarray:
    import cv2

    plain = text.encode("ascii", "replace").decode()
    (width, _), _ = cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    strip = np.full((TEXT_ROW + 4, width + 12, 3), 24, np.uint8)
    cv2.putText(strip, plain, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (225, 225, 225), 1, cv2.LINE_AA)
    return strip


def _caption(picture: np.ndarray, text: str) -> np.ndarray:
    import cv2

    strip = np.full((TEXT_ROW, picture.shape[1], 3), 24, np.uint8)
    cv2.putText(strip, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (190, 190, 190), 1, cv2.LINE_AA)
    return np.concatenate([picture, strip])
