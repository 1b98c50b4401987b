"""The 13 cepstral coefficients (MFCC) that SyncNet hears, and its windows of them.

Chung, Zisserman: "Out of time: automated lip sync in the wild" (ACCV workshops 2016), section 2.1. The
published script takes them from the package python_speech_features with its defaults, whose conventions are
followed here.
"""

from __future__ import annotations

import numpy as np

RATE = 16000  # Hz
HOP = 160  # samples between columns: 100 a second
WINDOW = 400  # samples, 25 ms, all of equal weight; the first begins at sample 0
FFT = 512
FILTERS = 26
COEFFICIENTS = 13
PREEMPHASIS = 0.97
LIFTER = 22

SYNCNET_FPS = 25  # the only frame rate SyncNet knows
CLIP = 5  # video frames of a clip
COLUMNS = 20  # of the window that belongs to a clip
PER_FRAME = 4  # columns a video frame lasts
_BLOCK = 4096  # columns analysed at once


def make_mel_filters() -> np.ndarray:
    """Triangular filters, evenly spaced in mel, edges at whole bins, float64 (FILTERS, FFT // 2 + 1)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, FILTERS + 2) / 2595) - 1)
    edges = np.floor((FFT + 1) * hertz / RATE)[:, None]
    bins = np.arange(FFT // 2 + 1)
    up = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(up, down), 0)


def count_columns(samples: int) -> int:
    """Columns that `samples` of 16 kHz sound give; a last window that is not full counts."""
    return 1 + -(-max(samples - WINDOW, 0) // HOP) if samples > 0 else 0


def compute_mfcc(samples: np.ndarray) -> np.ndarray:
    """Cepstral coefficients, float64 (COEFFICIENTS, column_count(n)); the first is the energy's logarithm.

    samples: integers (n,) at 16 kHz as in a 16 bit file, -32768..32767: the energy is of these numbers.
    Raises ValueError for sound that is not mono or not of integers.
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
    mel, cosines = make_mel_filters().T, _cosines()
    frames = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[::HOP]
    for first in range(0, count, _BLOCK):
        spectrum = np.fft.rfft(frames[first : first + _BLOCK], FFT, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2) / FFT
        cepstrum = _log(power @ mel) @ cosines
        cepstrum[:, 0] = _log(power.sum(1))
        out[:, first : first + _BLOCK] = cepstrum.T
    return out


def _log(power: np.ndarray) -> np.ndarray:
    return np.log(np.where(power == 0, np.finfo(np.float64).eps, power))


def _cosines() -> np.ndarray:
    """Orthonormal cosine transform with the lifter's weights, (FILTERS, COEFFICIENTS)."""
    order = np.arange(COEFFICIENTS)
    waves = np.cos(np.pi * order * (np.arange(FILTERS)[:, None] + 0.5) / FILTERS) * np.sqrt(2 / FILTERS)
    waves[:, 0] /= np.sqrt(2)
    return waves * (1 + LIFTER / 2 * np.sin(np.pi * order / LIFTER))


def count_clips(frames: int, samples: int) -> int:
    """Clips that the published script scores; clip v is the video frames v to v + CLIP - 1 at 25 fps.

    frames: of the video. samples: of the sound at 16 kHz. The shorter of the two decides; there would be room
    for one clip more.
    """
    return max(min(frames, samples // (RATE // SYNCNET_FPS)) - CLIP, 0)


def cut_windows(features: np.ndarray, count: int) -> np.ndarray:
    """Windows (count, COEFFICIENTS, COLUMNS) that belong to the first `count` clips.

    features: (COEFFICIENTS, T) from `mfcc`; the windows are a view of them. Raises ValueError when there are
    too few columns.
    """
    room = (features.shape[1] - COLUMNS) // PER_FRAME + 1 if features.shape[1] >= COLUMNS else 0
    if count > room:
        raise ValueError(f"{features.shape[1]} columns hold {room} windows, not {count}")
    if count == 0:
        return np.empty((0, len(features), COLUMNS), features.dtype)
    views = np.lib.stride_tricks.sliding_window_view(features, COLUMNS, axis=1)
    return views[:, ::PER_FRAME][:, :count].transpose(1, 0, 2)
