"""The normalised log-mel spectrogram that Wav2Lip and VideoReTalking read, and its windows for video frames.

Prajwal et al., A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild (ACM Multimedia 2020).
The numbers come from its published hyper-parameters, which VideoReTalking (Cheng et al., SIGGRAPH Asia 2022) shares.
The two differ only in what lies beyond the ends of the sound; see `Border`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech.audio_features import AudioFeature, cut_columns, find_columns

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I64, Array

HOP = 200  # samples between columns: 12.5 ms
COLUMN_RATE = SAMPLE_RATE_HZ / HOP  # columns per second: 80
WINDOW = 800  # samples: 50 ms; also the length of the transform
BANDS = 80
LOW, HIGH = 55.0, 7600.0  # Hz
PREEMPHASIS = 0.97
QUIETEST = 1e-5  # magnitude below which everything is the same silence: -100 dB
REFERENCE = 20.0  # dB subtracted from the level
SPAN = 100.0  # dB that fill the range of values
PEAK = 4.0  # values lie in -PEAK to PEAK; silence is exactly -PEAK
COLUMNS = 16  # columns of a window: 0.2 s
_LEVEL = 0.1  # root mean square of a levelled sound
_MIN_LEVEL = 1e-6  # added to the root mean square, so that silence stays silence
_BLOCK = 2048  # columns analysed at once

# Slaney's mel scale is linear up to 1 kHz = 15 mel and logarithmic above: 27 mel for a factor of 6.4.
_BREAK_HZ, _BREAK_MEL = 1000, 15
_MEL_PER_HZ = 0.015
_LOG_STEP, _LOG_MELS = 6.4, 27

Border = Literal["zero", "reflect"]
"""What lies beyond the ends of the sound: silence (VideoReTalking) or the mirrored sound (Wav2Lip).

Only the first two and the last two columns of a spectrogram differ.
"""


def make_slaney_filters() -> F64:
    """Make triangular filters of equal area on Slaney's mel scale, (BANDS, WINDOW // 2 + 1) float64."""
    edges = compute_band_edges()[:, None]
    bins = np.arange(WINDOW // 2 + 1) * SAMPLE_RATE_HZ / WINDOW
    up = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: F64 = np.maximum(np.minimum(up, down), 0) * 2 / (edges[2:] - edges[:-2])
    return filters


def compute_band_edges() -> F64:
    """Compute where the triangles begin, peak and end, (BANDS + 2,) float64 Hz; band i peaks at edge i + 1."""
    low, high = _to_mel(np.array([LOW, HIGH]))
    return _to_hertz(np.linspace(low, high, BANDS + 2))


def _to_mel(hertz: F64) -> F64:
    octaves = np.log(np.maximum(hertz / _BREAK_HZ, 1)) / np.log(_LOG_STEP)
    return np.where(hertz < _BREAK_HZ, hertz * _MEL_PER_HZ, _BREAK_MEL + _LOG_MELS * octaves)


def _to_hertz(mel: F64) -> F64:
    factor = _LOG_STEP ** ((np.maximum(mel, _BREAK_MEL) - _BREAK_MEL) / _LOG_MELS)
    return np.where(mel < _BREAK_MEL, mel / _MEL_PER_HZ, _BREAK_HZ * factor)


def count_columns(samples: int) -> int:
    """Return how many columns so many samples at 16 kHz give: one every HOP samples, the first at time zero."""
    return samples // HOP + 1 if samples > 0 else 0


def compute_spectrogram(audio: Array, border: Border = "zero") -> F32:
    """Compute the normalised log-mel spectrogram. Column i is centred on sample i * HOP.

    Args:
        audio: (n,) float mono at 16 kHz, in -1 to 1.
        border: What lies beyond the ends of the sound.

    Returns:
        (BANDS, count_columns(n)) float32 in -PEAK to PEAK.

    Raises:
        ValueError: The sound is not mono or not finite, or the border is unknown.
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
    padded = np.pad(_apply_preemphasis(audio), WINDOW // 2, mode=mode)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    filters = make_slaney_filters().T
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    for first in range(0, count, _BLOCK):
        magnitude = np.abs(np.fft.rfft(frames[first : first + _BLOCK] * window, axis=1)) @ filters
        level = 20 * np.log10(np.maximum(magnitude, QUIETEST)) - REFERENCE
        out[:, first : first + _BLOCK] = np.clip(2 * PEAK * (level + SPAN) / SPAN - PEAK, -PEAK, PEAK).T
    return out


def compute_levelled_spectrogram(audio: Array) -> F32:
    """Compute the spectrogram of a sound that is first scaled to one root mean square.

    Args:
        audio: (n,) float mono at 16 kHz, in -1 to 1.

    Returns:
        (BANDS, count_columns(n)) float32 in -PEAK to PEAK.
    """
    samples: F32 = np.asarray(audio, np.float32)
    return compute_spectrogram(samples * (_LEVEL / (np.sqrt(np.mean(samples**2)) + _MIN_LEVEL)))


def _apply_preemphasis(audio: F32) -> F32:
    out = audio.copy()
    out[1:] -= np.float32(PREEMPHASIS) * audio[:-1]
    return out


def find_window_starts(times: F64) -> I64:
    """Find the first columns of the windows of video frames.

    A window begins with its frame, as published. Beyond the ends there is silence (`cut_windows`). At frame times i /
    fps these are the columns of `find_published_starts`, which supports constant frame rates only.

    Args:
        times: (n,) seconds of the sound at which the frames are shown.

    Returns:
        (n,) int64.
    """
    return find_columns(times, COLUMN_RATE)


def find_published_starts(columns: int, fps: float) -> I64:
    """Find the first columns of the windows that the published scripts cut from a whole spectrogram.

    Window i starts at column 80 * i / fps, rounded down, and belongs to frame i. The first that would reach beyond
    the end is moved back to it and is the last. The scripts make as many frames as there are windows.

    Args:
        columns: Columns of the spectrogram.
        fps: Frame rate of the video.

    Returns:
        (n,) int64.

    Raises:
        ValueError: The spectrogram is shorter than one window.
    """
    if columns < COLUMNS:
        raise ValueError(f"{columns} columns are fewer than the {COLUMNS} of a window")
    last = columns - COLUMNS
    starts = (np.arange(int(last * fps / COLUMN_RATE) + 2) * (COLUMN_RATE / fps)).astype(np.int64)
    return np.append(starts[starts <= last], last)


def cut_windows(mel: F32, starts: I64) -> F32:
    """Cut windows from a spectrogram. Columns before the first and after the last are silence.

    Args:
        mel: (BANDS, T) float32.
        starts: (n,) first columns.

    Returns:
        (n, BANDS, COLUMNS) float32.
    """
    return cut_columns(mel, starts, COLUMNS, -PEAK)


MEL = AudioFeature(
    name="mel",
    summary="Log-mel spectrogram of VideoReTalking: silence beyond the ends of the sound",
    hop=HOP,
    size=BANDS,
    compute=compute_spectrogram,
    time_axis=1,
)
MEL_REFLECTED = AudioFeature(
    name="mel-reflected",
    summary="Log-mel spectrogram of Wav2Lip: the sound is mirrored at its ends",
    hop=HOP,
    size=BANDS,
    compute=partial(compute_spectrogram, border="reflect"),
    time_axis=1,
)
MEL_LEVELLED = AudioFeature(
    name="mel-levelled",
    summary="Log-mel spectrogram of a sound that is scaled to one level",
    hop=HOP,
    size=BANDS,
    compute=compute_levelled_spectrogram,
    time_axis=1,
)
