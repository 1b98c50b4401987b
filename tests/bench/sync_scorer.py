"""How well AVSyncNet (`lipdub train sync-scorer`) tells speech that goes with a mouth from speech that does not.

    python -m tests.bench.sync_scorer SHARED WEIGHTS [--cache FOLDER] [--no-shifts] [--json] [--dump FILE]

SHARED is the folder with `clips/` and `grid/`. On the six talking clips (never trained on, offsets of their README) and the
60 clips of GRID kept out of training it prints

- the area under the ROC curve of windows of 1 s: mean cosine at the clip's own offset against that at a lag drawn by chance,
  at least 0.2 s from it, among lags of at most 0.6 s; and the same of the contrast, which is that score less the window's mean
  over all lags (some moments are like every sound, some like none);
- the mean absolute error of the offset, which is the lag within 0.6 s at which the mean cosine of the whole clip is
  greatest (a parabola through it and its neighbours);
- the mean cosine at the own offset, and the same area, with the crop moved by 0 to 8 of its 96 pixels (paper 003, Fig. 6).

A positive lag: the mouth comes after its sound. --dump writes the similarities: by clip, frame and lag.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipdub.media.audio import load_audio
from lipdub.metrics import avsync
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.speech import mel
from lipdub.training import grid
from tests.bench.lip_motion_correlation import CLIPS

REACH, STEP, FAR, WINDOW = 0.6, 0.02, 0.2, 1.0  # seconds
SHIFTS = range(9)
LAGS = np.round(np.arange(-REACH, REACH + STEP / 2, STEP), 6)


@dataclass(frozen=True)
class Clip:
    """crops: uint8 (n, H, W[, 3]) at 25 fps, with their margin; audio: 16 kHz; offset: seconds by which the mouth lags."""

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
    seen = avsync.lower_faces(frames, points[: len(frames)], 1 / rate, size)
    times = np.arange(0, len(seen) / rate, 1 / grid.FPS)
    return seen[np.minimum(np.round(times * rate).astype(int), len(seen) - 1)]


def landmarks(path: Path, cache: Path) -> np.ndarray:
    """A clip's face mesh, kept in the cache."""
    kept = cache / f"{path.stem}-mesh.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(kept, grid.video_landmarks(path))
    return np.load(kept)


def talking(shared: Path, cache: Path, network: AVSyncNet) -> Iterator[Clip]:
    """The clips of people outside the training."""
    for name, offset in CLIPS.items():
        path = shared / "clips" / f"{name}.mp4"
        crops = at_25(path, landmarks(path, cache), network.size)
        yield Clip(name, crops, load_audio(path, mel.RATE), offset * 0.04)


def kept_apart(shared: Path, cache: Path, network: AVSyncNet) -> Iterator[Clip]:
    """GRID's clips that were kept out of training."""
    folder = shared / "grid"
    for sentence in grid.load(folder, cache, grid.held_out(grid.clip_words(folder))):
        path = folder / "clips" / f"{sentence.name}.mp4"
        crops = at_25(path, sentence.landmarks, network.size)
        yield Clip(sentence.name, crops, sentence.audio, 0.0)


def similarities(network: AVSyncNet, clip: Clip, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Cosines float64 (moments, LAGS)."""
    mouths = avsync.mouth_features(network, clip.crops, shift)
    return avsync.similarities(mouths, avsync.sound_features(network, clip.audio), LAGS)


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
    """Of each window of 1 s (one every half a second): its score at the clip's own offset, at a wrong one, and the mean."""
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
    """Areas, errors of the offset in ms, and mean scores at the own offset and at wrong ones, of a set of clips. The wrong
    lags are drawn ten times."""
    seen = np.array([
        row
        for seed in range(10)
        for name, rows in found.items()
        for row in windows_of(rows, offsets[name], np.random.default_rng((seed, zlib.crc32(name.encode()))))
    ])  # fmt: skip
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


def moved(network: AVSyncNet, clips: list[Clip], shift: int) -> dict[str, np.ndarray]:
    """Similarities with every crop moved by so many pixels: right, left, down, up, clip by clip in turn."""
    ways = ((shift, 0), (-shift, 0), (0, shift), (0, -shift))
    return {clip.name: similarities(network, clip, ways[i % 4]) for i, clip in enumerate(clips)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".lip-motion-cache"))
    parser.add_argument("--no-shifts", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--dump", type=Path)
    options = parser.parse_args()
    network = avsync.load(options.weights)
    kept: dict[str, np.ndarray] = {}
    result: dict[str, dict] = {}
    for title, source in (("talking", talking), ("grid", kept_apart)):
        clips = list(source(options.shared, options.cache, network))
        offsets = {clip.name: clip.offset for clip in clips}
        result[title] = {}
        for shift in SHIFTS[:1] if options.no_shifts else SHIFTS:
            found = moved(network, clips, shift)
            result[title][shift] = figures(found, offsets)
            if not shift:
                kept.update(found)
    if options.dump:
        np.savez(options.dump, **kept)
    print(json.dumps(result, indent=1) if options.json else told(result))


def told(result: dict[str, dict]) -> str:
    """The result as tables."""
    lines = []
    for title, by_shift in result.items():
        lines.append(f"{title:8} {'shift':>5} {'AUC':>6} {'contrast':>8} {'MAE ms':>7} {'worst':>6} {'own':>6} {'wrong':>6}")
        for shift, row in by_shift.items():
            lines.append(
                f"{'':8} {shift:5} {row['auc']:6.3f} {row['auc_contrast']:8.3f} {row['mae_ms']:7.1f} {row['worst_ms']:6.0f}"
                f" {row['own']:6.3f} {row['wrong']:6.3f}"
            )
        if len(by_shift[0]["errors_ms"]) < 10:
            lines.append("errors ms: " + ", ".join(f"{k} {v:+.0f}" for k, v in by_shift[0]["errors_ms"].items()))
        lines.append(f"{by_shift[0]['windows']} windows")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
