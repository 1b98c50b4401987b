"""Makes the windows of speech that train the phone network: utterances in a row, augmented, encoded and labelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech.encoder import encode
from lipdub.speech.phone_features import FRAME_RATE, HOP, compute_mel_power, to_decibel
from lipdub.speech.phones import PHONE_INDEX
from lipdub.training.speech_augmentation import augment_speech, normalize_level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lipdub.arrays import F32, U8, Array

WINDOW_FRAMES = 800
"""10 ms frames of a window."""

ENCODER_FRAMES = 332
"""Frames of `speech.encoder.encode` for a window."""


@dataclass(frozen=True)
class Utterance:
    """Speech with known phone times.

    Attributes:
        audio: (n,) float32 at 16 kHz.
        phones: start and end in seconds, and phone of `speech.phones.PHONES`, in order.
    """

    audio: F32
    phones: tuple[tuple[float, float, str], ...]


def make_windows(
    voices: Callable[[], Utterance], count: int, rng: np.random.Generator
) -> Iterator[tuple[Array, Array, Array]]:
    """Make windows of augmented speech.

    Args:
        voices: gives one utterance after another.
        count: windows to make.
        rng: random numbers.

    Yields:
        encoded speech (ENCODER_FRAMES, encoder.WIDTH) float16; power (WINDOW_FRAMES, MELS) float16 dB; phones
        (WINDOW_FRAMES,) uint8.
    """
    previous: Array | None = None
    for _ in range(count):
        audio, marks = _stretch(voices, rng)
        sound = augment_speech(audio, rng, previous)
        previous = audio
        power = to_decibel(compute_mel_power(sound)[:WINDOW_FRAMES])
        yield encode(sound)[:ENCODER_FRAMES].astype(np.float16), power.astype(np.float16), marks


def _stretch(voices: Callable[[], Utterance], rng: np.random.Generator) -> tuple[F32, U8]:
    """Put utterances in a row with pauses. Returns the audio and the phones of `WINDOW_FRAMES` frames."""
    audio = np.zeros(WINDOW_FRAMES * HOP, np.float32)
    marks = np.full(WINDOW_FRAMES, PHONE_INDEX["sil"], np.uint8)
    position = int(rng.uniform(0.0, 100.0)) if rng.random() < 0.6 else 0
    has_begun = position > 0
    while position < WINDOW_FRAMES - 50:
        utterance = voices()
        sound = normalize_level(utterance.audio) * 10 ** (rng.uniform(-4.0, 4.0) / 20)
        frames = len(sound) // HOP
        # a window may begin in the middle of a sentence
        cut = 0 if has_begun or rng.random() < 0.5 else int(rng.integers(0, max(frames - 100, 1)))
        has_begun = True
        size = min(frames - cut, WINDOW_FRAMES - position)
        audio[position * HOP : (position + size) * HOP] = sound[cut * HOP : (cut + size) * HOP]
        marks[position : position + size] = label_frames(utterance, frames)[cut : cut + size]
        position += size + int(rng.exponential(50.0))
    return audio, marks


def resample(audio: Array, rate: float, target_rate: float = SAMPLE_RATE_HZ) -> Array:
    """Resample audio (n,) from one rate to another, Hz."""
    import soxr

    return soxr.resample(audio, rate, target_rate).astype(np.float32) if rate != target_rate else audio


def change_speed(utterance: Utterance, factor: float) -> Utterance:
    """Play an utterance faster by a factor: tempo, pitch and vocal tract change together."""
    audio = resample(utterance.audio, SAMPLE_RATE_HZ * factor)
    return Utterance(audio, tuple((a / factor, b / factor, p) for a, b, p in utterance.phones))


def label_frames(utterance: Utterance, frames: int) -> U8:
    """Give the phone index of each 10 ms frame, (frames,) uint8."""
    out = np.full(frames, PHONE_INDEX["sil"], np.uint8)
    for start, end, phone in utterance.phones:
        out[int(np.ceil(start * FRAME_RATE)) : int(np.ceil(end * FRAME_RATE))] = PHONE_INDEX[phone]
    return out
