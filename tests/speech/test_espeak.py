"""espeak-ng in a child process."""

from __future__ import annotations

import subprocess
from typing import Any

import numpy as np
import pytest

from lipdub.speech import espeak

needs_espeak = pytest.mark.skipif(not espeak.is_available(), reason="espeakng-loader is not installed")


@needs_espeak
def test_texts_are_pronounced_in_order() -> None:
    first, second = espeak.pronounce_ipa(["hello", "two words"], "en-us")
    assert "h" in first and " " in second


@needs_espeak
def test_a_voice_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="no voice 'xx'"):
        espeak.pronounce_ipa(["word"], "xx")


@needs_espeak
def test_speech_has_its_phonemes_in_time() -> None:
    library = espeak.get_espeak()
    assert library is espeak.get_espeak()
    sound, phonemes = library.speak("hello there")
    assert sound.dtype == np.float32 and 0.1 < np.abs(sound).max() <= 1
    starts = [start for start, _ in phonemes]
    assert starts == sorted(starts) and starts[-1] < len(sound) / library.rate


@needs_espeak
def test_speech_of_a_process_of_its_own_is_the_same_each_time() -> None:
    sound, phonemes, rate = espeak.speak_alone("hello there", voice="en-us+f5", speed=150)
    again, *_ = espeak.speak_alone("hello there", voice="en-us+f5", speed=150)
    assert (sound == again).all() and sound.dtype == np.float32 and 0.5 < len(sound) / rate < 3
    assert [name for _, name in phonemes] == [name for _, name in espeak.get_espeak().speak("hello there")[1]]
    with pytest.raises(ValueError, match="no voice 'xx'"):
        espeak.speak_alone("word", voice="xx")


@pytest.mark.parametrize("failure", ["code", "time"])
def test_a_library_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    def run(*_: Any, **__: Any) -> subprocess.CompletedProcess[bytes]:
        if failure == "time":
            raise subprocess.TimeoutExpired("espeak", 1)
        return subprocess.CompletedProcess([], 1, b"")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RuntimeError, match=r"did not answer|ended unexpectedly"):
        espeak.pronounce_ipa(["word"], "en-us")
