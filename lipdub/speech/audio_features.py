"""Audio features, which networks read instead of sound, as objects in a registry.

A method names the feature it reads; :data:`FEATURES` gives the object. All features take mono speech at 16 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F32, F64, I64, Array

_TIME_EPSILON = 1e-6  # columns: rounding of a time must not move a frame to the column before


@dataclass(frozen=True)
class AudioFeature:
    """A feature of speech.

    Attributes:
        name: Its name in :data:`FEATURES`.
        summary: One line for people.
        hop: Samples between two moments.
        size: Values for each moment.
        compute: Function of (n,) float32 mono speech at 16 kHz in -1 to 1. It returns an array with the moments along
            `time_axis` and `size` values along the other axis.
        time_axis: 0 or 1.
        weights: Names of the shipped weights that it depends on.
        version: Raised when its values change, where trainings keep them on the disk; 0 where they do not.
    """

    name: str
    summary: str
    hop: int
    size: int
    compute: Callable[[F32], Array]
    time_axis: int
    weights: tuple[str, ...] = ()
    version: int = 0

    @property
    def rate(self) -> float:
        """Moments per second."""
        return SAMPLE_RATE_HZ / self.hop


FEATURES: Registry[AudioFeature] = Registry(
    "audio feature",
    AudioFeature,
    {
        "mel": "lipdub.speech.mel:MEL",
        "mel-reflected": "lipdub.speech.mel:MEL_REFLECTED",
        "mel-levelled": "lipdub.speech.mel:MEL_LEVELLED",
        "mfcc": "lipdub.speech.mfcc:MFCC",
        "phone-mel": "lipdub.speech.phone_features:PHONE_MEL",
        "phone-posteriors": "lipdub.speech.phone_recognizer:PHONE_POSTERIORS",
        "phonetic": "lipdub.speech.phonetic_features:PHONETIC",
    },
)


def find_columns(times: F64, rate: float) -> I64:
    """Find the columns (n,) int64 of times (n,), in seconds of the sound, at `rate` columns a second."""
    columns: I64 = np.floor(np.asarray(times, np.float64) * rate + _TIME_EPSILON).astype(np.int64)
    return columns


def cut_columns(values: F32, starts: I64, count: int, silence: float) -> F32:
    """Cut windows out of a feature. There is silence before its first column and after its last.

    Args:
        values: (rows, T) float32.
        starts: (n,) first columns of the windows.
        count: Columns of a window.
        silence: The value that silence has in all rows.

    Returns:
        (n, rows, count) float32.
    """
    columns = np.asarray(starts, np.int64)[:, None] + np.arange(count)
    is_inside = (columns >= 0) & (columns < values.shape[1])
    out = np.full((len(columns), len(values), count), silence, np.float32)
    window, column = np.nonzero(is_inside)
    out[window, :, column] = values[:, columns[is_inside]].T
    return out
