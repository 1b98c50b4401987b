"""score: how good a result is, in numbers: untouched pixels, likeness to a truth, and the mouth against the speech.

Not cached: it reads a result (and, where given, the workspace it was made in) and returns rows.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, UsageError
from lipdub.progress import Callback, Event, silent

if TYPE_CHECKING:
    from lipdub.media.pixels import Picture
    from lipdub.metrics.mouth import MouthMotion
    from lipdub.workspace.folder import Workspace
    from lipdub.workspace.store import Store

SCHEMA = 1
FULLY = 0.99  # frames dubbed at least this far count where wanted and achieved are compared
RATE = 16000


@dataclass(frozen=True)
class Row:
    """One number: `better` says which way is good: "higher", "lower" or "" where neither is. `value` None: not to
    be had (an infinite PSNR is None with a note)."""

    metric: str
    value: float | None
    unit: str = ""
    better: str = ""
    note: str = ""


@dataclass(frozen=True)
class _Wanted:
    """The mouth opening asked for at the result's frames: times (n,) seconds from the first frame, opening (n,) in
    `unit`, NaN where none was asked for."""

    times: np.ndarray
    opening: np.ndarray
    unit: str
    origin: str


def score(
    result: str | os.PathLike[str],
    *,
    workspace: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    speech: str | os.PathLike[str] | None = None,
    progress: Callback | None = None,
) -> dict[str, Any]:
    """Measures a result.

    `workspace` (of the run that made it) adds the check of pixels outside the mask and the wanted trajectory;
    `truth` adds PSNR and SSIM; `source` (by default what the workspace names) the source's own motion to compare with;
    `speech` the trajectory predicted from it where there is no workspace, and the stillness in its pauses.

    Returns plain values: schema, result, frames, rows [{metric, value, unit, better, note}]. Frames are streamed.
    Raises InputError for unreadable files, UsageError for a folder that is no workspace of this result.
    """
    path = Path(result)
    tell = progress or silent
    made = _open_workspace(Path(workspace)) if workspace is not None else None
    source_path = Path(source) if source is not None else _source_of(made)
    rows: list[Row] = []
    mouth = _measure(path, tell, "mouth")
    rows.append(Row("frames with a face", mouth.faces / max(1, len(mouth)), "share", "higher"))
    wanted = _wanted(made, Path(speech) if speech is not None else None, mouth)
    if wanted is not None:
        rows += _against_wanted(mouth, wanted)
    rows += _motion(mouth, _measure(source_path, tell, "source mouth") if source_path is not None else None)
    if speech is not None:
        rows += _in_silence(mouth, Path(speech), _offset(made))
    if made is not None:
        rows += _untouched(path, made, source_path, tell)
    if truth is not None:
        rows += _likeness(path, Path(truth), tell)
    tell(Event("done", "score", done=len(mouth), total=len(mouth)))
    return {
        "schema": SCHEMA,
        "result": str(path),
        "frames": len(mouth),
        "rows": [asdict(row) for row in rows],
    }


# -- the workspace


def _open_workspace(folder: Path) -> Workspace:
    from lipdub.workspace.folder import Workspace

    workspace = Workspace(folder)
    record = workspace.record("sync")
    if not Workspace.is_workspace(folder) or record is None or record.state != "done":
        raise UsageError(
            f"{folder} is not the workspace of a finished run",
            hint="Give the folder that was made beside the result.",
        )
    return workspace


def _source_of(workspace: Workspace | None) -> Path | None:
    """The source video a workspace names, if it is still there."""
    named = workspace.facts.get("path") if workspace is not None else None
    return Path(named) if named and Path(named).is_file() else None


def _offset(workspace: Workspace | None) -> float:
    """Seconds by which the speech begins after the first frame."""
    record = workspace.record("sync") if workspace is not None else None
    return float(record.options.get("offset") or 0.0) if record is not None else 0.0


# -- the mouth


def _measure(path: Path, tell: Callback, what: str) -> MouthMotion:
    from lipdub.media.probe import frame_index
    from lipdub.media.read import read_frames
    from lipdub.metrics.mouth import measure_mouth

    total = len(frame_index(path).pts)

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        for frame in read_frames(path):
            yield float(frame.time), _eight_bits(frame.picture.rgb())
            tell(Event("progress", "score", done=frame.index + 1, total=total, message=what))

    return measure_mouth(frames())


def _eight_bits(rgb: np.ndarray) -> np.ndarray:
    return rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8)


def _wanted(workspace: Workspace | None, speech: Path | None, mouth: MouthMotion) -> _Wanted | None:
    if workspace is not None:
        store = workspace.store("sync")
        asked = store.open("wanted")
        count = len(asked)
        amount = store.open("amount").read(0, count)
        opening = np.where(amount >= FULLY, asked.read(0, count)[:, 0], np.nan)
        return _Wanted(store.open("time").read(0, count), opening, "eye distances", "the workspace")
    if speech is not None:
        from lipdub.speech.hearing import hear
        from lipdub.speech.lips import at_times, lip_motion

        sound = _sound(speech)
        motion = lip_motion(sound, RATE, heard=hear(sound))
        opening = at_times(motion, mouth.times)[:, motion.names.index("opening")]
        return _Wanted(mouth.times, opening.astype(np.float64), "", "the speech")
    return None


def _against_wanted(mouth: MouthMotion, wanted: _Wanted) -> list[Row]:
    from lipdub.metrics.correlation import REACH, STEP, best_lag, correlation, on_grid

    count = min(len(mouth), len(wanted.times))
    asked, got = wanted.opening[:count].astype(np.float64), mouth.opening[:count]
    both = np.isfinite(asked) & np.isfinite(got)
    where = f"{int(both.sum())} of {count} frames, wanted by {wanted.origin}"
    if both.sum() < 3:
        return [Row("opening: wanted against achieved", None, "correlation", "higher", f"only {where}")]
    rows = [
        Row(
            "opening: wanted against achieved",
            correlation(asked[both], got[both]),
            "correlation",
            "higher",
            where,
        )
    ]
    if wanted.unit:
        off = float(np.abs(asked[both] - got[both]).mean())
        rows.append(Row("opening: mean distance from wanted", off, wanted.unit, "lower"))
    # positive: the picture comes after what was wanted
    first, second = (on_grid(mouth.times[:count], np.where(both, values, np.nan)) for values in (asked, got))
    lag, best = best_lag(first, second)
    note = f"correlation {best:.3f} there; tried to {REACH * STEP:g} s either way"
    rows.append(Row("opening: lag of best agreement", lag * STEP * 1000, "ms", "", note))
    return rows


def _motion(mouth: MouthMotion, source: MouthMotion | None) -> list[Row]:
    from lipdub.metrics.correlation import on_grid
    from lipdub.metrics.jitter import jitter

    rows = []
    for name, motion in (("", mouth), (" of the source", source)):
        if motion is None or not motion.faces:
            continue
        opening = on_grid(motion.times, motion.opening)
        rows.append(Row(f"opening: jitter{name}", jitter(opening), "eye distances", "" if name else "lower"))
        rows.append(Row(f"opening: spread{name}", float(opening.std()), "eye distances"))
    return rows


def _in_silence(mouth: MouthMotion, speech: Path, offset: float) -> list[Row]:
    from lipdub.metrics.silence import SHORTEST, silent_spans, stillness

    sound = _sound(speech)
    spans = [(a + offset, b + offset) for a, b in silent_spans(sound, RATE)]
    end = offset + len(sound) / RATE
    last = float(mouth.times[-1]) if len(mouth) else 0.0
    if last - end > SHORTEST:
        spans.append((end, last))
    spread, frames = stillness(mouth.times, mouth.opening, spans)
    if math.isnan(spread):
        return [
            Row("opening: spread in silence", None, "eye distances", "lower", "the speech has no long pause")
        ]
    return [Row("opening: spread in silence", spread, "eye distances", "lower", f"{frames} frames")]


def _sound(path: Path) -> np.ndarray:
    from lipdub.media.audio import load_audio

    return load_audio(path, rate=RATE)


# -- the pixels


def _untouched(result: Path, workspace: Workspace, source: Path | None, tell: Callback) -> list[Row]:
    """Every sample outside the feathered mask against the decoded source, frame by frame."""
    from lipdub.media.read import read_frames, read_order
    from lipdub.metrics.identity import Difference, outside
    from lipdub.metrics.psnr import psnr

    name = "samples changed outside the mask"
    if source is None:
        return [
            Row(name, None, "samples", "lower", "the source is not where the workspace says: give --source")
        ]
    store = workspace.store("sync")
    order = store.open("source").read(0, len(store.open("source")))
    record = workspace.record("paste-back")
    options = record.options if record is not None else {}
    total, frames, late, through = Difference(), 0, 0.0, 0
    times = store.open("time").read(0, len(order))
    first = None
    depth = 8
    supports = _supports(_crops_of(workspace), options)
    try:
        for shown, made, (box, weight) in zip(
            read_order(source, order), read_frames(result), supports, strict=False
        ):
            total += outside(shown.picture, made.picture, box, weight)
            depth = made.picture.depth
            through += box is None
            first = float(made.time) if first is None else first
            late = max(late, abs(float(made.time) - first - float(times[frames])))
            frames += 1
            tell(Event("progress", "score", done=frames, total=len(order), message="pixels"))
    except ValueError as error:
        return [Row(name, None, "samples", "lower", str(error))]
    note = (
        f"of {total.compared} in {frames} frames ({through} passed through), largest difference {total.worst}"
    )
    rows = []
    if options.get("lossless"):
        rows.append(Row(name, float(total.changed), "samples", "lower", note))
    else:
        value = psnr(total.squared, total.compared, float((1 << depth) - 1))
        rows.append(
            Row(
                "PSNR outside the mask",
                _finite(value),
                "dB",
                "higher",
                f"{note}; the encoding is not lossless",
            )
        )
    rows.append(Row("frame times: largest difference", late * 1000, "ms", "lower"))
    if frames != len(order):
        rows.append(Row("frames missing", float(len(order) - frames), "frames", "lower"))
    return rows


def _crops_of(workspace: Workspace) -> Store:
    """The store whose crops were pasted."""
    record = workspace.record("enhance")
    return workspace.store(record.summary.get("crops", "sync") if record is not None else "sync")


def _supports(store: Store, options: dict[str, Any]) -> Iterator[tuple[Any, np.ndarray | None]]:
    """Box and feathered mask of every frame, (None, None) where it was passed through."""
    from lipdub.stages.paste_back import PasteOptions, weight_of

    feather = float(options.get("feather", PasteOptions().feather))
    crops, boxes = store.open("crops"), store.open("boxes")
    for chunk in range(crops.chunks):
        start, stop = crops.span(chunk)
        pixels, places = crops.read(start, stop), boxes.read(start, stop)
        for crop, (x0, y0, x1, y1) in zip(pixels, places.tolist(), strict=True):
            if x1 <= x0 or y1 <= y0:
                yield None, None
                continue
            weight = weight_of(crop[: y1 - y0, : x1 - x0], feather)
            yield ((x0, y0, x1, y1), weight) if weight.any() else (None, None)


def _likeness(result: Path, truth: Path, tell: Callback) -> list[Row]:
    """PSNR over all samples of RGB, mean SSIM of the grey pictures; frames are paired by their times."""
    from lipdub.media.probe import frame_index
    from lipdub.media.read import read_frames
    from lipdub.metrics.psnr import psnr, squared_error
    from lipdub.metrics.ssim import ssim

    total = len(frame_index(result).pts)
    error, count, peak = 0.0, 0, 255.0
    alike: list[float] = []
    for made, right in _paired(read_frames(result), read_frames(truth)):
        a, b, peak = _comparable(made.picture, right.picture, truth)
        part, samples = squared_error(a, b)
        error, count = error + part, count + samples
        alike.append(ssim(_grey(a), _grey(b), peak))
        tell(Event("progress", "score", done=len(alike), total=total, message="truth"))
    note = f"{len(alike)} of {total} frames"
    value = psnr(error, count, peak)
    same = "; the pictures are equal" if value == math.inf else ""
    return [
        Row("PSNR", _finite(value), "dB", "higher", note + same),
        Row("SSIM", float(np.mean(alike)) if alike else None, "", "higher", note),
    ]


def _paired(result: Iterator[Any], truth: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    """Each frame of the result with the truth's nearest in time; ends where the truth does."""
    first = None
    held = following = next(truth, None)
    if held is None:
        return
    origin = float(held.time)
    following = next(truth, None)
    spacing = float(following.time) - origin if following is not None else math.inf
    for frame in result:
        first = float(frame.time) if first is None else first
        now = float(frame.time) - first
        while following is not None and abs(float(following.time) - origin - now) <= abs(
            float(held.time) - origin - now
        ):
            spacing = float(following.time) - float(held.time)
            held, following = following, next(truth, None)
        if following is None and now - (float(held.time) - origin) > spacing / 2:
            return
        yield frame, held


def _comparable(made: Picture, right: Picture, truth: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """RGB of both at one depth, and its peak."""
    if (made.width, made.height) != (right.width, right.height):
        raise InputError(
            f"{truth} is {right.width}x{right.height}, the result is {made.width}x{made.height}",
            hint="A ground truth must have the result's size.",
        )
    a, b = made.rgb(), right.rgb()
    if a.dtype != b.dtype:
        a, b = _eight_bits(a), _eight_bits(b)
    return a, b, 255.0 if a.dtype == np.uint8 else 65535.0


def _grey(rgb: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
