"""`lipdub score`: table, files, thresholds, several results beside each other."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lipdub.cli import main
from lipdub.media.ffmpeg import find_ffmpeg
from tests.sample import TALKER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Callable[..., Done]]:
    """`lipdub score` with these arguments, in an empty folder."""
    handler = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["lipdub", "score", *map(str, arguments)])
        capfd.readouterr()
        with contextlib.chdir(tmp_path), pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the talker, with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    command = [find_ffmpeg(), "-v", "error", "-i", str(TALKER), "-t", "1.2", "-c:v", "libx264", "-qp", "0", str(path)]
    subprocess.run(command, check=True)
    return path


class Page(HTMLParser):
    """What a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []
        self.images = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.places += [value or "" for name, value in attrs if name in ("src", "href")]
        self.images += tag == "img"
        assert tag != "script"


@pytest.mark.slow
def test_a_table_a_file_and_a_page(run: Callable[..., Done], clip: Path, tmp_path: Path) -> None:
    name = tmp_path / "odd <name> & 'more'.mp4"
    name.symlink_to(clip)
    done = run(name, "--source", clip)
    assert done.code == 0 and "seam" in done.stdout and "report.html" in done.stderr
    folder = name.with_name(name.name + ".score")
    scored = json.loads((folder / "score.json").read_text())
    assert scored["schema"] == 3 and {"faces", "seam", "cpbd"} <= {row["id"] for row in scored["rows"]}
    html = (folder / "report.html").read_text()
    assert "odd &lt;name&gt;" in html and "<name>" not in html
    page = Page()
    page.feed(html)
    assert all(place.startswith("data:image/jpeg;base64,") for place in page.places)
    assert page.images == 2 * len(scored["moments"]) > 0


@pytest.mark.slow
def test_json_and_no_files(run: Callable[..., Done], clip: Path, tmp_path: Path) -> None:
    done = run(clip, "--json", "--no-files")
    assert json.loads(done.stdout)["result"] == str(clip)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_thresholds(run: Callable[..., Done], clip: Path) -> None:
    assert run(clip, "--no-files", "--fail-under", "faces=0.9", "--fail-over", "seam=3").code == 0
    done = run(clip, "--no-files", "--fail-under", "faces=1.5", "--fail-under", "cpbd=0")
    assert done.code == 6 and "faces is" in done.stderr and "cpbd" not in done.stderr.split("error:")[1]
    assert "seam" in done.stdout  # the table is told nevertheless
    for words in (
        ("--detector", "nobody"),
        ("--fail-under", "faces"),
        ("--fail-over", "faces=x"),
        ("--fail-under", "nothing=1"),
    ):
        assert run(clip, "--no-files", *words).code == 2


@pytest.mark.slow
def test_old_names_of_rows_and_flags_are_accepted_and_said_once(run: Callable[..., Done], clip: Path) -> None:
    done = run(clip, "--no-files", "--truth", clip, "--fail-over", "f_ld_eyes=1", "--fail-over", "f_ld=1")
    assert done.code == 0, done.stderr
    assert done.stderr.count("the row f_ld is now called f_lmd; the old name is deprecated") == 1
    assert done.stderr.count("deprecated") == 2
    assert "f_lmd" in done.stdout
    done = run("--help")
    assert "--ground-truth" in done.stdout
    assert "--truth" not in done.stdout


@pytest.mark.slow
def test_a_row_that_needs_an_input_says_which(run: Callable[..., Done], clip: Path) -> None:
    done = run(clip, "--no-files", "--fail-under", "psnr=30")
    assert done.code == 2
    assert "psnr was not measured: it needs a ground truth: give --ground-truth" in done.stderr


@pytest.mark.slow
def test_a_result_is_compared_with_an_earlier_score(run: Callable[..., Done], clip: Path, tmp_path: Path) -> None:
    old = {
        "schema": 2,
        "result": "yesterday.mp4",
        "frames": 1,
        "duration": 1.0,
        "rows": [{"id": "frozen_mouth", "name": "still", "on": "mouth", "value": 0.25, "anchor": None}],
        "windows": [],
        "moments": [],
        "series": {},
        "seconds": {},
        "notes": [],
    }
    (tmp_path / "score.json").write_text(json.dumps(old))
    done = run("--compare", "score.json", clip, "-o", "both")
    assert done.code == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("frozen_share"))
    assert "0.25" in line
    assert "yesterday.mp4" in done.stdout.splitlines()[0]
    (tmp_path / "score.json").write_text("[]")
    assert run("--compare", "score.json", clip).code == 3


@pytest.mark.slow
def test_several_results_beside_each_other(run: Callable[..., Done], clip: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).symlink_to(clip)
    done = run("--compare", "a.mp4", "b.mp4", "-o", "both")
    assert done.code == 0 and "a.mp4" in done.stdout.splitlines()[0] and "b.mp4" in done.stdout.splitlines()[0]
    scores = json.loads((tmp_path / "both" / "score.json").read_text())["scores"]
    assert [s["result"] for s in scores] == ["a.mp4", "b.mp4"]
    assert scores[0]["rows"] == scores[1]["rows"]
    assert run("a.mp4", "b.mp4", "-o", "both").code == 2
    assert run("a.mp4", "b.mp4", "-w", "work").code == 2


def test_bad_files(run: Callable[..., Done], tmp_path: Path) -> None:
    assert run("none.mp4").code == 3
    (tmp_path / "text.mp4").write_text("no video")
    assert run("text.mp4").code == 3
    assert run(TALKER, "--speech", "none.wav").code == 3
