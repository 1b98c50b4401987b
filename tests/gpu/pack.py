"""Packs face crops of datasets into one small file that travels with the tree, and unpacks it to a dataset.

    python -m tests.gpu.pack DATASET [DATASET ...] [--out build/talkers.zip] [--mib 45] [--frames 40] [--quality 90]
        [--variants 4] [--seed 0]

DATASET is a folder of `lipdub prepare` or `lipdub render-talkers`; their faces must be of one size. What is done to
fit:

- Of each dataset as many bytes are taken as of any other; within it one scene of each speaker, then a second one, and
  so on. A scene keeps all its variants (the same frames with another speech and with a shut mouth), so they stay pairs.
- Of each clip `--frames` successive frames are kept, the same ones in all variants.
- Crops are coded as WebP of `--quality` (about 42 dB, 4 kB each at 170 pixels), and landmarks rounded to 1/16 pixel.
  Sound, masks and placements are kept exactly. The mel spectrogram is computed again.
- What lipdub hears in the sounds (`training.sound_cache`) comes along, also of the sync scorer's augmented `--variants`
  for the seed 0, so that a machine without the hearing's packages can train. 0 leaves it out.

The unpacked dataset has the speakers, splits and licences of the packed ones.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import sys
import tempfile
import zipfile
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lipdub.training.dataset import Clip, Dataset

MIB = 1 << 20
OUT = Path("build") / "talkers.zip"
_INDEX = "index.json"
_LANDMARK_STEPS = 16  # of a pixel
_NOWHERE = np.iinfo(np.int16).min  # a landmark that is not known
_FEATURE_BYTES = 300  # of a frame and variant, compressed


@dataclass(frozen=True)
class PackOptions:
    """How datasets are packed.

    Attributes:
        mib: size of the file, at most.
        frames: of a clip, at most.
        quality: of the coded crops, 1 to 100; above 100: lossless.
        variants: of each sound whose features come along, 0: none.
        seed: seeds the choice.
    """

    mib: float = 45.0
    frames: int = 40
    quality: int = 90
    variants: int = 4
    seed: int = 0


def pack(folders: Sequence[Path], out: Path, options: PackOptions) -> dict[str, Any]:
    """Packs datasets into a file. Returns what was done, as plain values.

    Raises:
        ValueError: faces of different sizes, or the file would be too large.
    """
    from lipdub.training.dataset import open_dataset

    parts = [open_dataset(folder) for folder in folders]
    if len({(part.size, part.side) for part in parts}) > 1:
        raise ValueError("the datasets have faces of different sizes")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lipdub-pack-", dir=out.parent) as name:
        partial = Path(name) / "pack.zip"
        with zipfile.ZipFile(partial, "w") as file:
            rows = _write_clips(file, parts, options)
            settings = {"size": parts[0].size, "side": parts[0].side}
            file.writestr(_INDEX, json.dumps({"settings": settings, "clips": rows, "options": asdict(options)}))
        if options.variants:
            _add_features(partial, Path(name) / "faces", options.variants)
        if partial.stat().st_size > options.mib * MIB:
            raise ValueError(f"the file has {partial.stat().st_size / MIB:.1f} MiB: take fewer --variants")
        partial.replace(out)
    return summarize(rows, out)


def unpack(file: Path, folder: Path) -> Path:
    """Unpacks a file to a dataset in a folder, and returns the folder."""
    from lipdub.parallel import map_ordered
    from lipdub.training.dataset_folder import SCHEMA

    with zipfile.ZipFile(file) as packed:
        index = json.loads(packed.read(_INDEX))
        coded = ((row, packed.read(f"{row['id']}.webp"), packed.read(f"{row['id']}.arrays")) for row in index["clips"])
        side = index["settings"]["side"]
        rows = list(map_ordered(lambda item: _write_shard(folder, side, *item), coded, os.cpu_count() or 1))
        packed.extractall(folder, [name for name in packed.namelist() if name.startswith("features/")])
    content = {"schema": SCHEMA, "settings": index["settings"], "clips": rows}
    (folder / _INDEX).write_text(json.dumps(content))
    return folder


def summarize(rows: Sequence[dict[str, Any]], out: Path) -> dict[str, Any]:
    """What is in a file, as plain values."""
    return {
        "file": str(out),
        "mib": out.stat().st_size / MIB,
        "clips": len(rows),
        "frames": sum(row["frames"] for row in rows),
        "speakers": len({row["speaker"] for row in rows}),
        "held_out": sum(row["split"] == "held-out" for row in rows),
        "variants": {
            name: sum(row.get("variant", "") == name for row in rows)
            for name in sorted({row.get("variant", "") for row in rows})
        },
    }


# -- choosing


def choose_scenes(data: Dataset, seed: int) -> Iterator[list[Clip]]:
    """The scenes of a dataset, each the clips that show the same frames: one of each speaker, then a second one, …"""
    rng = np.random.default_rng(seed)
    speakers: dict[str, dict[tuple[str, float], list[Clip]]] = defaultdict(lambda: defaultdict(list))
    for clip in data.clips:
        scene = (clip.scene or clip.id, clip.start)
        speakers[clip.speaker][scene].append(clip)
    waiting = [[scenes[key] for key in _shuffle(sorted(scenes), rng)] for _, scenes in sorted(speakers.items())]
    while waiting:
        for scenes in _shuffle(waiting, rng):
            yield scenes.pop()
        waiting = [scenes for scenes in waiting if scenes]


def _shuffle(values: Sequence[Any], rng: np.random.Generator) -> list[Any]:
    return [values[int(place)] for place in rng.permutation(len(values))]


def _write_clips(file: zipfile.ZipFile, parts: Sequence[Dataset], options: PackOptions) -> list[dict[str, Any]]:
    """Write scenes, each time one of the dataset that has the fewest bytes, while there is room."""
    scenes = {number: choose_scenes(part, options.seed) for number, part in enumerate(parts)}
    written = dict.fromkeys(scenes, 0)
    rng, rows, seen = np.random.default_rng(options.seed), [], set()
    limit = options.mib * MIB
    while scenes:
        number = min(scenes, key=lambda n: written[n])
        scene = [clip for clip in next(scenes[number], ()) if clip.id not in seen]
        if not scene:
            del scenes[number]
            continue
        coded = list(_encode_scene(parts[number], scene, options, rng))
        size = sum(len(crops) + len(arrays) for _, crops, arrays in coded)
        size += _FEATURE_BYTES * options.variants * sum(row["frames"] for row, _, _ in coded)
        if sum(written.values()) + size > limit - MIB // 2:  # the rest is for the file's own index
            break
        written[number] += size
        for row, crops, arrays in coded:
            seen.add(row["id"])
            rows.append(row)
            file.writestr(f"{row['id']}.webp", crops)
            file.writestr(f"{row['id']}.arrays", arrays)
    return rows


# -- coding


def _encode_scene(
    data: Dataset, scene: Sequence[Clip], options: PackOptions, rng: np.random.Generator
) -> Iterator[tuple[dict[str, Any], bytes, bytes]]:
    """Code the same frames of each clip: its row of the index, its pictures, its other arrays."""
    from lipdub.training.shards import FPS

    count = min(options.frames, *(clip.frames for clip in scene))
    first = int(rng.integers(min(clip.frames for clip in scene) - count + 1))
    for clip in scene:
        crops, arrays = _encode_clip(data, clip, first, count, options.quality)
        row = asdict(replace(clip, frames=count, start=clip.start + first / FPS, folder=None))
        yield {name: value for name, value in row.items() if name != "folder"}, crops, arrays


def _encode_clip(data: Dataset, clip: Clip, first: int, count: int, quality: int) -> tuple[bytes, bytes]:
    import cv2
    from safetensors.numpy import save

    from lipdub.training.shards import pack_masks

    window = data.read(clip, first, count)
    coded = [cv2.imencode(".webp", crop[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])[1] for crop in window.crops]
    points = np.nan_to_num(np.round(window.landmarks * _LANDMARK_STEPS), nan=_NOWHERE).astype(np.int16)
    arrays = {
        "lengths": np.array([len(picture) for picture in coded], np.int32),
        "landmarks": np.diff(points, axis=0, prepend=np.zeros_like(points[:1])),  # it may wrap, and wraps back
        "masks": pack_masks(window.masks),
        "audio": np.round(window.audio * 32768).astype(np.int16),
        "placements": window.placements,
    }
    return b"".join(picture.tobytes() for picture in coded), lzma.compress(save(arrays))


def _write_shard(folder: Path, side: int, row: dict[str, Any], crops: bytes, coded: bytes) -> dict[str, Any]:
    """Decode a clip and write its shard. Returns its row of the index."""
    from safetensors.numpy import load

    from lipdub.speech import mel
    from lipdub.training import shards

    arrays = load(lzma.decompress(coded))
    points = np.cumsum(arrays["landmarks"], axis=0, dtype=np.int16)
    landmarks = np.where(points == _NOWHERE, np.nan, points / np.float32(_LANDMARK_STEPS)).astype(np.float32)
    audio = arrays["audio"]
    content = {
        "crops": _decode_pictures(crops, arrays["lengths"], side),
        "landmarks": landmarks,
        "masks": arrays["masks"],
        "audio": audio,
        "mel": np.ascontiguousarray(mel.compute_spectrogram(audio.astype(np.float32) / 32768).T),
        "placements": arrays["placements"],
        "frames": np.arange(len(points), dtype=np.int32),
    }
    shard = f"{row['id'][:2]}/{row['id']}.safetensors"
    size, digest = shards.write_shard(folder / "shards" / shard, content)
    return {**row, "shard": shard, "bytes": size, "digest": digest}


def _decode_pictures(content: bytes, lengths: np.ndarray, side: int) -> np.ndarray:
    """Decode pictures that lie one after the other: (n, side, side, 3) uint8 RGB."""
    import cv2

    ends = np.cumsum(lengths)
    buffer = np.frombuffer(content, np.uint8)
    parts = [buffer[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    pictures = np.stack([cv2.imdecode(part, cv2.IMREAD_COLOR)[..., ::-1] for part in parts])
    assert pictures.shape[1:] == (side, side, 3)
    return np.ascontiguousarray(pictures)


# -- what is heard


def _add_features(file: Path, folder: Path, variants: int) -> None:
    """Hear the sounds of a packed file, in all variants that trainings will ask for, and add what was heard."""
    from lipdub.speech.sound_windows import sound_windows
    from lipdub.training.dataset import open_dataset
    from lipdub.training.sound_cache import FOLDER, SoundCache
    from lipdub.training.sync_scorer import SyncClips, SyncScorerOptions, hear_feature

    unpack(file, folder)
    data = open_dataset(folder)
    cache = SoundCache(sound_windows("phonetic").feature)
    for clip in data.clips:
        cache.compute(clip.id, data.read_audio(clip), folder)
    if any(clip.split == "train" for clip in data.clips):
        size = hear_feature(SyncScorerOptions().size, "phonetic")
        talking = SyncClips(open_dataset(folder, split="train"), size)
        for number in range(len(talking)):
            for variant in range(1, variants):
                talking.sounds(number, np.zeros(1, np.int64), variant)
    with zipfile.ZipFile(file, "a") as packed:
        for path in sorted((folder / FOLDER).rglob("*.safetensors")):
            packed.write(path, path.relative_to(folder).as_posix(), zipfile.ZIP_LZMA)


def main(arguments: list[str] | None = None) -> int:
    usual = PackOptions()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--mib", type=float, default=usual.mib)
    parser.add_argument("--frames", type=int, default=usual.frames)
    parser.add_argument("--quality", type=int, default=usual.quality)
    parser.add_argument("--variants", type=int, default=usual.variants)
    parser.add_argument("--seed", type=int, default=usual.seed)
    asked = parser.parse_args(arguments)
    options = PackOptions(asked.mib, asked.frames, asked.quality, asked.variants, asked.seed)
    print(json.dumps(pack(asked.datasets, asked.out, options), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
