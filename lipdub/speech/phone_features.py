"""Log-mel front end of the phone network: 16 kHz speech in, 100 frames a second out (numpy only)."""

from __future__ import annotations

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ

HOP = 160  # samples between frames: 10 ms
FRAME_RATE = SAMPLE_RATE_HZ / HOP  # frames a second
WINDOW = 400  # samples, 25 ms, centred on the frame's time
FFT = 512
MELS = 40
MEL_LOW, MEL_HIGH = 60.0, 7600.0  # Hz
LEVEL_SPAN = 300  # frames each way over which the speech level is taken: 3 s
LEVEL_FLOOR = -62.0  # dB re full scale (mean square): anything quieter is not raised to speech level
FEATURE_FLOOR = -55.0  # dB below the running level at which a mel band is cut off
FEATURE_CEILING = 25.0
FEATURE_SCALE = 15.0  # dB for one unit of feature: brings features to about unit variance
QUIET = -66.0  # dB re full scale: frames under it hold no speech
QUIET_HOLD = 15  # frames each way that must be quiet for a frame to be silence: longer than a stop's closure
_BLOCK = 2048  # frames analysed at once

# One frame at full-scale white noise has mean square 1; this offset makes the mel sum read in dB re full
# scale.
_POWER_SCALE = 1.0 / (FFT * float(np.sum(np.hanning(WINDOW) ** 2)) / 2)


def make_mel_filters() -> np.ndarray:
    """Triangular filters, float32 (MELS, FFT // 2 + 1), that together pass every frequency about once."""

    def to_mel(hertz: np.ndarray | float) -> np.ndarray:
        return 2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0)

    edges = np.linspace(to_mel(MEL_LOW), to_mel(MEL_HIGH), MELS + 2)
    bins = to_mel(np.arange(FFT // 2 + 1) * SAMPLE_RATE_HZ / FFT)
    up = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(up, down), 0.0, None).astype(np.float32)


def count_frames(samples: int) -> int:
    """Frames that `samples` of 16 kHz audio give: one every HOP samples, the first at time zero."""
    return samples // HOP + 1 if samples > 0 else 0


def compute_mel_power(audio: np.ndarray) -> np.ndarray:
    """Power in each mel band.

    audio: float (n,) in about [-1, 1] at 16 kHz. Returns float32 (frame_count(n), MELS); the sum over the
    bands is the mean square of the audio in the frame's window (inside the filters' range). Frame i is
    centred on sample i * HOP.
    """
    audio = np.asarray(audio, np.float32)
    if audio.ndim != 1:
        raise ValueError(f"audio must be mono, one dimension; got shape {audio.shape}")
    count = count_frames(len(audio))
    filters = make_mel_filters().T
    window = np.hanning(WINDOW).astype(np.float32)
    out = np.empty((count, MELS), np.float32)
    half = WINDOW // 2
    for first in range(0, count, _BLOCK):
        last = min(first + _BLOCK, count)
        low, high = first * HOP - half, (last - 1) * HOP - half + WINDOW
        piece = audio[max(low, 0) : min(high, len(audio))]
        piece = np.pad(piece, (max(-low, 0), max(high - max(len(audio), low), 0)))
        frames = np.lib.stride_tricks.sliding_window_view(piece, WINDOW)[::HOP][: last - first]
        spectrum = np.fft.rfft(frames * window, FFT, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        out[first:last] = power @ filters * np.float32(_POWER_SCALE)
    return out


def to_decibel(power: np.ndarray) -> np.ndarray:
    """10 log10 of a power, with digital silence at -120 dB."""
    return 10.0 * np.log10(np.maximum(power, 1e-12))


def compute_running_level(power: np.ndarray) -> np.ndarray:
    """Speech level about each frame, in dB re full scale, float32 (frames,).

    power: float32 (frames, MELS). The mean power of the LEVEL_SPAN frames on each side (fewer at the ends):
    loud frames, that is vowels, decide it, so pauses hardly move it. Never under LEVEL_FLOOR: noise alone
    stays low.
    """
    total = np.concatenate([[0.0], np.cumsum(power.sum(1, dtype=np.float64))])
    index = np.arange(len(power))
    low = np.maximum(index - LEVEL_SPAN, 0)
    high = np.minimum(index + LEVEL_SPAN + 1, len(power))
    mean = (total[high] - total[low]) / np.maximum(high - low, 1)
    return np.maximum(to_decibel(np.maximum(mean, 0.0)), LEVEL_FLOOR).astype(np.float32)


def compute_log_mel(power: np.ndarray, level: np.ndarray | None = None) -> np.ndarray:
    """Features of the phone network: float32 (frames, MELS), level-normalised, about -4 to 2.

    power: float32 (frames, MELS) from `mel_power`; level: dB (frames,), by default the running level.
    """
    level = compute_running_level(power) if level is None else level
    relative = to_decibel(power) - level[:, None] + 10.0  # a band of a vowel lies some 10 dB under the whole
    return (np.clip(relative, FEATURE_FLOOR, FEATURE_CEILING) / FEATURE_SCALE).astype(np.float32)


def find_silent_frames(power: np.ndarray) -> np.ndarray:
    """Frames that are silence for sure, bool (frames,): too quiet for speech, and no louder frame near
    them.
    """
    loud = to_decibel(power.sum(1)) > QUIET
    seen = np.concatenate([[0], np.cumsum(loud)])
    index = np.arange(len(power))
    low = np.maximum(index - QUIET_HOLD, 0)
    high = np.minimum(index + QUIET_HOLD + 1, len(power))
    return (seen[high] - seen[low]) == 0
