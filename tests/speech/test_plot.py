from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech import plot
from lipdub.speech.word import Segment
from tests.speech.test_lip_trajectory import make_trajectory

RED = np.array([196, 44, 44])


def sound(seconds: float) -> np.ndarray:
    time = np.arange(int(SAMPLE_RATE_HZ * seconds)) / SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * 200 * time) * (np.sin(2 * np.pi * 3 * time) > 0)).astype(np.float32)


def columns_of(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Columns that hold a run of eight pixels of the colour at least, so that thin letters do not count."""
    return np.flatnonzero((picture[:, plot._LEFT : -plot._RIGHT] == colour).all(-1).sum(0) >= 4)


def test_one_row_marks_the_closures_where_they_are() -> None:
    lips = make_trajectory()
    (picture,) = plot.draw_pages(lips, sound(0.845))
    assert picture.dtype == np.uint8 and picture.shape[2] == 3 and picture.shape[0] > 400
    shut_columns = columns_of(picture, RED) / plot.SCALE
    shut = lips.times[lips.column("closure") >= 0.5]
    assert len(shut_columns) and shut_columns.min() == pytest.approx(shut.min(), abs=0.02)
    assert shut_columns.max() == pytest.approx(shut.max(), abs=0.02)
    open_ = columns_of(picture, np.array([203, 223, 244])) / plot.SCALE
    assert len(open_) and np.abs(open_ - 0.42).min() < 0.02


def test_long_speech_goes_on_in_rows_and_pages() -> None:
    lips, seconds = make_trajectory(), 64.0
    times = np.arange(int(seconds * 100)) / 100
    values = np.resize(lips.values, (len(times), lips.values.shape[1]))
    long = replace(lips, duration=seconds, times=times, values=values, phones=(Segment(0.0, seconds, "aa"),), words=())
    sheets = plot.draw_pages(long, sound(seconds))
    assert len(sheets) == 2 and sheets[0].shape[0] > 10 * sheets[1].shape[0]
    assert sheets[0].shape[1] == plot._LEFT + 5 * plot.SCALE + plot._RIGHT
    assert plot.name_pages(Path("a/b.png"), 3) == [Path("a/b.png"), Path("a/b-2.png"), Path("a/b-3.png")]


def test_a_part_and_odd_names_and_nothing_at_all() -> None:
    lips = make_trajectory("umlaut ä\n名前.wav", start=0.3, end=0.6)
    (picture,) = plot.draw_pages(lips, sound(0.845))
    assert picture.shape[1] < 700
    empty = replace(lips, times=lips.times[:0], values=lips.values[:0], phones=(), words=(), visemes=(), mouths=())
    assert plot.draw_pages(empty, sound(0.1))[0].shape[0] < 60
    assert plot.draw_pages(lips, np.zeros(0, np.float32))[0].shape == picture.shape


def test_letters_without_a_font_are_dots() -> None:
    from PIL import Image, ImageDraw

    pen = ImageDraw.Draw(Image.new("RGB", (10, 10)))
    assert plot._fit_text(pen, "word", 500, (14, 10))[0] == "word"
    assert plot._fit_text(pen, "\u540d\u524d", 500, (14, 10))[0] == "\N{MIDDLE DOT}" * 2
    assert plot._fit_text(pen, "a long word", 20, (14, 10))[0] in "a long word"[:5]
