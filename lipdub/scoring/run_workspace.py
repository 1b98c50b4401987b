"""What a workspace tells of the run that made a result: what was asked of the mouth, what was replaced, what was not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import UsageError
from lipdub.faces.detectors import DEFAULT_DETECTOR
from lipdub.progress import Callback, Event
from lipdub.scoring.rows import Row, finite_or_none

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lipdub.scoring.no_reference import Mask
    from lipdub.scoring.video_pass import Expected
    from lipdub.workspace.folder import Workspace
    from lipdub.workspace.stage_store import StageStore

FULLY = 0.99  # frames dubbed at least this far count where wanted and achieved are compared


def open_finished(folder: Path) -> Workspace:
    """The workspace of a finished run. Raises UsageError for another folder."""
    from lipdub.workspace.folder import Workspace

    workspace = Workspace(folder)
    record = workspace.record("sync")
    if not Workspace.is_workspace(folder) or record is None or record.state != "done":
        raise UsageError(
            f"{folder} is not the workspace of a finished run",
            hint="Give the folder that was made beside the result.",
        )
    return workspace


def find_source(workspace: Workspace) -> Path | None:
    """The source video a workspace names, if it is still there."""
    named = workspace.facts.get("path")
    return Path(named) if named and Path(named).is_file() else None


def read_offset(workspace: Workspace) -> float:
    """Seconds by which the speech begins after the first frame."""
    record = workspace.record("sync")
    return float(record.options.get("offset") or 0.0) if record is not None else 0.0


def read_frame_order(workspace: Workspace) -> np.ndarray:
    """Number of the source frame that each frame of the result shows, (n,)."""
    shown = workspace.store("sync").open("source")
    return shown.read(0, len(shown))


def read_target_opening(workspace: Workspace) -> np.ndarray | None:
    """Opening asked for at each frame of the result, (n,) in distances of the eyes, NaN where it was not dubbed fully; None
    where the method asks for none.
    """
    store = workspace.store("sync")
    asked = store.open("wanted")
    count = len(asked)
    amount = store.open("amount").read(0, count)
    opening = np.where(amount >= FULLY, asked.read(0, count)[:, 0], np.nan).astype(np.float64)
    return opening if np.isfinite(opening).any() else None


def read_expected_faces(workspace: Workspace) -> tuple[int, Expected | None]:
    """How many faces may be in a frame, and where the dubbed one is expected, pixels; None where there is one only."""
    detect = workspace.record("detect")
    tracks = detect.summary.get("tracks", []) if detect is not None else []
    if len(tracks) < 2:
        return 1, None
    boxes = _crops(workspace).open("boxes")
    places = boxes.read(0, len(boxes)).astype(np.float64)
    slots = workspace.store("detect").open("landmarks").shape[1]

    def expected(k: int) -> tuple[float, float] | None:
        x0, y0, x1, y1 = places[min(k, len(places) - 1)]
        return ((x0 + x1) / 2, (y0 + y1) / 2) if x1 > x0 else None

    return int(slots), expected


def read_detector(workspace: Workspace) -> str:
    """Name of the detector that the run used."""
    record = workspace.record("detect")
    return record.summary["method"] if record is not None else DEFAULT_DETECTOR


def load_masks(workspace: Workspace) -> Mask:
    """What was replaced in each frame of the result."""
    from lipdub.stages.paste_back import paste

    store, options = _crops(workspace), _paste_options(workspace)

    def mask(k: int) -> tuple[tuple[int, int, int, int], np.ndarray] | None:
        if k >= len(store.open("boxes")):
            return None
        box, weight = paste.pasted_region(store, k, options)
        return (box, weight) if box[2] > box[0] and weight.any() else None

    return mask


def untouched_rows(result: Path, workspace: Workspace, source: Path | None, tell: Callback) -> list[Row]:
    """Every sample outside the feathered mask against the decoded source, frame by frame."""
    from lipdub.media.read import read_frames, read_frames_in_order
    from lipdub.metrics.psnr import psnr
    from lipdub.metrics.unmasked_changes import SampleDifference, compare_outside_mask

    name, title = "changed_outside", "samples changed outside the mask"
    if source is None:
        return [
            Row(
                name,
                title,
                "frame",
                None,
                "samples",
                "lower",
                note="the source is not where the workspace says: give --source",
            )
        ]
    store = workspace.store("sync")
    order = read_frame_order(workspace)
    record = workspace.record("paste-back")
    lossless = bool(record.options.get("lossless")) if record is not None else False
    total, frames, late, through = SampleDifference(), 0, 0.0, 0
    times = store.open("time").read(0, len(order))
    first = None
    depth = 8
    supports = _supports(_crops(workspace), _paste_options(workspace).feather)
    try:
        for shown, made, (box, weight) in zip(
            read_frames_in_order(source, order), read_frames(result), supports, strict=False
        ):
            total += compare_outside_mask(shown.picture, made.picture, box, weight)
            depth = made.picture.depth
            through += box is None
            first = float(made.time) if first is None else first
            late = max(late, abs(float(made.time) - first - float(times[frames])))
            frames += 1
            tell(Event("progress", "score", done=frames, total=len(order), message="pixels"))
    except ValueError as error:
        return [Row(name, title, "frame", None, "samples", "lower", note=str(error))]
    note = f"of {total.compared} in {frames} frames ({through} passed through), largest difference {total.worst}"
    rows = []
    if lossless:
        rows.append(Row(name, title, "frame", float(total.changed), "samples", "lower", note=note))
    else:
        value = psnr(total.squared, total.compared, float((1 << depth) - 1))
        note += "; the encoding is not lossless"
        rows.append(
            Row("psnr_outside", "PSNR outside the mask", "frame", finite_or_none(value), "dB", "higher", note=note)
        )
    rows.append(Row("frame_times", "frame times: largest difference", "file", late * 1000, "ms", "lower"))
    if frames != len(order):
        rows.append(Row("frames_missing", "frames missing", "file", float(len(order) - frames), "frames", "lower"))
    return rows


def _crops(workspace: Workspace) -> StageStore:
    """The store whose crops were pasted."""
    record = workspace.record("enhance")
    return workspace.store(record.summary.get("crops", "sync") if record is not None else "sync")


def _paste_options(workspace: Workspace) -> Any:
    """Those the result was pasted with, as far as the mask goes."""
    from lipdub.stages.paste_back.options import PasteBackOptions

    record = workspace.record("paste-back")
    given = record.options if record is not None else {}
    return PasteBackOptions(feather=float(given.get("feather", PasteBackOptions().feather)))


def _supports(store: StageStore, feather: float) -> Iterator[tuple[Any, np.ndarray | None]]:
    """Box and feathered mask of every frame, (None, None) where it was passed through."""
    from lipdub.blending.feather import crop_weight

    crops, boxes = store.open("crops"), store.open("boxes")
    for chunk in range(crops.chunks):
        start, stop = crops.span(chunk)
        pixels, places = crops.read(start, stop), boxes.read(start, stop)
        for crop, (x0, y0, x1, y1) in zip(pixels, places.tolist(), strict=True):
            if x1 <= x0 or y1 <= y0:
                yield None, None
                continue
            weight = crop_weight(crop[: y1 - y0, : x1 - x0], feather)
            yield ((x0, y0, x1, y1), weight) if weight.any() else (None, None)
