"""The 13 mel-frequency cepstral coefficients (MFCC) that SyncNet reads, and their windows.

Chung and Zisserman, Out of Time: Automated Lip Sync in the Wild (ACCV Workshops 2016), section 2.1. The published
script computes them with the defaults of the package python_speech_features, whose conventions are followed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech.audio_features import AudioFeature

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I16, Array

HOP = 160  # samples between columns: 10 ms
WINDOW = 400  # samples: 25 ms, all of equal weight; the first window begins at sample 0
FFT = 512  # length of the transform, in samples
FILTERS = 26
COEFFICIENTS = 13
PREEMPHASIS = 0.97
LIFTER = 22

SYNCNET_FPS = 25  # the only frame rate SyncNet was trained on
CLIP = 5  # video frames of a clip
COLUMNS = 20  # columns of the window that belongs to a clip
PER_FRAME = 4  # columns that a video frame lasts
_BLOCK = 4096  # columns analysed at once


def make_mel_filters() -> F64:
    """Make triangular filters, evenly spaced in mel, edges at whole bins, (FILTERS, FFT // 2 + 1) float64."""
    top = 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, FILTERS + 2) / 2595) - 1)
    edges = np.floor((FFT + 1) * hertz / SAMPLE_RATE_HZ)[:, None]
    bins = np.arange(FFT // 2 + 1)
    up = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: F64 = np.maximum(np.minimum(up, down), 0)
    return filters


def count_columns(samples: int) -> int:
    """Return how many columns so many samples at 16 kHz give; an incomplete last window counts."""
    return 1 + -(-max(samples - WINDOW, 0) // HOP) if samples > 0 else 0


def compute_mfcc(samples: Array) -> F64:
    """Compute the cepstral coefficients; the first is the logarithm of the energy.

    Args:
        samples: (n,) integers at 16 kHz in -32768 to 32767, as in a 16 bit file. The energy is of these numbers.

    Returns:
        (COEFFICIENTS, count_columns(n)) float64.

    Raises:
        ValueError: The sound is not mono or not of integers.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(f"samples must be mono, one dimension; got shape {samples.shape}")
    if samples.dtype.kind != "i":
        raise ValueError(f"samples must be 16 bit integers, not {samples.dtype}")
    count = count_columns(len(samples))
    out = np.empty((COEFFICIENTS, count))
    if not count:
        return out
    signal = np.zeros((count - 1) * HOP + WINDOW)
    signal[: len(samples)] = samples
    signal[1 : len(samples)] -= PREEMPHASIS * samples[:-1]
    filters, cosines = make_mel_filters().T, _make_cosines()
    frames = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[::HOP]
    for first in range(0, count, _BLOCK):
        spectrum = np.fft.rfft(frames[first : first + _BLOCK], FFT, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2) / FFT
        cepstrum = _log(power @ filters) @ cosines
        cepstrum[:, 0] = _log(power.sum(1))
        out[:, first : first + _BLOCK] = cepstrum.T
    return out


def to_16_bit(audio: Array) -> I16:
    """Convert float sound in -1 to 1 to 16 bit integers."""
    samples: I16 = np.clip(np.round(np.asarray(audio, np.float64) * 32768), -32768, 32767).astype(np.int16)
    return samples


def _log(power: F64) -> F64:
    logarithm: F64 = np.log(np.where(power == 0, np.finfo(np.float64).eps, power))
    return logarithm


def _make_cosines() -> F64:
    """Make the orthonormal cosine transform with the lifter's weights, (FILTERS, COEFFICIENTS)."""
    order = np.arange(COEFFICIENTS)
    waves = np.cos(np.pi * order * (np.arange(FILTERS)[:, None] + 0.5) / FILTERS) * np.sqrt(2 / FILTERS)
    waves[:, 0] /= np.sqrt(2)
    cosines: F64 = waves * (1 + LIFTER / 2 * np.sin(np.pi * order / LIFTER))
    return cosines


def count_clips(frames: int, samples: int) -> int:
    """Return how many clips the published script scores; clip v is the video frames v to v + CLIP - 1 at 25 fps.

    The script scores one clip fewer than would fit.

    Args:
        frames: Frames of the video.
        samples: Samples of the sound at 16 kHz. The shorter of the two decides.
    """
    return max(min(frames, samples // (SAMPLE_RATE_HZ // SYNCNET_FPS)) - CLIP, 0)


def cut_windows(features: F64, count: int) -> F64:
    """Return the windows of the first clips, as a view.

    Args:
        features: (COEFFICIENTS, T), from `compute_mfcc`.
        count: Number of clips.

    Returns:
        (count, COEFFICIENTS, COLUMNS).

    Raises:
        ValueError: There are too few columns.
    """
    room = (features.shape[1] - COLUMNS) // PER_FRAME + 1 if features.shape[1] >= COLUMNS else 0
    if count > room:
        raise ValueError(f"{features.shape[1]} columns hold {room} windows, not {count}")
    if count == 0:
        return np.empty((0, len(features), COLUMNS), features.dtype)
    views = np.lib.stride_tricks.sliding_window_view(features, COLUMNS, axis=1)
    windows: F64 = views[:, ::PER_FRAME][:, :count].transpose(1, 0, 2)
    return windows


def _compute_of_float(audio: F32) -> F64:
    return compute_mfcc(to_16_bit(audio))


MFCC = AudioFeature(
    name="mfcc",
    summary="Mel-frequency cepstral coefficients of SyncNet",
    hop=HOP,
    size=COEFFICIENTS,
    compute=_compute_of_float,
    time_axis=1,
)
