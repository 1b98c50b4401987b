"""What a file holds beside its pictures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from lipdub.media.contents import read_contents
from lipdub.media.probe import read_codec_tag
from tests.media import rich_files
from tests.media.clips import chirp, make_sound

if TYPE_CHECKING:
    from pathlib import Path


def test_streams_and_their_roles(tmp_path: Path) -> None:
    contents = read_contents(rich_files.rich_mkv(tmp_path))
    assert [(s.index, s.kind, s.codec) for s in contents.streams] == [
        (1, "audio", "aac"),
        (2, "audio", "vorbis"),
        (3, "subtitle", "subrip"),
        (4, "subtitle", "ass"),
        (5, "attachment", ""),
    ]
    forced, signs, font = contents.streams[2:]
    assert (forced.language, "forced" in forced.dispositions) == ("fre", True)
    assert (signs.language, signs.title, font.title) == ("ger", "Signs", "font.ttf")
    assert [chapter.title for chapter in contents.chapters] == ["One", "Two"]


def test_covers_chapters_and_time_codes(tmp_path: Path) -> None:
    (_, cover) = read_contents(rich_files.cover_mp4(tmp_path)).streams
    assert cover.is_cover
    (_, titles) = read_contents(rich_files.chapters_mp4(tmp_path)).streams
    assert titles.chapters
    (_, code) = read_contents(rich_files.time_code_mov(tmp_path)).streams
    assert (code.codec, code.metadata["timecode"]) == ("tmcd", "10:00:00:00")


def test_the_picture(tmp_path: Path) -> None:
    hdr = read_contents(rich_files.hdr_mp4(tmp_path)).picture
    assert hdr is not None
    assert hdr.side_data == {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"}  # not what the encoder says of itself
    fields = read_contents(rich_files.interlaced_mp4(tmp_path)).picture
    assert fields is not None
    assert fields.field_order == "top field first"
    turned = read_contents(rich_files.turned_mp4(tmp_path)).picture
    assert turned is not None
    assert (turned.rotation, turned.size) == (90, (96, 64))


@pytest.mark.slow
def test_programs_that_are_worth_a_word(tmp_path: Path) -> None:
    assert read_contents(rich_files.programs_ts(tmp_path)).programs == ("First", "Second")
    assert read_contents(rich_files.broadcast_ts(tmp_path)).programs == ("Channel 4",)
    plain = tmp_path / "plain.ts"
    rich_files.run_ffmpeg("-i", rich_files.plain_mp4(tmp_path), "-map_metadata", "-1", "-c", "copy", plain)
    assert read_contents(plain).programs == ()


def test_sound_alone(tmp_path: Path) -> None:
    contents = read_contents(make_sound(tmp_path / "a.wav", chirp(0.2)))
    assert contents.picture is None
    assert contents.picture_stream is None
    assert [(s.kind, s.rate, s.channels) for s in contents.streams] == [("audio", 48000, 1)]


def test_a_codec_tag_that_is_no_text() -> None:
    """Containers hold any four bytes, of which PyAV makes text."""

    class Context:
        @property
        def codec_tag(self) -> str:
            return b"\xe9vc1".decode()

    assert read_codec_tag(SimpleNamespace(codec_context=Context())) == ""
    assert read_codec_tag(SimpleNamespace(codec_context=None)) == ""
