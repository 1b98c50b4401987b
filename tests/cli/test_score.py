"""`lipdub score`: table, files, thresholds, several results beside each other."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lipdub.cli import main
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


def test_a_table_a_file_and_a_page(run: Callable[..., Done], tmp_path: Path) -> None:
    name = tmp_path / "odd <name> & 'more'.mp4"
    name.symlink_to(TALKER)
    done = run(name, "--source", TALKER)
    assert done.code == 0 and "seam" in done.stdout and "report.html" in done.stderr
    folder = name.with_name(name.name + ".score")
    scored = json.loads((folder / "score.json").read_text())
    assert scored["schema"] == 3 and {"faces", "seam", "cpbd"} <= {row["id"] for row in scored["rows"]}
    html = (folder / "report.html").read_text()
    assert "odd &lt;name&gt;" in html and "<name>" not in html
    page = Page()
    page.feed(html)
    assert all(place.startswith("data:image/jpeg;base64,") for place in page.places)
    assert page.images == 2 * len(scored["moments"])


def test_json_and_no_files(run: Callable[..., Done], tmp_path: Path) -> None:
    done = run(TALKER, "--json", "--no-files")
    assert json.loads(done.stdout)["result"] == str(TALKER)
    assert not list(tmp_path.iterdir())


def test_thresholds(run: Callable[..., Done]) -> None:
    assert run(TALKER, "--no-files", "--fail-under", "faces=0.9", "--fail-over", "seam=3").code == 0
    done = run(TALKER, "--no-files", "--fail-under", "faces=1.5", "--fail-under", "cpbd=0")
    assert done.code == 6 and "faces is" in done.stderr and "cpbd" not in done.stderr.split("error:")[1]
    assert "seam" in done.stdout  # the table is told nevertheless
    for words in (("--fail-under", "faces"), ("--fail-over", "faces=x"), ("--fail-under", "nothing=1")):
        assert run(TALKER, "--no-files", *words).code == 2


def test_several_results_beside_each_other(run: Callable[..., Done], tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).symlink_to(TALKER)
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
