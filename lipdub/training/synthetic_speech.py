"""Speech with known phone times, made by synthesisers: flite (a program) and espeak-ng (espeakng-loader)."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipdub.errors import EnvironmentFailure
from lipdub.speech.espeak import available as has_espeak
from lipdub.speech.espeak import process_espeak
from lipdub.speech.features import FRAME_RATE, RATE, mel_power
from lipdub.speech.phones import INDEX, from_arpabet, from_ipa, spread
from lipdub.training import texts

FLITE_VOICES = ("awb", "rms", "slt", "slt", "rms", "kal16", "kal")
_ESPEAK_VARIANTS = (
    "",
    "+m1",
    "+m2",
    "+m3",
    "+m4",
    "+m5",
    "+m6",
    "+m7",
    "+f1",
    "+f2",
    "+f3",
    "+f4",
    "+f5",
    "+klatt",
    "+klatt2",
    "+klatt3",
    "+klatt4",
)
_IN_ROOM, _WITH_MUSIC = 0.5, 0.25  # shares of the sentences


@dataclass(frozen=True)
class Utterance:
    """audio: float32 (n,) at 16 kHz; phones: (start s, end s, phone of `speech.phones.PHONES`), in order."""

    audio: np.ndarray
    phones: tuple[tuple[float, float, str], ...]


def has_flite() -> bool:
    """Whether the flite program is installed."""
    return shutil.which("flite") is not None


def speak_flite(
    text: str, *, voice: str = "slt", stretch: float = 1.0, pitch: float | None = None
) -> Utterance:
    """Speak English text with flite. stretch: duration factor; pitch: mean f0 in Hz (None: the voice's
    own)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.3f}"]
        if pitch is not None:
            command += ["--setf", f"int_f0_target_mean={pitch:.1f}"]
        command += ["-psdur", "-t", text, "-o", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        audio, rate = _read_wave(path)
    phones: list[tuple[float, float, str]] = []
    start = 0.0
    for item in done.stdout.split():
        name, _, end = item.partition(":")
        phones += spread(from_arpabet(name), start, float(end))
        start = float(end)
    return Utterance(_resample(audio, rate), tuple(phones))


def speak_espeak(
    text: str, *, voice: str = "en-us", speed: int = 165, pitch: int = 50, span: int = 50
) -> Utterance:
    """Speak text with this process's espeak-ng; the arguments are those of `Espeak.speak`, as is the ValueError."""
    library = process_espeak()
    audio, events = library.speak(text, voice=voice, speed=speed, pitch=pitch, span=span)
    starts = [start for start, _ in events] + [len(audio) / library.rate]
    phones: list[tuple[float, float, str]] = [(0.0, starts[0], "sil")] if starts[0] > 0 else []
    for (start, name), stop in zip(events, starts[1:], strict=True):
        if stop <= start:
            continue
        known = from_ipa(name) if name else ("sil",)
        if not known:
            known = (phones[-1][2],) if phones else ("sil",)  # a mark alone goes on with the phone before
        phones += spread(known, start, stop)
    return Utterance(_resample(audio, library.rate), tuple(phones))


def _read_wave(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return data.astype(np.float32) / 32768.0, file.getframerate()


def _resample(audio: np.ndarray, rate: float, to: float = RATE) -> np.ndarray:
    import soxr

    return soxr.resample(audio, rate, to).astype(np.float32) if rate != to else audio


def _warped(utterance: Utterance, factor: float) -> Utterance:
    """Play faster by that factor: tempo, pitch and vocal tract change together."""
    audio = _resample(utterance.audio, RATE * factor)
    return Utterance(audio, tuple((a / factor, b / factor, p) for a, b, p in utterance.phones))


def room(rng: np.random.Generator) -> np.ndarray:
    """Impulse response of a made-up room at 16 kHz, float64, the direct sound first and of height one.

    From a dead cell (0.1 s of reverberation) to a hall (1.6 s), heard from near or far: a few early
    reflections, then noise that decays exponentially, its high tones faster.
    """
    decay = float(np.exp(rng.uniform(np.log(0.1), np.log(1.6))))  # seconds to fall by 60 dB
    length = int(RATE * decay)
    fall = 10 ** (-3.0 * np.arange(length) / length)
    low = rng.standard_normal(length)
    high = np.diff(low, prepend=0.0)
    late = (low - high) * fall + high * fall ** rng.uniform(1.0, 3.0)
    late[: int(RATE * rng.uniform(0.002, 0.03))] = 0.0
    early = np.zeros(length)
    places = rng.integers(int(RATE * 0.001), max(int(RATE * 0.04), 20), 8) % length
    early[places] = rng.uniform(-0.6, 0.6, 8) * fall[places]
    late *= 10 ** (rng.uniform(-18.0, 5.0) / 20) / np.sqrt(np.sum(late**2) + 1e-9)  # against the direct sound
    impulse = early + late
    impulse[0] = 1.0
    return impulse


def _roomy(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In a made-up room, as long as before."""
    impulse = room(rng)
    size = len(audio) + len(impulse)
    return np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(impulse, size), size)[: len(audio)].astype(
        np.float32
    )


def music(count: int, rng: np.random.Generator) -> np.ndarray:
    """Made-up music at 16 kHz, float32 (count,), mean square one: chords of harmonic tones that are struck or
    swell, a bass line, and beats of noise, at one tempo."""
    out = np.zeros(count)
    beat = int(RATE * rng.uniform(0.25, 0.8))
    root = rng.uniform(80, 240)
    scale = np.array([0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.5 else [0, 2, 3, 5, 7, 8, 10])
    tilt, struck = rng.uniform(0.8, 2.2), rng.random() < 0.6
    drums = rng.uniform(0.0, 0.5) if rng.random() < 0.6 else 0.0
    for at in range(0, count, beat):
        span = min(int(beat * rng.choice([1, 1, 2, 4])), count - at)
        time = np.arange(span) / RATE
        shape = np.exp(-time * rng.uniform(1.5, 8.0)) if struck else np.sin(np.pi * time * RATE / span) ** 0.5
        degree = int(rng.integers(0, 7))
        notes = [0.5 * 2 ** (scale[degree] / 12)]
        notes += [2 ** ((scale[(degree + k) % 7] + 12 * rng.integers(0, 3)) / 12) for k in (0, 2, 4)]
        for note in notes:
            for harmonic in range(1, int(rng.integers(3, 10))):
                tone = root * note * harmonic
                if tone < RATE / 2:
                    phase = rng.uniform(0, 2 * np.pi)
                    out[at : at + span] += (
                        shape * np.sin(2 * np.pi * tone * time + phase) / harmonic**tilt * rng.uniform(0.3, 1)
                    )
        if drums:
            hit = rng.standard_normal(span) * np.exp(-time * rng.uniform(15, 60))
            out[at : at + span] += drums * hit * 4
    return (out / np.sqrt(np.mean(out**2) + 1e-12)).astype(np.float32)


def labels(utterance: Utterance, frames: int) -> np.ndarray:
    """Phone index of each 10 ms frame, uint8 (frames,)."""
    out = np.full(frames, INDEX["sil"], np.uint8)
    for start, end, phone in utterance.phones:
        out[int(np.ceil(start * FRAME_RATE)) : int(np.ceil(end * FRAME_RATE))] = INDEX[phone]
    return out


def _make(job: tuple[str, int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
    kind, seed, count = job
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    made: list[tuple[np.ndarray, np.ndarray]] = []
    while len(made) < count:
        try:
            if kind == "espeak":
                language = rng.choice(texts.LANGUAGES)
                utterance = speak_espeak(
                    texts.text(language, rng),
                    voice=language + rng.choice(_ESPEAK_VARIANTS),
                    speed=rng.randint(110, 230),
                    pitch=rng.randint(10, 90),
                    span=rng.randint(20, 80),
                )
            else:
                voice = rng.choice(FLITE_VOICES)
                pitch = rng.uniform(85, 150) if voice != "slt" else rng.uniform(140, 230)
                utterance = speak_flite(
                    texts.english(rng), voice=voice, stretch=rng.uniform(0.75, 1.35), pitch=pitch
                )
        except (subprocess.SubprocessError, ValueError):
            continue
        if not 0.5 < len(utterance.audio) / RATE < 12.0:
            continue
        utterance = _warped(utterance, rng.uniform(0.84, 1.2))
        audio = _roomy(utterance.audio, noise) if rng.random() < _IN_ROOM else utterance.audio
        audio = audio * (0.1 / (np.sqrt(np.mean(audio**2)) + 1e-6))
        if rng.random() < _WITH_MUSIC:
            audio = audio + music(len(audio), noise) * np.float32(
                0.1 * 10 ** (noise.uniform(-24.0, 2.0) / 20)
            )
        power = mel_power(audio)
        made.append((power, labels(utterance, len(power))))
    return made


def corpus(
    count: int,
    seed: int,
    *,
    workers: int = 2,
    progress: Callable[[str], None] | None = None,
    kinds: tuple[str, ...] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mel power and phone labels of `count` utterances of synthetic speech.

    Returns (power float16 dB (frames, MELS), labels uint8 (frames,), starts int64 (utterances + 1,)): all
    frames one after another. The same count and seed give the same speech with the same synthesisers. Kinds:
    "flite", "espeak"; by default whichever is installed (EnvironmentFailure when none is).
    """
    kinds = kinds or tuple(k for k, there in (("flite", has_flite()), ("espeak", has_espeak())) if there)
    if not kinds:
        raise EnvironmentFailure(
            "no speech synthesiser", hint="Install flite, or the package espeakng-loader (extra 'train')"
        )
    size = 50
    jobs = [
        (kinds[i % len(kinds)], seed * 100_003 + i, min(size, count - i * size))
        for i in range((count + size - 1) // size)
    ]
    powers, marks, starts = [], [], [0]
    for i, made in enumerate(_each(jobs, workers)):
        for power, label in made:
            powers.append((10 * np.log10(np.maximum(power, 1e-12))).astype(np.float16))
            marks.append(label)
            starts.append(starts[-1] + len(label))
        if progress:
            progress(f"speech made: {min((i + 1) * size, count)} of {count} utterances")
    return np.concatenate(powers), np.concatenate(marks), np.array(starts)


def _each(jobs: list[tuple[str, int, int]], workers: int):
    if workers <= 1 and all(kind == "flite" for kind, *_ in jobs):
        yield from map(_make, jobs)
        return
    # espeak's library keeps global state: it lives in processes of its own, never in the caller's
    with multiprocessing.get_context("spawn").Pool(max(workers, 1), initializer=_polite) as pool:
        yield from pool.imap(_make, jobs)


def _polite() -> None:
    try:
        os.nice(5)
    except OSError:
        pass
