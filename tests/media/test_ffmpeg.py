"""The ffmpeg program: which one is found, how it is called, what its failures say."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lipdub.errors import EnvironmentFailure
from lipdub.media import ffmpeg as program
from lipdub.media.ffmpeg import (
    BROKEN_VERSION,
    DEVELOPMENT_VERSION,
    FfmpegError,
    _build_command,
    find_ffmpeg,
    iter_ffmpegs,
    read_ffmpeg_version,
    run_ffmpeg,
)
from tests.media.clips import make_video


def make_program(path: Path, line: str, code: int = 0) -> str:
    path.write_text(f"#!/bin/sh\necho '{line}'\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("line", "code", "version"),
    [
        ("ffmpeg version 7.1.1 Copyright", 0, 7),
        ("ffmpeg version n6.0-static", 0, 6),
        ("ffmpeg version N-117000-gabc", 0, DEVELOPMENT_VERSION),
        ("broken", 1, BROKEN_VERSION),
    ],
)
def test_versions(tmp_path: Path, line: str, code: int, version: int) -> None:
    assert read_ffmpeg_version(make_program(tmp_path / "ffmpeg", line, code)) == version


def test_a_missing_program_is_broken(tmp_path: Path) -> None:
    assert read_ffmpeg_version(str(tmp_path / "ffmpeg")) == BROKEN_VERSION


def test_the_newer_program_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    old = make_program(tmp_path / "bin" / "ffmpeg", "ffmpeg version 5.1.2")
    new = make_program(tmp_path / "wheel", "ffmpeg version 7.0.2")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    monkeypatch.setattr(program, "_find_wheel_ffmpeg", lambda: new)
    assert find_ffmpeg() == old
    assert find_ffmpeg(7) == new
    assert find_ffmpeg(8) == old  # neither is new enough: the system's
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert find_ffmpeg() == new
    monkeypatch.setattr(program, "_find_wheel_ffmpeg", lambda: None)
    with pytest.raises(EnvironmentFailure, match="no ffmpeg"):
        find_ffmpeg()


def test_options_are_put_in_their_place() -> None:
    compiled = ["ffmpeg", "-i", "a", "-i", "b", "-map", "0", "-c", "copy", "out"]
    command = _build_command(compiled, ["-copyts"], ["-metadata", "a=b"], Path("chapters"))
    assert command[0] == "ffmpeg"
    assert "-nostdin" in command
    assert command[command.index("-copyts") :] == [
        *("-copyts", "-i", "a", "-i", "b", "-f", "ffmetadata", "-i", Path("chapters"), "-map_chapters", "2"),
        *("-map", "0", "-c", "copy", "-metadata", "a=b", "out"),
    ]


def test_failures_are_one_line(tmp_path: Path) -> None:
    import ffmpeg

    output = ffmpeg.output(ffmpeg.input(str(tmp_path / "missing.mp4"))["v"], str(tmp_path / "out.mp4"))
    with pytest.raises(FfmpegError) as caught:
        run_ffmpeg(output, find_ffmpeg())
    assert "missing.mp4" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(EnvironmentFailure, match="cannot be run"):
        run_ffmpeg(output, str(tmp_path / "nowhere"))


def test_the_reason_is_the_first_line_without_its_origin() -> None:
    error = FfmpegError("[mp4 @ 0x55] codec not supported\nmore\n")
    assert error.reason == "codec not supported"
    assert str(error) == "ffmpeg failed: [mp4 @ 0x55] codec not supported; more."
    assert FfmpegError("").reason == "no message"


def test_a_broken_program_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As conda's ffmpeg without its libraries: the next one in PATH is taken, at last the wheel's."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    broken = make_program(first / "ffmpeg", "error while loading shared libraries: libopenh264.so.5", 127)
    works = make_program(second / "ffmpeg", "ffmpeg version 6.1")
    wheel = make_program(tmp_path / "wheel", "ffmpeg version 7.1")
    monkeypatch.setenv("PATH", f"{first}:{second}:/bin:/usr/bin")
    monkeypatch.setattr(program, "_find_wheel_ffmpeg", lambda: wheel)
    assert find_ffmpeg() == works
    assert [path for path in iter_ffmpegs() if path.startswith(str(tmp_path))] == [works, wheel]
    monkeypatch.setenv("PATH", str(first))
    assert list(iter_ffmpegs()) == [wheel]
    monkeypatch.setattr(program, "_find_wheel_ffmpeg", lambda: None)
    with pytest.raises(EnvironmentFailure, match=re.escape(f"{broken} does not run")):
        find_ffmpeg()


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("name", [b"caf\xe9.nut", b"new\nline.nut", b"%d.nut", b"pipe:1.nut", b"-i.nut", b"'\".nut"])
def test_any_name_is_passed_on(tmp_path: Path, name: bytes) -> None:
    import ffmpeg

    source = tmp_path / os.fsdecode(name)
    source.write_bytes(make_video(tmp_path / "a.nut", pts=range(2)).read_bytes())
    out = tmp_path / os.fsdecode(b"out-" + name)
    run_ffmpeg(ffmpeg.output(ffmpeg.input(source)["v:0"], filename=out, **{"c:v": "copy", "f": "nut"}), find_ffmpeg())
    assert out.stat().st_size
