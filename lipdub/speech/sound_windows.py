"""The windows of sound that AVSyncNet and the talking-face generators hear, by the audio feature they hear it in.

- `mel`: the fifth of a second in which the five frames of AVSyncNet are shown, as in the paper (`mel.MEL_LEVELLED`).
- `phonetic`: phones, which no voice changes, with as much sound before the frames as after (`phonetic_features`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import UsageError
from lipdub.speech import mel, phonetic_features
from lipdub.speech.audio_features import FEATURES, AudioFeature, cut_columns, find_columns

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I64, Array

FRAME_RATE = 25
FRAMES = 5
"""Frames of AVSyncNet, and how many of them are shown in a second."""

LEAD_SECONDS = (FRAMES // 2) / FRAME_RATE
"""Seconds from the first of the five frames to the one in the middle."""

COLUMNS = 41
"""Columns of a new phonetic window: 0.4 s.

Small networks matched windows of 0.2, 0.4 and 0.6 s with held-out lips. They found 65, 68 and 67 % among twelve.
"""


@dataclass(frozen=True)
class SoundWindows:
    """Windows of an audio feature, which go with five frames each.

    Attributes:
        feature: The audio feature. Its time axis is the second.
        columns: Columns of a window.
        lead: Columns of a window before the first of the five frames.
        silence: The value that silence has in all rows.
    """

    feature: AudioFeature
    columns: int
    lead: int
    silence: float

    @property
    def rows(self) -> int:
        """Rows of a window."""
        return self.feature.size

    @property
    def span(self) -> int:
        """Columns in which the five frames are shown."""
        return round(FRAMES / FRAME_RATE * self.feature.rate)

    def compute(self, audio: Array) -> F32:
        """Compute the feature of a whole sound.

        Args:
            audio: (n,) float mono at 16 kHz, in -1 to 1.

        Returns:
            (rows, columns) float32.
        """
        values: F32 = self.feature.compute(np.asarray(audio, np.float32))
        return values

    def find_columns(self, times: F64) -> I64:
        """Find the columns (n,) int64 of times (n,), in seconds of the sound."""
        return find_columns(times, self.feature.rate)

    def cut(self, values: F32, starts: I64) -> F32:
        """Cut windows. There is silence before the first column and after the last.

        Args:
            values: (rows, T) float32, of the whole sound.
            starts: (n,) column of the first of the five frames.

        Returns:
            (n, rows, columns) float32.
        """
        return cut_columns(values, np.asarray(starts, np.int64) - self.lead, self.columns, self.silence)

    def cut_around(self, values: F32, times: F64) -> F32:
        """Cut the windows in which frames at these times (n,), in seconds, are the middle ones.

        Arguments and result are otherwise those of `cut`.
        """
        return self.cut(values, self.find_columns(np.asarray(times) - LEAD_SECONDS))


def sound_windows(audio: str, columns: int | None = None, rows: int | None = None) -> SoundWindows:
    """Return the windows of an audio feature.

    Args:
        audio: "mel" or "phonetic".
        columns: Columns of a window; by default those of a new network. A mel window has 16.
        rows: Rows of a window; by default those of the feature.

    Raises:
        UsageError: There are no such windows.
    """
    if audio == "mel" and columns in (None, mel.COLUMNS) and rows in (None, mel.BANDS):
        return SoundWindows(FEATURES.get("mel-levelled"), mel.COLUMNS, 0, -mel.PEAK)
    if audio == "phonetic" and (columns is None or columns % 2 == 1) and rows in (None, phonetic_features.ROWS):
        columns = columns or COLUMNS
        middle = round(LEAD_SECONDS * phonetic_features.COLUMN_RATE)
        return SoundWindows(FEATURES.get("phonetic"), columns, columns // 2 - middle, 0.0)
    raise UsageError(
        f"there are no sound windows {audio!r} of {columns} columns and {rows} rows",
        hint=f"There are mel, of {mel.COLUMNS} columns, and phonetic, of an odd number and {phonetic_features.ROWS} "
        "rows. Networks that hear others belong to another version of lipdub.",
    )
