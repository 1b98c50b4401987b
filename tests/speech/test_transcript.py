"""Texts down to their words: plain, SRT, VTT, in several encodings; and files that are none."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.errors import InputError, LipdubError
from lipdub.speech.transcript import MAX_BYTES, parse_transcript, read_transcript

if TYPE_CHECKING:
    from pathlib import Path

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello</i> {\\an8}there
- Yes, "really".

2
00:01:03,250 --> 00:01:04,000
[door slams] Bye &amp; bye (quietly)
3
01:00:05,000 --> 01:00:06,000
The end 3
"""
VTT = """WEBVTT - a talk

STYLE
::cue { color: red }

NOTE
nobody says this

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Anna Smith>Good <c.loud>morning</c>

00:00:03.000 --> 00:00:04.000
>> friends
"""


def test_plain_text_keeps_the_words_as_they_are_spelt() -> None:
    script = parse_transcript(
        "JOHN: Don't stop — it's 5 o'clock... \n\n- “Well-known” cafés cost $5.50 or 50%, AT&T said!"
    )
    assert script.words == (
        "Don't",
        "stop",
        "it's",
        "5",
        "o'clock",
        "Well-known",
        "cafés",
        "cost",
        "$5.50",
        "or",
        "50%",
        "AT&T",
        "said",
    )
    assert script.cues == (None,) * len(script.words) and not script.has_times


def test_stage_directions_markup_and_dashes_are_dropped() -> None:
    text = "# Act one\n- *He* says [laughs\nloudly] (whispering (very)) <b>hello</b> {\\i1}you{\\i0} ♪ la ♪ _there_"
    assert parse_transcript(text).words == ("Act", "one", "He", "says", "hello", "you", "la", "there")


def test_a_comment_without_an_end_is_text() -> None:
    assert parse_transcript("a <!-- b --> c <!-- d").words == ("a", "c", "d")
    assert parse_transcript("<!-- <b> --> a --> b").words == ("a", "b")


def test_quotation_marks_are_no_apostrophes() -> None:
    assert parse_transcript("'Tis 'quoted' and the boys' toys, rock ’n’ roll").words[:3] == ("'Tis", "quoted", "and")
    assert parse_transcript("rock ’n’ roll").words == ("rock", "n", "roll")


def test_srt_gives_the_times_of_its_cues() -> None:
    script = parse_transcript(SRT)
    assert script.words == ("Hello", "there", "Yes", "really", "Bye", "&", "bye", "The", "end", "3")
    assert script.cues[:4] == ((1.0, 2.5),) * 4
    assert script.cues[4] == (63.25, 64.0) and script.cues[-1] == (3605.0, 3606.0)
    assert script.has_times


def test_vtt_without_header_notes_and_styles() -> None:
    script = parse_transcript(VTT)
    assert script.words == ("Good", "morning", "friends")
    assert script.cues == ((1.0, 2.5), (1.0, 2.5), (3.0, 4.0))


def test_captions_that_roll_up_are_read_once() -> None:
    text = (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n \nso<00:00:00.500><c> hello</c>\n\n"
        "00:00:02.000 --> 00:00:02.010\nso hello\n \n\n"
        "00:00:02.010 --> 00:00:04.000\nso hello\nagain<00:00:03.000><c> friends</c>\n"
    )
    assert parse_transcript(text).words == ("so", "hello", "again", "friends")


def test_scripts_without_spaces_are_cut() -> None:
    assert parse_transcript("你好世界。").words == ("你", "好", "世", "界")
    words = parse_transcript("今日は天気がいいですね。ありがとうございました").words
    assert "".join(words) == "今日は天気がいいですねありがとうございました" and len(words) >= 4
    assert all(len(word) <= 8 for word in words)


@pytest.mark.parametrize(
    "content",
    [
        SRT.encode(),
        SRT.encode("utf-8-sig"),
        SRT.encode("utf-16"),
        codecs.BOM_UTF16_BE + SRT.encode("utf-16-be"),
        SRT.encode("utf-16-le"),
        SRT.replace("\n", "\r\n").encode(),
        SRT.replace("\n", "\r").encode(),
    ],
)
def test_encodings_and_line_ends(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "text").write_bytes(content)
    assert read_transcript(tmp_path / "text") == parse_transcript(SRT)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n\n",
        b"[music]\n",
        b"1\n00:00:01,000 --> 00:00:02,000\n\n",
        b"caf\xe9 cr\xe8me",
        b"RIFF\x24\x00\x00\x00WAVE",
        bytes(range(256)),
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"\xff\xfea",
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"text\.txt"):
        read_transcript(tmp_path / "text.txt")


def test_missing_files_folders_and_huge_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_transcript(tmp_path / "none.txt")
    with pytest.raises(InputError, match="folder"):
        read_transcript(tmp_path)
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="too large"):
        read_transcript(tmp_path / "huge.txt")


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_text_or_a_named_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(content)
    transcript, message = None, ""
    try:
        transcript = read_transcript(path)
    except LipdubError as error:
        message = str(error)
    if transcript is None:
        assert "any.txt" in message
    else:
        assert transcript.words and len(transcript.words) == len(transcript.cues)


LINES = st.sampled_from(
    [
        "1",
        "WEBVTT",
        "NOTE x",
        "",
        "00:00:01,000 --> 00:00:02,500",
        "99:59.999 --> 00:00.0 align:start",
        "١:٠٠:٠٠.٠ --> 2:00:00.0",
        "<00:00:01.000><c>so</c>",
        "JOHN: [laughs (loud)] don't",
        "- ’tis $5.50 & 50%",
        "今日は天気がいいですねありがとうございました",
        "<!-- a",
        "--> ((([[",
        "&#0;&#xD800;&lt;b&gt;",
    ]
)


@given(st.lists(st.one_of(LINES, st.text(max_size=30)), max_size=12))
def test_any_text_is_parsed(lines: list[str]) -> None:
    transcript = parse_transcript("\n".join(lines))
    assert len(transcript.words) == len(transcript.cues)
    for word, cue in zip(transcript.words, transcript.cues, strict=True):
        assert word and not any(c.isspace() for c in word)
        assert cue is None or 0 <= cue[0] <= cue[1]


WORDS = st.lists(st.text(alphabet="abcdefghijklmnopqrstuvwxyzäöüß", min_size=1, max_size=10), min_size=1, max_size=6)


def clock(milliseconds: int, mark: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{milliseconds:03d}"


@given(st.lists(st.tuples(st.integers(0, 9_000_000), st.integers(0, 9000), WORDS), min_size=1, max_size=8))
def test_words_and_cues_come_back_from_both_subtitle_formats(cues: list[tuple[int, int, list[str]]]) -> None:
    words = [word for _, _, block in cues for word in block]
    times = [(a / 1000, (a + n) / 1000) for a, n, block in cues for _ in block]
    for mark, head in ((",", ""), (".", "WEBVTT\n\n")):
        text = head + "\n".join(
            f"{i}\n{clock(a, mark)} --> {clock(a + n, mark)}\n{' '.join(block)}\n"
            for i, (a, n, block) in enumerate(cues, 1)
        )
        transcript = parse_transcript(text)
        assert list(transcript.words) == words
        assert np.allclose([cue for cue in transcript.cues if cue is not None], times)
