"""Adds dubbed versions of a dataset's clips: the same frames and crops, with the mouth and sound of a dubbed video.

Faces are cut at the places they have in the source video, so that two crops of a moment differ only in the dubbed
region. If faces were tracked anew, a face whose jaw moves differently would lie some pixels off.
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

    from lipdub.arrays import F32
    from lipdub.training.dataset import Clip, Dataset

_MIN_FRAMES = 10


def write_dubbed_clips(data: Dataset, video: Path, sound: F32, name: str) -> tuple[Clip, ...]:
    """Write shards of a dubbed video next to those of its source, with the source's landmarks and masks.

    Args:
        data: dataset of the source video alone.
        video: the dubbed video. It may end before the source.
        sound: (samples,) float32 at 16 kHz, from the first frame on.
        name: id of the dubbed video, for the clips.

    Returns:
        the dubbed video's clips.

    Raises:
        BadShardError: a clip of the source cannot be read.
        InputError: the video cannot be read.
    """
    return tuple(_write_clips(data, video, sound, name))


def _write_clips(data: Dataset, video: Path, sound: F32, name: str) -> Iterator[Clip]:
    from lipdub.media.frame_index import read_frame_times

    total = len(read_frame_times(video))
    zoom = data.side / data.size
    for clip in data.clips:
        path, layout = data.path(clip), data.layout(clip)
        numbers = shards.read_rows(path, layout, "frames", 0, clip.frames)
        count = int((numbers < total).sum())  # numbers ascend
        if count < _MIN_FRAMES:
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
