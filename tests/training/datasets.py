"""Datasets as `lipdub prepare` writes them, of arrays made here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech import mel
from lipdub.training import shards

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

SIZE, SIDE = 24, 32  # of the drawn talkers' faces and crops


def write_dataset(
    folder: Path, clips: Sequence[dict[str, np.ndarray]], size: int, side: int, held_out: Collection[int] = ()
) -> Path:
    """Writes clips, each the arrays of a shard, of one speaker; those of `held_out` are kept out of training."""
    rows = []
    for number, arrays in enumerate(clips):
        name = f"{number:02x}{number:02x}-0000"
        relative = f"{name[:2]}/{name}.safetensors"
        length, digest = shards.write_shard(folder / "shards" / relative, arrays)
        rows.append(
            {
                "id": name,
                "name": f"who/{number}.mp4",
                "video": name[:4],
                "speaker": "who",
                "licence": "",
                "track": 1,
                "split": "held-out" if number in held_out else "train",
                "start": 0.0,
                "frames": len(arrays["crops"]),
                "face_px": 90.0,
                "sync": 0.8,
                "offset": None,
                "confidence": 0.5,
                "shard": relative,
                "bytes": length,
                "digest": digest,
            }
        )
    index = {"schema": 1, "settings": {"size": size, "side": side}, "clips": rows}
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def talkers(folder: Path, clips: int = 4, frames: int = 40, seed: int = 0, held_out: Collection[int] = ()) -> Path:
    """A dataset of drawn faces whose mouths open as wide as the voice is loud, each clip in a colour of its own."""
    rng = np.random.default_rng(seed)
    return write_dataset(folder, [_talker(rng, frames) for _ in range(clips)], SIZE, SIDE, held_out)


def _talker(rng: np.random.Generator, frames: int) -> dict[str, np.ndarray]:
    knots = rng.uniform(0, 1, frames // 2 + 2)
    opening = np.interp(np.arange(frames), 2 * np.arange(len(knots)), knots)
    crops = np.empty((frames, SIDE, SIDE, 3), np.uint8)
    crops[:] = rng.integers(150, 230, 3)
    crops[:, 11:13, 9:13] = crops[:, 11:13, 19:23] = 40  # eyes
    for picture, share in zip(crops, opening, strict=True):
        reach = round(5 * share)
        picture[22 - reach : 23 + reach, 10:22] = (90, 20, 30)
    count = frames * shards.SAMPLES_PER_FRAME
    level = np.interp(np.arange(count) / SAMPLE_RATE_HZ, np.arange(frames) / shards.FPS, opening)
    audio = rng.normal(0, 0.1, count) * 10 ** (2 * level - 2)
    return {
        "crops": crops,
        "landmarks": np.zeros((frames, 478, 3), np.float32),
        "masks": shards.pack_masks(np.zeros((frames, SIDE, SIDE), np.uint8)),
        "audio": np.round(audio.clip(-1, 1) * 32767).astype(np.int16),
        "mel": mel.compute_spectrogram(audio.astype(np.float32)).T.copy(),
        "placements": np.tile([64.0, 64.0, 20.0, 0.0], (frames, 1)),
        "frames": np.arange(frames, dtype=np.int32),
    }
