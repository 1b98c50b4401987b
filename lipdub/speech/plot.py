"""A picture of a speech in rows of time: words, sound, phones, mouth shapes, and what the lips do.

Drawn with Pillow, which comes with torchvision; no display and no plotting library is needed.
"""

from __future__ import annotations

import io
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import printable
from lipdub.speech.phone_features import FRAME_RATE, HOP, compute_mel_power, compute_running_level, to_decibel
from lipdub.speech.phones import BILABIALS, LABIODENTALS, VOWELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from lipdub.speech.export import LipTrajectory
    from lipdub.speech.visemes import Cue

    Font: TypeAlias = FreeTypeFont | ImageFont

ROW_SECONDS = 5.0
PAGE_ROWS = 12
SCALE = 300  # pixels a second

_LEFT, _RIGHT, _GAP, _HEAD = 92, 24, 26, 34
# heights of a row's bands, from above
_WORDS, _WAVE, _SOUND, _BAND, _LIPS, _AXIS = 24, 64, 88, 22, 130, 20
_ROW = _WORDS + _WAVE + _SOUND + 2 * _BAND + _LIPS + _AXIS

_PAPER, _INK, _FAINT, _RULE = (255, 255, 255), (35, 38, 46), (120, 126, 138), (222, 225, 230)
_BLUE, _SKY, _ORANGE, _RED, _GREEN = (
    (28, 98, 178),
    (203, 223, 244),
    (214, 112, 20),
    (196, 44, 44),
    (28, 130, 84),
)
_SHUT = (250, 214, 210)
_BOX = {
    "vowel": (255, 238, 204),
    "closed": (250, 205, 200),
    "tucked": (250, 225, 240),
    "other": (226, 240, 228),
}
_SILENCE = (242, 243, 245)
_DOUBT, _DOUBTFUL = 0.3, (176, 180, 188)  # words that fit less well are pale
_CLOSED_FROM = 0.5
_LOWEST = -60.0  # dB under the running level that is white in the spectrogram


def draw_pages(lips: LipTrajectory, audio: np.ndarray) -> list[np.ndarray]:
    """The pictures of a speech, RGB uint8 (h, w, 3): rows of `ROW_SECONDS`, at most `PAGE_ROWS` to a page.

    audio: float32 (n,) mono, 16 kHz: the whole speech, of which `lips` may be a part.
    """
    if not len(lips.times):
        return [_page(lips, audio, [], 1, 1)]
    start = float(lips.times[0])
    end = max(lips.phones[-1][1] if lips.phones else 0.0, float(lips.times[-1]))
    edges = np.arange(start, end - 0.05, ROW_SECONDS) if end - start > 0.05 else np.array([start])
    rows = [(float(a), min(float(a) + ROW_SECONDS, end)) for a in edges]
    sheets = [rows[i : i + PAGE_ROWS] for i in range(0, len(rows), PAGE_ROWS)]
    return [_page(lips, audio, sheet, i, len(sheets)) for i, sheet in enumerate(sheets, 1)]


def encode_png(picture: np.ndarray) -> bytes:
    """A picture (h, w, 3) as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def name_pages(path: Path, count: int) -> list[Path]:
    """Where the pages go: the path itself, then with -2, -3, ... before its ending."""
    return [path, *(path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(2, count + 1))]


def _page(
    lips: LipTrajectory, audio: np.ndarray, rows: list[tuple[float, float]], number: int, count: int
) -> np.ndarray:
    from PIL import Image, ImageDraw

    longest = max((b - a for a, b in rows), default=0.0)
    width = _LEFT + round(max(min(longest, ROW_SECONDS), 1.5) * SCALE) + _RIGHT
    image = Image.new("RGB", (width, _HEAD + len(rows) * (_ROW + _GAP) + 4), _PAPER)
    draw = ImageDraw.Draw(image)
    title = f"{printable(lips.source.name)}   {lips.duration:.2f} s   heard by {lips.way}"
    more = f"   page {number} of {count}" if count > 1 else ""
    text, font = _fitted(draw, title + more, width - 16, (15, 13, 11))
    draw.text((12, 9), text, _INK, font)
    for i, (start, end) in enumerate(rows):
        _Row(image, draw, lips, _HEAD + i * (_ROW + _GAP), start, end).draw(audio)
    return np.array(image)


class _Row:
    """One row of a page: start..end seconds, drawn from `top` down."""

    def __init__(self, image: Image, draw: ImageDraw, lips: LipTrajectory, top: int, start: float, end: float) -> None:
        self.image, self.pen, self.lips = image, draw, lips
        self.top, self.start, self.end = top, start, end
        self.right = self.x(end)

    def x(self, time: float) -> int:
        return _LEFT + round((time - self.start) * SCALE)

    def draw(self, audio: np.ndarray) -> None:
        y = self.top
        piece = audio[int(self.start * SAMPLE_RATE_HZ) : int(np.ceil(self.end * SAMPLE_RATE_HZ))]
        self.words(y)
        y += _WORDS
        self.wave(y, piece)
        y += _WAVE
        self.sound(y, audio)
        y += _SOUND
        self.cues(y, "phones", self.lips.phones, _phone_colour)
        y += _BAND
        self.cues(y, "visemes", self.lips.visemes, _viseme_colour)
        y += _BAND
        self.course(y)
        y += _LIPS
        self.axis(y)

    def name(self, y: int, height: int, text: str, colour: tuple[int, int, int] = _FAINT) -> None:
        self.pen.text((_LEFT - 8, y + height // 2), text, colour, _font(13), anchor="rm")

    def words(self, y: int) -> None:
        if not self.lips.words:
            return
        self.name(y, _WORDS, "words")
        for word in self.lips.words:
            a, b = max(word.start, self.start), min(word.end, self.end)
            if b <= a:
                continue
            self.pen.line([(self.x(a) + 1, y + _WORDS - 2), (self.x(b) - 1, y + _WORDS - 2)], _FAINT, 1)
            if b - a < (word.end - word.start) / 2:  # its name stands in the row that has more of it
                continue
            text, font = _fitted(self.pen, printable(word.text), self.x(b) - self.x(a) + 6, (14, 12, 11, 10))
            ink = _DOUBTFUL if word.fit < _DOUBT else _INK
            self.pen.text(((self.x(a) + self.x(b)) // 2, y + _WORDS // 2 - 1), text, ink, font, anchor="mm")

    def wave(self, y: int, piece: np.ndarray) -> None:
        self.name(y, _WAVE, "sound")
        middle, half = y + _WAVE // 2, _WAVE // 2 - 3
        self.pen.line([(_LEFT, middle), (self.right, middle)], _RULE, 1)
        if not len(piece):
            return
        loudest = max(float(np.abs(piece).max()), 1e-3)
        edges = np.linspace(0, len(piece), max(self.right - _LEFT, 1) + 1).astype(int)
        for i, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            if b > a:
                low, high = float(piece[a:b].min()) / loudest, float(piece[a:b].max()) / loudest
                self.pen.line([(_LEFT + i, middle - high * half), (_LEFT + i, middle - low * half)], _FAINT, 1)

    def sound(self, y: int, audio: np.ndarray) -> None:
        from PIL import Image

        self.name(y, _SOUND, "0.1-7.6 kHz")
        margin = 300 * HOP  # the level is a running one
        first = max(int(self.start * SAMPLE_RATE_HZ) // HOP * HOP, 0)
        low, high = max(first - margin, 0), min(int(self.end * SAMPLE_RATE_HZ) + margin, len(audio))
        if high - low < HOP:
            return
        power = compute_mel_power(audio[low:high])
        level = to_decibel(power) - compute_running_level(power)[:, None]
        a = (first - low) // HOP
        part = level[a : a + max(round((self.end - self.start) * FRAME_RATE), 1)]
        shade = np.clip((part + 10 - _LOWEST) / (25 - _LOWEST), 0, 1) ** 1.5
        grey = np.uint8(255 - 225 * shade.T[::-1])
        strip = Image.fromarray(grey, "L").resize((max(self.right - _LEFT, 1), _SOUND - 4), Image.Resampling.BILINEAR)
        self.image.paste(strip.convert("RGB"), (_LEFT, y + 2))

    def cues(self, y: int, name: str, cues: tuple[Cue, ...], colour: Callable[[str], tuple[int, int, int]]) -> None:
        self.name(y, _BAND, name)
        for start, end, label in cues:
            a, b = max(start, self.start), min(end, self.end)
            if b <= a:
                continue
            box = (self.x(a), y + 1, self.x(b), y + _BAND - 2)
            self.pen.rectangle(box, colour(label), (190, 194, 200))
            text, font = _fitted(self.pen, label, box[2] - box[0], (13, 12, 11, 10, 9))
            if text == label:
                self.pen.text(((box[0] + box[2]) // 2, y + _BAND // 2 - 1), text, _INK, font, anchor="mm")

    def course(self, y: int) -> None:
        """Opening as a filled curve from the floor, width as a line about its own middle, closures shaded."""
        lips = self.lips
        floor, height = y + _LIPS - 6, _LIPS - 14
        inside = (lips.times >= self.start - 1e-9) & (lips.times <= self.end + 1e-9)
        times = lips.times[inside]
        for value in (0.0, 0.5, 1.0):
            at = floor - round(value / 1.2 * height)
            self.pen.line([(_LEFT, at), (self.right, at)], _RULE, 1)
        self.name(floor - round(height * 0.86), 0, "opening", _BLUE)
        self.name(floor - round(height * 0.62), 0, "width", _ORANGE)
        self.name(floor - round(height * 0.38), 0, "rounding", _GREEN)
        self.name(floor - round(height * 0.14), 0, "lips shut", _RED)
        if len(times) < 2:
            return
        xs = [_LEFT + (t - self.start) * SCALE for t in times]
        shut = lips.column("closure")[inside] >= _CLOSED_FROM
        step = 0.5 * SCALE / lips.rate
        closed = [(max(round(xs[a] - step), _LEFT), min(round(xs[b - 1] + step), self.right)) for a, b in _runs(shut)]
        for left, right in closed:
            self.pen.rectangle((left, y + 4, right, floor), _SHUT)
        opening = np.clip(lips.column("opening")[inside], 0, 1.2) / 1.2
        curve = list(zip(xs, floor - opening * height, strict=True))
        self.pen.polygon([(xs[0], floor), *curve, (xs[-1], floor)], _SKY)
        for left, right in closed:
            self.pen.rectangle((left, y + 4, right, y + 8), _RED)
        self.pen.line([(_LEFT, floor), (self.right, floor)], _FAINT, 1)
        rounding = floor - np.clip(lips.column("rounding")[inside], 0, 1.2) / 1.2 * height
        self.pen.line(list(zip(xs, rounding, strict=True)), _GREEN, 1)
        middle = floor - height * 0.5 / 1.2
        width = middle - lips.column("width")[inside] * height * 0.5 / 1.2
        self.pen.line(list(zip(xs, width, strict=True)), _ORANGE, 2)
        self.pen.line(curve, _BLUE, 2)
        for value, text in ((0.0, "-1"), (0.5, "0"), (1.0, "1")):
            at = floor - round(value / 1.2 * height)
            self.pen.text((self.right + 4, at), text, _ORANGE, _font(10), anchor="lm")

    def axis(self, y: int) -> None:
        tick = int(np.ceil(self.start * 10 - 1e-6))
        while tick / 10 <= self.end + 1e-6:
            at, long = self.x(tick / 10), tick % 5 == 0
            self.pen.line([(at, y), (at, y + (6 if long else 3))], _FAINT, 1)
            if long:
                self.pen.text((at, y + 13), f"{tick / 10:.1f}", _FAINT, _font(12), anchor="mm")
            tick += 1


def _phone_colour(phone: str) -> tuple[int, int, int]:
    if phone == "sil":
        return _SILENCE
    if phone in VOWELS:
        return _BOX["vowel"]
    if phone in BILABIALS:
        return _BOX["closed"]
    return _BOX["tucked" if phone in LABIODENTALS else "other"]


def _viseme_colour(viseme: str) -> tuple[int, int, int]:
    if viseme == "sil":
        return _SILENCE
    kind = {
        "PP": "closed",
        "FF": "tucked",
        "aa": "vowel",
        "E": "vowel",
        "ih": "vowel",
        "oh": "vowel",
        "ou": "vowel",
    }
    return _BOX[kind.get(viseme, "other")]


def _fitted(draw: ImageDraw, text: str, width: int, sizes: tuple[int, ...]) -> tuple[str, Font]:
    """The text in the largest of the sizes in which it is no wider; in the smallest it is cut. Letters that
    no font here has are dots.
    """
    for size in sizes:
        font = _font(size, more=not text.isascii())
        if not text.isascii():
            text = "".join(letter if _has(font, letter) else "\N{MIDDLE DOT}" for letter in text)
        if draw.textlength(text, font) <= width:
            return text, font
    while text and draw.textlength(text, font) > width:
        text = text[:-1]
    return text, font


@lru_cache(maxsize=32)
def _font(size: int, more: bool = False) -> Font:
    """Pillow's own font, which has no more than ASCII; where more is asked for, that of a package MediaPipe
    needs.
    """
    from PIL import ImageFont

    other = _more_letters() if more else None
    return ImageFont.truetype(other, size) if other is not None else ImageFont.load_default(size)


def _more_letters() -> str | None:
    """A font of Latin, Greek and Cyrillic: matplotlib's, which is not loaded for it."""
    try:
        spec = find_spec("matplotlib")
    except ValueError:  # half loaded
        return None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return str(path) if path.is_file() else None


def _has(font: Font, letter: str) -> bool:
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))


def _runs(on: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
