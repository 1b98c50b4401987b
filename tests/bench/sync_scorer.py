"""How well AVSyncNet (`lipdub train sync-scorer`) tells speech that goes with a mouth from speech that does not.

sync_scorer.py SHARED WEIGHTS [--cache FOLDER] [--no-shifts] [--json] [--dump FILE]

SHARED is the folder with `clips/` and `grid/`. On the six talking clips (never trained on, offsets of their README) and the
60 clips of GRID kept out of training it prints

- the area under the ROC curve of windows of 1 s: mean cosine at the clip's own offset against that at a lag drawn by chance,
  at least 0.2 s from it and within 0.6 s of no lag;
- the mean absolute error of the offset, which is the lag within 0.6 s at which the mean cosine of the whole clip is
  greatest (a parabola through it and its neighbours);
- the mean cosine at the own offset, and the same area, with the crop moved by 0 to 8 of its 96 pixels (paper 003, Fig. 6).

A positive lag: the mouth comes after its sound. --dump writes the similarities: by clip, frame and lag.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lipdub.faces import lowerface
from lipdub.media.audio import load_audio
from lipdub.networks.avsyncnet import FRAMES, AVSyncNet
from lipdub.speech import mel
from lipdub.training import grid
from lipdub.training.augment import at_level
from lipdub.training.sync_scorer import load, lower_faces, middle
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


def at_25(path: Path, points: np.ndarray, high: int, wide: int, grey: bool) -> np.ndarray:
    """Crops of a video at 25 frames a second, each the nearest in time."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    frames = []
    while len(frames) < len(points) and (read := capture.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY if grey else cv2.COLOR_BGR2RGB))
    capture.release()
    seen = lower_faces(frames, points[: len(frames)], 1 / rate, high, wide)
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
    high, wide = lowerface.margined(network.size.height), lowerface.margined(network.size.width)
    for name, offset in CLIPS.items():
        path = shared / "clips" / f"{name}.mp4"
        crops = at_25(path, landmarks(path, cache), high, wide, network.size.grey)
        yield Clip(name, crops, load_audio(path, mel.RATE), offset * 0.04)


def kept_apart(shared: Path, cache: Path, network: AVSyncNet) -> Iterator[Clip]:
    """GRID's clips that were kept out of training."""
    high, wide = lowerface.margined(network.size.height), lowerface.margined(network.size.width)
    folder = shared / "grid"
    for sentence in grid.load(folder, cache, grid.held_out(grid.clip_words(folder))):
        path = folder / "clips" / f"{sentence.name}.mp4"
        crops = at_25(path, sentence.landmarks, high, wide, network.size.grey)
        yield Clip(sentence.name, crops, sentence.audio, 0.0)


@torch.no_grad()
def similarities(network: AVSyncNet, clip: Clip, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Cosines float64 (moments, lags) of five frames from each moment on and the sound so much earlier; NaN where there
    is none."""
    size = network.size
    crops = torch.from_numpy(clip.crops).float() / 255
    if crops.ndim == 4:
        crops = crops.permute(0, 3, 1, 2).flatten(0, 1)
    seen = middle(crops, size, shift).reshape(len(clip.crops), -1, size.height, size.width)
    stacks = seen.unfold(0, FRAMES, 1).permute(0, 4, 1, 2, 3).flatten(1, 2)
    mouths = torch.cat([network.image_features(part) for part in stacks.split(64)])
    spectrum = mel.spectrogram(at_level(clip.audio))
    starts = np.arange(spectrum.shape[1] - mel.COLUMNS + 1)
    windows = torch.from_numpy(mel.windows(spectrum, starts))[:, None]
    sounds = torch.cat([network.audio_features(part) for part in windows.split(256)])
    cosine = (mouths @ sounds.T).double().numpy()
    at = (np.arange(len(cosine))[:, None] / grid.FPS - LAGS) * mel.COLUMN_RATE
    low = np.clip(np.floor(at).astype(int), 0, len(starts) - 2)
    rows = np.arange(len(cosine))[:, None]
    between = cosine[rows, low] * (1 - (at - low)) + cosine[rows, low + 1] * (at - low)
    return np.where((at >= 0) & (at <= len(starts) - 1), between, np.nan)


def best_lag(curve: np.ndarray) -> float:
    """Seconds at which a curve over LAGS is greatest."""
    i = int(np.nanargmax(curve))
    if 0 < i < len(curve) - 1:
        before, here, after = curve[i - 1 : i + 2]
        bend = before - 2 * here + after
        if bend < 0:
            return float(LAGS[i] + STEP * 0.5 * (before - after) / bend)
    return float(LAGS[i])


def windows_of(found: np.ndarray, offset: float, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """Of each window of 1 s (one every half a second): its score at the clip's own offset, and at a wrong one."""
    length = round(WINDOW * grid.FPS)
    own = int(np.argmin(np.abs(LAGS - offset)))
    for first in range(0, len(found) - length + 1, length // 2):
        scores = found[first : first + length].mean(0)
        far = np.flatnonzero((np.abs(LAGS - offset) >= FAR - 1e-9) & np.isfinite(scores))
        if np.isfinite(scores[own]) and len(far):
            yield float(scores[own]), float(scores[rng.choice(far)])


def area(right: np.ndarray, wrong: np.ndarray) -> float:
    """Area under the ROC curve: how often a right one scores above a wrong one."""
    above = right[:, None] > wrong
    return float(above.mean() + (right[:, None] == wrong).mean() / 2)


def figures(found: dict[str, np.ndarray], offsets: dict[str, float]) -> dict[str, object]:
    """Area, errors of the offset in ms, and mean score at the own offset, of a set of clips."""
    rng = np.random.default_rng(0)
    pairs = np.array([pair for name, rows in found.items() for pair in windows_of(rows, offsets[name], rng)])
    errors = {name: 1000 * (best_lag(np.nanmean(rows, 0)) - offsets[name]) for name, rows in found.items()}
    return {
        "auc": area(pairs[:, 0], pairs[:, 1]),
        "windows": len(pairs),
        "mae_ms": float(np.mean(np.abs(list(errors.values())))),
        "worst_ms": float(np.max(np.abs(list(errors.values())))),
        "own": float(pairs[:, 0].mean()),
        "wrong": float(pairs[:, 1].mean()),
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
    network = load(options.weights)
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
        lines.append(f"{title:8} {'shift':>5} {'AUC':>6} {'MAE ms':>7} {'worst':>6} {'own':>6} {'wrong':>6}")
        for shift, row in by_shift.items():
            lines.append(
                f"{'':8} {shift:5} {row['auc']:6.3f} {row['mae_ms']:7.1f} {row['worst_ms']:6.0f}"
                f" {row['own']:6.3f} {row['wrong']:6.3f}"
            )
        if len(by_shift[0]["errors_ms"]) < 10:
            lines.append("errors ms: " + ", ".join(f"{k} {v:+.0f}" for k, v in by_shift[0]["errors_ms"].items()))
        lines.append(f"{by_shift[0]['windows']} windows")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
