"""What is recorded of a dub: for each frame and stage a digest, and grey levels of a coarse grid for other machines."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.media.read import read_frames
from lipdub.workspace.stage_store import StageStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lipdub

PATH = Path(__file__).with_name("goldens.json")
STAGES = ("sync", "enhance", "result")
PACKAGES = ("numpy", "scipy", "opencv-contrib-python", "torch", "torchvision", "mediapipe", "onnxruntime", "av")
GRID = 4  # cells a side
# Grey levels of 255 that a cell's mean may differ by on a machine that rounds otherwise. Measured with all vector
# instructions off: the median frame by 0.3; single frames by 2.7, where a crop's box moves by a pixel.
TOLERANCE = 0.5  # median over the frames
FRAME_TOLERANCE = 4.0  # any frame

Frame = dict[str, Any]


def fingerprint() -> dict[str, str]:
    """What decides how floating-point results are rounded: library versions, the processor and OpenMP's threads."""
    import torch

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = [platform.processor()]
    told = sorted({line for line in lines if line.startswith(("flags", "Features", "vendor_id", "CPU implementer"))})
    cpu = hashlib.blake2b("\n".join(told).encode(), digest_size=8).hexdigest()
    versions = {name: metadata.version(name) for name in PACKAGES}
    return {
        **versions,
        "cpu": f"{platform.machine()} {cpu}",
        "torch-cpu": torch.backends.cpu.get_cpu_capability(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", ""),
    }


def record(dubbed: lipdub.Result) -> dict[str, list[Frame]]:
    """The frames of a lossless dub by stage; a frame has ``digest`` and ``grid``, the means of the grey levels."""
    assert dubbed.workspace is not None
    summary = next(stage.summary for stage in dubbed.stages if stage.name == "enhance")
    sync = StageStore(dubbed.workspace / "sync", "sync")
    restored = StageStore(dubbed.workspace / summary["crops"], summary["crops"])
    boxes = sync.open("boxes").read(0, len(sync.open("boxes")))
    frames = zip(boxes, read_frames(dubbed.out), strict=True)
    return {
        "sync": list(_crops(sync)),
        "enhance": list(_crops(restored)),
        "result": [
            {
                "digest": _digest(np.array([float(frame.time)]), *frame.picture.planes),
                "grid": _grid(frame.picture.rgb(), box),
            }
            for box, frame in frames
        ],
    }


def _crops(store: StageStore) -> Iterator[Frame]:
    crops, boxes = store.open("crops"), store.open("boxes")
    for box, padded in zip(boxes.read(0, len(boxes)), crops.read(0, len(crops)), strict=True):
        crop = padded[: box[3] - box[1], : box[2] - box[0]]
        yield {"digest": _digest(box, crop), "grid": _grid(crop)}


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _grid(picture: np.ndarray, box: np.ndarray | None = None) -> list[float]:
    """Means over the cells of the picture, or of a box in it; of the whole picture where the box is empty."""
    if box is not None and box[2] > box[0]:
        picture = picture[box[1] : box[3], box[0] : box[2]]
    if picture.size == 0:
        return []
    grey = picture.mean(2) / (257 if picture.dtype == np.uint16 else 1)
    rows, columns = (np.linspace(0, side, GRID + 1).astype(int) for side in grey.shape)
    return [
        round(float(grey[top:bottom, left:right].mean()), 1)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]


@dataclass(frozen=True)
class Difference:
    """The first frame of a recipe that is not as it was recorded."""

    recipe: str
    frame: int
    stage: str
    what: str

    def __str__(self) -> str:
        return f"recipe {self.recipe}: frame {self.frame} is the first that differs, in stage {self.stage}: {self.what}"


def compare(
    recipe: str, golden: dict[str, list[Frame]], found: dict[str, list[Frame]], exact: bool
) -> Difference | None:
    """The first difference, by frame and then in the order of the stages; None where there is none.

    Args:
        recipe: Its name, for the message.
        golden: As recorded.
        found: As :func:`record` has it now.
        exact: Compare digests; else grids, within `FRAME_TOLERANCE` and, in the middle, `TOLERANCE`.
    """
    rows = zip_longest(*(zip_longest(golden[stage], found[stage]) for stage in STAGES))
    for k, row in enumerate(rows):
        for stage, pair in zip(STAGES, row, strict=True):
            if what := _differs(*(pair or (None, None)), exact):
                return Difference(recipe, k, stage, what)
    return None if exact else _drift(recipe, golden, found)


def _drift(recipe: str, golden: dict[str, list[Frame]], found: dict[str, list[Frame]]) -> Difference | None:
    """The first stage whose median frame is off by more than `TOLERANCE`, with the first such frame."""
    for stage in STAGES:
        off = [_off(*pair) for pair in zip(golden[stage], found[stage], strict=True)]
        if (median := float(np.median([value for value in off if value is not None]))) > TOLERANCE:
            first = next(k for k, value in enumerate(off) if value is not None and value > TOLERANCE)
            return Difference(recipe, first, stage, f"the median frame is off by {median:.2f}, allowed {TOLERANCE}")
    return None


def _off(golden: Frame, found: Frame) -> float | None:
    """Largest difference of two frames' cells; None where no face is dubbed in either."""
    return float(np.abs(np.subtract(golden["grid"], found["grid"])).max()) if golden["grid"] else None


def _differs(golden: Frame | None, found: Frame | None, exact: bool) -> str:
    if golden is None or found is None:
        return "" if golden is found else "one frame too many" if golden is None else "the frame is missing"
    if exact:
        return "" if golden["digest"] == found["digest"] else f"digest {found['digest']}, not {golden['digest']}"
    if len(golden["grid"]) != len(found["grid"]):
        return "a face is dubbed in one and not in the other"
    off = _off(golden, found) or 0.0
    return "" if off <= FRAME_TOLERANCE else f"grey levels are off by {off:.2f}, allowed {FRAME_TOLERANCE}"


def load() -> dict[str, Any]:
    """The recorded goldens: ``fingerprint`` and ``recipes``."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def save(recipes: dict[str, dict[str, list[Frame]]]) -> None:
    """Writes the goldens, one frame a line."""
    lines = ['{"fingerprint": ' + json.dumps(fingerprint(), indent=1) + ',\n "recipes": {']
    for i, (recipe, stages) in enumerate(recipes.items()):
        lines.append(("," if i else "") + f'"{recipe}": {{')
        for j, (stage, frames) in enumerate(stages.items()):
            body = ",\n".join("  " + json.dumps(frame, separators=(",", ":")) for frame in frames)
            lines.append(("," if j else "") + f' "{stage}": [\n{body}]')
        lines.append("}")
    PATH.write_text("\n".join([*lines, "}}"]) + "\n", encoding="utf-8")
