"""How well AVSyncNet and SyncNet (`lipdub train sync-scorer`) tell matching speech from other speech.

    python -m tests.bench.sync_scorer DATASET NAME=WEIGHTS … [--clips N] [--talking SHARED] [--cache FOLDER] [--json]
        [--dump FILE]

On the clips of DATASET (`lipdub prepare`) kept out of training and, with --talking, on the six talking clips of
SHARED (people never trained on, offsets of their README) it prints, for each of the weights,

- the area under the ROC curve of windows of 1 s: mean cosine at the clip's own offset against that at a lag drawn by
  chance,
  at least 0.2 s from it, among lags of at most 0.6 s; and the same of the contrast, which is that score less the
  window's mean over all lags (some moments are like every sound, some like none);
- the mean absolute error of the offset, which is the lag within 0.6 s at which the mean cosine of the whole clip is
  greatest (a parabola through it and its neighbours);
- the mean cosine at the own offset, how far that of the same moments and sounds falls from what it is of the crop as
  it is, and the
  same area, with the crop moved by 0 to 8 of its 96 pixels, or turned by 0 to 10 degrees (Yaman et al., 2024, Fig. 6).

A positive lag: the mouth comes after its sound. --dump writes the similarities: by weights, clip, frame and lag.
"""

from __future__ import annotations

import argparse
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces.alignment import lower_face
from lipdub.media.audio import load_audio
from lipdub.metrics import avsyncnet
from lipdub.training import grid
from lipdub.training.dataset import TalkingClips, open_dataset
from tests.bench.lip_motion_correlation import CLIPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
    from lipdub.networks.syncnet_scorer import SyncNetScorer

SHIFTS = range(9)  # pixels of 96
TURNS = range(2, 11, 2)  # degrees
REACH, STEP, FAR, WINDOW = 0.6, 0.02, 0.2, 1.0  # seconds
LAGS = np.round(np.arange(-REACH, REACH + STEP / 2, STEP), 6)


@dataclass(frozen=True)
class Clip:
    """crops: (n, H, W[, 3]) uint8 at 25 fps, with margin; audio: 16 kHz; offset: seconds by which the mouth lags."""

    name: str
    crops: np.ndarray
    audio: np.ndarray
    offset: float


def at_25(path: Path, points: np.ndarray, size: AVSyncNetSize) -> np.ndarray:
    """Crops of a video at 25 frames a second, each the nearest in time."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    frames = []
    while len(frames) < len(points) and (read := capture.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY if size.grey else cv2.COLOR_BGR2RGB))
    capture.release()
    seen = avsyncnet.crop_lower_faces(frames, points[: len(frames)], 1 / rate, size)
    times = np.arange(0, len(seen) / rate, 1 / grid.FPS)
    return seen[np.minimum(np.round(times * rate).astype(int), len(seen) - 1)]


def landmarks(path: Path, cache: Path) -> np.ndarray:
    """A clip's face mesh, kept in the cache."""
    kept = cache / f"{path.stem}-mesh.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(kept, grid.track_landmarks(path))
    return np.load(kept)


def talking(shared: Path, cache: Path, size: AVSyncNetSize) -> Iterator[Clip]:
    """The clips of people outside the training."""
    for name, offset in CLIPS.items():
        path = shared / "clips" / f"{name}.mp4"
        yield Clip(name, at_25(path, landmarks(path, cache), size), load_audio(path, SAMPLE_RATE_HZ), offset * 0.04)


def kept_apart(folder: Path, count: int, size: AVSyncNetSize) -> Iterator[Clip]:
    """The dataset's clips that were kept out of training."""
    import cv2

    data = open_dataset(folder, split="held-out")
    clips = TalkingClips(data)
    high, wide = lower_face.add_margin(size.height), lower_face.add_margin(size.width)
    for number in range(min(count, len(clips))):
        crops = clips.lower(number, np.arange(clips.count(number)), lower_face.MARGIN)
        if size.grey:
            crops = np.stack([cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in crops])
        if crops.shape[1:3] != (high, wide):
            crops = np.stack([cv2.resize(crop, (wide, high), interpolation=cv2.INTER_AREA) for crop in crops])
        yield Clip(data.clips[number].id, crops, clips.audio(number), 0.0)


def similarities(
    network: AVSyncNet | SyncNetScorer, clip: Clip, shift: tuple[float, float] = (0.0, 0.0), turn: float = 0.0
) -> np.ndarray:
    """Cosines float64 (moments, LAGS)."""
    mouths = avsyncnet.embed_mouths(network, clip.crops, shift, turn)
    rate = avsyncnet.find_sound_windows(network.size).feature.rate
    return avsyncnet.compute_similarities(mouths, avsyncnet.embed_sounds(network, clip.audio), LAGS, rate)


def best_lag(curve: np.ndarray) -> float:
    """Seconds at which a curve over LAGS is greatest."""
    i = int(np.nanargmax(curve))
    if 0 < i < len(curve) - 1:
        before, here, after = curve[i - 1 : i + 2]
        bend = before - 2 * here + after
        if bend < 0:
            return float(LAGS[i] + STEP * 0.5 * (before - after) / bend)
    return float(LAGS[i])


def windows_of(found: np.ndarray, offset: float, rng: np.random.Generator) -> Iterator[tuple[float, float, float]]:
    """Of each window of 1 s, one every half second: its score at the clip's offset, at a wrong one, and the mean."""
    length = round(WINDOW * grid.FPS)
    own = int(np.argmin(np.abs(LAGS - offset)))
    for first in range(0, len(found) - length + 1, length // 2):
        scores = found[first : first + length].mean(0)
        far = np.flatnonzero((np.abs(LAGS - offset) >= FAR - 1e-9) & np.isfinite(scores))
        if np.isfinite(scores[own]) and len(far):
            yield float(scores[own]), float(scores[rng.choice(far)]), float(np.nanmean(scores))


def area(right: np.ndarray, wrong: np.ndarray) -> float:
    """Area under the ROC curve: how often a right one scores above a wrong one."""
    above = right[:, None] > wrong
    return float(above.mean() + (right[:, None] == wrong).mean() / 2)


def figures(found: dict[str, np.ndarray], offsets: dict[str, float]) -> dict[str, object]:
    """Areas, offset errors in ms, and mean scores at the own offset and at wrong ones, drawn ten times."""
    seen = np.array(
        [
            row
            for seed in range(10)
            for name, rows in found.items()
            for row in windows_of(rows, offsets[name], np.random.default_rng((seed, zlib.crc32(name.encode()))))
        ]
    )
    right, wrong, usual = seen.T
    errors = {name: 1000 * (best_lag(np.nanmean(rows, 0)) - offsets[name]) for name, rows in found.items()}
    return {
        "auc": area(right, wrong),
        "auc_contrast": area(right - usual, wrong - usual),
        "windows": len(seen) // 10,
        "mae_ms": float(np.mean(np.abs(list(errors.values())))),
        "worst_ms": float(np.max(np.abs(list(errors.values())))),
        "own": float(right.mean()),
        "wrong": float(wrong.mean()),
        "errors_ms": errors,
    }


def moved(network: AVSyncNet | SyncNetScorer, clips: list[Clip], shift: float, turn: float) -> dict[str, np.ndarray]:
    """Similarities with every crop moved by so many pixels, in four directions in turn, and turned either way."""
    ways = ((shift, 0), (-shift, 0), (0, shift), (0, -shift))
    return {clip.name: similarities(network, clip, ways[i % 4], turn * (-1) ** i) for i, clip in enumerate(clips)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", nargs="+", metavar="NAME=WEIGHTS")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--talking", type=Path, metavar="SHARED")
    parser.add_argument("--cache", type=Path, default=Path(".lip-motion-cache"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--dump", type=Path)
    asked = parser.parse_args()
    kept: dict[str, np.ndarray] = {}
    result: dict[str, dict] = {}
    for name, _, path in (text.partition("=") for text in asked.weights):
        network = avsyncnet.load_avsyncnet(Path(path))
        sets = {"held out": list(kept_apart(asked.data, asked.clips, network.size))}
        if asked.talking:
            sets["talking"] = list(talking(asked.talking, asked.cache, network.size))
        for title, clips in sets.items():
            offsets = {clip.name: clip.offset for clip in clips}
            rows = result[f"{name}, {title}"] = {}
            plain: dict[str, np.ndarray] = {}
            for shift, turn in [*((shift, 0) for shift in SHIFTS), *((0, turn) for turn in TURNS)]:
                scale = network.size.width / 96
                found = moved(network, clips, shift * scale, turn)
                plain = plain or found
                row = rows[f"{turn} deg" if turn else f"{shift} px"] = figures(found, offsets)
                row["fall"] = own_fall(plain, found, offsets)
            kept |= {f"{name}/{clip}": values for clip, values in plain.items()}
    if asked.dump:
        np.savez(asked.dump, **kept)
    print(json.dumps(result, indent=1) if asked.json else told(result))


def own_fall(plain: dict[str, np.ndarray], found: dict[str, np.ndarray], offsets: dict[str, float]) -> float:
    """Mean absolute change of the moments' cosines at their own offset."""
    changes = []
    for name, rows in found.items():
        own = int(np.argmin(np.abs(LAGS - offsets[name])))
        changes.append(np.nanmean(np.abs(rows[:, own] - plain[name][:, own])))
    return float(np.mean(changes))


def told(result: dict[str, dict]) -> str:
    """The result as tables."""
    lines = []
    for title, rows in result.items():
        lines.append(f"{title}, {next(iter(rows.values()))['windows']} windows")
        lines.append(
            f"{'':7} {'AUC':>6} {'contrast':>8} {'MAE ms':>7} {'worst':>6} {'own':>6} {'wrong':>6} {'change':>6}"
        )
        for change, row in rows.items():
            lines.append(
                f"{change:>7} {row['auc']:6.3f} {row['auc_contrast']:8.3f} {row['mae_ms']:7.1f} {row['worst_ms']:6.0f}"
                f" {row['own']:6.3f} {row['wrong']:6.3f} {row['fall']:6.3f}"
            )
        plain = next(iter(rows.values()))
        if len(plain["errors_ms"]) < 10:
            lines.append("errors ms: " + ", ".join(f"{k} {v:+.0f}" for k, v in plain["errors_ms"].items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
