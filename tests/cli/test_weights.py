"""`lipdub weights` on the command line, with a host on the loopback device."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from lipdub.cli import main
from tests.weights import small
from tests.weights.host import Host, hosting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lipdub.weights.manifest import ManifestEntry

ROOT = Path(__file__).resolve().parents[2]


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and "Traceback" not in self.err, self.err
        return lines[0]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("lipdub.weights.download.time.sleep", lambda seconds: None)
    with hosting() as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return small.saved(tmp_path / "given.pth", {"state_dict": small.state(), "epoch": 1})


@pytest.fixture
def known(host: Host, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ManifestEntry]:
    wide = small.saved(tmp_path / "wide.pth", small.state(width=7))
    entries = [
        small.entry(
            "first",
            urls=(host.put("/first.pth", file.read_bytes()),),
            bytes=file.stat().st_size,
            sha256=small.digest(file),
            licence="MIT",
            commercial=True,
        ),
        small.entry(
            "second",
            urls=(host.put("/second.pth", wide.read_bytes()),),
            licence="for research",
            commercial=False,
            parts=(small.part(arguments={"width": 7}),),
        ),
        small.entry("third", used_by=("other",), parts=(small.part(arguments={"width": 8}),)),
    ]
    small.publish(monkeypatch, tmp_path, *entries)
    return entries


@pytest.fixture
def weights(
    known: list[ManifestEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    handler = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["lipdub", "weights", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    yield call
    signal.signal(signal.SIGTERM, handler)


def read(done: Done) -> Any:
    return json.loads(done.out)


def test_pull_list_verify_remove(weights: Callable[..., Done], tmp_path: Path) -> None:
    place = tmp_path / "store" / "first.pth"
    done = weights("pull", "first")
    assert (done.code, done.out) == (0, f"first  {place}\n") and done.err == "first: MIT\n"
    assert [row["there"] for row in read(weights("list", "--json"))["weights"]] == [True, False, False]
    assert weights("verify").out == f"first  {place}\n"
    assert weights("where", "first").out == f"{place}\n"
    assert read(weights("where", "--json")) == {"folder": str(tmp_path / "store")}
    removed = weights("remove", "first", "--json")
    assert read(removed)["removed"][0]["name"] == "first" and not place.exists()
    assert read(weights("verify", "--json")) == {"weights": []}


def test_list(weights: Callable[..., Done]) -> None:
    lines = weights("list").out.splitlines()
    assert lines[0].split()[:2] == ["name", "there"]
    assert lines[2].split()[-2:] == ["yes", "MIT"] and "for research" in lines[3] and "unclear" in lines[4]
    assert [row["name"] for row in read(weights("list", "--commercial-safe", "--json"))["weights"]] == ["first"]


def test_pull_for_a_recipe_as_json(weights: Callable[..., Done], file: Path) -> None:
    done = weights("pull", "--for", "trial", "--json")
    rows = {row["name"]: row for row in read(done)["weights"]}
    assert list(rows) == ["first", "second"]
    assert rows["first"]["sha256"] == small.digest(file) and not rows["first"]["pinned"]
    assert rows["second"]["pinned"] and rows["second"]["pinned_now"]
    events = [json.loads(line) for line in done.err.splitlines()]
    assert {(event["event"], event["stage"]) for event in events} >= {
        ("progress", "first"),
        ("done", "second"),
    }


def test_a_noted_digest_is_told(weights: Callable[..., Done]) -> None:
    assert "second.pth has no published digest" in weights("pull", "second").err
    assert "digest" not in weights("pull", "second").err
    assert "first seen on" in weights("verify", "--verbose").err
    assert weights("pull", "second", "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("pull",), 2, "no weights to fetch were named"),
        (("pull", "frist"), 2, "Did you mean first"),
        (("pull", "--for", "nobody"), 2, "There are some for other, trial"),
        (("pull", "third"), 4, "by hand"),
        (("pull", "second", "--commercial-safe"), 4, "not for commercial use"),
        (("verify", "first"), 4, "Fetch them: lipdub weights pull first"),
        (("remove", "frist"), 2, "Did you mean first"),
        (("add", "nowhere.pth"), 3, "there is no file"),
        (("add", "FOLDER"), 3, "no files of weights"),
        (("add", "a", "b", "--as", "first"), 2, "--as"),
    ],
)
def test_errors_are_one_line_with_their_code(
    weights: Callable[..., Done], tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    done = weights(*(folder if item == "FOLDER" else item for item in arguments))
    assert done.code == code and words in done.error and done.out == ""


def test_one_that_fails_does_not_keep_the_others_back(weights: Callable[..., Done], host: Host, tmp_path: Path) -> None:
    del host.files["/first.pth"]
    done = weights("pull", "first", "second")
    assert done.code == 5 and "HTTP 404" in done.error and (tmp_path / "store" / "second.pth").exists()
    failed = weights("pull", "first", "third", "--json")
    assert read(failed) == {"weights": []} and failed.code == 5
    message = json.loads(failed.err.splitlines()[-1])
    assert message["exit_code"] == 5 and "2 of 2 failed" in message["hint"]


def test_verify_finds_a_damaged_file(weights: Callable[..., Done], tmp_path: Path) -> None:
    weights("pull", "first", "second")
    (tmp_path / "store" / "first.pth").write_bytes(b"\x80damaged")
    done = weights("verify")
    assert done.code == 4 and "not the first.pth that was published" in done.error and "second" in done.out


def test_add(weights: Callable[..., Done], host: Host, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    small.saved(folder / "x.pth", small.state(width=8))
    small.saved(folder / "y.pth", small.state(width=99))
    done = weights("add", file, folder)
    assert done.code == 0 and "skipped" in done.err and "y.pth" in done.err
    assert [line.split()[0] for line in done.out.splitlines()] == ["first", "third"]
    again = read(weights("add", folder, "--json"))
    assert [row["name"] for row in again["weights"]] == ["third"] and len(again["passed_over"]) == 1
    assert weights("add", folder / "y.pth").code == 4
    assert "is not second.pth: layer.weight has shape" in weights("add", folder / "y.pth", "--as", "second").error
    assert weights("add", tmp_path / "wide.pth", "--as", "second").code == 0
    assert "not the first.pth that was published" in weights("add", tmp_path / "wide.pth", "--as", "first").error
    assert weights("add", folder, "--commercial-safe").code == 4
    assert host.asked == []


def test_commands_but_pull_never_use_the_network(
    weights: Callable[..., Done], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", never)
    for arguments in (
        ("list",),
        ("add", file),
        ("verify",),
        ("where",),
        ("where", "first"),
        ("remove", "first"),
    ):
        assert weights(*arguments).code == 0


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['lipdub', 'weights', 'list']\n"
        "from lipdub.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'av', 'zarr', 'mediapipe', 'cv2', 'scipy', 'librosa', 'safetensors'}\n"
        "print('heavy', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "heavy []", done.stderr
