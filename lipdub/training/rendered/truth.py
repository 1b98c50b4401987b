"""What is known of a rendered clip, in a file beside its shard: `truth/ab/ID.safetensors` of a dataset.

For the n frames of the shard and crops of S pixels:

    opening  float32 (n)                  gap between the lips seen from in front, in eye distances
    width    float32 (n)                  between the corners of the mouth, the same
    shut     float32 (n)                  how far the lips are pressed together for p, b and m, 0 to 1
    hidden   uint8   (n, S, ceil(S / 8))  what hides the face, a bit a pixel as the masks of shards; no rows if nothing
    phones   float32 (m, 3)               start and end in seconds from the first frame, number in `speech.phones`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces.alignment import full_face
from lipdub.training import shards
from lipdub.workspace.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F64, U8, Array
    from lipdub.training.dataset import Clip
    from lipdub.training.rendered.clips import Truth

FOLDER = "truth"


def write_truth(
    folder: Path, shard: str, truth: Truth, first: int, placements: F64, masks: U8, side: int, zoom: float
) -> None:
    """Write the truth of a clip.

    Args:
        folder: of the dataset.
        shard: path of the clip's shard in `shards/`.
        truth: of the video.
        first: frame of the video that is the clip's first.
        placements: (n, 4) of the crops.
        masks: (k, h, w) uint8 of what hides the face in all frames of the video, or (0, h, w).
        side: side of the crops, pixels.
        zoom: `side` over the side of the face's square.
    """
    from safetensors.numpy import save

    stop = first + len(placements)
    cut = [
        full_face.align(place, side, zoom).crop(np.repeat(mask[..., None] * np.uint8(255), 3, 2))[..., 0] > 127
        for place, mask in zip(placements, masks[first:stop], strict=False)
    ]
    shift = np.array([first / shards.FPS, first / shards.FPS, 0], np.float32)
    hidden = np.array(cut, np.uint8).reshape(len(cut), side, side)
    content = save(
        {
            "opening": np.ascontiguousarray(truth.opening[first:stop]),
            "width": np.ascontiguousarray(truth.width[first:stop]),
            "shut": np.ascontiguousarray(truth.shut[first:stop]),
            "hidden": shards.pack_masks(hidden),
            "phones": np.ascontiguousarray(truth.phones - shift),
        }
    )
    path = folder / FOLDER / shard
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def read_truth(folder: Path, clip: Clip) -> dict[str, Array]:
    """Read the truth of a rendered clip, arrays by name.

    Raises:
        FileNotFoundError: the clip is not a rendered one.
    """
    from safetensors.numpy import load

    return dict(load((folder / FOLDER / clip.shard).read_bytes()))
