"""Samples that are no sound: not numbers, infinite, far louder than full scale, in rare formats."""

from __future__ import annotations

import re
import struct
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.engine.checks import check_speech
from lipdub.errors import InputError
from lipdub.media.audio import describe_mono, describe_odd_samples, load_audio, load_mono, write_wav
from lipdub.media.mux_plan import SourceInput, SpeechInput
from lipdub.media.probe import probe
from lipdub.media.rehearsal import rehearse
from lipdub.media.sample_formats import OddSamples
from lipdub.media.video_encoder import VideoCodec
from tests.media.clips import chirp, make_sound, make_video

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16000
VOICE = chirp(0.5, RATE)
PCM, FLOAT = 1, 3  # formats of WAV
MANY = slice(0, None, 3)
FEW = slice(5, None, 1000)


def write_samples(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    """A mono WAV file of any numbers."""
    width = samples.itemsize
    kind = FLOAT if samples.dtype.kind == "f" else PCM
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, 1, rate, rate * width, width, 8 * width)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", samples.nbytes) + samples.tobytes()
    path.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    return path


def spoil(value: float, where: slice, dtype: str = "<f4") -> np.ndarray:
    samples = VOICE.astype(dtype)
    samples[where] = value
    return samples


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (VOICE * np.float32(5e11), "more than 100 times full scale"),
        (VOICE.astype("<f8") * 1e300, "more than 100 times full scale"),
        (VOICE * np.float32(32768), "more than 100 times full scale"),
        (spoil(np.inf, MANY), "more than 100 times full scale"),
        (spoil(-np.inf, MANY), "more than 100 times full scale"),
        (spoil(np.nan, MANY), "not a number"),
        (spoil(np.nan, MANY, "<f8"), "not a number"),
    ],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, samples: np.ndarray, words: str) -> None:
    path = write_samples(tmp_path / "a.wav", samples)
    for what in ("speech", "mix"):
        with pytest.raises(InputError, match=words):
            check_speech(path, what=what)


@pytest.mark.quick_cases(6)
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize(
    ("value", "heard", "words"),
    [
        (np.nan, 0.0, "8 of 8000 samples of .* are not a number: they become silence"),
        (np.inf, 1.0, "8 of 8000 samples of .* are more than 100 times full scale: they are clipped"),
        (-np.inf, -1.0, "are clipped"),
        (-5e11, -1.0, "are clipped"),
        (8.0, 1.0, "goes 18 dB over full scale: players clip it"),
        (1e-42, 0.0, ""),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_a_few_odd_samples_are_mended(
    tmp_path: Path, suffix: str, value: float, heard: float, words: str, dtype: str
) -> None:
    """The rest is as it was, a note says what is odd, and every encoder takes the sound."""
    path = write_samples(tmp_path / "a.wav", spoil(value, FEW, dtype))
    assert check_speech(path) == pytest.approx(0.5)
    sound = load_mono(path)
    assert np.abs(sound.samples[FEW] - heard).max() < 1e-6
    is_odd = np.zeros(len(VOICE), bool)
    is_odd[FEW] = True
    assert np.array_equal(sound.samples[~is_odd], VOICE[~is_odd])
    notes = describe_mono(path, sound)
    assert notes == describe_odd_samples(path) and len(notes) == bool(words)
    if words:
        assert re.search(words, notes[0])
    write_wav(tmp_path / "b.wav", path)
    assert np.isfinite(load_audio(tmp_path / "b.wav")).all()
    source = make_video(tmp_path / "v.mp4")
    codec = VideoCodec(container=suffix)
    rehearse(codec, SpeechInput(path, start=Fraction(0)), SourceInput(source, probe(source)), tmp_path / f"o{suffix}")


def test_whole_numbers_of_64_bits_are_read(tmp_path: Path) -> None:
    """PyAV itself does not."""
    path = write_samples(tmp_path / "a.wav", (VOICE.astype(np.float64) * 2.0**63).astype("<i8"))
    assert np.abs(load_audio(path) - VOICE).max() < 1e-6


@pytest.mark.parametrize(("rate", "is_sound"), [(1, False), (999, False), (1000, True), (8000, True), (768000, True)])
def test_rates(tmp_path: Path, rate: int, *, is_sound: bool) -> None:
    path = make_sound(tmp_path / "a.wav", np.zeros(rate, np.float32), rate)
    if is_sound:
        assert check_speech(path) == pytest.approx(1.0)
        return
    with pytest.raises(InputError, match=f"has a sample rate of {rate} Hz"):
        check_speech(path)


def test_the_shares_are_of_the_whole_file() -> None:
    """One bad block of many is mended; the same alone is refused."""
    bad = np.full((10, 2), np.nan, np.float32)
    odd = OddSamples()
    assert not odd.repair(bad).any()
    with pytest.raises(InputError, match="20 of 20 samples of a are not a number"):
        odd.check("a")
    odd.repair(np.zeros((1000, 2), np.float32))
    odd.check("a")
    assert odd.describe("a") == ["20 of 2020 samples of a are not a number: they become silence"]
