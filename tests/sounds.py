"""Small WAV files for tests: silence, tones, samples."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16000


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    """Writes a mono file of 16 bits.

    Args:
        path: Where it goes.
        samples: (n,) floats in -1..1, or int16.
        rate: Samples per second.

    Returns:
        The path.
    """
    if samples.dtype.kind == "f":
        samples = np.round(np.clip(samples, -1, 1) * 32767)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def write_silence(path: Path, seconds: float) -> Path:
    """Writes digital silence."""
    return write_wav(path, np.zeros(round(seconds * RATE), np.int16))


def write_tone(path: Path, seconds: float = 0.5, pitch: float = 200.0, level: float = 0.25) -> Path:
    """Writes a sine of ``pitch`` Hz."""
    times = np.arange(round(seconds * RATE)) / RATE
    return write_wav(path, level * np.sin(2 * np.pi * pitch * times))


def write_beginning(path: Path, source: Path, seconds: float) -> Path:
    """Writes the first seconds of another WAV file, sample by sample the same."""
    with wave.open(str(source)) as whole, wave.open(str(path), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(round(seconds * whole.getframerate())))
    return path
