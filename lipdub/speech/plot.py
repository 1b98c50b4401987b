"""A picture of a speech in rows of time: words, sound, phones, mouth shapes and lip motion.

Pillow draws it, which comes with torchvision. No display and no plotting library is needed.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import printable
from lipdub.speech.phone_features import (
    FRAME_RATE,
    HOP,
    LEVEL_SPAN,
    compute_mel_power,
    compute_running_level,
    to_decibel,
)
from lipdub.speech.phones import BILABIALS, LABIODENTALS, SILENCE, VOWELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from lipdub.arrays import F32, U8, Mask
    from lipdub.speech.lip_trajectory import LipTrajectory
    from lipdub.speech.word import Segment

    Font: TypeAlias = FreeTypeFont | ImageFont

Colour = tuple[int, int, int]

ROW_SECONDS = 5.0
PAGE_ROWS = 12
SCALE = 300  # pixels per second

# pixels
_LEFT, _RIGHT, _GAP, _HEAD = 92, 24, 26, 34
_WORDS, _WAVE, _SOUND, _BAND, _LIPS, _AXIS = 24, 64, 88, 22, 130, 20  # heights of a row's bands, from above
_ROW = _WORDS + _WAVE + _SOUND + 2 * _BAND + _LIPS + _AXIS
_MIN_ROW_SECONDS = 1.5  # a page is at least so wide

_PAPER, _INK, _FAINT, _RULE = (255, 255, 255), (35, 38, 46), (120, 126, 138), (222, 225, 230)
_BLUE, _SKY, _ORANGE, _RED, _GREEN = (28, 98, 178), (203, 223, 244), (214, 112, 20), (196, 44, 44), (28, 130, 84)
_BORDER, _SHUT_SHADE, _SILENCE_SHADE = (190, 194, 200), (250, 214, 210), (242, 243, 245)
_BOX = {
    "vowel": (255, 238, 204),
    "closed": (250, 205, 200),
    "tucked": (250, 225, 240),
    "other": (226, 240, 228),
}
_VISEME_KINDS = {"PP": "closed", "FF": "tucked", **dict.fromkeys(("aa", "E", "ih", "oh", "ou"), "vowel")}

_MIN_FIT, _PALE_INK = 0.3, (176, 180, 188)  # words that fit less well are pale
_MIN_CLOSURE = 0.5  # closure from which on the lips count as shut
_MAX_VALUE = 1.2  # opening and rounding at the top of their band
_WHITE_LEVEL, _BLACK_LEVEL = -60.0, 25.0  # dB about the running level that are white and black in the spectrogram
_BAND_OFFSET = 10  # dB: a band of a vowel lies about so far below the whole spectrum


def draw_pages(lips: LipTrajectory, audio: F32) -> list[U8]:
    """Draw a speech in rows of `ROW_SECONDS`, at most `PAGE_ROWS` on a page.

    Args:
        lips: The speech or a part of it.
        audio: (n,) float32 mono at 16 kHz: the whole speech.

    Returns:
        Pictures, (h, w, 3) uint8 RGB.
    """
    if not len(lips.times):
        return [_draw_page(lips, audio, [], 1, 1)]
    start = float(lips.times[0])
    end = max(lips.phones[-1].end if lips.phones else 0.0, float(lips.times[-1]))
    edges = np.arange(start, end - 0.05, ROW_SECONDS) if end - start > 0.05 else np.array([start])
    rows = [(float(a), min(float(a) + ROW_SECONDS, end)) for a in edges]
    pages = [rows[i : i + PAGE_ROWS] for i in range(0, len(rows), PAGE_ROWS)]
    return [_draw_page(lips, audio, page, i, len(pages)) for i, page in enumerate(pages, 1)]


def name_pages(path: Path, count: int) -> list[Path]:
    """Return the files of the pages: the path itself, then with -2, -3, ... before its suffix."""
    return [path, *(path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(2, count + 1))]


def _draw_page(lips: LipTrajectory, audio: F32, rows: list[tuple[float, float]], number: int, count: int) -> U8:
    from PIL import Image, ImageDraw

    longest = max((b - a for a, b in rows), default=0.0)
    width = _LEFT + round(max(min(longest, ROW_SECONDS), _MIN_ROW_SECONDS) * SCALE) + _RIGHT
    image = Image.new("RGB", (width, _HEAD + len(rows) * (_ROW + _GAP) + 4), _PAPER)
    draw = ImageDraw.Draw(image)
    title = f"{printable(lips.source.name)}   {lips.duration:.2f} s   heard by {lips.recognition_source}"
    more = f"   page {number} of {count}" if count > 1 else ""
    text, font = _fit_text(draw, title + more, width - 16, (15, 13, 11))
    draw.text((12, 9), text, _INK, font)
    for i, (start, end) in enumerate(rows):
        _Row(image, draw, lips, _HEAD + i * (_ROW + _GAP), start, end).draw(audio)
    return np.array(image)


class _Row:
    """One row of a page: the seconds start to end, drawn downwards from `top`."""

    def __init__(self, image: Image, pen: ImageDraw, lips: LipTrajectory, top: int, start: float, end: float) -> None:
        self.image, self.pen, self.lips = image, pen, lips
        self.top, self.start, self.end = top, start, end
        self.right = self.x(end)

    def x(self, time: float) -> int:
        return _LEFT + round((time - self.start) * SCALE)

    def draw(self, audio: F32) -> None:
        y = self.top
        self.draw_words(y)
        y += _WORDS
        self.draw_wave(y, audio[int(self.start * SAMPLE_RATE_HZ) : int(np.ceil(self.end * SAMPLE_RATE_HZ))])
        y += _WAVE
        self.draw_spectrogram(y, audio)
        y += _SOUND
        self.draw_cues(y, "phones", self.lips.phones, _colour_of_phone)
        y += _BAND
        self.draw_cues(y, "visemes", self.lips.visemes, _colour_of_viseme)
        y += _BAND
        self.draw_lips(y)
        y += _LIPS
        self.draw_axis(y)

    def draw_name(self, y: int, height: int, text: str, colour: Colour = _FAINT) -> None:
        self.pen.text((_LEFT - 8, y + height // 2), text, colour, _load_font(13), anchor="rm")

    def draw_words(self, y: int) -> None:
        if not self.lips.words:
            return
        self.draw_name(y, _WORDS, "words")
        for word in self.lips.words:
            a, b = max(word.start, self.start), min(word.end, self.end)
            if b <= a:
                continue
            self.pen.line([(self.x(a) + 1, y + _WORDS - 2), (self.x(b) - 1, y + _WORDS - 2)], _FAINT, 1)
            if b - a < (word.end - word.start) / 2:  # the row that has more of the word names it
                continue
            text, font = _fit_text(self.pen, printable(word.text), self.x(b) - self.x(a) + 6, (14, 12, 11, 10))
            ink = _PALE_INK if word.fit < _MIN_FIT else _INK
            self.pen.text(((self.x(a) + self.x(b)) // 2, y + _WORDS // 2 - 1), text, ink, font, anchor="mm")

    def draw_wave(self, y: int, audio: F32) -> None:
        self.draw_name(y, _WAVE, "sound")
        middle, half = y + _WAVE // 2, _WAVE // 2 - 3
        self.pen.line([(_LEFT, middle), (self.right, middle)], _RULE, 1)
        if not len(audio):
            return
        loudest = max(float(np.abs(audio).max()), 1e-3)
        edges = np.linspace(0, len(audio), max(self.right - _LEFT, 1) + 1).astype(int)
        for i, (a, b) in enumerate(pairwise(edges)):
            if b > a:
                low, high = float(audio[a:b].min()) / loudest, float(audio[a:b].max()) / loudest
                self.pen.line([(_LEFT + i, middle - high * half), (_LEFT + i, middle - low * half)], _FAINT, 1)

    def draw_spectrogram(self, y: int, audio: F32) -> None:
        from PIL import Image

        self.draw_name(y, _SOUND, "0.1-7.6 kHz")
        margin = LEVEL_SPAN * HOP  # the level is a running one
        first = max(int(self.start * SAMPLE_RATE_HZ) // HOP * HOP, 0)
        low, high = max(first - margin, 0), min(int(self.end * SAMPLE_RATE_HZ) + margin, len(audio))
        if high - low < HOP:
            return
        power = compute_mel_power(audio[low:high])
        level = to_decibel(power) - compute_running_level(power)[:, None]
        a = (first - low) // HOP
        part = level[a : a + max(round((self.end - self.start) * FRAME_RATE), 1)]
        shade = np.clip((part + _BAND_OFFSET - _WHITE_LEVEL) / (_BLACK_LEVEL - _WHITE_LEVEL), 0, 1) ** 1.5
        grey = np.uint8(255 - 225 * shade.T[::-1])
        size = (max(self.right - _LEFT, 1), _SOUND - 4)
        strip = Image.fromarray(grey, "L").resize(size, Image.Resampling.BILINEAR)
        self.image.paste(strip.convert("RGB"), (_LEFT, y + 2))

    def draw_cues(self, y: int, name: str, cues: tuple[Segment, ...], colour_of: Callable[[str], Colour]) -> None:
        self.draw_name(y, _BAND, name)
        for start, end, label in cues:
            a, b = max(start, self.start), min(end, self.end)
            if b <= a:
                continue
            left, top, right, bottom = self.x(a), y + 1, self.x(b), y + _BAND - 2
            self.pen.rectangle((left, top, right, bottom), colour_of(label), _BORDER)
            text, font = _fit_text(self.pen, label, right - left, (13, 12, 11, 10, 9))
            if text == label:
                self.pen.text(((left + right) // 2, y + _BAND // 2 - 1), text, _INK, font, anchor="mm")

    def draw_lips(self, y: int) -> None:
        """Draw opening as a filled curve from the floor, width as a line about its middle, closures as shades."""
        lips = self.lips
        floor, height = y + _LIPS - 6, _LIPS - 14
        is_inside = (lips.times >= self.start - 1e-9) & (lips.times <= self.end + 1e-9)
        for value in (0.0, 0.5, 1.0):
            level = floor - round(value / _MAX_VALUE * height)
            self.pen.line([(_LEFT, level), (self.right, level)], _RULE, 1)
        for share, name, colour in (
            (0.86, "opening", _BLUE),
            (0.62, "width", _ORANGE),
            (0.38, "rounding", _GREEN),
            (0.14, "lips shut", _RED),
        ):
            self.draw_name(floor - round(height * share), 0, name, colour)
        times = lips.times[is_inside]
        if len(times) < 2:
            return
        xs = [_LEFT + (t - self.start) * SCALE for t in times]
        closures = self._find_closed(xs, lips.column("closure")[is_inside] >= _MIN_CLOSURE)
        for left, right in closures:
            self.pen.rectangle((left, y + 4, right, floor), _SHUT_SHADE)
        opening = np.clip(lips.column("opening")[is_inside], 0, _MAX_VALUE) / _MAX_VALUE
        curve = list(zip(xs, floor - opening * height, strict=True))
        self.pen.polygon([(xs[0], floor), *curve, (xs[-1], floor)], _SKY)
        for left, right in closures:
            self.pen.rectangle((left, y + 4, right, y + 8), _RED)
        self.pen.line([(_LEFT, floor), (self.right, floor)], _FAINT, 1)
        rounding = floor - np.clip(lips.column("rounding")[is_inside], 0, _MAX_VALUE) / _MAX_VALUE * height
        self.pen.line(list(zip(xs, rounding, strict=True)), _GREEN, 1)
        middle = floor - height * 0.5 / _MAX_VALUE
        width = middle - lips.column("width")[is_inside] * height * 0.5 / _MAX_VALUE
        self.pen.line(list(zip(xs, width, strict=True)), _ORANGE, 2)
        self.pen.line(curve, _BLUE, 2)
        for value, text in ((0.0, "-1"), (0.5, "0"), (1.0, "1")):
            level = floor - round(value / _MAX_VALUE * height)
            self.pen.text((self.right + 4, level), text, _ORANGE, _load_font(10), anchor="lm")

    def _find_closed(self, xs: list[float], is_shut: Mask) -> list[tuple[int, int]]:
        """Return the left and right end of each closure in pixels.

        Args:
            xs: Place of each row in pixels.
            is_shut: (n,) bool, whether the lips are shut.
        """
        step = 0.5 * SCALE / self.lips.rate
        return [
            (max(round(xs[a] - step), _LEFT), min(round(xs[b - 1] + step), self.right)) for a, b in _find_runs(is_shut)
        ]

    def draw_axis(self, y: int) -> None:
        tick = int(np.ceil(self.start * 10 - 1e-6))
        while tick / 10 <= self.end + 1e-6:
            x, is_long = self.x(tick / 10), tick % 5 == 0
            self.pen.line([(x, y), (x, y + (6 if is_long else 3))], _FAINT, 1)
            if is_long:
                self.pen.text((x, y + 13), f"{tick / 10:.1f}", _FAINT, _load_font(12), anchor="mm")
            tick += 1


def _colour_of_phone(phone: str) -> Colour:
    if phone == SILENCE:
        return _SILENCE_SHADE
    if phone in VOWELS:
        return _BOX["vowel"]
    if phone in BILABIALS:
        return _BOX["closed"]
    return _BOX["tucked" if phone in LABIODENTALS else "other"]


def _colour_of_viseme(viseme: str) -> Colour:
    if viseme == SILENCE:
        return _SILENCE_SHADE
    return _BOX[_VISEME_KINDS.get(viseme, "other")]


def _fit_text(draw: ImageDraw, text: str, width: int, sizes: tuple[int, ...]) -> tuple[str, Font]:
    """Return the text and the largest font in which it fits; with the smallest font, the text is cut.

    Letters that no font has become dots.
    """
    for size in sizes:
        font = _load_font(size, all_letters=not text.isascii())
        if not text.isascii():
            text = "".join(letter if _has_letter(font, letter) else "\N{MIDDLE DOT}" for letter in text)
        if draw.textlength(text, font) <= width:
            return text, font
    while text and draw.textlength(text, font) > width:
        text = text[:-1]
    return text, font


@lru_cache(maxsize=32)
def _load_font(size: int, *, all_letters: bool = False) -> Font:
    """Load Pillow's own font, which is limited to ASCII, or one with more letters."""
    from PIL import ImageFont

    path = _find_font() if all_letters else None
    return ImageFont.truetype(path, size) if path is not None else ImageFont.load_default(size)


def _find_font() -> str | None:
    """Find a font of Latin, Greek and Cyrillic: that of matplotlib, which is not imported for it."""
    try:
        spec = find_spec("matplotlib")
    except ValueError:  # imported in part
        return None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return str(path) if path.is_file() else None


def _has_letter(font: Font, letter: str) -> bool:
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))


def _find_runs(is_on: Mask) -> list[tuple[int, int]]:
    """Return the (first, last + 1) indices of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_on.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
