"""Datasets as `lipdub prepare` writes them, of arrays made here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces import mesh
from lipdub.speech import mel
from lipdub.training import shards
from lipdub.training.rendered.variants import SAME_BUT_MOUTH, SHUT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

SIZE, SIDE = 24, 32  # of the drawn talkers' faces and crops
EDGE = (SIDE - SIZE) // 2


def write_dataset(
    folder: Path,
    clips: Sequence[dict[str, np.ndarray]],
    size: int,
    side: int,
    held_out: Collection[int] = (),
    facts: Sequence[dict[str, str]] = (),
) -> Path:
    """Writes clips, each the arrays of a shard, of one speaker; those of `held_out` are kept out of training.

    `facts` are further fields of each clip's row.
    """
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
                **(facts[number] if facts else {}),
            }
        )
    index = {"schema": 1, "settings": {"size": size, "side": side}, "clips": rows}
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def talkers(
    folder: Path, clips: int = 4, frames: int = 40, seed: int = 0, held_out: Collection[int] = (), times: int = 1
) -> Path:
    """A dataset of drawn faces whose mouths open as wide as the voice is loud, each clip in a colour of its own.

    The pictures are `times` as large.
    """
    rng = np.random.default_rng(seed)
    drawn = [_enlarge(_talker(rng, frames), times) for _ in range(clips)]
    return write_dataset(folder, drawn, times * SIZE, times * SIDE, held_out)


def pairs(folder: Path, scenes: int = 2, frames: int = 12, held_out: Collection[int] = ()) -> Path:
    """A dataset of drawn faces as rendered talkers are: each scene says two things, and is shut and silent.

    The three clips of a scene are of one colour, and each frame has a brightness of its own.
    """
    rng = np.random.default_rng(0)
    clips, facts = [], []
    for scene in range(scenes):
        colour = rng.integers(150, 230, 3)
        for variant in SAME_BUT_MOUTH:
            clips.append(_talker(rng, frames, colour, 0.0 if variant == SHUT else 1.0))
            clips[-1]["crops"][:, 4] = 100 + 4 * np.arange(frames, dtype=np.uint8)[:, None, None]
            facts.append({"scene": f"0-{scene}", "variant": variant})
    return write_dataset(folder, clips, SIZE, SIDE, held_out, facts)


def _enlarge(arrays: dict[str, np.ndarray], times: int) -> dict[str, np.ndarray]:
    """The arrays of a shard with larger pictures."""
    crops = arrays["crops"].repeat(times, 1).repeat(times, 2)
    masks = shards.pack_masks(np.zeros(crops.shape[:3], np.uint8))
    return {**arrays, "crops": crops, "masks": masks, "landmarks": arrays["landmarks"] * times}


def _talker(
    rng: np.random.Generator, frames: int, colour: np.ndarray | None = None, widest: float = 1.0
) -> dict[str, np.ndarray]:
    """A clip whose mouth opens up to a share; with none of it, it is silent."""
    knots = rng.uniform(0, 1, frames // 2 + 2)
    opening = widest * np.interp(np.arange(frames), 2 * np.arange(len(knots)), knots)
    crops = np.empty((frames, SIDE, SIDE, 3), np.uint8)
    crops[:] = rng.integers(150, 230, 3) if colour is None else colour
    crops[:, 11:13, 9:13] = crops[:, 11:13, 19:23] = 40  # eyes
    landmarks = np.zeros((frames, 478, 3), np.float32)
    ring = np.linspace(np.pi, -np.pi, mesh.LIP_RING_SIZE, endpoint=False)
    reaches = np.stack([np.clip(8 * np.cos(ring), -6, 6), np.clip(-1.6 * np.sin(ring), -1, 1)], 1)
    for picture, share in zip(crops, opening, strict=True):
        reach = round(5 * share)
        picture[22 - reach : 23 + reach, 10:22] = (90, 20, 30)
    for points, share in zip(landmarks, opening, strict=True):
        points[list(mesh.LIPS_OUTER), :2] = [15.5, 22] + reaches * [1, round(5 * share) + 0.5]
    count = frames * shards.SAMPLES_PER_FRAME
    level = np.interp(np.arange(count) / SAMPLE_RATE_HZ, np.arange(frames) / shards.FPS, opening)
    audio = rng.normal(0, 0.1 if widest else 0.0, count) * 10 ** (2 * level - 2)
    return {
        "crops": crops,
        "landmarks": landmarks,
        "masks": shards.pack_masks(np.zeros((frames, SIDE, SIDE), np.uint8)),
        "audio": np.round(audio.clip(-1, 1) * 32767).astype(np.int16),
        "mel": mel.compute_spectrogram(audio.astype(np.float32)).T.copy(),
        "placements": np.tile([64.0, 64.0, 20.0, 0.0], (frames, 1)),
        "frames": np.arange(frames, dtype=np.int32),
    }
