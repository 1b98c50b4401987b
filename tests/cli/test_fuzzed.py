"""What the fuzzer found stays mended, by the seed and number of each case; see `tests/bench/fuzz.py`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.bench import fuzz, mangle

if TYPE_CHECKING:
    from pathlib import Path

FOUND = {
    (1, 93): "a result whose name is not UTF-8",
}
"""Seed and number of each case, and what went wrong with it."""
SECONDS = 200  # on a loaded machine


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return fuzz.make_files(tmp_path_factory.mktemp("files"))


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "number"), FOUND)
def test_what_was_found_ends_well(seed: int, number: int, files: dict[str, bytes], tmp_path: Path) -> None:
    if len(files) < len(fuzz.VIDEOS | fuzz.SOUNDS):
        pytest.skip("this ffmpeg cannot write all formats, so the numbers stand for other cases")
    case = fuzz.make_case(seed, number, files, tmp_path)
    assert fuzz.find_faults(case, tmp_path, SECONDS)[1] == [], case.made_by


def test_a_case_follows_from_its_number(files: dict[str, bytes], tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    for folder in (first, again, other):
        folder.mkdir()
    case = fuzz.make_case(5, 1, files, first)
    assert case == fuzz.make_case(5, 1, files, again) != fuzz.make_case(5, 2, files, other)
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }


@pytest.mark.parametrize("way", mangle.WAYS, ids=lambda way: way.__name__)
def test_damage_is_repeatable_and_changes_any_file(way: mangle.Way, files: dict[str, bytes]) -> None:
    for content in (files["h264.mp4"], files["pcm.wav"], files["vp8.webm"]):
        damaged = [bytes(way(bytearray(content), random.Random(number))) for number in (1, 1, 2, 3, 4)]
        assert damaged[0] == damaged[1]
        assert way is mangle.nothing or set(damaged) != {content}


def test_a_command_that_does_not_end_well_is_told(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = fuzz.make_case(1, 93, files, tmp_path)
    assert case.out is not None
    monkeypatch.setattr(fuzz, "_call", lambda words, folder, seconds: (1, "error: a fault in lipdub: ValueError"))
    (tmp_path / ".o.lipdub-part").touch()
    told = " ".join(fuzz.find_faults(case, tmp_path, 1)[1])
    assert "exit code 1" in told and "lipdub's own" in told and "lipdub-part" in told
    monkeypatch.setattr(fuzz, "_call", lambda words, folder, seconds: (None, ""))
    assert "still at work" in fuzz.find_faults(case, tmp_path, 1)[1][0]
