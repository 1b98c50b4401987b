"""The text of a speech as it is written down: plain text, SubRip (SRT) or WebVTT, down to its words."""

from __future__ import annotations

import codecs
import html
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lipdub.errors import InputError, wrap_os_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

MAX_BYTES = 8 << 20
"""Bytes of a text file; no speech is longer."""

Cue = tuple[float, float]

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMES = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_INNER_TIME = re.compile(r"<(?:\d+:)?\d\d:\d\d\.\d{3}>")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>|<(?:\d+:)?\d\d:\d\d\.\d{3}>|\{\\[^{}\n]*\}|<!--.*?-->", re.DOTALL)
_DIRECTION = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|（[^（）]*）|［[^［］]*］|【[^【】]*】|〔[^〔〕]*〕")
_DASH = re.compile(r"^\s*(?:[-–—‐‑•*]+\s*|(?:>>|&gt;&gt;)+\s*|#+\s+)")
_SPEAKER = re.compile(r"^\s*[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ0-9 .'’_-]{1,30}:(?=\s|$)")
# between words: white space, dashes that are no hyphens, slashes, dots in a row
_BETWEEN = re.compile(r"[\s–—―/\\|…·・]+|\.{2,}|--+|[、。，！？；：「」『』〈〉《》]+")
_KEPT_BEFORE = "$€£¥+-'’"
_KEPT_AFTER = "%°$€£¥'’"
_SOUNDLESS = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")

_HIRAGANA, _KATAKANA, _HAN = "\u3041-\u309f", "\u30a0-\u30ff\uff66-\uff9f", "\u3400-\u4dbf\u4e00-\u9fff々〇"
_JAPANESE = re.compile(f"[{_HIRAGANA}{_KATAKANA}]")
# one phrase of Japanese: Chinese characters or katakana with the hiragana that follow, or hiragana alone
_PHRASE = re.compile(
    f"[{_HAN}]+[{_HIRAGANA}]*|[{_KATAKANA}]+[{_HIRAGANA}]*|[{_HIRAGANA}]+|[^{_HAN}{_KATAKANA}{_HIRAGANA}]+"
)
_CHINESE = re.compile(f"[{_HAN}]|[^{_HAN}]+")
_KANA_RUN = 6  # a run of kana longer than this is cut into words of about so many
_SMALL_KANA = "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮーんン"


@dataclass(frozen=True)
class Transcript:
    """words: as they are spelt, in order; cues: for each word the (start s, end s) of the cue that holds it,
    None where the text has no times.
    """

    words: tuple[str, ...]
    cues: tuple[Cue | None, ...]

    @property
    def timed(self) -> bool:
        """Whether any word has a time."""
        return any(cue is not None for cue in self.cues)


def read_transcript(path: str | PathLike[str]) -> Transcript:
    """The words of a text file.

    Plain text, SRT or VTT, told apart by content; UTF-8 or UTF-16. Raises InputError when the file is not
    there, is no text, or holds no words.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is too large for a text", hint="--text takes plain text, SRT or VTT.")
        content = path.read_bytes()
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder", hint="--text takes plain text, SRT or VTT.") from error
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    text = _decoded(content)
    if text is None:
        raise InputError(f"{path} is no text in UTF-8 or UTF-16", hint="Save it as UTF-8.")
    script = parse_transcript(text)
    if not script.words:
        raise InputError(f"there are no words in {path}", hint="--text takes what is said in the speech.")
    return script


def parse_transcript(text: str) -> Transcript:
    """The words of a text, plain or with the cues of SRT or VTT. Never fails; there may be none."""
    lines = _SOUNDLESS.sub("", text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if (lines and lines[0].startswith("WEBVTT")) or any(_TIMES.match(line) for line in lines):
        rolling = _INNER_TIME.search(text) is not None
        found: Iterable[tuple[Cue | None, list[str]]] = _unrolled(_cues(lines)) if rolling else _cues(lines)
    else:
        found = ((None, block) for block in _paragraphs(lines))
    words: list[str] = []
    cues: list[Cue | None] = []
    for cue, block in found:
        tokens = [token for part in _spoken(block) for token in _tokens(part)]
        words += tokens
        cues += [cue] * len(tokens)
    return Transcript(tuple(words), tuple(cues))


def _decoded(content: bytes) -> str | None:
    """The text, or None where the bytes are none."""
    codec = "utf-8-sig"
    for mark, name in (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            codec = name
            break
    else:
        # UTF-16 without a mark: nearly every other byte of western text is nought
        sample = content[:2000]
        if len(sample) >= 4 and sample[1::2].count(0) > 0.4 * len(sample) / 2 and not sample[::2].count(0):
            codec = "utf-16-le"
        elif len(sample) >= 4 and sample[::2].count(0) > 0.4 * len(sample) / 2 and not sample[1::2].count(0):
            codec = "utf-16-be"
    try:
        text = content.decode(codec)
    except UnicodeDecodeError:
        return None
    strange = sum(unicodedata.category(c) in ("Cc", "Cn", "Co") and c not in "\t\n\r\f\v\x1a\x85" for c in text)
    return None if strange else text.rstrip("\x1a")


def _seconds(hours: str | None, minutes: str, seconds: str, rest: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(rest.ljust(3, "0")) / 1000


def _cues(lines: list[str]) -> Iterator[tuple[Cue, list[str]]]:
    """Time and lines of each cue, SRT or VTT; headers, notes, styles and numbers left out."""
    i = 0
    while i < len(lines):
        match = _TIMES.match(lines[i])
        i += 1
        if match is None:
            continue  # a number, a name, a header, a note
        clock = match.groups()
        start, end = _seconds(*clock[:4]), _seconds(*clock[4:])
        first = i
        while i < len(lines) and lines[i].strip() and not _TIMES.match(lines[i]):
            i += 1
        last = i
        if i < len(lines) and _TIMES.match(lines[i]) and last > first and lines[last - 1].strip().isdigit():
            last -= 1  # no empty line between the cues: the number is the next one's
        yield (start, max(end, start)), lines[first:last]


def _unrolled(found: Iterable[tuple[Cue, list[str]]]) -> Iterator[tuple[Cue, list[str]]]:
    """Cues of captions that roll up, each line once: every cue there begins with the last line of the one
    before.
    """
    shown: list[str] = []
    for cue, block in found:
        bare = [_TAG.sub("", line).strip() for line in block]
        new = [line for line, text in zip(block, bare, strict=True) if text and text not in shown]
        if new:
            yield cue, new
        shown = [text for text in bare if text] or shown


def _paragraphs(lines: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def _spoken(block: Iterable[str]) -> list[str]:
    """The lines of a paragraph or cue without markup, speakers' names and dashes, and stage directions."""
    text = html.unescape(_TAG.sub("", "\n".join(_DASH.sub("", line) for line in block)))
    before = None
    while before != text:  # brackets inside brackets
        before, text = text, _DIRECTION.sub(" ", text)
    return [_SPEAKER.sub("", _DASH.sub("", line)) for line in text.split("\n")]


def _tokens(text: str) -> Iterator[str]:
    for piece in _BETWEEN.split(text):
        token = _bare(piece)
        if token:
            yield from _cut(token)


def _bare(piece: str) -> str:
    """Without the punctuation round it; empty when nothing in it is spoken."""
    if not any(c.isalnum() for c in piece):
        return "&" if piece == "&" else ""
    first, last = 0, len(piece)
    while not piece[first].isalnum():
        first += 1
    while not _sounds(piece[last - 1]):
        last -= 1
    if first and piece[first - 1] in _KEPT_BEFORE and (piece[first].isdigit() or piece[first - 1] in "'’"):
        first -= 1
    if last < len(piece) and piece[last] in _KEPT_AFTER:
        last += 1
    token = piece[first:last]
    # quotation marks look like apostrophes
    if (token[0] in "'’" and token[-1] in "'’") or (token[0] in "'’" and piece.count(token[0]) > 1):
        token = token.strip("'’")
    return token


def _sounds(c: str) -> bool:
    return c.isalnum() or unicodedata.category(c) in ("Mn", "Mc")  # vowel signs


def _cut(token: str) -> Iterator[str]:
    """Words of scripts that put no spaces between them."""
    if _JAPANESE.search(token):
        for phrase in _PHRASE.findall(token):
            yield from _kana_words(phrase)
    elif re.search(f"[{_HAN}]", token):
        yield from _CHINESE.findall(token)
    else:
        yield token


def _kana_words(phrase: str) -> Iterator[str]:
    while len(phrase) > _KANA_RUN + 2:
        cut = _KANA_RUN
        while cut < len(phrase) and phrase[cut] in _SMALL_KANA:
            cut += 1
        yield phrase[:cut]
        phrase = phrase[cut:]
    if phrase:
        yield phrase
