"""Log-mel features of the phone network: 16 kHz speech in, 100 frames per second out. NumPy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech.audio_features import AudioFeature

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, Array, Mask

HOP = 160  # samples between frames: 10 ms
FRAME_RATE = SAMPLE_RATE_HZ / HOP  # frames per second: 100
WINDOW = 400  # samples: 25 ms, centred on the frame's time
FFT = 512  # length of the transform, in samples
MELS = 40  # bands
MEL_LOW, MEL_HIGH = 60.0, 7600.0  # Hz
LEVEL_SPAN = 300  # frames on each side over which the speech level is taken: 3 s
LEVEL_FLOOR = -62.0  # dB re full scale (mean square): quieter sound is not raised to speech level
FEATURE_FLOOR = -55.0  # dB below the running level at which a mel band is cut off
FEATURE_CEILING = 25.0  # dB above it
FEATURE_SCALE = 15.0  # dB for one unit of feature: gives features about unit variance
QUIET = -66.0  # dB re full scale: frames below it hold no speech
QUIET_HOLD = 15  # frames on each side that must be quiet for a frame to be silence: longer than a stop's closure

_BAND_OFFSET = 10.0  # dB: a band of a vowel lies about so far below the whole spectrum
_MIN_POWER = 1e-12  # digital silence: -120 dB
_BLOCK = 2048  # frames analysed at once

# A frame of full-scale white noise has mean square 1. This factor makes the sum over the bands read in dB re full
# scale.
_POWER_SCALE = 1.0 / (FFT * float(np.sum(np.hanning(WINDOW) ** 2)) / 2)


def make_mel_filters() -> F32:
    """Make triangular filters, (MELS, FFT // 2 + 1) float32, that together pass every frequency about once."""

    def to_mel(hertz: F64 | float) -> F64:
        mel: F64 = 2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0)
        return mel

    edges = np.linspace(to_mel(MEL_LOW), to_mel(MEL_HIGH), MELS + 2)
    bins = to_mel(np.arange(FFT // 2 + 1) * SAMPLE_RATE_HZ / FFT)
    up = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    filters: F32 = np.clip(np.minimum(up, down), 0.0, None).astype(np.float32)
    return filters


def count_frames(samples: int) -> int:
    """Return how many frames so many samples at 16 kHz give: one every HOP samples, the first at time zero."""
    return samples // HOP + 1 if samples > 0 else 0


def compute_mel_power(audio: Array) -> F32:
    """Compute the power in each mel band. Frame i is centred on sample i * HOP.

    Args:
        audio: (n,) float mono at 16 kHz, in about -1 to 1.

    Returns:
        (count_frames(n), MELS) float32. The sum over the bands is the mean square of the frame's window, as far as
        the filters reach.

    Raises:
        ValueError: The audio is not mono.
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


def to_decibel(power: Array) -> Array:
    """Return 10 log10 of a power; digital silence is -120 dB."""
    decibel: Array = 10.0 * np.log10(np.maximum(power, _MIN_POWER))
    return decibel


def _window_bounds(count: int, span: int) -> tuple[Array, Array]:
    """Return the first and last + 1 frame within `span` frames of each of `count` frames."""
    index = np.arange(count)
    return np.maximum(index - span, 0), np.minimum(index + span + 1, count)


def compute_running_level(power: F32) -> F32:
    """Compute the speech level around each frame.

    The level is the mean power of LEVEL_SPAN frames on each side. Loud frames, that is vowels, dominate it, so pauses
    hardly move it. It never falls below LEVEL_FLOOR, so that noise alone stays low.

    Args:
        power: (frames, MELS) float32, from `compute_mel_power`.

    Returns:
        (frames,) float32 in dB re full scale.
    """
    total = np.concatenate([[0.0], np.cumsum(power.sum(1, dtype=np.float64))])
    low, high = _window_bounds(len(power), LEVEL_SPAN)
    mean = (total[high] - total[low]) / np.maximum(high - low, 1)
    return np.maximum(to_decibel(np.maximum(mean, 0.0)), LEVEL_FLOOR).astype(np.float32)


def compute_log_mel(power: F32, level: F32 | None = None) -> F32:
    """Compute the features of the phone network.

    Args:
        power: (frames, MELS) float32, from `compute_mel_power`.
        level: (frames,) dB re full scale; by default the running level.

    Returns:
        (frames, MELS) float32, normalised by the level, about -4 to 2.
    """
    level = compute_running_level(power) if level is None else level
    relative = to_decibel(power) - level[:, None] + _BAND_OFFSET
    features: F32 = (np.clip(relative, FEATURE_FLOOR, FEATURE_CEILING) / FEATURE_SCALE).astype(np.float32)
    return features


def find_silent_frames(power: F32) -> Mask:
    """Find frames that are certainly silent: too quiet for speech, with no louder frame within QUIET_HOLD.

    Args:
        power: (frames, MELS) float32, from `compute_mel_power`.

    Returns:
        (frames,) bool.
    """
    is_loud = to_decibel(power.sum(1)) > QUIET
    loud_count = np.concatenate([[0], np.cumsum(is_loud)])
    low, high = _window_bounds(len(power), QUIET_HOLD)
    is_silent: Mask = (loud_count[high] - loud_count[low]) == 0
    return is_silent


def _compute_of_sound(audio: F32) -> F32:
    return compute_log_mel(compute_mel_power(audio))


PHONE_MEL = AudioFeature(
    name="phone-mel",
    summary="Log-mel features of the phone network, normalised by the running level",
    hop=HOP,
    size=MELS,
    compute=_compute_of_sound,
    time_axis=0,
)
