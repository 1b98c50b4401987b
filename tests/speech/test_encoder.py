"""The published speech encoder: the same answers however it is asked, and no file but the known one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import WeightsError
from lipdub.speech import encoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def make_sound(seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.2 * np.sin(2 * np.pi * 150 * time * (1 + 0.1 * np.sin(3 * time))) * np.sin(4 * time) ** 2).astype(
        np.float32
    )


@pytest.fixture
def no_session() -> Iterator[None]:
    encoder._load_session.cache_clear()
    yield
    encoder._load_session.cache_clear()


@pytest.mark.slow
def test_answers_do_not_depend_on_what_was_asked() -> None:
    audio = make_sound(40.0)
    steps = len(audio) // 320
    whole = encoder.make_window_encoder(audio)(0, steps)
    assert whole.shape == (steps, encoder.WIDTH) and np.isfinite(whole).all()
    ask = encoder.make_window_encoder(audio)
    np.testing.assert_array_equal(np.concatenate([ask(i, min(i + 330, steps)) for i in range(0, steps, 330)]), whole)
    np.testing.assert_array_equal(encoder.make_window_encoder(audio)(700, 900), whole[700:900])


def test_what_lies_further_ahead_changes_nothing() -> None:
    audio = make_sound(30.0)
    other = audio.copy()
    other[int((4.0 + encoder.LOOKAHEAD_SECONDS) * SAMPLE_RATE_HZ) :] = 0
    np.testing.assert_array_equal(
        encoder.make_window_encoder(audio)(0, 200), encoder.make_window_encoder(other)(0, 200)
    )


def test_steps_lie_at_their_moments() -> None:
    encoding = np.repeat(np.arange(50.0, dtype=np.float32)[:, None], encoder.WIDTH, 1)
    steps = encoder.interpolate_steps(encoding, 3, 40)[:, 0]
    centre = (np.arange(3, 40) + 0.25) * 0.02  # the middle of each step's two frames of 10 ms, seconds
    np.testing.assert_allclose(steps, (centre - 447 / SAMPLE_RATE_HZ) / 0.024, atol=1e-4)
    assert encoder.interpolate_steps(encoding[:1], 0, 4).shape == (4, encoder.WIDTH)


def test_level_changes_little_and_any_length_will_do() -> None:
    audio = make_sound(3.0)
    base = encoder.encode(audio)
    np.testing.assert_array_equal(encoder.encode(audio * 0.5), base)  # the same numbers, by a power of two
    assert np.abs(encoder.encode(audio * 0.1) - base).mean() < 0.1 * np.abs(base).mean()  # it counts in eight bits
    for samples in (0, 1, 500):
        assert encoder.encode(audio[:samples]).shape[1] == encoder.WIDTH


def test_another_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_session: None) -> None:
    other = tmp_path / "encoder_model.ort"
    other.write_bytes(b"not it")
    monkeypatch.setattr(encoder, "find_encoder_file", lambda: other)
    with pytest.raises(WeightsError, match="is not the speech encoder"):
        encoder.encode(make_sound(1.0))
    monkeypatch.setattr(encoder, "find_encoder_file", lambda: None)
    with pytest.raises(WeightsError, match="missing"):
        encoder.encode(make_sound(1.0))
