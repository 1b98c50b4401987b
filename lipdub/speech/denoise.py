"""Steady noise taken out of speech before words are recognised in it.

Decision-directed Wiener filter (Ephraim and Malah, IEEE Trans. ASSP 32(6), 1984, eq. 51 for the a priori ratio), its
noise tracked by minimum statistics (after Martin, IEEE Trans. SAP 9(5), 2001, with plain averages in place of optimal
smoothing).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lipdub.speech.features import HOP, RATE, decibel, mel_power

NOISY = 20.0
"""dB between loud and quiet moments under which sound counts as noisy: clear speech has 28 and more, speech under
noise at 10 dB or music as loud as the voice 10 to 15."""

_WINDOW, _STEP = 512, 128  # samples: 32 ms and 8 ms
_AVERAGE = 9  # steps over which power is averaged before its minimum is looked for
_SPAN = 187  # steps, 1.5 s, within which speech leaves a gap in every band
_OVER = 1.5  # of the minimum: what the mean of noise is against the least of its averages
_PAST = 0.96  # weight of the step before in the a priori ratio
_FLOOR = 0.15  # least gain: more suppression distorts speech more than it helps
_QUIET = -70.0  # dB re full scale: digital silence says nothing of the noise


def is_noisy(audio: np.ndarray) -> bool:
    """Whether little lies between the loud and the quiet moments of this sound, float (n,) at 16 kHz."""
    level = decibel(mel_power(audio).sum(1))
    level = np.convolve(level[level > _QUIET], np.ones(5) / 5, "valid") if (level > _QUIET).sum() >= 5 else level[:0]
    if not len(level):
        return False
    loud, quiet = np.percentile(level, [90, 5])
    return bool(loud - quiet < NOISY)


def denoised(audio: np.ndarray) -> np.ndarray:
    """The same sound with steady noise lowered, by 6 dB where it is alone and at most 16: float32 (n,) of float (n,) at 16 kHz."""
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    count = len(audio)
    if count < RATE // 10:
        return np.asarray(audio, np.float32)
    window = np.sqrt(np.hanning(_WINDOW + 1)[:_WINDOW])
    padded = np.pad(np.asarray(audio, np.float64), (_WINDOW, _WINDOW + _STEP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_STEP] * window
    spectrum = np.fft.rfft(frames, axis=1)
    power = np.abs(spectrum) ** 2
    least = minimum_filter1d(uniform_filter1d(power, _AVERAGE, axis=0), _SPAN, axis=0)
    noise = uniform_filter1d(least, _SPAN // 2, axis=0) * _OVER + 1e-12
    ratio = power / noise
    gain = np.empty_like(power)
    before = np.maximum(ratio[0] - 1, 0)
    for t in range(len(ratio)):
        prior = _PAST * before + (1 - _PAST) * np.maximum(ratio[t] - 1, 0)
        gain[t] = np.maximum(prior / (1 + prior), _FLOOR)
        before = gain[t] ** 2 * ratio[t]
    pieces = np.fft.irfft(spectrum * gain, _WINDOW, axis=1) * window
    out = np.zeros(len(padded) + _WINDOW)
    for t, piece in enumerate(pieces):
        out[t * _STEP : t * _STEP + _WINDOW] += piece
    return (out[_WINDOW : _WINDOW + count] / (_WINDOW / _STEP / 2)).astype(np.float32)


def clearer(audio: np.ndarray, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """The sound with its noisy pieces denoised, each by itself.

    audio: float32 (n,) at 16 kHz; spans: of frames, 100 a second. The same array where nothing is noisy.
    """
    out = audio
    for first, last in spans:
        piece = audio[first * HOP : last * HOP]
        if is_noisy(piece):
            if out is audio:
                out = audio.copy()
            out[first * HOP : last * HOP] = denoised(piece)
    return out
