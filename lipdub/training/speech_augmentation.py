"""Changes to speech that keep the words: rooms, microphones, lines, music, noise and levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, Array

_IN_ROOM, _THROUGH_LINE, _WITH_MUSIC, _WITH_NOISE, _WITH_BABBLE = 0.5, 0.6, 0.3, 0.45, 0.1  # shares
_LEVEL = 0.1  # root mean square of the voice before the last change of level


def draw_room_impulse(rng: np.random.Generator) -> F64:
    """Draw the impulse response of a random room at 16 kHz, float64, with a direct sound of height one first.

    Rooms range from a dead cell (0.1 s of reverberation) to a hall (1.6 s), near or far. A few early reflections are
    followed by noise that decays exponentially, its high tones faster.
    """
    decay = float(np.exp(rng.uniform(np.log(0.1), np.log(1.6))))  # seconds to fall by 60 dB
    length = int(SAMPLE_RATE_HZ * decay)
    fall = 10 ** (-3.0 * np.arange(length) / length)
    low = rng.standard_normal(length)
    high = np.diff(low, prepend=0.0)
    late = (low - high) * fall + high * fall ** rng.uniform(1.0, 3.0)
    late[: int(SAMPLE_RATE_HZ * rng.uniform(0.002, 0.03))] = 0.0
    early = np.zeros(length)
    places = rng.integers(int(SAMPLE_RATE_HZ * 0.001), max(int(SAMPLE_RATE_HZ * 0.04), 20), 8) % length
    early[places] = rng.uniform(-0.6, 0.6, 8) * fall[places]
    late *= 10 ** (rng.uniform(-18.0, 5.0) / 20) / np.sqrt(np.sum(late**2) + 1e-9)  # against the direct sound
    impulse: F64 = early + late
    impulse[0] = 1.0
    return impulse


def add_reverberation(audio: Array, rng: np.random.Generator) -> F32:
    """Put audio (n,) into a random room. Returns (n,) float32."""
    impulse = draw_room_impulse(rng)
    size = len(audio) + len(impulse)
    return np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(impulse, size), size)[: len(audio)].astype(np.float32)


def synthesize_music(count: int, rng: np.random.Generator) -> F32:
    """Synthesise random music at 16 kHz: chords, a bass line and beats of noise at one tempo.

    Returns:
        (count,) float32 with mean square one.
    """
    out = np.zeros(count)
    beat = int(SAMPLE_RATE_HZ * rng.uniform(0.25, 0.8))
    root = rng.uniform(80, 240)
    scale = np.array([0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.5 else [0, 2, 3, 5, 7, 8, 10])
    tilt, struck = rng.uniform(0.8, 2.2), rng.random() < 0.6
    drums = rng.uniform(0.0, 0.5) if rng.random() < 0.6 else 0.0
    for at in range(0, count, beat):
        span = min(int(beat * rng.choice([1, 1, 2, 4])), count - at)
        time = np.arange(span) / SAMPLE_RATE_HZ
        shape = np.exp(-time * rng.uniform(1.5, 8.0)) if struck else np.sin(np.pi * time * SAMPLE_RATE_HZ / span) ** 0.5
        degree = int(rng.integers(0, 7))
        notes = [0.5 * 2 ** (scale[degree] / 12)]
        notes += [2 ** ((scale[(degree + k) % 7] + 12 * rng.integers(0, 3)) / 12) for k in (0, 2, 4)]
        for note in notes:
            for harmonic in range(1, int(rng.integers(3, 10))):
                tone = root * note * harmonic
                if tone < SAMPLE_RATE_HZ / 2:
                    phase = rng.uniform(0, 2 * np.pi)
                    out[at : at + span] += (
                        shape * np.sin(2 * np.pi * tone * time + phase) / harmonic**tilt * rng.uniform(0.3, 1)
                    )
        if drums:
            hit = rng.standard_normal(span) * np.exp(-time * rng.uniform(15, 60))
            out[at : at + span] += drums * hit * 4
    result: F32 = (out / np.sqrt(np.mean(out**2) + 1e-12)).astype(np.float32)
    return result


def synthesize_noise(count: int, rng: np.random.Generator) -> F64:
    """Synthesise steady or swelling noise between white and pink. Returns (count,) float64 with mean square one."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum *= (np.arange(len(spectrum)) + 1.0) ** -rng.uniform(0.0, 1.0)
    out = np.fft.irfft(spectrum, count)
    if rng.random() < 0.4:
        time = np.arange(count) / SAMPLE_RATE_HZ
        out *= 1 + 0.8 * np.sin(2 * np.pi * (rng.uniform(0.3, 5.0) * time + rng.random()))
    result: F64 = out / np.sqrt(np.mean(out**2) + 1e-12)
    return result


def apply_line_response(audio: Array, rng: np.random.Generator) -> Array:
    """Apply a random microphone or line: an equaliser of some 8 dB, now and then without high or low tones."""
    spectrum = np.fft.rfft(audio)
    place = np.linspace(0, 1, len(spectrum))
    spectrum *= 10 ** (np.interp(np.sqrt(place), np.linspace(0, 1, 7), rng.uniform(-8, 8, 7)) / 20)
    if rng.random() < 0.2:
        spectrum[place > rng.uniform(0.4, 0.8)] = 0
    if rng.random() < 0.2:
        spectrum[place < rng.uniform(0.01, 0.04)] = 0
    return np.fft.irfft(spectrum, len(audio))


def augment_speech(audio: Array, rng: np.random.Generator, other_voice: Array | None = None) -> F32:
    """Augment speech by random disturbances.

    Args:
        audio: (n,) float at 16 kHz.
        rng: random numbers.
        other_voice: (n,) another voice, which talks in the background now and then.

    Returns:
        (n,) float32.
    """
    if rng.random() < _IN_ROOM:
        audio = add_reverberation(audio, rng)
    if rng.random() < _THROUGH_LINE:
        audio = apply_line_response(audio, rng)
    audio = normalize_level(audio)
    background = np.zeros(len(audio))
    if rng.random() < _WITH_MUSIC:
        background += synthesize_music(len(audio), rng) * 10 ** (rng.uniform(-24.0, 3.0) / 20)
    if rng.random() < _WITH_NOISE:
        background += synthesize_noise(len(audio), rng) * 10 ** (rng.uniform(-35.0, -3.0) / 20)
    if other_voice is not None and rng.random() < _WITH_BABBLE:
        background += normalize_level(other_voice) / _LEVEL * 10 ** (rng.uniform(-30.0, -8.0) / 20)
    result: F32 = ((audio + _LEVEL * background) * 10 ** (rng.uniform(-20.0, 6.0) / 20)).astype(np.float32)
    return result


def normalize_level(audio: Array) -> Array:
    """Scale audio to a root mean square of a tenth of full scale."""
    result: Array = audio * (_LEVEL / (np.sqrt(np.mean(audio**2)) + 1e-6))
    return result
