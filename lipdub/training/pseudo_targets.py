"""Adds dubbed versions of a dataset's clips: the same frames and crops, with the mouth and sound of a dubbed video.

The built-in recipe dubs. Such pairs teach a generator what no video shows: the same frame with another mouth.

Faces are cut at the places they have in the source video, so that two crops of a moment differ only in the dubbed
region. If faces were tracked anew, a face whose jaw moves differently would lie some pixels off.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.training import shards
from lipdub.training.prepare_video import cut_sound, read_crops
from lipdub.training.rendered.variants import PLAIN, SHUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.arrays import F32
    from lipdub.training.dataset import Clip, Dataset

_MIN_FRAMES = 10


def dub_video(video: Path, sound: F32, folder: Path) -> Path:
    """Dub a video by the built-in recipe.

    Args:
        video: the video.
        sound: (samples,) float32 at 16 kHz.
        folder: a new folder for the dubbed video. All dubs of one video in the same parent share a workspace, so that
            its faces are detected once.

    Returns:
        path of the dubbed video.
    """
    from scipy.io import wavfile

    from lipdub.engine import pipeline

    folder.mkdir()
    speech, out = folder / "speech.wav", folder / f"{folder.name}.mkv"
    wavfile.write(speech, SAMPLE_RATE_HZ, sound)
    workspace = folder.parent / "workspace"
    pipeline.dub(video, speech, out, workspace=workspace, recipe="builtin", length="speech", crf=12, preset="ultrafast")
    return out


def write_shut_clips(data: Dataset, video: Path, scratch: Path) -> list[Clip]:
    """Dub a video with silence, and write its clips with a shut mouth next to the others.

    Args:
        data: dataset of the video alone.
        video: the video.
        scratch: folder for intermediate files, removed at the end.

    Returns:
        the clips of `data` that have a pair, and their pairs; `Clip.scene` and `Clip.variant` tell them apart.

    Raises:
        LipdubError: the built-in recipe cannot dub the video.
    """
    length = max(clip.start + clip.frames / shards.FPS for clip in data.clips)
    sound = np.zeros(round(length * SAMPLE_RATE_HZ), np.float32)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        shut = write_dubbed_clips(data, dub_video(video, sound, scratch / SHUT), sound, SHUT)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    by_id = {clip.id: clip for clip in shut}
    pairs = [(clip, by_id[_name_dub(SHUT, clip)]) for clip in data.clips if _name_dub(SHUT, clip) in by_id]
    return [
        replace(clip, name=plain.name, video=plain.video, scene=plain.id, variant=variant)
        for plain, dubbed in pairs
        for clip, variant in ((plain, PLAIN), (dubbed, SHUT))
    ]


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
        ident = _name_dub(name, clip)
        relative = f"{name}/{ident}.safetensors"
        size, digest = shards.write_shard(data.folder / "shards" / relative, arrays)
        yield replace(
            clip, id=ident, name=video.name, video=name, frames=count, shard=relative, bytes=size, digest=digest
        )


def _name_dub(name: str, clip: Clip) -> str:
    """Give the id of a dubbed clip."""
    return f"{name}-{clip.id}"
