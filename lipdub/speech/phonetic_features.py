"""Phonetic audio features: what lipdub's own hearing makes of a speech, whatever the voice and its level.

Columns are 10 ms apart, the first at time zero. Rows, in this order:

- `SPOKEN`: square root of the probability of each phone but silence (`phones.PHONES`), 0 to 1. The root raises phones
  that are likely but not the likeliest.
- one minus the probability of silence, 0 to 1.
- `coarticulation.COEFFICIENTS`: the lip motion that the built-in recipe would show, in its units (about -1 to 1).
- loudness: 0 at 40 dB or more below the running level of the speech, 1 at that level, 1.5 at most.

The same test as in `sound_windows` found 68 % with all rows, 68 % with the lip motion and loudness alone, and 67 % with
the phones alone; of rendered people's moments 59, 57 and 52 %. A logarithm for the root, or the hidden layer of the
phone network beside these rows, found no more.

Digital silence is exactly zero in all rows. The sound is first scaled to one root mean square, so that its level does
not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.audio_features import AudioFeature
from lipdub.speech.coarticulation import COEFFICIENTS, blend_lip_shapes
from lipdub.speech.phone_features import (
    FRAME_RATE,
    HOP,
    compute_mel_power,
    compute_running_level,
    find_silent_frames,
    to_decibel,
)
from lipdub.speech.phone_recognizer import compute_phone_posteriors, load_weights
from lipdub.speech.phones import PHONE_INDEX, PHONES, SILENCE

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

COLUMN_RATE = FRAME_RATE
"""Columns per second: 100."""

SPOKEN = tuple(phone for phone in PHONES if phone != SILENCE)
"""Phones of the first rows."""

ROWS = len(SPOKEN) + 1 + len(COEFFICIENTS) + 1
"""Values for each moment."""

_LEVEL = 0.1  # root mean square that a speech is scaled to
_MIN_LEVEL = 10 ** (-44 / 20)  # quieter sound is raised no further, so that the noise of a silent track stays silence
_LOUDNESS_SPAN = 40.0  # dB below the running level at which the loudness is zero
_MAX_LOUDNESS = 1.5


def compute_phonetic_features(audio: Array) -> F32:
    """Compute the phonetic features of a speech.

    Args:
        audio: (n,) float mono at 16 kHz, in -1 to 1.

    Returns:
        (ROWS, phone_features.count_frames(n)) float32.

    Raises:
        WeightsError: The phone network or the speech encoder is missing.
    """
    samples = scale_to_level(np.asarray(audio, np.float32))
    network, lips = load_weights()
    posteriors = compute_phone_posteriors(samples, network)
    rows = [
        np.sqrt(np.delete(posteriors, PHONE_INDEX[SILENCE], 1)),
        1 - posteriors[:, PHONE_INDEX[SILENCE], None],
        blend_lip_shapes(posteriors, lips),
        compute_loudness(samples)[:, None],
    ]
    return np.ascontiguousarray(np.concatenate(rows, 1).T, np.float32)


def scale_to_level(audio: F32) -> F32:
    """Scale a sound (n,) to one root mean square. What is quieter than speech ever is stays quiet."""
    level = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if len(audio) else 0.0
    return audio * np.float32(_LEVEL / max(level, _MIN_LEVEL))


def compute_loudness(audio: F32) -> F32:
    """Compute the loudness of each moment of a sound (n,) against its running level. Returns (frames,) float32."""
    power = compute_mel_power(audio)
    relative = to_decibel(power.sum(1)) - compute_running_level(power)
    loudness: F32 = np.clip(1 + relative / _LOUDNESS_SPAN, 0.0, _MAX_LOUDNESS).astype(np.float32)
    loudness[find_silent_frames(power)] = 0.0
    return loudness


PHONETIC = AudioFeature(
    name="phonetic",
    summary="Phones, lip motion and loudness as lipdub hears them, whatever the voice",
    hop=HOP,
    size=ROWS,
    compute=compute_phonetic_features,
    time_axis=1,
    weights=("lip-motion.safetensors",),
    version=1,
)
