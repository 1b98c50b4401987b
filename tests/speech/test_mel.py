"""The mel spectrogram of Wav2Lip and VideoReTalking, and its windows."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech import mel
from tests.networks import parity


def _noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * SAMPLE_RATE_HZ)).astype(np.float32)


@pytest.mark.parametrize(("border", "name"), [("zero", "spectrogram"), ("reflect", "spectrogram_reflect")])
def test_it_is_the_published_spectrogram(border: mel.Border, name: str) -> None:
    facts, data = parity.fixture("preprocess")
    values = mel.compute_spectrogram(data["audio.pcm"] / np.float32(32768), border)
    assert values.dtype == np.float32
    assert np.abs(values - data[f"mel.{name}"]).max() <= facts["tolerances"]["mel.*"]
    assert np.abs(mel.make_slaney_filters().sum(1) - data["mel.basis_row_sums"]).max() <= facts["tolerances"]["mel.*"]


def test_the_fixtures_file_holds_the_same_samples() -> None:
    _, data = parity.fixture("preprocess")
    with wave.open(str(parity.locate("audio_16k.wav"))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE_HZ, 1, 2)
        assert np.array_equal(np.frombuffer(file.readframes(file.getnframes()), "<i2"), data["audio.pcm"])


@pytest.mark.parametrize("fps", [25, 30])
def test_it_is_cut_as_published(fps: int) -> None:
    _, data = parity.fixture("preprocess")
    assert np.array_equal(mel.find_published_starts(161, fps), data[f"mel.chunk_starts_fps{fps}"])


def test_silence_is_the_lowest_value_exactly() -> None:
    assert (mel.compute_spectrogram(np.zeros(4000, np.float32)) == -mel.PEAK).all()
    assert mel.compute_spectrogram(np.zeros(0, np.float32)).shape == (mel.BANDS, 0)


def test_a_tone_is_in_its_band_and_ten_times_the_sound_is_twenty_decibel_more() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / SAMPLE_RATE_HZ).astype(np.float32)
    quiet, loud = (mel.compute_spectrogram(tone * gain)[:, 10] for gain in (0.01, 0.1))
    band = int(loud.argmax())
    assert band == mel.make_slaney_filters()[:, 1000 * mel.WINDOW // SAMPLE_RATE_HZ].argmax()
    assert loud[band] - quiet[band] == pytest.approx(20 * 2 * mel.PEAK / mel.SPAN, abs=1e-4)
    # By hand: half the window's sum (200) times the tone after pre-emphasis, times the filter where the tone
    # is.
    emphasis = abs(1 - mel.PREEMPHASIS * np.exp(-2j * np.pi * 1000 / SAMPLE_RATE_HZ))
    least = 0.1 * emphasis * 200 * mel.make_slaney_filters()[band, 50]
    assert loud[band] >= 8 * (20 * np.log10(least) - 20 + 100) / 100 - 4


def test_a_click_is_centred_in_its_column() -> None:
    sound = np.zeros(SAMPLE_RATE_HZ, np.float32)
    sound[8000] = 1
    assert mel.compute_spectrogram(sound).sum(0).argmax() == 40 == 0.5 * mel.COLUMN_RATE


def test_borders_differ_in_the_two_outer_columns_only() -> None:
    sound = _noise(1)
    different = (mel.compute_spectrogram(sound) != mel.compute_spectrogram(sound, "reflect")).any(0)
    assert np.flatnonzero(different).tolist() == [0, 1, 79, 80]


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mel.compute_spectrogram(_noise(1))
    monkeypatch.setattr(mel, "_BLOCK", 7)
    np.testing.assert_allclose(mel.compute_spectrogram(_noise(1)), whole, atol=1e-6)


@pytest.mark.parametrize("fps", [12.5, 24, 25, 30000 / 1001, 30, 50, 60])
def test_windows_at_frame_times_are_the_published_ones(fps: float) -> None:
    starts = mel.find_published_starts(900, fps)
    assert starts[-1] == 900 - mel.COLUMNS and (np.diff(starts) >= 0).all()
    assert np.array_equal(mel.find_window_starts(np.arange(len(starts) - 1) / fps), starts[:-1])


def test_windows_at_uneven_times() -> None:
    times = np.array([0, 0.0125, 0.02, 0.1, 0.1 + 1 / 160, 1.7])
    assert mel.find_window_starts(times).tolist() == [0, 1, 1, 8, 8, 136]


def test_windows_are_silent_beyond_the_ends() -> None:
    picture = np.arange(80 * 20, dtype=np.float32).reshape(80, 20)
    values = mel.cut_windows(picture, np.array([-2, 0, 10, 40]))
    assert values.shape == (4, mel.BANDS, mel.COLUMNS) and values.dtype == np.float32
    assert (values[0, :, :2] == -4).all() and np.array_equal(values[0, :, 2:], picture[:, :14])
    assert np.array_equal(values[1], picture[:, :16])
    assert np.array_equal(values[2, :, :10], picture[:, 10:]) and (values[2, :, 10:] == -4).all()
    assert (values[3] == -4).all() and (mel.cut_windows(picture[:, :0], np.array([0])) == -4).all()


def test_what_is_not_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="mono"):
        mel.compute_spectrogram(np.zeros((100, 2), np.float32))
    with pytest.raises(ValueError, match="finite"):
        mel.compute_spectrogram(np.array([0, np.nan], np.float32))
    with pytest.raises(ValueError, match="border"):
        mel.compute_spectrogram(np.zeros(100, np.float32), "edge")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="16"):
        mel.find_published_starts(15, 25)


def test_a_levelled_spectrogram_does_not_depend_on_loudness() -> None:
    sound = _noise(0.5)
    loud, quiet = (mel.compute_levelled_spectrogram(sound * gain) for gain in (1.0, 0.25))
    np.testing.assert_allclose(loud, quiet, atol=1e-3)
    assert (mel.compute_levelled_spectrogram(np.zeros(4000, np.float32)) == -mel.PEAK).all()
