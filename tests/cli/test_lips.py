from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

import lipdub
from lipdub.cli import main
from lipdub.errors import InputError
from lipdub.faces.landmarks import IBUG
from lipdub.speech.lip_trajectory import FORMATS
from tests.sample import SPEECH, TALKER
from tests.sounds import write_silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Callable[..., Done]]:
    """`lipdub lips` with these arguments, in an empty folder."""
    handler = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["lipdub", "lips", *map(str, arguments)])
        capfd.readouterr()
        with contextlib.chdir(tmp_path), pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    yield call
    signal.signal(signal.SIGTERM, handler)


def test_without_a_file_it_says_what_was_heard(run: Callable[..., Done], tmp_path: Path) -> None:
    done = run(SPEECH)
    assert done.code == 0 and "duration" in done.stdout and "4.23" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.npz", "a.srt", "a.tsv", "a.xml", "a.rhubarb-json", "a.csv.txt"])
def test_files_by_ending_and_format(run: Callable[..., Done], tmp_path: Path, name: str) -> None:
    option = {"a.rhubarb-json": ("--format", "rhubarb-json"), "a.csv.txt": ("--format", "csv")}.get(name, ())
    done = run(SPEECH, "-o", name, *option)
    assert done.code == 0, done.stderr
    assert done.stdout == f"{name}\n"
    assert [p.name for p in tmp_path.iterdir()] == [name] and (tmp_path / name).stat().st_size > 100


def test_json_is_what_the_library_gives(run: Callable[..., Done], tmp_path: Path) -> None:
    assert run(SPEECH, "-o", "a.json", "--fps", "25", "--from", "1", "--to", "0:02").code == 0
    content = json.loads((tmp_path / "a.json").read_bytes())
    track = lipdub.lips(SPEECH, fps=25, start=1, end=2).track
    assert content["rate"] == 25 and content["start"] == 1 and len(content["values"]) == len(track.times) == 25
    np.testing.assert_allclose(content["values"], track.values, atol=1e-4)
    assert content["visemes"][0][0] == 1 and content["visemes"][-1][1] == 2


@pytest.mark.slow
def test_a_text_is_gone_by_where_it_fits(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "said.txt").write_text("Please keep my paper map before we moved to the farm above the valley.")
    done = run(SPEECH, "--transcript", "said.txt", "-o", "a.json", "--json")
    summary = json.loads(done.stdout)
    assert summary["heard"] == "text" and summary["words"] == 14 and summary["notes"] == []
    content = json.loads((tmp_path / "a.json").read_bytes())
    assert content["heard"]["language"] == "en" and content["words"][3]["text"] == "paper"
    done = run(SPEECH, "--transcript", "said.txt", "-o", "-", "--format", "srt-words")
    assert done.code == 0 and "\npaper\n" in done.stdout
    (tmp_path / "other.txt").write_text("Wholly other things are told in here, of ships and of cabbages.")
    done = run(SPEECH, "--transcript", "other.txt")
    assert done.code == 0 and "warning: the text does not fit" in done.stderr
    assert run(SPEECH, "--transcript", "none.txt").code == 3 and run(SPEECH, "--language", "??").code == 2


def test_standard_output_carries_the_file_alone(run: Callable[..., Done], tmp_path: Path) -> None:
    done = run(SPEECH, "-o", "-", "--format", "rhubarb-tsv")
    lines = done.stdout.splitlines()
    assert done.code == 0 and lines[0].startswith("0.00\t") and lines[-1] == "4.23\tX"
    assert done.stderr == "" and not list(tmp_path.iterdir())
    assert json.loads(run(SPEECH, "-o", "-").stdout)["schema"] == 1


def test_json_summary(run: Callable[..., Done]) -> None:
    done = run(SPEECH, "-o", "a.csv", "--plot", "p.png", "--json")
    summary = json.loads(done.stdout)
    assert summary["written"] == ["a.csv", "p.png"] and summary["heard"] == "sound" and summary["rows"] == 423
    assert summary["closures"] >= 5 and summary["duration"] == 4.23
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events[-1] == "done" and "progress" in events


def test_the_picture_is_a_picture(run: Callable[..., Done], tmp_path: Path) -> None:
    from PIL import Image

    assert run(SPEECH, "--plot", "p.png").stdout == "p.png\n"
    with Image.open(tmp_path / "p.png") as image:
        assert image.format == "PNG" and image.width > 1200


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("none.wav",), 3, "there is no file none.wav"),
        (("SPEECH", "--format", "yaml"), 2, "--format"),
        (("SPEECH", "-o", "a.txt"), 2, "names no format"),
        (("SPEECH", "-o", "SPEECH", "--overwrite"), 2, "would replace"),
        (("SPEECH", "-o", "a.json", "--fps", "0"), 2, "--fps must be"),
        (("SPEECH", "--from", "9"), 2, "nothing between"),
        (("SPEECH", "--from", "x"), 2, "is not a time"),
        (("SPEECH", "--plot", "p.svg"), 2, "cannot be written as .svg"),
        (("SPEECH", "--landmarks", "98"), 2, "--landmarks"),
        (("SPEECH", "--landmarks", "68"), 2, "needs a file"),
        (("SPEECH", "--landmarks", "68", "-o", "a.json"), 2, "as .npz only"),
        (("SPEECH", "--video", "x.mp4", "-o", "a.npz"), 2, "--video is for landmarks"),
        (
            ("SPEECH", "--landmarks", "68", "-o", "a.npz", "--video", "none.mp4"),
            3,
            "there is no file none.mp4",
        ),
        (("SPEECH", "--landmarks", "68", "-o", "a.npz", "--video", "."), 2, "not a workspace"),
        (("SPEECH", "--landmarks", "68", "-o", "a.npz", "--video", "v.mp4", "--fps", "25"), 2, "exclude"),
        (("SPEECH", "-o", "/proc/none/a.json"), 5, "no permission|cannot write|there is no|cannot"),
    ],
)
def test_errors_are_one_line_with_their_code(
    run: Callable[..., Done], tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    import re

    done = run(*(str(SPEECH) if a == "SPEECH" else a for a in arguments))
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.code == code and len(lines) == 1 and re.search(words, lines[0]), done.stderr
    assert done.stdout == "" and not [p for p in tmp_path.iterdir() if p.is_file()]


def test_a_file_that_is_there_stays_unless_told(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine")
    done = run(SPEECH, "-o", "a.csv")
    assert done.code == 2 and "exists already" in done.stderr and (tmp_path / "a.csv").read_text() == "mine"
    assert run(SPEECH, "-o", "a.csv", "--overwrite").code == 0
    assert (tmp_path / "a.csv").read_text().startswith("time,")
    copy = shutil.copy(SPEECH, tmp_path / "speech.json")
    done = run(copy, "-o", copy, "--overwrite")
    assert done.code == 2 and "would replace" in done.stderr


def test_too_short_and_soundless_speech(tmp_path: Path) -> None:
    write_silence(tmp_path / "short.wav", 0.0125)
    with pytest.raises(InputError, match="only"):
        lipdub.lips(tmp_path / "short.wav")
    write_silence(tmp_path / "quiet.wav", 1.0)
    quiet = lipdub.lips(tmp_path / "quiet.wav", tmp_path / "q.tsv", plot=tmp_path / "q.png")
    assert not quiet.track.values.any() and [label for _, _, label in quiet.track.visemes] == ["sil"]
    assert (tmp_path / "q.tsv").read_text() == "0.00\tX\n1.00\tX\n"


@pytest.mark.slow
def test_landmarks_of_the_neutral_face(run: Callable[..., Done], tmp_path: Path) -> None:
    assert run(SPEECH, "-o", "a.npz", "--landmarks", "68", "--fps", "25").code == 0
    with np.load(tmp_path / "a.npz") as file:
        points, times = file["points"], file["times"]
        assert points.shape == (106, 68, 3) and points.dtype == np.float32 and str(file["unit"]) == "eyes"
        np.testing.assert_array_equal(file["mesh"], IBUG)
    np.testing.assert_allclose(times, np.arange(106) / 25)
    gap = points[:, 66, 1] - points[:, 62, 1]
    track = lipdub.lips(SPEECH, fps=25).track
    assert np.corrcoef(gap, track.column("opening"))[0, 1] > 0.99
    assert gap[track.column("closure") > 0.95].max() < 0.02


@pytest.mark.slow
def test_landmarks_of_a_talker_by_video_and_by_workspace(run: Callable[..., Done], tmp_path: Path) -> None:
    video = shutil.copy(TALKER, tmp_path / "talker.mp4")
    assert run(SPEECH, "-o", "a.npz", "--landmarks", "478", "--video", video).code == 0
    done = run(SPEECH, "-o", "b.npz", "--landmarks", "68", "--talker", "talker.dubbed.mp4.lipdub", "--json")
    assert json.loads(done.stdout)["landmarks"] == {"points": 68, "frames": 133, "unit": "pixels"}
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        whole, some = a["points"], b["points"]
        np.testing.assert_array_equal(whole[:, list(IBUG)], some)
        np.testing.assert_array_equal(a["source"], np.arange(133))
        assert tuple(a["size"]) == (512, 512) and str(a["unit"]) == "pixels"
        np.testing.assert_allclose(a["times"], np.arange(133) / 25, atol=1e-3)
    assert np.isfinite(some).all() and (some[..., :2] > 0).all() and (some[..., :2] < 512).all()
    track = lipdub.lips(SPEECH, fps=25).track
    gap = (some[:106, 66, 1] - some[:106, 62, 1]) / np.linalg.norm(some[:106, 45] - some[:106, 36], axis=1)
    assert np.corrcoef(gap, track.column("opening"))[0, 1] > 0.95
    Path(video).unlink()
    done = run(SPEECH, "-o", "c.npz", "--landmarks", "68", "--talker", "talker.dubbed.mp4.lipdub")
    assert done.code == 3 and "is not at" in done.stderr


def test_nothing_is_written_where_one_thing_fails(run: Callable[..., Done], tmp_path: Path) -> None:
    done = run(SPEECH, "-o", "a.srt", "--format", "srt-words", "--plot", "p.png")
    assert done.code == 2 and "no words were found" in done.stderr and not list(tmp_path.iterdir())


def test_json_and_the_file_do_not_share_standard_output(run: Callable[..., Done]) -> None:
    done = run(SPEECH, "-o", "-", "--json")
    assert done.code == 2 and done.stdout == "" and "both want" in json.loads(done.stderr)["message"]


def test_the_command_knows_all_formats(run: Callable[..., Done]) -> None:
    done = run(SPEECH, "--format", "yaml")
    assert all(f"'{name}'" in done.stderr for name in FORMATS)


def test_former_flags_are_understood_and_hidden(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "said.txt").write_text("Please keep my paper map before we moved to the farm above the valley.")
    done = run(SPEECH, "--text", "said.txt", "--json")
    assert json.loads(done.stdout)["heard"] == "text"
    done = run(SPEECH, "--talker", "x.mp4", "-o", "a.npz")
    assert done.code == 2 and "--video is for landmarks" in done.stderr
    shown = run("--help").stdout
    assert "--video" in shown and "--transcript" in shown
    assert "--talker" not in shown and "--text" not in shown
