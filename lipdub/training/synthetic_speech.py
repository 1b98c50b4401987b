"""Speech with known phone times, made by synthesisers: flite (a program) and espeak-ng (espeakng-loader)."""

from __future__ import annotations

import ctypes
import functools
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
from lipdub.speech.features import FRAME_RATE, RATE, mel_power
from lipdub.speech.phones import INDEX, from_arpabet, from_ipa
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
_DIPHTHONG_SPLIT = 0.55  # share of a diphthong's time that its first vowel has


@dataclass(frozen=True)
class Utterance:
    """audio: float32 (n,) at 16 kHz; phones: (start s, end s, phone of `speech.phones.PHONES`), in order."""

    audio: np.ndarray
    phones: tuple[tuple[float, float, str], ...]


def has_flite() -> bool:
    """Whether the flite program is installed."""
    return shutil.which("flite") is not None


def has_espeak() -> bool:
    """Whether the espeak-ng library (package espeakng-loader, extra `train`) is installed."""
    from importlib.util import find_spec

    return find_spec("espeakng_loader") is not None


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
        phones += _spread(from_arpabet(name), start, float(end))
        start = float(end)
    return Utterance(_resample(audio, rate), tuple(phones))


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):  # espeak_EVENT of speak_lib.h
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", _EventId),
    ]


class Espeak:
    """espeak-ng through its C interface. The library has global state: use `process_espeak`, one in a
    process."""

    _PHONEME, _END = 7, 0

    def __init__(self) -> None:
        import espeakng_loader

        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate = self._lib.espeak_Initialize(
            2, 0, data, 0x0001 | 0x0002 | 0x8000
        )  # synchronous; phoneme events, IPA
        if self.rate <= 0:
            raise RuntimeError("espeak-ng could not be initialised")
        self._audio: list[bytes] = []
        self._events: list[tuple[float, str]] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = kind(self._collect)  # kept alive for as long as the library may call it
        self._lib.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: int | None, count: int, events: ctypes.Array) -> int:
        if samples and count > 0:
            self._audio.append(ctypes.string_at(samples, count * 2))
        i = 0
        while events[i].type != self._END:
            if events[i].type == self._PHONEME:
                name = events[i].id.string.decode("utf-8", "ignore")
                self._events.append((events[i].milliseconds / 1000.0, name))
            i += 1
        return 0

    def speak(
        self, text: str, *, voice: str = "en-us", speed: int = 165, pitch: int = 50, span: int = 50
    ) -> Utterance:
        """Speak text. voice: an espeak voice with an optional variant ("de+f2"); speed: words a minute (80 to
        450); pitch and span (pitch range): 0 to 100. ValueError when there is no such voice."""
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in ((1, speed), (3, pitch), (4, span)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._audio.clear()
        self._events.clear()
        data = text.encode() + b"\0"
        self._lib.espeak_Synth(
            data, len(data), 0, 0, 0, 1 | 0x1000, None, None
        )  # 1: UTF-8; 0x1000: end pause
        self._lib.espeak_Synchronize()
        audio = np.frombuffer(b"".join(self._audio), np.int16).astype(np.float32) / 32768.0
        end = len(audio) / self.rate
        starts = [start for start, _ in self._events] + [end]
        phones: list[tuple[float, float, str]] = [(0.0, starts[0], "sil")] if starts[0] > 0 else []
        for (start, name), stop in zip(self._events, starts[1:], strict=True):
            if stop <= start:
                continue
            known = from_ipa(name) if name else ("sil",)
            if not known:
                known = (phones[-1][2],) if phones else ("sil",)  # a mark alone goes on with the phone before
            phones += _spread(known, start, stop)
        return Utterance(_resample(audio, self.rate), tuple(phones))


@functools.cache
def process_espeak() -> Espeak:
    """This process's one espeak-ng."""
    return Espeak()


def _spread(phones: tuple[str, ...], start: float, end: float) -> list[tuple[float, float, str]]:
    """Share the time of one event out among its phones (a diphthong's first vowel gets a little more)."""
    if len(phones) == 1:
        return [(start, end, phones[0])]
    first = _DIPHTHONG_SPLIT if len(phones) == 2 else 1.0 / len(phones)
    cuts = [0.0, first] + [first + (1 - first) * (i + 1) / (len(phones) - 1) for i in range(len(phones) - 1)]
    return [
        (start + (end - start) * a, start + (end - start) * b, p)
        for p, a, b in zip(phones, cuts[:-1], cuts[1:], strict=True)
    ]


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


def _roomy(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In a made-up room: exponentially decaying noise as impulse response, the direct sound kept in front."""
    decay = rng.uniform(0.1, 0.7)
    length = int(RATE * decay)
    impulse = rng.standard_normal(length) * 10 ** (-3.0 * np.arange(length) / length)
    impulse *= rng.uniform(0.1, 0.6) / np.sqrt(np.sum(impulse**2) + 1e-9)
    impulse[: int(RATE * rng.uniform(0.001, 0.01))] = 0
    impulse[0] = 1.0
    size = len(audio) + length
    return np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(impulse, size), size)[: len(audio)].astype(
        np.float32
    )


def labels(utterance: Utterance, frames: int) -> np.ndarray:
    """Phone index of each 10 ms frame, uint8 (frames,)."""
    out = np.full(frames, INDEX["sil"], np.uint8)
    for start, end, phone in utterance.phones:
        out[int(np.ceil(start * FRAME_RATE)) : int(np.ceil(end * FRAME_RATE))] = INDEX[phone]
    return out


def _make(job: tuple[str, int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
    kind, seed, count = job
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    espeak = process_espeak() if kind == "espeak" else None
    made: list[tuple[np.ndarray, np.ndarray]] = []
    while len(made) < count:
        try:
            if espeak is not None:
                language = rng.choice(texts.LANGUAGES)
                utterance = espeak.speak(
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
        audio = _roomy(utterance.audio, noise) if rng.random() < 0.3 else utterance.audio
        audio = audio * (0.1 / (np.sqrt(np.mean(audio**2)) + 1e-6))
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
