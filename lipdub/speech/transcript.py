"""The transcript of a speech: plain text, SubRip (SRT) or WebVTT, reduced to its words."""

from __future__ import annotations

import codecs
import html
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lipdub.errors import InputError, wrap_os_error
from lipdub.speech.stage_directions import remove_stage_directions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

MAX_BYTES = 8 << 20
"""Largest transcript that is read; no speech is longer."""

CueTimes = tuple[float, float]
"""Start and end of a cue in seconds."""

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_CUE_TIMES = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_INLINE_TIME = re.compile(r"<(?:\d+:)?\d\d:\d\d\.\d{3}>")
_COMMENT_START, _COMMENT_END = "<!--", "-->"
_TAG = re.compile(rf"</?[A-Za-z][^<>\n]*>|<(?:\d+:)?\d\d:\d\d\.\d{{3}}>|\{{\\[^{{}}\n]*\}}|{_COMMENT_START}")
_LEADING_DASH = re.compile(r"^\s*(?:[-–—‐‑•*]+\s*|(?:>>|&gt;&gt;)+\s*|#+\s+)")
_SPEAKER_NAME = re.compile(r"^\s*[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ0-9 .'’_-]{1,30}:(?=\s|$)")
# between words: white space, dashes other than hyphens, slashes, several dots
_SEPARATOR = re.compile(r"[\s–—―/\\|…·・]+|\.{2,}|--+|[、。，！？；：「」『』〈〉《》]+")
_SPOKEN_PREFIXES = "$€£¥+-'’"
_SPOKEN_SUFFIXES = "%°$€£¥'’"
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")

_HIRAGANA, _KATAKANA, _HAN = "\u3041-\u309f", "\u30a0-\u30ff\uff66-\uff9f", "\u3400-\u4dbf\u4e00-\u9fff々〇"
_JAPANESE = re.compile(f"[{_HIRAGANA}{_KATAKANA}]")
# a phrase of Japanese: Chinese characters or katakana with the hiragana that follow, or hiragana alone
_PHRASE = re.compile(
    f"[{_HAN}]+[{_HIRAGANA}]*|[{_KATAKANA}]+[{_HIRAGANA}]*|[{_HIRAGANA}]+|[^{_HAN}{_KATAKANA}{_HIRAGANA}]+"
)
_HAN_CHARACTER = re.compile(f"[{_HAN}]")
_CHINESE = re.compile(f"[{_HAN}]|[^{_HAN}]+")
_KANA_WORD = 6  # longer runs of kana are cut into words of about so many
_SMALL_KANA = "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮーんン"


_BOMS = (  # in this order: the mark of UTF-32-LE begins with that of UTF-16-LE
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 2000  # bytes at the beginning by which the encoding is guessed
_MIN_ZERO_SHARE = 0.4  # share of zero bytes at every other place from which on a text is UTF-16
_CONTROL_CATEGORIES = ("Cc", "Cn", "Co")  # Unicode categories that do not occur in text
_CONTROL_CHARACTERS = "\t\n\r\f\v\x1a\x85"  # except for these
_FORMATS_HINT = "--transcript takes plain text, SRT or VTT."


@dataclass(frozen=True)
class Transcript:
    """The words of a speech.

    Attributes:
        words: The words as they are spelt, in order.
        cues: For each word the (start s, end s) of the cue that holds it; None where the text has no times.
    """

    words: tuple[str, ...]
    cues: tuple[CueTimes | None, ...]

    @property
    def has_times(self) -> bool:
        """Whether any word has a time."""
        return any(cue is not None for cue in self.cues)


def read_transcript(path: str | PathLike[str]) -> Transcript:
    """Read the words of a text file: plain text, SRT or VTT, recognized by content, in UTF-8 or UTF-16.

    Raises:
        InputError: The file is missing, is no text, or holds no words.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is too large for a text", hint=_FORMATS_HINT)
        content = path.read_bytes()
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder", hint=_FORMATS_HINT) from error
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    text = _decode(content)
    if text is None:
        raise InputError(f"{path} is not a text in UTF-8 or UTF-16", hint="Save it as UTF-8.")
    transcript = parse_transcript(text)
    if not transcript.words:
        raise InputError(f"{path} holds no words", hint="--transcript takes the words of the speech.")
    return transcript


def parse_transcript(text: str) -> Transcript:
    """Return the words of a text, plain or with the cues of SRT or VTT. Never fails; there may be no words."""
    lines = _INVISIBLE.sub("", text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    blocks: Iterable[tuple[CueTimes | None, list[str]]]
    if (lines and lines[0].startswith("WEBVTT")) or any(_CUE_TIMES.match(line) for line in lines):
        is_rolling = _INLINE_TIME.search(text) is not None
        blocks = _unroll(_iter_cues(lines)) if is_rolling else _iter_cues(lines)
    else:
        blocks = ((None, block) for block in _iter_paragraphs(lines))
    words: list[str] = []
    cues: list[CueTimes | None] = []
    for cue, block in blocks:
        tokens = [token for line in _extract_spoken_lines(block) for token in _iter_tokens(line)]
        words += tokens
        cues += [cue] * len(tokens)
    return Transcript(tuple(words), tuple(cues))


def _decode(content: bytes) -> str | None:
    """Return the text, or None if the bytes are no text."""
    try:
        text = content.decode(_guess_codec(content))
    except UnicodeDecodeError:
        return None
    if any(unicodedata.category(c) in _CONTROL_CATEGORIES and c not in _CONTROL_CHARACTERS for c in text):
        return None
    return text.rstrip("\x1a")


def _guess_codec(content: bytes) -> str:
    for mark, name in _BOMS:
        if content.startswith(mark):
            return name
    # UTF-16 without a mark: nearly every other byte of western text is zero
    sample = content[:_SAMPLE_BYTES]
    if len(sample) >= 4:
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        least = _MIN_ZERO_SHARE * len(sample) / 2
        if odd > least and not even:
            return "utf-16-le"
        if even > least and not odd:
            return "utf-16-be"
    return "utf-8-sig"


def _to_seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _iter_cues(lines: list[str]) -> Iterator[tuple[CueTimes, list[str]]]:
    """Yield the times and lines of each cue, SRT or VTT, without headers, notes, styles and numbers."""
    i = 0
    while i < len(lines):
        match = _CUE_TIMES.match(lines[i])
        i += 1
        if match is None:
            continue  # a number, a name, a header or a note
        clock = match.groups()
        start, end = _to_seconds(*clock[:4]), _to_seconds(*clock[4:])
        first = i
        while i < len(lines) and lines[i].strip() and not _CUE_TIMES.match(lines[i]):
            i += 1
        last = i
        if i < len(lines) and _CUE_TIMES.match(lines[i]) and last > first and lines[last - 1].strip().isdigit():
            last -= 1  # without an empty line between the cues, the number belongs to the next one
        yield (start, max(end, start)), lines[first:last]


def _unroll(cues: Iterable[tuple[CueTimes, list[str]]]) -> Iterator[tuple[CueTimes, list[str]]]:
    """Yield each line of roll-up captions once: every cue repeats the last line of the previous cue."""
    previous: set[str] = set()
    for cue, block in cues:
        texts = [_remove_markup(line).strip() for line in block]
        new = [line for line, text in zip(block, texts, strict=True) if text and text not in previous]
        if new:
            yield cue, new
        previous = {text for text in texts if text} or previous


def _iter_paragraphs(lines: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def _extract_spoken_lines(block: Iterable[str]) -> list[str]:
    """Return the lines of a paragraph or cue without markup, names of speakers, dashes and stage directions."""
    text = html.unescape(_remove_markup("\n".join(_LEADING_DASH.sub("", line) for line in block)))
    text = remove_stage_directions(text)
    return [_SPEAKER_NAME.sub("", _LEADING_DASH.sub("", line)) for line in text.split("\n")]


def _remove_markup(text: str) -> str:
    """Remove tags and comments. A comment that does not end is text."""
    last_comment_end = text.rfind(_COMMENT_END)
    pieces = []
    position = 0
    match = _TAG.search(text)
    while match is not None:
        start, end = match.span()
        if match[0] != _COMMENT_START:
            pieces.append(text[position:start])
            position = end
        elif end <= last_comment_end:
            pieces.append(text[position:start])
            position = end = text.index(_COMMENT_END, end) + len(_COMMENT_END)
        match = _TAG.search(text, end)
    return "".join([*pieces, text[position:]])


def _iter_tokens(text: str) -> Iterator[str]:
    for piece in _SEPARATOR.split(text):
        token = _strip_punctuation(piece)
        if token:
            yield from _split_script(token)


def _strip_punctuation(piece: str) -> str:
    """Remove the punctuation around a word; the result is empty if nothing in it is spoken."""
    if not any(c.isalnum() for c in piece):
        return "&" if piece == "&" else ""
    first, last = 0, len(piece)
    while not piece[first].isalnum():
        first += 1
    while not _is_spoken(piece[last - 1]):
        last -= 1
    if first and piece[first - 1] in _SPOKEN_PREFIXES and (piece[first].isdigit() or piece[first - 1] in "'’"):
        first -= 1
    if last < len(piece) and piece[last] in _SPOKEN_SUFFIXES:
        last += 1
    token = piece[first:last]
    # quotation marks look like apostrophes
    if token[0] in "'’" and (token[-1] in "'’" or piece.count(token[0]) > 1):
        token = token.strip("'’")
    return token


def _is_spoken(c: str) -> bool:
    return c.isalnum() or unicodedata.category(c) in ("Mn", "Mc")  # vowel signs


def _split_script(token: str) -> Iterator[str]:
    """Yield the words of scripts that put no spaces between them."""
    if _JAPANESE.search(token):
        for phrase in _PHRASE.findall(token):
            yield from _split_kana(phrase)
    elif _HAN_CHARACTER.search(token):
        yield from _CHINESE.findall(token)
    else:
        yield token


def _split_kana(phrase: str) -> Iterator[str]:
    start = 0
    while len(phrase) - start > _KANA_WORD + 2:
        end = start + _KANA_WORD
        while end < len(phrase) and phrase[end] in _SMALL_KANA:
            end += 1
        yield phrase[start:end]
        start = end
    if start < len(phrase):
        yield phrase[start:]
