"""A dataset's clips once more, as another video shows them that has the same frames with other mouths and another sound: what was
dubbed. Faces are cut out where they are in the first video, so that two crops of a moment differ in nothing but what was dubbed;
followed anew, a face of which the jaw moves otherwise would lie some pixels off.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.training import shards
from lipdub.training.prepare_video import cut_sound, read_crops

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

    from lipdub.training.dataset import Clip, Dataset

_SHORTEST = 10  # frames


def write_dubbed_clips(data: Dataset, video: Path, sound: np.ndarray, name: str) -> tuple[Clip, ...]:
    """Writes shards beside those of a dataset of one video, and gives their clips; landmarks and masks are the first video's.

    Args:
        data: of the first video alone. video: as many of its frames, from the first on, as there are. sound: float32 (samples,) at
            16 kHz, which begins with the first frame. name: what the clips' `video` is to be.

    Raises:
        BadShard: a clip cannot be read. InputError: the video cannot.
    """
    return tuple(_written(data, video, sound, name))


def _written(data: Dataset, video: Path, sound: np.ndarray, name: str) -> Iterator[Clip]:
    from lipdub.media.frame_index import read_frame_times

    there = len(read_frame_times(video))
    zoom = data.side / data.size
    for clip in data.clips:
        path, layout = data.path(clip), data.layout(clip)
        numbers = shards.read_rows(path, layout, "frames", 0, clip.frames)
        count = int((numbers < there).sum())  # they ascend
        if count < _SHORTEST:
            continue
        arrays = {
            part: shards.read_rows(path, layout, part, 0, count)
            for part in ("landmarks", "masks", "placements", "frames")
        }
        arrays["crops"] = read_crops(video, arrays["frames"], arrays["placements"], data.side, zoom)
        arrays["audio"], arrays["mel"] = cut_sound(sound, round(clip.start * SAMPLE_RATE_HZ), count)
        ident = f"{name}-{clip.id}"
        relative = f"{name}/{ident}.safetensors"
        size, digest = shards.write_shard(data.folder / "shards" / relative, arrays)
        yield replace(
            clip, id=ident, name=video.name, video=name, frames=count, shard=relative, bytes=size, digest=digest
        )
