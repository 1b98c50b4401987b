"""What would fail at the end of a run fails in its rehearsal; nothing is left behind."""

from __future__ import annotations

import wave
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.errors import EnvironmentFailure, InputError
from lipdub.media import ffmpeg as program
from lipdub.media import rehearsal
from lipdub.media.audio_encoder import AudioCodec
from lipdub.media.mux_plan import SourceInput, SpeechInput
from lipdub.media.probe import probe
from lipdub.media.rehearsal import forecast_notes, rehearse
from lipdub.media.video_encoder import VideoCodec, plan_encoder
from tests.media import rich_files
from tests.media.carried import make_result
from tests.media.clips import chirp, make_sound, make_video
from tests.media.test_ffmpeg import make_program

if TYPE_CHECKING:
    from pathlib import Path


def try_out(source: Path, speech: Path, out: Path, sound_codec: str = "auto") -> None:
    facts = probe(source)
    sound = SpeechInput(speech, start=Fraction(1, 2), codec=AudioCodec(sound_codec))
    rehearse(VideoCodec(container=out.suffix), sound, SourceInput(source, facts), out)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_every_container_passes_and_nothing_is_left(tmp_path: Path, ending: str) -> None:
    source = make_video(tmp_path / "a.mp4", sound=chirp(0.4), second_sound=chirp(0.4, seed=2))
    speech = make_sound(tmp_path / "s.wav", chirp(0.4))
    out = tmp_path / f"out{ending}"
    out.write_bytes(b"an older result")
    try_out(source, speech, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", out.name, "s.wav"]
    assert out.read_bytes() == b"an older result"


def test_a_still_picture_passes(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "a.png")
    try_out(tmp_path / "a.png", make_sound(tmp_path / "s.wav", chirp(0.4)), tmp_path / "out.mp4")


def test_an_ffmpeg_that_fails_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_video(tmp_path / "a.mp4")
    speech = make_sound(tmp_path / "s.wav", chirp(0.4))
    fails = make_program(tmp_path / "ffmpeg", "ffmpeg version 6.0")
    (tmp_path / "ffmpeg").write_text(
        '#!/bin/sh\n[ "$*" = -version ] && exec echo ffmpeg version 6.0\necho no such filter >&2\nexit 1\n'
    )
    monkeypatch.setattr(program, "_find_programs", lambda name: [fails])
    monkeypatch.setattr(program, "_find_wheel_ffmpeg", lambda: None)
    with pytest.raises(EnvironmentFailure, match=r"could not be muxed.*no such filter"):
        try_out(source, speech, tmp_path / "out.mp4")
    assert not list(tmp_path.glob("*.part"))


def test_an_encoder_that_does_not_start_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_video(tmp_path / "a.mp4")
    speech = make_sound(tmp_path / "s.wav", chirp(0.4))

    def refuse(*arguments: object) -> int:
        raise EnvironmentFailure("the encoder libx264 does not start")

    monkeypatch.setattr(rehearsal, "write_segment", refuse)
    with pytest.raises(EnvironmentFailure, match="does not start"):
        try_out(source, speech, tmp_path / "out.mp4")


def test_one_frame_and_as_much_speech_is_made(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", pts=range(3))
    speech = tmp_path / "s.wav"
    with wave.open(str(speech), "wb") as file:
        file.setparams((12, 2, 48000, 0, "NONE", ""))
        file.writeframes(np.ones((48000, 12), "<i2").tobytes())
    read = []
    original = rehearsal.make_result

    def watch(*arguments: object, **options: object) -> object:
        made = original(*arguments, **options)  # type: ignore[arg-type]
        read.append(probe(made[0]))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "make_result", watch)
        try_out(source, speech, tmp_path / "out.mp4")
    (facts,) = read
    assert facts.video is not None
    assert facts.video.frames == 1
    assert facts.audio[0].channels == 1
    assert facts.duration < Fraction(1, 4)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("maker", "ending"),
    [
        ("plain_mp4", ".mp4"),
        ("rich_mkv", ".mp4"),
        ("time_code_mov", ".avi"),
        ("phone_mov", ".mkv"),
        ("hdr_mp4", ".mp4"),
        ("broadcast_ts", ".mov"),
        ("vp9_webm", ".webm"),
    ],
)
def test_the_notes_are_known_beforehand(tmp_path: Path, maker: str, ending: str) -> None:
    source = rich_files.MAKERS[maker](tmp_path)
    out = tmp_path / f"out{ending}"
    facts = probe(source)
    assert facts.video is not None
    forecast = forecast_notes(SourceInput(source, facts), out)
    assert not out.exists()
    speech = make_sound(tmp_path / "s.wav", chirp(0.4))
    told = [*plan_encoder(facts.video, VideoCodec(container=ending)).notes, *make_result(source, out, speech)]
    assert forecast == [f"A {ending} result: {note}." for note in told]


def test_a_failure_is_known_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_video(tmp_path / "a.mp4")

    def refuse(*arguments: object) -> int:
        raise EnvironmentFailure("the encoder libx264 does not start")

    monkeypatch.setattr(rehearsal, "write_segment", refuse)
    forecast = forecast_notes(SourceInput(source, probe(source)), tmp_path / "out.mp4")
    assert forecast == ["A run would fail: the encoder libx264 does not start."]


def test_a_first_picture_that_does_not_decode_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_video(tmp_path / "a.mp4")
    speech = make_sound(tmp_path / "s.wav", chirp(0.4))
    monkeypatch.setattr(rehearsal, "read_frames", lambda *arguments, **options: iter(()))
    with pytest.raises(InputError, match="does not decode"):
        try_out(source, speech, tmp_path / "out.mp4")
