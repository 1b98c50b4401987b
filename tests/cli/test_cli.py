from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from typer.main import get_command

from lipdub import __version__, stages
from lipdub.cli import main
from lipdub.cli.app import app
from lipdub.cli.parameters import drop_missing
from lipdub.engine.run_options import run_options
from lipdub.stages.method import option_classes
from tests import small_stages
from tests.sounds import write_tone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent.parent


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def process(*arguments: object, cwd: Path | None = None) -> Done:
    """The command line over the small stages, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.small_stages", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def lipdub(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Done]]:
    """The same in this process, which is quicker."""
    before = small_stages.install()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: object, cwd: Path | None = None) -> Done:
        monkeypatch.setattr(sys, "argv", ["lipdub", *map(str, arguments)])
        capfd.readouterr()
        with contextlib.chdir(cwd or "."), pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)
    stages.STAGES.update(before)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return small_stages.write_video(tmp_path / "video.mp4"), write_tone(tmp_path / "speech.wav")


def one_line(done: Done) -> str:
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]


def test_run_and_run_again(lipdub: Callable[..., Done], files: tuple[Path, Path]) -> None:
    done = lipdub("run", *files)
    out = files[0].with_name("video.dubbed.mp4")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}\n" and out.exists()
    lines = done.stderr.splitlines()
    assert lines[0].startswith("recipe      builtin: ")
    for stage in ("detect", "neutralize", "sync", "enhance", "paste-back"):
        assert any(line.startswith(stage) and "done in" in line and "40 frames" in line for line in lines)
    assert any("warning: 2 frames show no face" in line for line in lines)
    assert any(line.startswith("note") for line in lines)
    again = lipdub("run", *files, "--verbose")
    assert again.returncode == 0 and again.stderr.count("reused") == 5
    assert lipdub("run", *files, "--quiet").stderr == ""


def test_plan(lipdub: Callable[..., Done], files: tuple[Path, Path]) -> None:
    done = lipdub("run", *files, "--plan")
    assert done.returncode == 0 and "paste-back" in done.stdout and "not done yet" in done.stdout
    assert sorted(path.name for path in files[0].parent.iterdir()) == ["speech.wav", "video.mp4"]
    planned = json.loads(lipdub("run", *files, "--plan", "--json").stdout)["stages"]
    assert [stage["action"] for stage in planned] == ["run"] * 5


def test_json(lipdub: Callable[..., Done], files: tuple[Path, Path]) -> None:
    done = lipdub("run", *files, "--json", "-o", files[0].with_name("out.mp4"))
    result = json.loads(done.stdout)
    assert Path(result["out"]).name == "out.mp4" and [s["name"] for s in result["stages"]][-1] == "paste-back"
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events[0]["event"] == "start" and events[-1]["event"] == "done"
    assert {"start", "stage", "progress", "warn", "done"} == {event["event"] for event in events}
    progress = [event for event in events if event["event"] == "progress"]
    assert {"stage", "done", "total", "unit"} < progress[0].keys()
    failed = lipdub("run", *files, "--json", "--recipe", "x")
    assert failed.stdout == "" and json.loads(failed.stderr)["exit_code"] == failed.returncode == 2
    misused = lipdub("run", "--json", "--x")
    assert misused.stdout == "" and json.loads(misused.stderr)["exit_code"] == misused.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "Missing argument 'SPEECH'"),
        (("SPEECH", "--foo"), 2, "No such option: --foo"),
        (("SPEECH", "-x.mp4"), 2, "No such option: -x.*given as ./NAME"),
        (("SPEECH", "--recipe", "x"), 2, "no recipe 'x'"),
        (("SPEECH", "--strength", "9"), 2, "strength must be"),
        (("SPEECH", "--length", "x"), 2, "--length"),
        (("SPEECH", "--from", "1:2:3:4"), 2, "is not a time"),
        (("SPEECH", "-o", "x.txt"), 2, "cannot be written"),
        (("SPEECH", "-o", "folder/"), 2, "the name folder has no ending"),
        (("SPEECH", "-o", ".mp4"), 2, "the name .mp4 has no ending"),
        (("SPEECH", "-o", ""), 2, "is a folder.*a variable that is not set"),
        (("SPEECH", "-o", "/"), 2, "/ is a folder"),
        (("",), 3, "is a folder.*a variable that is not set"),
        (("missing.wav",), 3, "missing.wav"),
        (("SPEECH", "--no-face", "error"), 3, "no face at"),
        (("SPEECH", "-o", "/proc/x.mp4"), 5, "no permission|cannot write|there is no"),
        (("SPEECH", "--device", "cuda"), 5, "no cuda device"),
    ],
)
def test_errors_are_one_line_with_their_code(
    lipdub: Callable[..., Done], files: tuple[Path, Path], arguments: tuple[str, ...], code: int, words: str
) -> None:
    if "cuda" in arguments:
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("there is a cuda device")
    video, speech = files
    done = lipdub("run", video, *(speech if item == "SPEECH" else item for item in arguments), cwd=video.parent)
    assert done.returncode == code, done.stderr
    assert re.search(words, one_line(done))
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["run", "score", "inspect"])
def test_an_empty_name_of_a_video_is_told(lipdub: Callable[..., Done], files: tuple[Path, Path], command: str) -> None:
    done = lipdub(command, "", *files[1:] * (command == "run"))
    assert (done.returncode, done.stdout) == (3, "")
    assert re.search("is a folder.*a variable that is not set", one_line(done))


@pytest.mark.slow
def test_exit_codes_of_a_process(files: tuple[Path, Path]) -> None:
    video, speech = files
    assert process("run", video).returncode == 2
    assert process("run", video, "missing.wav").returncode == 3
    assert process("run", video, speech, "-o", "/proc/x.mp4").returncode == 5
    done = process("run", video, speech, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)
    assert all(json.loads(line) for line in done.stderr.splitlines())


def test_bad_sources(lipdub: Callable[..., Done], tmp_path: Path) -> None:
    speech = write_tone(tmp_path / "speech.wav")
    text = tmp_path / "text.mp4"
    text.write_text("text")
    cut = small_stages.write_video(tmp_path / "cut.mp4", frames=20)
    cut.write_bytes(cut.read_bytes()[:600])
    for bad in (tmp_path / "missing.mp4", tmp_path, text, cut, speech):
        done = lipdub("run", bad, speech, "-o", tmp_path / "out.mp4")
        assert done.returncode == 3, (bad, done.stderr)
        assert str(bad) in one_line(done)
    assert not (tmp_path / "out.mp4").exists() and not (tmp_path / "out.mp4.lipdub").exists()


NAMES = [
    "with space.mp4",
    "qu'o\"te.mp4",
    "-dash.mp4",
    "new\nline.mp4",
    "日本 ü.mp4",
    "100%{x}$HOME.mp4",
    "[bold]b.mp4",
]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("name", NAMES)
def test_odd_names(lipdub: Callable[..., Done], tmp_path: Path, name: str) -> None:
    small_stages.write_video(tmp_path / "v.mp4").rename(tmp_path / name)
    write_tone(tmp_path / "s.wav").rename(tmp_path / f"{name}.wav")
    done = lipdub("run", "-o", "out " + name.lstrip("-"), "--", name, f"{name}.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ("out " + name.lstrip("-"))).exists()
    assert done.stdout == f"out {name.lstrip('-')}\n"  # for scripts; only a terminal gets newlines escaped
    missing = lipdub("run", "--", "no" + name, f"{name}.wav", cwd=tmp_path)
    assert missing.returncode == 3 and len(missing.stderr.splitlines()) == 1


def test_option_as_a_negative_number(lipdub: Callable[..., Done], files: tuple[Path, Path]) -> None:
    done = lipdub("run", *files, "--offset", "-0.25", "--from", "0:00:01.5", "--to=83.25", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads((files[0].with_name("video.dubbed.mp4.lipdub") / "workspace.json").read_text())
    options = record["stages"]["sync"]["options"]
    assert (options["offset"], options["start"], options["end"]) == (-0.25, 1.5, 83.25)


def test_stages_one_by_one(lipdub: Callable[..., Done], files: tuple[Path, Path]) -> None:
    video, speech = files
    workspace = ("-w", video.with_name("w"))
    for arguments in (
        ("detect", video),
        ("neutralize", video),
        ("sync", video, speech, "--strength", "0.5"),
        ("enhance", video, speech),
        ("paste-back", video, speech, "-o", video.with_name("out.mp4"), "--no-colour-match"),
    ):
        done = lipdub(*arguments, *workspace, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["action"] == "run"
    record = json.loads((video.with_name("w") / "workspace.json").read_text())["stages"]
    assert record["sync"]["options"]["strength"] == 0.5
    assert record["paste-back"]["options"]["colour_match"] is False
    assert "frames" in lipdub("detect", video, *workspace).stdout


@pytest.mark.parametrize("place", [".", "..", "/", "", "store"])
def test_places_without_a_workspace_are_not_cleaned(
    lipdub: Callable[..., Done], files: tuple[Path, Path], place: str
) -> None:
    store = files[0].parent / "store"
    store.mkdir()
    done = lipdub("clean", place, cwd=store if place == "." else store.parent)
    assert done.returncode == 2
    assert "is not a workspace" in done.stderr
    assert files[0].exists()


@pytest.mark.parametrize("named_by", ["inside", "link"])
def test_a_workspace_is_cleaned_however_it_is_named(
    lipdub: Callable[..., Done], files: tuple[Path, Path], named_by: str
) -> None:
    lipdub("run", *files)
    out = files[0].with_name("video.dubbed.mp4")
    folder = out.with_name(f"{out.name}.lipdub")
    assert folder.is_dir()
    if named_by == "inside":
        done = lipdub("clean", ".", cwd=folder)
    else:
        store = folder.rename(folder.with_name("store"))
        folder.symlink_to("store")
        done = lipdub("clean", out)
        assert not store.exists()
    assert done.returncode == 0
    assert not folder.exists() and not folder.is_symlink()
    assert out.exists()


def test_clean(lipdub: Callable[..., Done], files: tuple[Path, Path]) -> None:
    lipdub("run", *files)
    out = files[0].with_name("video.dubbed.mp4")
    folder = out.with_name(out.name + ".lipdub")
    assert folder.is_dir()
    done = lipdub("clean", out)
    assert done.returncode == 0 and not folder.exists() and out.exists()
    assert "nothing" not in done.stderr and "removed" in done.stderr
    again = lipdub("clean", out)
    assert again.returncode == 2 and "is not a workspace and has none" in one_line(again)
    lipdub("run", *files, "--no-keep-workspace", "--overwrite")
    assert not folder.exists()


def test_no_arguments_and_version(lipdub: Callable[..., Done]) -> None:
    assert "paste-back" in lipdub().stdout
    assert lipdub("--version").stdout == f"lipdub {__version__}\n"


@pytest.mark.parametrize(
    "command",
    ["run", "detect", "neutralize", "sync", "enhance", "paste-back", "score", "inspect", "doctor", "clean"],
)
def test_every_command_has_the_manner_flags(lipdub: Callable[..., Done], command: str) -> None:
    shown = lipdub(command, "--help").stdout
    for flag in ("--quiet", "--verbose", "--json", "--debug", "--device", "--threads"):
        assert flag in shown


# A run's help asks the methods for their options, and their modules import NumPy and OpenCV; the rest stays out.
HEAVY = {"torch", "numpy", "av", "zarr", "mediapipe", "cv2", "scipy", "librosa", "onnxruntime", "filelock"}


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    ("arguments", "heavy"), [(["--help"], HEAVY), (["run", "--help"], HEAVY - {"numpy", "cv2", "filelock"})]
)
def test_help_imports_nothing_heavy(arguments: list[str], heavy: set[str]) -> None:
    code = (
        f"import sys; sys.argv = {['lipdub', *arguments]}\n"
        "from lipdub.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('heavy', sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "heavy []", done.stderr


def test_fault_is_one_line_and_traceback_on_demand(lipdub: Callable[..., Done], files: tuple[Path, Path]) -> None:
    # A workspace.json that is a folder is nothing the tool expects.
    folder = files[0].with_name("w")
    (folder / "workspace.json").mkdir(parents=True)
    done = lipdub("run", *files, "-w", folder)
    assert done.returncode != 0
    one_line(done)
    assert "Traceback" in lipdub("run", *files, "-w", folder, "--debug").stderr


def test_debug_shows_the_log(lipdub: Callable[..., Done], files: tuple[Path, Path]) -> None:
    first = lipdub("run", *files, "--debug")
    assert re.search(
        r"^debug: lipdub\.engine\.runner: detect: run, since not done yet \(key \w+, device cpu\)$",
        first.stderr,
        flags=re.MULTILINE,
    )
    assert "debug:" not in lipdub("run", *files).stderr  # the level is reset when a command ends
    lines = [json.loads(line) for line in lipdub("run", *files, "--debug", "--json").stderr.splitlines()]
    messages = [line["message"] for line in lines if line["event"] == "debug"]
    assert any(message.startswith("detect: reuse, since nothing it depends on has changed") for message in messages)


def test_shown_defaults_are_those_of_the_stages() -> None:
    shown = {}
    options = run_options()
    for parameter in get_command(app).get_command(None, "run").params:  # type: ignore[attr-defined]
        if parameter.name in options and isinstance(parameter.show_default, str):
            shown[parameter.name] = parameter.show_default
    assert {"length", "extend", "strength", "feather", "face", "blend"} <= shown.keys()
    for name, text in shown.items():
        default = options[name].option.default
        assert text == (f"{default:g}" if isinstance(default, float) else str(default)), name


def test_run_options_are_fields_of_the_stages_or_of_their_methods() -> None:
    for item in run_options().values():
        for stage, field_name in {**item.owners, **item.receivers}.items():
            kinds = option_classes(stages.load(stage))
            assert field_name in {found.name for kind in kinds for found in dataclasses.fields(kind)}, (
                stage,
                field_name,
            )


@pytest.mark.parametrize(
    ("former", "name"), [("--text", "transcript"), ("--accel", "cpu_backend"), ("--talker", "model")]
)
def test_former_flags_are_accepted_and_hidden(lipdub: Callable[..., Done], former: str, name: str) -> None:
    (hidden,) = [p for p in get_command(app).get_command(None, "run").params if p.name == f"{name}__former"]  # type: ignore[attr-defined]
    assert hidden.hidden and hidden.opts == [former]
    assert former not in lipdub("run", "--help").stdout.split()
    assert drop_missing({name: None, f"{name}__former": "x"}) == {name: "x"}


def test_a_wrong_choice_is_told_plainly(lipdub: Callable[..., Done]) -> None:
    done = lipdub("run", "a.mp4", "b.wav", "--mask", "mouth")
    assert done.returncode == 2 and "'mouth' is not one of 'auto', 'jaw', 'pose', 'box'" in done.stderr
    assert "Value error" not in done.stderr


@pytest.mark.parametrize(("package", "hint"), [("accelerate", "lipdub[train]"), ("no_such_one", "lipdub doctor")])
def test_a_missing_package_is_told_with_what_brings_it(
    package: str, hint: str, monkeypatch: pytest.MonkeyPatch, lipdub: Callable[..., Done]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(name=package)

    monkeypatch.setattr("lipdub.engine.doctor.diagnose", fail)
    done = lipdub("doctor")
    assert done.returncode == 5 and f"package {package} is missing" in done.stderr and hint in done.stderr
