"""Known cases of lipdub's own sync scorer (`lipdub.metrics.motion_sync`), over files as `lipdub score` reads them.

    python -m tests.bench.sync SHARED [--grid N] [--shifts] [--json FILE]

SHARED is the folder with `clips/` and `grid/`. For N clips of GRID kept out of training and the six talking clips it
prints: the error of the offset of clips beside their own sound, as they are and with the sound moved by 40, 120 and
200 ms either way; agreement and confidence beside the next clip's sound; the area under the ROC curve of windows of 1
s, in sync against moved by 0.2 to 0.6 s; and with --shifts, agreement and offset when the picture moves by 1 to 8 of
96 parts of the face.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.evidence import FrameObservation, ScoredClip, TimedSpeech
from lipdub.metrics.motion_sync import Comparison, compare_clip, estimate_sync
from lipdub.metrics.regions import measure_eye_distance
from lipdub.scoring.speech import load_own_sound
from lipdub.scoring.video_pass import PassResult, run_pass
from lipdub.training import grid
from tests.bench.lip_motion_correlation import CLIPS
from tests.mouths import track_mouth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lipdub.metrics.mouth_motion import MouthMotion

MOVED = (0.0, -0.04, 0.04, -0.12, 0.12, -0.2, 0.2)  # seconds
WINDOW, FAR = 1.0, 0.2
PARTS = (0, 1, 2, 4, 8)  # of 96 parts of the face's width
FACE = 2.6  # eye distances that a face is wide


class EyeDistances:
    """Keeps the distance of the eyes in each frame, in pixels."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def add(self, frame: FrameObservation, /) -> None:
        if frame.mesh is not None:
            self.values.append(measure_eye_distance(frame.mesh))


def moved(path: Path, part: int) -> MouthMotion:
    """The mouth of a video whose pictures lie to the right and below by so many of 96 parts of the face."""
    import cv2

    from lipdub.media.read import read_frames

    distances = EyeDistances()
    run_pass(path, [distances])
    by = part * FACE * float(np.median(distances.values)) / 96
    matrix = np.array([[1, 0, by], [0, 1, by]])

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        for frame in read_frames(path):
            rgb = frame.picture.rgb()
            there = cv2.warpAffine(
                rgb, matrix, rgb.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )
            yield float(frame.time), there

    return track_mouth(frames())


def area(good: list[float], bad: list[float]) -> float:
    """Area under the ROC curve: how often a good value lies above a bad one."""
    a, b = np.array(good)[:, None], np.array(bad)[None]
    return float(((a > b) + 0.5 * (a == b)).mean())


def windows(
    compared: Comparison, offset: float, rng: np.random.Generator
) -> tuple[list[list[float]], list[list[float]]]:
    """Agreement of windows of a second, with and without its mean over all lags, at true and at random offsets."""
    good, bad = [], []
    own = int(np.abs(compared.lags - offset).argmin())
    far = np.flatnonzero(np.abs(compared.lags - offset) >= FAR)
    for start in np.arange(0, compared.times[-1] - WINDOW, WINDOW / 2):
        curve = compared.curve(start, start + WINDOW)
        if np.isfinite(curve[own]):
            usual = np.nanmean(curve)
            wrong = curve[rng.choice(far[np.isfinite(curve[far])])]
            good.append([curve[own], curve[own] - usual])
            bad.append([wrong, wrong - usual])
    return good, bad


def figures(paths: dict[Path, float], sounds: Callable[[Path], TimedSpeech | None]) -> dict[str, object]:
    """All figures of some clips with their true offsets, seconds."""
    seen: dict[Path, tuple[PassResult, TimedSpeech]] = {}
    for path in paths:
        heard = sounds(path)
        assert heard is not None, path
        seen[path] = run_pass(path), heard
    rng = np.random.default_rng(0)
    errors: dict[float, list[float]] = {by: [] for by in MOVED}
    own, other, clips = [], [], {}
    good: list[list[float]] = []
    bad: list[list[float]] = []
    names = list(paths)
    for k, path in enumerate(names):
        watched, heard = seen[path]
        for by in MOVED:
            late = replace(heard, start=heard.start + by, times=heard.times + by)
            found = estimate_sync(compare_clip(ScoredClip(path, watched, late)))
            errors[by].append(found.offset - (paths[path] - by))
            if by == 0:
                clips[path.stem] = [round(found.offset * 1000), round(found.confidence, 2)]
                own.append(found.confidence)
        compared = compare_clip(ScoredClip(path, watched, heard))
        a, b = windows(compared, paths[path], rng)
        good, bad = good + a, bad + b
        stranger = estimate_sync(compare_clip(ScoredClip(path, watched, seen[names[(k + 1) % len(names)]][1])))
        other.append((stranger.agreement, stranger.confidence))
    off = np.abs(np.array([errors[by] for by in MOVED])) * 1000
    return {
        "clips": len(paths),
        "offset error ms, mean": round(float(off.mean()), 1),
        "offset error ms, worst": round(float(off.max()), 1),
        "by planted ms": {round(by * 1000): round(float(np.mean(np.abs(errors[by])) * 1000), 1) for by in MOVED},
        "confidence": [round(float(f(own)), 2) for f in (np.min, np.mean)],
        "beside another sound: agreement mean, 95 %": [
            round(float(v), 2) for v in (np.nanmean([a for a, _ in other]), np.nanpercentile([a for a, _ in other], 95))
        ],
        "beside another sound: confidence mean, 95 %": [
            round(float(v), 2) for v in (np.nanmean([c for _, c in other]), np.nanpercentile([c for _, c in other], 95))
        ],
        "ROC area, 1 s windows: agreement, and less its mean over lags": [
            round(area([g[k] for g in good], [b[k] for b in bad]), 3) for k in (0, 1)
        ],
        "windows": len(good),
        **({"found": clips} if len(paths) < 10 else {}),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path)
    parser.add_argument("--grid", type=int, default=20)
    parser.add_argument("--shifts", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)

    def heard(path: Path) -> TimedSpeech | None:
        return load_own_sound(path, path.name)

    kept_out = grid.held_out_clips(grid.load_word_times(options.shared / "grid"))[: options.grid]
    of_grid = {options.shared / "grid" / "clips" / f"{name}.mp4": 0.0 for name in kept_out}
    talking = {options.shared / "clips" / f"{name}.mp4": frames * 0.04 for name, frames in CLIPS.items()}
    report: dict[str, object] = {}
    for name, paths in (("GRID", of_grid), ("talking", talking)):
        report[name] = figures(paths, heard)
        print(name, json.dumps(report[name]), flush=True)
    if options.shifts:
        for path, offset in [*list(of_grid.items())[:3], *list(talking.items())[:2]]:
            spoken = heard(path)
            assert spoken is not None
            rows = []
            for part in PARTS:
                motion = moved(path, part)
                mouth = np.stack([motion.opening, motion.width], 1)
                from lipdub.metrics.motion_sync import compare_motion

                compared = compare_motion(motion.times, mouth, spoken.times, spoken.lips, (spoken.start, spoken.end))
                at = compared.curve()[int(np.abs(compared.lags - offset).argmin())]
                rows.append([part, round(float(at), 3), round(estimate_sync(compared).offset * 1000, 1)])
            report[f"moved {path.stem}"] = rows
            print(f"moved {path.stem}: [part of 96, agreement, offset ms] {json.dumps(rows)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
