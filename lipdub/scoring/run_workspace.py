"""Facts about a result in the workspace of its run: the target opening and the replaced region."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import UsageError
from lipdub.faces.detectors import DEFAULT_DETECTOR
from lipdub.metrics.evidence import CompositePair, Observer, RunFacts
from lipdub.progress import Callback, Event
from lipdub.scoring.video_pass import ExpectedFace
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.sync.store import CropStore, SyncStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lipdub.arrays import F32, F64, I32, I64, Array
    from lipdub.media.pixels import Box
    from lipdub.scoring.close_ups import FindMask
    from lipdub.workspace.folder import Workspace

#: Least weight of the dub in frames whose target and measured opening are compared.
FULLY_DUBBED = 0.99


def open_finished(folder: Path) -> Workspace:
    """Open the workspace of a finished run.

    Raises:
        UsageError: the folder is no workspace.
    """
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
    """Return the source video that a workspace names; None if it is no longer there."""
    path = workspace.facts.get("path")
    return Path(path) if path and Path(path).is_file() else None


def read_offset(workspace: Workspace) -> float:
    """Return the seconds after the first frame at which the speech begins."""
    record = workspace.record("sync")
    return float(record.summary.get("offset") or 0.0) if record is not None else 0.0


def read_detector(workspace: Workspace) -> str:
    """Return the name of the face detector the workspace was made with."""
    detect = DetectStore.from_workspace(workspace)
    return detect.detector if detect is not None else DEFAULT_DETECTOR


def read_frame_order(workspace: Workspace) -> I64:
    """Return the number of the source frame that each frame of the result shows: (n,)."""
    return open_sync(workspace).source.astype(np.int64)


def read_facts(workspace: Workspace) -> RunFacts:
    """Return when the result's frames should be, and whether it was encoded without loss."""
    times = open_sync(workspace).time
    record = workspace.record("paste-back")
    is_lossless = bool(record.options.get("lossless")) if record is not None else False
    return RunFacts(np.asarray(times, np.float64), is_lossless)


def read_target_opening(workspace: Workspace) -> F64 | None:
    """Return the target mouth opening of each frame of the result.

    Returns:
        (n,) eye distances, NaN where the frame was not fully dubbed; None if the method has no target opening.
    """
    sync = open_sync(workspace)
    opening = np.where(sync.plan.amount >= FULLY_DUBBED, sync.read_wanted()[:, 0], np.nan).astype(np.float64)
    return opening if np.isfinite(opening).any() else None


def read_expected_face(workspace: Workspace) -> ExpectedFace:
    """Return how many faces may be in a frame, and where the dubbed one is if there are several."""
    detect = DetectStore.from_workspace(workspace)
    if detect is None or len(detect.tracks) < 2:
        return ExpectedFace()
    places = _open_crops(workspace).read_boxes().astype(np.float64)

    def locate(index: int) -> tuple[float, float] | None:
        x0, y0, x1, y1 = places[min(index, len(places) - 1)]
        return ((x0 + x1) / 2, (y0 + y1) / 2) if x1 > x0 else None

    return ExpectedFace(detect.slots, locate)


def load_masks(workspace: Workspace) -> FindMask:
    """Return a function that gives the replaced region of each frame of the result."""
    store, feather = _open_crops(workspace), _read_feather(workspace)

    def find_mask(index: int) -> tuple[Box, F32] | None:
        return _find_support(*store.read_crop(index), feather) if index < len(store) else None

    return find_mask


def run_composites(
    workspace: Workspace, result: Path, source: Path, observers: Iterable[Observer], progress: Callback
) -> None:
    """Show every frame of a result with the source frame it was made from to the observers, as a `CompositePair`.

    Args:
        workspace: of the run.
        result: the result.
        source: the source video.
        observers: see each pair.
        progress: called after each pair.

    Raises:
        InputError: a video cannot be read.
    """
    from lipdub.media.read import read_frames, read_frames_in_order

    observers = list(observers)
    order = read_frame_order(workspace)
    supports = _iter_supports(_open_crops(workspace), _read_feather(workspace))
    frames = zip(read_frames_in_order(source, order), read_frames(result), supports, strict=False)
    for count, (original, frame, support) in enumerate(frames, 1):
        box, weight = support if support is not None else (None, None)
        pair = CompositePair(original.picture, frame.picture, box, weight)
        for observer in observers:
            observer.add(pair)
        progress(Event("progress", "score", done=count, total=len(order), message="pixels"))


def open_sync(workspace: Workspace) -> SyncStore:
    """Open what the sync stage of a finished run made."""
    sync = SyncStore.from_workspace(workspace)
    assert sync is not None, "the run has no sync stage"
    return sync


def _open_crops(workspace: Workspace) -> CropStore:
    """Return the crops that were pasted."""
    record = workspace.record("enhance")
    return CropStore(workspace.store(record.summary.get("crops", "sync") if record is not None else "sync"))


def _read_feather(workspace: Workspace) -> float:
    """Return the width of the mask's soft edge the result was pasted with, as a share of the crop's width."""
    from lipdub.stages.paste_back.options import PasteBackOptions

    record = workspace.record("paste-back")
    options = record.options if record is not None else {}
    return float(options.get("feather", PasteBackOptions().feather))


def _iter_supports(store: CropStore, feather: float) -> Iterator[tuple[Box, F32] | None]:
    """Yield box and feathered mask of every frame; None if it was passed through."""
    for chunk in range(store.crops.chunks):
        for crop, place in zip(store.crops.read_chunk(chunk), store.boxes.read_chunk(chunk), strict=True):
            yield _find_support(crop, place, feather)


def _find_support(crop: Array, box: I32, feather: float) -> tuple[Box, F32] | None:
    from lipdub.blending.feather import crop_weight

    x0, y0, x1, y1 = (int(v) for v in box)
    if x1 <= x0 or y1 <= y0:
        return None
    weight = crop_weight(crop[: y1 - y0, : x1 - x0], feather)
    return ((x0, y0, x1, y1), weight) if weight.any() else None
