"""Normalised log-mel spectrogram that Wav2Lip and VideoReTalking hear, and its windows for video frames.

Prajwal, Mukhopadhyay, Namboodiri, Jawahar: "A Lip Sync Expert Is All You Need for Speech to Lip Generation In
the Wild" (ACM Multimedia 2020); numbers from its published hyper-parameters, which VideoReTalking (Cheng et
al., SIGGRAPH Asia 2022) shares. The two differ only in what lies beyond the sound's ends, see `Border`.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

RATE = 16000  # Hz
HOP = 200  # samples between columns
COLUMN_RATE = RATE / HOP  # columns a second
WINDOW = 800  # samples, also the length of the transform
BANDS = 80
LOW, HIGH = 55.0, 7600.0  # Hz
PREEMPHASIS = 0.97
QUIETEST = 1e-5  # magnitude under which all is the same silence: -100 dB
REFERENCE = 20.0  # dB taken off
SPAN = 100.0  # dB that fill the range of values
PEAK = 4.0  # values lie in -PEAK..PEAK; silence is exactly -PEAK
COLUMNS = 16  # of a window: 0.2 s
_BLOCK = 2048  # columns analysed at once

Border = Literal["zero", "reflect"]
"""What lies beyond the sound's ends: nothing (VideoReTalking), or the sound itself mirrored (Wav2Lip). Of a
spectrogram only the first two and the last two columns tell the difference."""


def make_slaney_filters() -> np.ndarray:
    """Triangular filters of equal area on Slaney's mel scale, float64 (BANDS, WINDOW // 2 + 1)."""
    low, high = _to_mel(np.array([LOW, HIGH]))
    edges = _to_hertz(np.linspace(low, high, BANDS + 2))[:, None]
    bins = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    up = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(up, down), 0) * 2 / (edges[2:] - edges[:-2])


# The scale is linear up to 1 kHz = 15 mel and logarithmic above: 27 mel for a factor of 6.4.
def _to_mel(hertz: np.ndarray) -> np.ndarray:
    return np.where(hertz < 1000, hertz * 0.015, 15 + 27 * np.log(np.maximum(hertz / 1000, 1)) / np.log(6.4))


def _to_hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel / 0.015, 1000 * 6.4 ** ((np.maximum(mel, 15) - 15) / 27))


def count_columns(samples: int) -> int:
    """Columns that `samples` of 16 kHz sound give: one every HOP samples, the first at time zero."""
    return samples // HOP + 1 if samples > 0 else 0


def compute_spectrogram(audio: np.ndarray, border: Border = "zero") -> np.ndarray:
    """Normalised log-mel spectrogram, float32 (BANDS, column_count(n)) in -4..4.

    audio: float (n,) in -1..1 at 16 kHz. Column i is centred on sample i * HOP. Raises ValueError for sound
    that is not mono or not finite, and for an unknown border.
    """
    audio = np.asarray(audio, np.float32)
    if audio.ndim != 1:
        raise ValueError(f"audio must be mono, one dimension; got shape {audio.shape}")
    if border not in get_args(Border):
        raise ValueError(f"border must be one of {get_args(Border)}, not {border!r}")
    if not np.isfinite(audio).all():
        raise ValueError("audio holds values that are not finite")
    count = count_columns(len(audio))
    out = np.empty((BANDS, count), np.float32)
    if not count:
        return out
    mode: Literal["constant", "reflect"] = "reflect" if border == "reflect" else "constant"
    padded = np.pad(_preemphasised(audio), WINDOW // 2, mode=mode)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    mel = make_slaney_filters().T
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    for first in range(0, count, _BLOCK):
        magnitude = np.abs(np.fft.rfft(frames[first : first + _BLOCK] * window, axis=1)) @ mel
        level = 20 * np.log10(np.maximum(magnitude, QUIETEST)) - REFERENCE
        out[:, first : first + _BLOCK] = np.clip(2 * PEAK * (level + SPAN) / SPAN - PEAK, -PEAK, PEAK).T
    return out


def _preemphasised(audio: np.ndarray) -> np.ndarray:
    out = audio.copy()
    out[1:] -= np.float32(PREEMPHASIS) * audio[:-1]
    return out


def find_window_starts(times: np.ndarray) -> np.ndarray:
    """First columns, int64 (n,), of the windows of video frames shown at `times` (n,), seconds of the sound.

    A window begins with its frame, as published; see `windows` for what lies beyond the ends. At frame times
    i / fps these are the columns of `published_starts`, which knows constant frame rates only.
    """
    # Rounding of a time must not move a frame that begins with a column to the one before.
    return np.floor(np.asarray(times, np.float64) * COLUMN_RATE + 1e-6).astype(np.int64)


def find_published_starts(columns: int, fps: float) -> np.ndarray:
    """First columns, int64 (n,), of the windows that the published scripts cut from a whole spectrogram.

    Window i starts at column 80 * i / fps, rounded down, and belongs to frame i; the first that would reach
    beyond the end is moved back to it and is the last. The scripts make as many frames as there are windows.
    Raises ValueError when there is no room for one window.
    """
    if columns < COLUMNS:
        raise ValueError(f"{columns} columns are fewer than the {COLUMNS} of a window")
    last = columns - COLUMNS
    starts = (np.arange(int(last * fps / COLUMN_RATE) + 2) * (COLUMN_RATE / fps)).astype(np.int64)
    return np.append(starts[starts <= last], last)


def cut_windows(mel: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Windows float32 (n, BANDS, COLUMNS) of a spectrogram (BANDS, T) from the columns `starts` (n,) on.

    Columns before the first and after the last are silence.
    """
    at = np.asarray(starts, np.int64)[:, None] + np.arange(COLUMNS)
    inside = (at >= 0) & (at < mel.shape[1])
    out = np.full((len(at), len(mel), COLUMNS), -PEAK, np.float32)
    window, column = np.nonzero(inside)
    out[window, :, column] = mel[:, at[inside]].T
    return out
