"""Speech with known phone times from synthesisers: flite (a program) and espeak-ng (the package espeakng-loader)."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import subprocess
import tempfile
import wave
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import EnvironmentFailure
from lipdub.speech.espeak import get_espeak, speak_alone
from lipdub.speech.espeak import is_available as has_espeak
from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phones import phones_from_arpabet, phones_from_ipa, split_time
from lipdub.training import synthetic_text
from lipdub.training.phone_windows import WINDOW_FRAMES, Utterance, change_speed, make_windows, resample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lipdub.arrays import F32, Array

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


def has_flite() -> bool:
    """Check whether the program flite is installed."""
    return shutil.which("flite") is not None


def speak_flite(text: str, *, voice: str = "slt", stretch: float = 1.0, pitch: float | None = None) -> Utterance:
    """Speak English text with flite.

    Args:
        text: the text.
        voice: one of `FLITE_VOICES`.
        stretch: factor on all durations.
        pitch: mean f0 in Hz, by default the voice's own.
    """
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
        phones += split_time(phones_from_arpabet(name), start, float(end))
        start = float(end)
    return Utterance(resample(audio, rate), tuple(phones))


def speak_espeak(
    text: str,
    *,
    voice: str = "en-us",
    speed: int = 165,
    pitch: int = 50,
    span: int = 50,
    is_repeatable: bool = False,
) -> Utterance:
    """Speak text with espeak-ng. The other arguments and the errors are those of `Espeak.speak`.

    Args:
        text: what is said.
        voice: a voice of espeak-ng.
        speed: words per minute.
        pitch: 0 to 100.
        span: range of the pitch, 0 to 100.
        is_repeatable: speak in a process of its own, which takes longer: the sound is the same each time.
    """
    if is_repeatable:
        audio, events, rate = speak_alone(text, voice=voice, speed=speed, pitch=pitch, pitch_range=span)
    else:
        library = get_espeak()
        audio, events = library.speak(text, voice=voice, speed=speed, pitch=pitch, pitch_range=span)
        rate = library.rate
    starts = [start for start, _ in events] + [len(audio) / rate]
    phones: list[tuple[float, float, str]] = [(0.0, starts[0], "sil")] if starts[0] > 0 else []
    for (start, name), stop in zip(events, starts[1:], strict=True):
        if stop <= start:
            continue
        known = phones_from_ipa(name) if name else ("sil",)
        if not known:
            known = (phones[-1][2],) if phones else ("sil",)  # a mark alone continues the previous phone
        phones += split_time(known, start, stop)
    return Utterance(resample(audio, rate), tuple(phones))


def _read_wave(path: Path) -> tuple[F32, int]:
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return data.astype(np.float32) / 32768.0, file.getframerate()


def _make_synthesiser(kind: str, rng: random.Random) -> Callable[[], Utterance]:
    """Make a function that speaks random sentences with random voices of a synthesiser."""

    def espeak() -> Utterance:
        language = rng.choice(synthetic_text.LANGUAGES)
        return speak_espeak(
            synthetic_text.draw_text(language, rng),
            voice=language + rng.choice(_ESPEAK_VARIANTS),
            speed=rng.randint(110, 230),
            pitch=rng.randint(10, 90),
            span=rng.randint(20, 80),
        )

    def flite() -> Utterance:
        voice = rng.choice(FLITE_VOICES)
        pitch = rng.uniform(85, 150) if voice != "slt" else rng.uniform(140, 230)
        return speak_flite(synthetic_text.draw_english(rng), voice=voice, stretch=rng.uniform(0.75, 1.35), pitch=pitch)

    def voice() -> Utterance:
        while True:
            try:
                spoken = espeak() if kind == "espeak" else flite()
            except (subprocess.SubprocessError, ValueError):
                continue
            if 0.5 < len(spoken.audio) / SAMPLE_RATE_HZ < 12.0:
                return change_speed(spoken, rng.uniform(0.84, 1.2))

    return voice


def _make(job: tuple[str, int, int]) -> list[tuple[Array, Array, Array]]:
    kind, seed, count = job
    return list(make_windows(_make_synthesiser(kind, random.Random(seed)), count, np.random.default_rng(seed)))


def synthesize_corpus(
    count: int,
    seed: int,
    *,
    workers: int = 2,
    progress: Callable[[str], None] | None = None,
    kinds: tuple[str, ...] | None = None,
) -> tuple[Array, Array, Array]:
    """Synthesise windows of speech. The same count, seed and synthesisers give the same speech.

    Args:
        count: windows to make.
        seed: seed of all random choices.
        workers: processes.
        progress: called with one line of text now and then.
        kinds: "flite" and "espeak", by default those that are installed.

    Returns:
        encoded speech, power and phones of `phone_windows.make_windows`, stacked.

    Raises:
        EnvironmentFailure: no synthesiser is installed.
    """
    kinds = kinds or tuple(k for k, is_installed in (("flite", has_flite()), ("espeak", has_espeak())) if is_installed)
    if not kinds:
        raise EnvironmentFailure(
            "no speech synthesiser", hint="Install flite, or the package espeakng-loader (extra 'train')"
        )
    size = 25
    jobs = [
        (kinds[i % len(kinds)], seed * 100_003 + i, min(size, count - i * size))
        for i in range((count + size - 1) // size)
    ]
    windows: list[tuple[Array, Array, Array]] = []
    for i, some in enumerate(_iter_jobs(jobs, workers)):
        windows += some
        if progress:
            progress(
                f"speech made: {min((i + 1) * size, count)} of {count} windows of {WINDOW_FRAMES / FRAME_RATE:.0f} s"
            )
    encoded, power, marks = zip(*windows, strict=True)
    return np.stack(encoded), np.stack(power), np.stack(marks)


def _iter_jobs(jobs: list[tuple[str, int, int]], workers: int) -> Iterator[list[tuple[Array, Array, Array]]]:
    if workers <= 1 and all(kind == "flite" for kind, *_ in jobs):
        yield from map(_make, jobs)
        return
    # espeak's library keeps global state: it runs in processes of its own, never in the caller's
    with multiprocessing.get_context("spawn").Pool(max(workers, 1), initializer=_lower_priority) as pool:
        yield from pool.imap(_make, jobs)


def _lower_priority() -> None:
    with suppress(OSError):
        os.nice(5)
