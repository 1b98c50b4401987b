"""The windows of sound that AVSyncNet and the generators hear."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.errors import UsageError
from lipdub.networks import avsyncnet
from lipdub.speech import mel
from lipdub.speech.phonetic_features import ROWS
from lipdub.speech.sound_windows import COLUMNS, FRAME_RATE, FRAMES, sound_windows

TIMES = np.arange(-3, 40) / FRAME_RATE


def test_a_mel_window_begins_with_its_frames() -> None:
    windows = sound_windows("mel")
    values = np.random.default_rng(0).uniform(-4, 4, (mel.BANDS, 100)).astype(np.float32)
    starts = windows.find_columns(TIMES)
    np.testing.assert_array_equal(starts, mel.find_window_starts(TIMES))
    np.testing.assert_array_equal(windows.cut(values, starts), mel.cut_windows(values, starts))
    np.testing.assert_array_equal(
        windows.cut_around(values, TIMES), mel.cut_windows(values, mel.find_window_starts(TIMES - 0.08))
    )


@pytest.mark.parametrize("columns", [COLUMNS, 21])
def test_a_phonetic_window_has_its_middle_frame_in_the_middle(columns: int) -> None:
    windows = sound_windows("phonetic", columns)
    values = np.tile(np.arange(200, dtype=np.float32), (ROWS, 1))
    around = windows.cut_around(values, np.array([0.0, 0.8]))
    assert around.shape == (2, ROWS, columns)
    assert around[1, 0, columns // 2] == 80 and around[1, 5, 0] == 80 - columns // 2
    assert not around[0, :, : columns // 2].any() and around[0, 0, -1] == columns // 2  # silence before the sound
    of_five = windows.cut(values, np.array([72]))  # the five frames of which the one at 0.8 s is the middle
    np.testing.assert_array_equal(of_five[0], around[1])


@pytest.mark.parametrize("audio", avsyncnet.SILENCE)
def test_networks_and_windows_say_the_same(audio: str) -> None:
    windows = sound_windows(audio)
    assert windows.silence == avsyncnet.SILENCE[audio] and FRAMES == avsyncnet.FRAMES
    assert windows.feature.time_axis == 1 and windows.rows == windows.feature.size
    assert windows.span == round(0.2 * windows.feature.rate)


def test_what_windows_there_are_not() -> None:
    for audio, columns in (("mel", 20), ("phonetic", 40), ("mfcc", None)):
        with pytest.raises(UsageError, match="no sound windows"):
            sound_windows(audio, columns)
    with pytest.raises(UsageError, match="phonetic, of an odd number and 50 rows"):
        sound_windows("phonetic", COLUMNS, 49)
