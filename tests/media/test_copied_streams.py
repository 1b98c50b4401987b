"""Which streams each container keeps."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from lipdub.media.containers import container_for
from lipdub.media.copied_streams import CopiedStream, audio_encoder, select_streams
from lipdub.media.probe import AudioFacts, MediaFacts, OtherStream

PATH = Path("in.mkv")


def make_facts(*others: OtherStream, sounds: int = 0, codec: str = "aac", form: str = "matroska,webm") -> MediaFacts:
    audio = tuple(AudioFacts(10 + number, codec, 48000, 1, "mono", None, None) for number in range(sounds))
    return MediaFacts(PATH, form, Fraction(0), Fraction(1), None, audio, others)


@pytest.mark.parametrize(
    ("stream", "kept"),
    [
        (
            OtherStream(1, "subtitle", "subrip"),
            {".mp4": "mov_text", ".mov": "mov_text", ".mkv": "copy", ".webm": "webvtt"},
        ),
        (OtherStream(1, "subtitle", "mov_text"), {".mp4": "copy", ".mov": "copy", ".mkv": "srt", ".webm": "webvtt"}),
        (OtherStream(1, "subtitle", "dvd_subtitle"), {".mp4": "copy", ".mkv": "copy"}),
        (OtherStream(1, "subtitle", None), {}),
        (OtherStream(1, "attachment", None), {".mkv": "copy"}),
        (OtherStream(1, "video", "mjpeg", cover=True), {".mp4": "copy", ".mkv": "cover"}),
        (OtherStream(1, "video", "webp", cover=True), {".mp4": "cover", ".mkv": "cover"}),
        (OtherStream(1, "video", "unknown", cover=True), {}),
        (OtherStream(1, "attachment", "mjpeg", cover=True), {".mp4": "cover", ".mkv": "copy"}),
        (OtherStream(1, "video", "h264"), {".mp4": "copy", ".mov": "copy", ".mkv": "copy"}),
        (OtherStream(1, "data", None, tag="gpmd"), {".mp4": "copy", ".mov": "copy"}),
        (OtherStream(1, "data", None, tag="mebx"), {}),
        (OtherStream(1, "data", None, tag="rtp "), {}),
        (OtherStream(1, "data", "klv"), {}),
        (OtherStream(1, "data", None, tag="text", generated=True), None),
    ],
)
def test_rules(stream: OtherStream, kept: dict[str, str] | None) -> None:
    """``kept`` has the encoder for each ending; None: the muxer makes the stream anew."""
    for suffix in (".mp4", ".mov", ".mkv", ".webm", ".avi"):
        container = container_for(suffix)
        selection = select_streams(make_facts(stream), container, keep_audio="none", has_speech=True)
        if kept is None:
            assert selection == ()
        elif suffix in kept:
            kind = "cover" if kept[suffix] == "cover" else stream.type
            assert selection == (CopiedStream(1, kind, kept[suffix], codec=stream.codec or ""),), suffix
        else:
            assert selection == ()


@pytest.mark.parametrize(
    ("keep", "has_speech", "expected"),
    [
        ("none", True, []),
        ("others", True, [11, 12]),
        ("others", False, [10, 11, 12]),
        ("all", True, [10, 11, 12]),
    ],
)
def test_which_sounds_are_kept(keep: str, has_speech: bool, expected: list[int]) -> None:
    facts = make_facts(sounds=3)
    selection = select_streams(facts, container_for(".mp4"), keep_audio=keep, has_speech=has_speech)
    assert [stream.index for stream in selection] == expected


def test_sounds_a_container_does_not_hold_are_encoded() -> None:
    assert audio_encoder("vorbis", container_for(".mp4")) == "aac"
    assert audio_encoder("vorbis", container_for(".mov")) == "pcm_s16le"
    assert audio_encoder("aac", container_for(".webm")) == "libopus"
    assert audio_encoder("anything", container_for(".mkv")) == "copy"
    facts = make_facts(sounds=1, codec="vorbis")
    selection = select_streams(facts, container_for(".mp4"), keep_audio="all", has_speech=False)
    assert selection == (CopiedStream(10, "audio", "aac", codec="vorbis"),)
