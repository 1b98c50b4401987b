"""How well speech -> lip motion follows real mouths: correlation with the talker's own, and closures.

lip_motion_correlation.py SHARED [--weights FILE] [--cache FOLDER] [--json] SHARED is the folder with `clips/`
and `grid/`. For the six talking clips (never trained on) and the GRID clips kept out of training it prints,
at 25 frames a second, the correlation of opening and width with the talker's own mouth, each clip at its own
sound offset, and beside it what loudness alone gives, and how often p, b and m are closed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from lipdub.speech import lips
from lipdub.speech.features import FRAME_RATE, RATE, decibel, mel_power
from lipdub.speech.phones import BILABIALS
from lipdub.training import grid

CLIPS = {  # frames of 40 ms by which the clip's mouth lags its sound
    "man_suit_700": 1,
    "woman_flag_590": 0,
    "woman_512_25fps": -4,
    "talk_512_25fps": -2,
    "generated_a_512": 0,
    "generated_b_512": 1,
}


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation; 0 when one of the two does not move."""
    return 0.0 if a.std() < 1e-6 or b.std() < 1e-6 else float(np.corrcoef(a, b)[0, 1])


def loudness(audio: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Level of the sound in dB, cut off 40 dB under the loudest, averaged over about 80 ms, at the times."""
    level = decibel(mel_power(audio).sum(1))
    level = np.convolve(np.maximum(level, level.max() - 40), np.ones(8) / 8, "same")
    return np.interp(times, np.arange(len(level)) / FRAME_RATE, level)


def clip(path: Path, offset: int, weights: Path | None, cache: Path) -> dict[str, float]:
    """Figures of one talking clip."""
    import cv2

    kept = cache / f"{path.stem}.npz"
    if not kept.exists():
        from lipdub.media.audio import load_audio

        capture = cv2.VideoCapture(str(path))
        rate = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        rows = grid.mouth(grid.video_landmarks(path))
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(kept, mouth=rows, rate=rate, audio=load_audio(path, RATE))
    with np.load(kept) as data:
        rows, rate, audio = data["mouth"], float(data["rate"]), data["audio"]
    times = np.arange(0, (len(rows) - 1) / rate, 0.04)
    own = np.stack([np.interp(times, np.arange(len(rows)) / rate, rows[:, j]) for j in range(2)], 1)
    heard = times - offset * 0.04
    use = (heard >= 0) & (heard < len(audio) / RATE)
    motion = lips.lip_motion(audio, weights=weights)
    values = lips.at_times(motion, heard)
    loud = loudness(audio, heard)
    lags = range(-6, 7)
    shifted = [correlation(lips.at_times(motion, heard - k * 0.04)[use, 0], own[use, 0]) for k in lags]
    return {
        "opening": correlation(values[use, 0], own[use, 0]),
        "width": correlation(values[use, 1], own[use, 1]),
        "loudness_opening": correlation(loud[use], own[use, 0]),
        "loudness_width": correlation(loud[use], own[use, 1]),
        "best_lag": float(lags[int(np.argmax(shifted))]),
        "best": max(shifted),
    }


def grid_clips(folder: Path, weights: Path | None, cache: Path) -> dict[str, float]:
    """Means over the GRID clips kept out of training."""
    names = grid.held_out(grid.clip_words(folder))
    network, _ = lips.load_weights(weights)
    sums: list[list[float]] = []
    closed: list[bool] = []
    really: list[bool] = []
    right: list[float] = []
    for sentence in grid.load(folder, cache, names):
        own = grid.mouth(sentence.landmarks)
        times = np.arange(len(own)) / grid.FPS
        motion = lips.lip_motion(sentence.audio, weights=weights)
        values = lips.at_times(motion, times)
        loud = loudness(sentence.audio, times)
        sums.append(
            [
                correlation(values[:, 0], own[:, 0]),
                correlation(values[:, 1], own[:, 1]),
                correlation(loud, own[:, 0]),
                correlation(loud, own[:, 1]),
            ]
        )
        posteriors = lips.phone_posteriors(sentence.audio, network)
        phones = grid.align(sentence.words, posteriors)
        spoken = posteriors.argmax(1)
        truth = np.array([lips.INDEX[p] for a, b, p in phones for _ in range(round((b - a) * FRAME_RATE))])
        right.append(float((spoken[: len(truth)] == truth[: len(spoken)]).mean()))
        low = np.percentile(own[:, 0], 5) + 0.15 * np.ptp(own[:, 0])
        for start, end, phone in phones:
            if phone in BILABIALS:
                near = (times > start - 0.08) & (times < end + 0.08)
                closed.append(bool(values[near, 0].min() < 0.08))
                really.append(bool(own[near, 0].min() < low))
    mean = np.mean(sums, 0)
    return {
        "opening": float(mean[0]),
        "width": float(mean[1]),
        "loudness_opening": float(mean[2]),
        "loudness_width": float(mean[3]),
        "worst_opening": float(np.min(sums, 0)[0]),
        "closures_closed": float(np.mean(closed)),
        "own_mouth_closed": float(np.mean(really)),
        "frames_right": float(np.mean(right)),
        "clips": float(len(sums)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shared", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".lip-motion-cache"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {
        name: clip(options.shared / "clips" / f"{name}.mp4", offset, options.weights, options.cache)
        for name, offset in CLIPS.items()
    }
    found["mean of the six"] = {
        k: float(np.mean([v[k] for v in found.values()])) for k in found["man_suit_700"]
    }
    kept_apart = grid_clips(options.shared / "grid", options.weights, options.cache)
    if options.json:
        print(json.dumps({"clips": found, "grid": kept_apart}, indent=1))
        return
    heads = ("opening", "width", "loud/open", "loud/width", "best lag", "best")
    print(f"{'clip':18}", *(f"{head:>10}" for head in heads))
    for name, row in found.items():
        keys = ("opening", "width", "loudness_opening", "loudness_width", "best_lag", "best")
        print(f"{name:18}", *(f"{row[key]:10.3f}" for key in keys))
    print("GRID kept apart:", ", ".join(f"{k} {v:.3f}" for k, v in kept_apart.items()))


if __name__ == "__main__":
    main()
