"""How well speech -> lip motion follows real mouths: correlation with the talker's own, and closures.

lip_motion_correlation.py SHARED [--weights FILE] [--texts FOLDER] [--cache FOLDER] [--grid-only] [--robust] [--json]

SHARED is the folder with `clips/` and `grid/`. For the six talking clips (never trained on) and the GRID clips kept
out of training it prints, at 25 frames a second, the correlation of opening and width with the talker's own mouth,
each clip at its own sound offset: of no dubbing (the mouth of the same clip half its length away: nobody's lips
follow the speech); of loudness alone; of the network's phones with the phonetic table alone; with --grid-only, of the
same phones with lips fitted on 300 clips of GRID and held to nothing; of what a run does (`sound`); and with the
text, where the folder holds `NAME.txt`. Then how often p, b and m are closed, the time and memory it takes, and, with
--robust, the same under noise, music and in a telephone's band, and of other languages the articulation against
English and the closures.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech import coarticulation, lip_motion, phone_recognizer
from lipdub.speech.coarticulation import LipModel
from lipdub.speech.phone_features import FRAME_RATE, compute_mel_power, to_decibel
from lipdub.speech.phones import BILABIALS
from lipdub.speech.recognition import recognize
from lipdub.speech.transcript import Transcript, parse_transcript, read_transcript
from lipdub.training import grid

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    level = to_decibel(compute_mel_power(audio).sum(1))
    level = np.convolve(np.maximum(level, level.max() - 40), np.ones(8) / 8, "same")
    return np.interp(times, np.arange(len(level)) / FRAME_RATE, level)


def ways(
    audio: np.ndarray, weights: Path | None, script: Transcript | None = None, other: LipModel | None = None
) -> dict[str, lip_motion.LipMotion]:
    """The lips of a speech by every way of getting them; other: a model fitted on GRID alone."""
    heard = recognize(audio, weights=weights)
    times = np.arange(len(heard.posteriors)) / FRAME_RATE

    def by(model: LipModel) -> lip_motion.LipMotion:
        return lip_motion.LipMotion(times, coarticulation.blend_lip_shapes(heard.posteriors, model), [])

    out = {"table": by(LipModel.phonetic())}
    if other is not None:
        out["GRID only"] = by(other)
    out["sound"] = lip_motion.predict_lip_motion(audio, weights=weights, recognition=heard)
    if script is not None:
        out["text"] = lip_motion.predict_lip_motion(
            audio, weights=weights, recognition=recognize(audio, weights=weights, transcript=script)
        )
    return out


def grid_only(folder: Path, weights: Path | None, cache: Path, clips: int = 300) -> LipModel:
    """Lips fitted on that many of GRID's training clips, free of the phonetic table."""
    from lipdub.training.lip_fit import LipFitOptions, fit_lip_model

    words = grid.load_word_times(folder)
    apart = set(grid.held_out_clips(words))
    names = [name for name in sorted(words) if name not in apart]
    network, _ = phone_recognizer.load_weights(weights)
    posteriors, own = [], []
    for sentence in grid.load_sentences(folder, cache / "training", names[:: max(len(names) // clips, 1)][:clips]):
        posteriors.append(phone_recognizer.compute_phone_posteriors(sentence.audio, network)[: grid.FRAMES * 4])
        own.append(grid.measure_mouth(sentence.landmarks))
    return fit_lip_model(np.stack(posteriors), np.stack(own), LipFitOptions(hold=0.0, hold_reach=0.0))


def measured(path: Path, cache: Path) -> tuple[np.ndarray, float, np.ndarray]:
    """A clip's own mouth (frames, 3), its frames a second, and its sound at 16 kHz; kept in the cache."""
    import cv2

    kept = cache / f"{path.stem}.npz"
    if not kept.exists():
        from lipdub.media.audio import load_audio

        capture = cv2.VideoCapture(str(path))
        rate = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        rows = grid.measure_mouth(grid.track_landmarks(path))
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(kept, mouth=rows, rate=rate, audio=load_audio(path, SAMPLE_RATE_HZ))
    with np.load(kept) as data:
        return data["mouth"], float(data["rate"]), data["audio"]


def clip(
    rows: np.ndarray, rate: float, audio: np.ndarray, offset: int, motions: dict[str, lip_motion.LipMotion]
) -> dict[str, dict[str, float]]:
    """Figures of one talking clip, by way of hearing."""
    times = np.arange(0, (len(rows) - 1) / rate, 0.04)
    own = np.stack([np.interp(times, np.arange(len(rows)) / rate, rows[:, j]) for j in range(2)], 1)
    heard = times - offset * 0.04
    use = (heard >= 0) & (heard < len(audio) / SAMPLE_RATE_HZ)
    loud = loudness(audio, heard)
    still = np.roll(own, len(own) // 2, 0)
    out = {
        name: {k: correlation(values[use], own[use, i]) for i, (k, values) in enumerate(pair.items())}
        for name, pair in (
            ("no dubbing", {"opening": still[:, 0], "width": still[:, 1]}),
            ("loudness", {"opening": loud, "width": loud}),
        )
    }
    for name, motion in motions.items():
        values = lip_motion.sample_motion(motion, heard)
        lags = range(-6, 7)
        shifted = [correlation(lip_motion.sample_motion(motion, heard - k * 0.04)[use, 0], own[use, 0]) for k in lags]
        out[name] = {
            "opening": correlation(values[use, 0], own[use, 0]),
            "width": correlation(values[use, 1], own[use, 1]),
            "best_lag": float(lags[int(np.argmax(shifted))]),
        }
    return out


def grid_clips(folder: Path, weights: Path | None, cache: Path, other: LipModel | None) -> dict[str, object]:
    """Means over the GRID clips kept out of training."""
    names = grid.held_out_clips(grid.load_word_times(folder))
    network, _ = phone_recognizer.load_weights(weights)
    figures: dict[str, list[tuple[float, float]]] = {}
    closed: list[bool] = []
    right: list[float] = []
    for sentence in grid.load_sentences(folder, cache, names):
        own = grid.measure_mouth(sentence.landmarks)
        times = np.arange(len(own)) / grid.FPS
        script = parse_transcript(" ".join(word for _, _, word in sentence.words if word not in ("sil", "sp")))
        loud = loudness(sentence.audio, times)
        figures.setdefault("loudness", []).append((correlation(loud, own[:, 0]), correlation(loud, own[:, 1])))
        for name, motion in ways(sentence.audio, weights, script, other).items():
            values = lip_motion.sample_motion(motion, times)
            figures.setdefault(name, []).append(
                (correlation(values[:, 0], own[:, 0]), correlation(values[:, 1], own[:, 1]))
            )
            if name == "sound":
                posteriors = phone_recognizer.compute_phone_posteriors(sentence.audio, network)
                phones = grid.align_phones(sentence.words, posteriors)
                truth = np.array(
                    [lip_motion.INDEX[p] for a, b, p in phones for _ in range(round((b - a) * FRAME_RATE))]
                )
                right.append(float((posteriors.argmax(1)[: len(truth)] == truth[: len(posteriors)]).mean()))
                for start, end, phone in phones:
                    if phone in BILABIALS:
                        near = (times > start - 0.08) & (times < end + 0.08)
                        closed.append(bool(values[near, 0].min() < 0.08))
    means = {name: dict(zip(("opening", "width"), np.mean(v, 0).tolist(), strict=False)) for name, v in figures.items()}
    return {
        **means,
        "closures": {"asked": len(closed), "closed": float(np.mean(closed))},
        "frames_right": float(np.mean(right)),
        "clips": len(names),
    }


def disturbed(audio: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The sound under noise at 10 dB, made-up music as loud as it, and in a telephone's band."""
    import soxr

    from lipdub.training.speech_augmentation import synthesize_music

    level = np.sqrt(np.mean(audio**2))
    rng = np.random.default_rng(0)
    yield "noise 10 dB", (audio + rng.standard_normal(len(audio)) * level * 10**-0.5).astype(np.float32)
    yield "music 0 dB", audio + level * synthesize_music(len(audio), np.random.default_rng(3))
    yield "8 kHz band", soxr.resample(soxr.resample(audio, SAMPLE_RATE_HZ, 8000), 8000, SAMPLE_RATE_HZ)


def languages(shared: Path, weights: Path | None) -> dict[str, float]:
    """Standard deviation of the opening while somebody speaks, as a share of that of the English clip."""
    import random

    from lipdub.media.audio import load_audio
    from lipdub.training import synthetic_speech, synthetic_text

    sounds = {
        name: load_audio(shared / "clips" / f"speech_{name}.wav", SAMPLE_RATE_HZ) for name in ("c_60s_16k", "ja", "de")
    }
    rng = random.Random(1)
    for voice in ("en-us", "es", "fr", "ru", "hi"):
        spoken = [
            synthetic_speech.speak_espeak(synthetic_text.draw_text(voice, rng), voice=voice).audio for _ in range(6)
        ]
        sounds[f"made {voice}"] = np.concatenate(spoken)
    spread = {}
    for name, audio in sounds.items():
        heard = recognize(audio, weights=weights)
        opening = lip_motion.predict_lip_motion(audio, weights=weights, recognition=heard).column("opening")
        speaking = heard.posteriors[:, lip_motion.INDEX["sil"]] < 0.5
        spread[name] = float(opening[speaking].std())
    return {name: value / spread["c_60s_16k" if "made" not in name else "made en-us"] for name, value in spread.items()}


def closures(weights: Path | None, sentences: int = 12) -> dict[str, float]:
    """Share of p, b and m in fresh synthetic speech within two frames (80 ms) of which the lips are shut."""
    import random

    from lipdub.training import synthetic_speech, synthetic_text

    out = {}
    for voice in ("en-us", "en", "de", "ja", "es", "it", "fr", "pl", "ru", "hi"):
        rng = random.Random(5)
        shut: list[bool] = []
        for _ in range(sentences):
            spoken = synthetic_speech.speak_espeak(synthetic_text.draw_text(voice, rng), voice=voice)
            motion = lip_motion.predict_lip_motion(spoken.audio, weights=weights)
            opening = motion.column("opening")
            for start, end, phone in spoken.phones:
                near = (motion.times > start - 0.08) & (motion.times < end + 0.08)
                if phone in BILABIALS and near.any():
                    shut.append(bool(opening[near].min() < 0.08))
        out[f"{voice} ({len(shut)})"] = float(np.mean(shut))
    return out


def cost(shared: Path, weights: Path | None) -> dict[str, float]:
    """Seconds a second of speech, and bytes."""
    from lipdub.media.audio import load_audio

    audio = load_audio(shared / "clips" / "speech_c_60s_16k.wav", SAMPLE_RATE_HZ)
    begun = time.monotonic()
    lip_motion.predict_lip_motion(audio, weights=weights, recognition=recognize(audio, weights=weights))
    out = {"seconds a second": (time.monotonic() - begun) / (len(audio) / SAMPLE_RATE_HZ)}
    out["peak bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    out["weights bytes"] = float((weights or phone_recognizer.find_default_weights()).stat().st_size)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".lip-motion-cache"))
    parser.add_argument("--grid-only", action="store_true")
    parser.add_argument("--robust", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    other = grid_only(options.shared / "grid", options.weights, options.cache) if options.grid_only else None
    found: dict[str, dict[str, dict[str, float]]] = {}
    changed: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name, offset in CLIPS.items():
        rows, rate, audio = measured(options.shared / "clips" / f"{name}.mp4", options.cache)
        text = options.texts / f"{name}.txt" if options.texts else None
        script = read_transcript(text) if text is not None and text.exists() else None
        found[name] = clip(rows, rate, audio, offset, ways(audio, options.weights, script, other))
        for kind, sound in disturbed(audio) if options.robust else ():
            for way, row in clip(rows, rate, sound, offset, ways(sound, options.weights)).items():
                changed.setdefault(kind, {}).setdefault(way, []).append((row["opening"], row["width"]))
    result = {
        "clips": found,
        "grid": grid_clips(options.shared / "grid", options.weights, options.cache, other),
        "disturbed": {k: {w: np.mean(v, 0).tolist() for w, v in rows.items()} for k, rows in changed.items()},
        "languages": languages(options.shared, options.weights) if options.robust else {},
        "closures of synthetic speech": closures(options.weights) if options.robust else {},
        "cost": cost(options.shared, options.weights),
    }
    print(json.dumps(result, indent=1) if options.json else told(result))


def told(result: dict) -> str:
    """The result as a table."""
    names = list(next(iter(result["clips"].values())))
    lines = [f"{'opening / width':18}" + "".join(f"{name:>15}" for name in names)]
    for title, row in result["clips"].items():
        cells = [f"{row[n]['opening']:.3f}/{row[n]['width']:.3f}" if n in row else "" for n in names]
        lines.append(f"{title:18}" + "".join(f"{cell:>15}" for cell in cells))
    means = [
        "/".join(f"{np.mean([r[n][k] for r in result['clips'].values() if n in r]):.3f}" for k in ("opening", "width"))
        for n in names
    ]
    lines.append(f"{'mean':18}" + "".join(f"{cell:>15}" for cell in means))
    kept = result["grid"]
    cells = [f"{kept[n]['opening']:.3f}/{kept[n]['width']:.3f}" if n in kept else "" for n in names]
    lines.append(f"{'GRID kept apart':18}" + "".join(f"{cell:>15}" for cell in cells))
    for kind, row in result["disturbed"].items():
        cells = [f"{row[n][0]:.3f}/{row[n][1]:.3f}" if n in row else "" for n in names]
        lines.append(f"{kind:18}" + "".join(f"{cell:>15}" for cell in cells))
    lines.append("best lag: " + ", ".join(f"{t} {r['sound']['best_lag']:+.0f}" for t, r in result["clips"].items()))
    lines.append(f"closures on GRID: {kept['closures']['closed']:.1%} of {kept['closures']['asked']}")
    lines.append(f"phones right on GRID: {kept['frames_right']:.1%} of frames, {kept['clips']} clips")
    others = (name for name in ("languages", "closures of synthetic speech", "cost") if result[name])
    lines += [f"{name}: " + ", ".join(f"{k} {v:.3g}" for k, v in result[name].items()) for name in others]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
