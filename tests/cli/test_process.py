"""Closed standard streams, readers that go away, signals, and input from pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import small_stages
from tests.sounds import write_tone

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = f"{sys.executable} -m tests.small_stages run"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def fill_folder(folder: Path) -> Path:
    small_stages.write_video(folder / "v.mp4")
    write_tone(folder / "s.wav")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield fill_folder(tmp_path)
    leftovers = [path.name for path in tmp_path.iterdir() if path.name.endswith((".part", ".partial"))]
    assert leftovers == []


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash with pipefail in the folder."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    "closed", ["<&-", ">&-", "2>&-", *(pytest.param(c, marks=pytest.mark.slow) for c in ("<&- >&-", "<&- >&- 2>&-"))]
)
def test_closed_streams(folder: Path, closed: str) -> None:
    done = shell(f"{RUN} v.mp4 s.wav -o o.mp4 {closed}", folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "o.mp4").stat().st_size
    assert "Traceback" not in done.stderr
    assert ("o.mp4" in done.stdout) is (">&-" not in closed or closed == "2>&-")


@pytest.fixture(scope="module")
def known_result(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The result of the files in `folder`, which are no pipes."""
    folder = fill_folder(tmp_path_factory.mktemp("known"))
    done = shell(f"{RUN} v.mp4 s.wav -o o.mp4", folder)
    assert done.returncode == 0, done.stderr
    return (folder / "o.mp4").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("cat s.wav | {run} v.mp4 - -o o.mp4", "stdin"),
        ("{run} v.mp4 <(cat s.wav) -o o.mp4", ""),
        ("cat s.wav | {run} v.mp4 /dev/stdin -o o.mp4", "stdin"),
        ("{run} v.mp4 /dev/stdin -o o.mp4 < s.wav", "stdin"),
        ("{run} <(cat v.mp4) s.wav --mix <(cat s.wav) -o o.mp4", ""),
        ("mkfifo p; cat s.wav > p & {run} v.mp4 p -o o.mp4", "p"),
    ],
)
def test_input_from_a_pipe(folder: Path, known_result: bytes, line: str, source: str) -> None:
    done = shell(line.format(run=RUN), folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "o.mp4").read_bytes() == known_result
    assert source in (folder / "o.mp4.provenance.json").read_text()


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("cat v.mp4 | {run} - - -o o.mp4", 2, "only one input can be -"),
        (": | {run} v.mp4 - -o o.mp4", 3, "standard input is empty"),
        ("{run} v.mp4 /dev/null -o o.mp4", 3, "/dev/null is a pipe or a device"),
        pytest.param("{run} <(cat v.mp4) s.wav", 2, "Name it with -o", marks=pytest.mark.slow),
    ],
)
def test_what_is_no_input(folder: Path, line: str, code: int, words: str) -> None:
    done = shell(line.format(run=RUN), folder)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert not (folder / "o.mp4").exists()


def test_a_deleted_folder_is_named(folder: Path) -> None:
    done = shell(f"mkdir gone && cd gone && rmdir ../gone && {RUN} v.mp4 s.wav", folder)
    assert done.returncode == 5, done.stderr
    assert "the current folder was deleted" in done.stderr


@pytest.mark.slow
def test_a_reader_that_goes_away(folder: Path) -> None:
    """The help ends quietly; a run whose messages nobody reads goes on."""
    done = shell(f"{RUN} --help | true", folder)
    assert (done.returncode, done.stderr) == (0, "")
    done = shell(f"{RUN} v.mp4 s.wav -v -o o.mp4 2>&1 | true", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "o.mp4").stat().st_size


def test_output_that_would_be_lost_is_refused(folder: Path) -> None:
    done = shell(f"{sys.executable} -m lipdub lips s.wav -o - --format csv >&-", folder)
    assert done.returncode == 2
    assert "standard output is closed" in done.stderr


WAITING = """
import time
from lipdub.cli.process import handle_signals
handle_signals()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopping", flush=True)
    time.sleep(60)
"""


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_second_signal_ends_the_process(number: int) -> None:
    # A shell's background jobs ignore Ctrl-C, programs started by nohup a closed terminal, and so would their children.
    listen = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", listen + WAITING],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(number)  # the same key press, passed on by a wrapper
    time.sleep(0.7)
    assert process.poll() is None
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (130, "", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_an_ignored_signal_stays_ignored(name: str) -> None:
    code = (
        f"import signal; signal.signal(signal.{name}, signal.SIG_IGN)\n"
        "from lipdub.cli.process import handle_signals; handle_signals()\n"
        f"assert signal.getsignal(signal.{name}) is signal.SIG_IGN\n"
    )
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_any_text_is_printed(locale: str) -> None:
    code = (
        "import sys; from lipdub.cli.process import print_any_text; print_any_text()\n"
        "for stream in (sys.stdout, sys.stderr): print('a\\u2026\\udce9', file=stream)\n"
    )
    environment = {**ENVIRONMENT, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    shown = b"a\\u2026\\udce9\n" if locale == "C" else "a\u2026\\udce9\n".encode()
    assert done.stdout == done.stderr == shown


REHEARSAL = """
import sys
from pathlib import Path
from lipdub.media.mux_plan import SourceInput, SpeechInput
from lipdub.media.probe import probe
from lipdub.media.rehearsal import rehearse
from lipdub.media.video_encoder import VideoCodec
video, speech, out = map(Path, sys.argv[1:])
rehearse(VideoCodec(container=out.suffix), SpeechInput(speech), SourceInput(video, probe(video)), out)
"""


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("name", ["caf\u00e9".encode(), b"caf\xe9", "\u65e5\u672c".encode()])
def test_names_do_not_depend_on_the_locale(folder: Path, locale: str, name: bytes) -> None:
    place = os.fsencode(folder) + b"/" + name
    os.mkdir(place)  # noqa: PTH102  bytes
    files = [place + b"/" + name + ending for ending in (b".mp4", b".wav", b".mkv")]
    for old, new in zip((b"/v.mp4", b"/s.wav"), files, strict=False):
        os.rename(os.fsencode(folder) + old, new)  # noqa: PTH104
    environment = {**ENVIRONMENT, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command: list[str | bytes] = [sys.executable, "-c", REHEARSAL, *files]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
