"""What the fuzzer of `tests/bench/fuzz.py` found stays mended. It prints each case so that it can be put here."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.bench import fuzz, mangle
from tests.bench.fuzz import Case

if TYPE_CHECKING:
    from pathlib import Path

FOUND = [
    # A result whose name is not UTF-8.
    Case("run", "voice.flac", "cut_off", "1/93", b"in.flac", b"caf\xe9.mp4"),
    # Threads that shared one picture, which stands for those that do not decode.
    Case("run", "frag.mp4", "shuffle_blocks", "4/60", b"in.mp4", b"out.mkv"),
    # A score of a file whose name is not UTF-8.
    Case("score", "mpeg4.mp4", "flip_head", "4/188", b"caf\xe9.mp4", b"out.mkv"),
    # A picture of 1 × 65535 pixels, at which MediaPipe ends the process.
    Case("inspect", "still.png", "claim_pixels", "6/46", b"in.png", b"out.mkv"),
]
SECONDS = 200  # on a loaded machine


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Those that the cases are made of, and good ones."""
    names = {"h264.mp4", "pcm.wav", "vp8.webm", *(case.kind for case in FOUND)}
    return fuzz.make_files(tmp_path_factory.mktemp("files"), sorted(names))


@pytest.mark.slow
@pytest.mark.parametrize("case", FOUND, ids=lambda case: case.seed)
def test_what_was_found_ends_well(case: Case, files: dict[str, bytes], tmp_path: Path) -> None:
    if case.kind not in files:
        pytest.skip(f"this ffmpeg cannot write {case.kind}")
    fuzz.write_inputs(case, files, tmp_path)
    assert fuzz.find_faults(case, tmp_path, SECONDS)[1] == []


def test_a_case_follows_from_its_number() -> None:
    kinds = list(fuzz.VIDEOS | fuzz.SOUNDS)
    cases = [fuzz.draw_case(5, number, kinds) for number in range(50)]
    assert cases == [fuzz.draw_case(5, number, kinds) for number in range(50)]
    assert len(set(cases)) == 50
    assert {case.verb for case in cases} == {"inspect", "run", "score", "lips"}


@pytest.mark.slow
@pytest.mark.parametrize("way", mangle.WAYS, ids=lambda way: way.__name__)
def test_damage_is_repeatable_and_changes_any_file(way: mangle.Way, files: dict[str, bytes]) -> None:
    for content in (files["h264.mp4"], files["pcm.wav"], files["vp8.webm"]):
        damaged = [bytes(way(bytearray(content), random.Random(number))) for number in (1, 1, 2, 3, 4)]
        assert damaged[0] == damaged[1]
        assert way is mangle.nothing or set(damaged) != {content}


@pytest.mark.slow
def test_a_command_that_does_not_end_well_is_told(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = FOUND[:1]
    fuzz.write_inputs(case, files, tmp_path)
    monkeypatch.setattr(fuzz, "_call", lambda words, folder, seconds: (1, "error: a fault in lipdub: ValueError"))
    (tmp_path / ".o.lipdub-part").touch()
    told = " ".join(fuzz.find_faults(case, tmp_path, 1)[1])
    assert "exit code 1" in told and "lipdub's own" in told and "lipdub-part" in told
    monkeypatch.setattr(fuzz, "_call", lambda words, folder, seconds: (None, ""))
    assert "still at work" in fuzz.find_faults(case, tmp_path, 1)[1][0]
