"""MP4 and MOV keep the very display matrix of the source; others keep the turn, or a note tells."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lipdub.media.mov_boxes import write_display_matrix
from lipdub.media.orientation import Turn, measure_turn
from lipdub.media.probe import probe
from tests.media.carried import make_result
from tests.media.rich_files import plain_mp4, run_ffmpeg
from tests.sounds import write_tone

if TYPE_CHECKING:
    from pathlib import Path

ONE, LAST = 1 << 16, 1 << 30
HALF_TURN = round(ONE / 2**0.5)
WIDTH, HEIGHT = 96 * ONE, 64 * ONE
MATRICES = {
    "eighth": (HALF_TURN, -HALF_TURN, 0, HALF_TURN, HALF_TURN, 0, 0, 0, LAST),
    "sixth": (ONE // 2, -56756, 0, 56756, ONE // 2, 0, 0, 0, LAST),
    "quarter, moved into sight": (0, ONE, 0, -ONE, 0, 0, HEIGHT, 0, LAST),
    "half, moved into sight": (-ONE, 0, 0, 0, -ONE, 0, WIDTH, HEIGHT, LAST),
    "mirrored, moved into sight": (-ONE, 0, 0, 0, ONE, 0, WIDTH, 0, LAST),
    "mirrored eighth": (-HALF_TURN, -HALF_TURN, 0, -HALF_TURN, HALF_TURN, 0, 0, 0, LAST),
    "moved alone": (ONE, 0, 0, 0, ONE, 0, 5 * ONE, 7 * ONE, LAST),
    "smaller": (ONE // 2, 0, 0, 0, ONE // 2, 0, 0, 0, LAST),
}


def make_source(folder: Path, matrix: tuple[int, ...]) -> Path:
    source = plain_mp4(folder)
    write_display_matrix(source, matrix)
    return source


def ask_ffprobe(path: Path) -> tuple[list[int], float]:
    """The display matrix of the picture, row by row, and the turn in degrees."""
    words = ("-v", "error", "-select_streams", "v:0", "-show_entries", "stream_side_data", "-of", "json")
    output = subprocess.run(["ffprobe", *words, path], check=True, capture_output=True).stdout
    stream: dict[str, Any] = json.loads(output)["streams"][0]
    (data,) = stream["side_data_list"]
    rows = re.findall(r"[0-9a-f]{8}: +(-?\d+) +(-?\d+) +(-?\d+)", data["displaymatrix"])
    return [int(number) for row in rows for number in row], float(data["rotation"])


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    ("name", "ending"), [*((name, ".mp4") for name in MATRICES), ("eighth", ".mov"), ("mirrored eighth", ".mov")]
)
def test_the_very_matrix_is_kept(tmp_path: Path, name: str, ending: str) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe here")
    matrix = MATRICES[name]
    source, copy, out = make_source(tmp_path, matrix), tmp_path / f"copy{ending}", tmp_path / f"out{ending}"
    notes = make_result(source, out, write_tone(tmp_path / "s.wav"))
    run_ffmpeg("-i", source, "-c", "copy", copy)
    wanted = ask_ffprobe(source)
    assert wanted[0] == list(matrix)
    assert ask_ffprobe(out) == ask_ffprobe(copy) == wanted
    assert notes == []
    ours, theirs = probe(source).video, probe(out).video
    assert ours is not None and theirs is not None
    assert (theirs.width, theirs.height, theirs.rotation) == (ours.width, ours.height, ours.rotation)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(("name", "degrees"), [("eighth", 45), ("mirrored eighth", 45), ("sixth", 60)])
def test_matroska_keeps_the_turn_and_avi_tells(tmp_path: Path, name: str, degrees: int) -> None:
    source, speech = make_source(tmp_path, MATRICES[name]), write_tone(tmp_path / "s.wav")
    matroska, avi = tmp_path / "out.mkv", tmp_path / "out.avi"
    notes = make_result(source, matroska, speech)
    video = probe(matroska).video
    assert video is not None
    if notes:  # no ffmpeg here tags Matroska
        assert f"the rotation of the picture ({degrees} degrees" in notes[0]
    else:
        assert video.display_matrix is not None
        turn = measure_turn(video.display_matrix)
        assert (turn.degrees, turn.mirrored) == (pytest.approx(degrees, abs=0.1), name.startswith("mirrored"))
    assert f"the rotation of the picture ({degrees} degrees" in make_result(source, avi, speech)[0]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 30, 90, 135, -90])
def test_turns_are_measured(degrees: int, *, mirrored: bool) -> None:
    angle = np.radians(degrees)
    a, b = round(float(np.cos(angle)) * ONE), round(-float(np.sin(angle)) * ONE)
    flip = -1 if mirrored else 1
    turn = measure_turn((flip * a, b, 0, flip * -b, a, 0, 0, 0, LAST))
    assert (turn.degrees, turn.mirrored) == (pytest.approx(degrees, abs=0.01), mirrored)
    assert turn.is_quarter == (degrees % 90 == 0)
    assert Turn(89.95).is_quarter


def test_a_matrix_that_shows_nothing_is_no_matrix(tmp_path: Path) -> None:
    video = probe(make_source(tmp_path, (0,) * 9)).video
    assert video is not None
    assert (video.display_matrix, video.rotation) == (None, 0)
