"""Nothing leaves the machine, and nothing is left on it outside the places that a user knows of."""

from __future__ import annotations

import ast
import functools
import os
import shutil
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import lipdub
from lipdub import offline
from tests.sample import SPEECH
from tests.training import footage
from tests.training.base_models import PHONETIC, save_base_model

ROOT = Path(lipdub.__file__).parents[1]
GUARD = Path(__file__).parent / "guard"
DOWNLOADS = "weights/download.py"
"""The only module that may use the network."""
NETWORK_MODULES = {"http", "urllib.request", "ftplib", "smtplib", "requests", "httpx", "huggingface_hub"}
REPORTING_PACKAGES = {"onnxruntime", "openvino"}
TRACER = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o"]
SECONDS = 300  # a command may take on a loaded machine

DUB = """
import sys, lipdub
result = lipdub.dub(*sys.argv[1:], preset="ultrafast", length="shortest")
lipdub.score(result.out)
"""
ADAPT_IN_ONE_STEP = """
import lipdub.training.adapt
lipdub.training.adapt._STEPS = 1
from lipdub.cli import program
program()
"""
CALL_FROM_A_CHILD = """
import subprocess, sys
code = "import socket; socket.getaddrinfo('example.org', 80)"
sys.exit(subprocess.call([sys.executable, "-c", code], stderr=subprocess.DEVNULL))
"""
SEND_NATIVELY = """
import ctypes, socket
handle = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
address = int(socket.AF_INET).to_bytes(2, "little") + (9).to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
ctypes.CDLL(None).sendto(handle.fileno(), b"x", 1, 0, address, len(address))
"""


@functools.cache
def imported_modules(path: Path) -> set[str]:
    """Returns the dotted names that a file imports, and all packages that these are in."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names | {name.rpartition(".")[0] for name in names} | {name.partition(".")[0] for name in names}


def test_only_downloads_use_the_network() -> None:
    package = ROOT / "lipdub"
    files = (path for path in package.rglob("*.py") if path != package / DOWNLOADS)
    assert {str(path): found for path in files if (found := imported_modules(path) & NETWORK_MODULES)} == {}
    assert imported_modules(package / DOWNLOADS) & NETWORK_MODULES


def test_packages_with_reports_pass_one_door() -> None:
    doors = {path.name for path in (ROOT / "lipdub").rglob("*.py") if imported_modules(path) & REPORTING_PACKAGES}
    assert doors == {"offline.py"}


@pytest.mark.parametrize(("given", "kept"), [(None, "1"), ("", "1"), ("0", "0"), ("1", "1")])
def test_importing_lipdub_switches_reports_off_unless_a_user_wants_them(given: str | None, kept: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in offline.SWITCHES}
    environment |= {} if given is None else dict.fromkeys(offline.SWITCHES, given)
    code = f"import os, lipdub; print(*(os.environ[name] for name in {tuple(offline.SWITCHES)}))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [kept] * len(offline.SWITCHES)


@pytest.mark.parametrize(("switch", "is_silenced"), [(None, True), ("1", True), ("0", False), ("False", False)])
def test_onnxruntime_reports_no_networks(
    switch: str | None, is_silenced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fake: Any = types.ModuleType("onnxruntime")
    fake.disable_telemetry_events = lambda: calls.append("disabled")
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    monkeypatch.delenv(offline.ORT_SWITCH, raising=False)
    if switch is not None:
        monkeypatch.setenv(offline.ORT_SWITCH, switch)
    assert offline.import_onnxruntime() is fake
    assert calls == ["disabled"] * is_silenced


def test_openvino_is_loaded_without_the_package_of_its_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.ModuleType("openvino")
    monkeypatch.setitem(sys.modules, "openvino", fake)
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)
    monkeypatch.delitem(sys.modules, "openvino_telemetry")
    assert offline.import_openvino() is fake
    with pytest.raises(ImportError):
        import openvino_telemetry  # noqa: F401


@dataclass(frozen=True)
class Quarantine:
    """A user with an empty home, whose programs may open no network socket.

    Attributes:
        folder: Holds ``home``, ``tmp``, and ``work``, where programs start.
    """

    folder: Path

    def __post_init__(self) -> None:
        for name in ("home", "tmp", "work"):
            (self.folder / name).mkdir()

    def run(self, *arguments: object) -> subprocess.CompletedProcess[bytes]:
        """Run Python. No variable of the test's own environment is passed on: in CI, some packages do not report."""
        trace = self.folder / "trace.txt"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": os.pathsep.join([str(GUARD), str(ROOT)]),
            "GUARD_LOG": str(self.folder / "refused.txt"),
            "OMP_NUM_THREADS": "1",
        }
        tracer = [*TRACER, str(trace)] if can_trace() else []
        return subprocess.run(
            [*tracer, sys.executable, *map(str, arguments)],
            cwd=self.folder / "work",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )

    def attempts(self) -> list[str]:
        """Return what Python was refused, and the addresses that native code sent to where that can be traced."""
        refused, trace = (
            path.read_text().splitlines() if path.exists() else []
            for path in (self.folder / "refused.txt", self.folder / "trace.txt")
        )
        return refused + [line for line in trace if "AF_INET" in line]

    def litter(self, *expected: str) -> list[str]:
        """Return what lies where a user does not look for it.

        Args:
            expected: Names of what the program was to leave where it started.
        """
        found = [
            str(path.relative_to(self.folder)) for name in ("home", "tmp") for path in (self.folder / name).iterdir()
        ]
        found += [path.name for path in (self.folder / "work").iterdir() if path.name not in expected]
        return found


def can_trace() -> bool:
    """Whether the system calls of a child can be watched here."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run([*TRACER, os.devnull, "true"], capture_output=True).returncode == 0


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path)


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage.cut(tmp_path_factory.mktemp("talker") / "v.mp4", seconds=0.6)


@pytest.fixture(scope="module")
def long_talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As much of one face as `adapt` and `prepare` need."""
    return footage.cut(tmp_path_factory.mktemp("talker") / "long.mp4", seconds=2.2)


def test_the_guard_sees_children_and_native_code(quarantine: Quarantine) -> None:
    assert quarantine.run("-c", CALL_FROM_A_CHILD).returncode == 1
    assert any("getaddrinfo" in line for line in quarantine.attempts())
    if can_trace():
        assert quarantine.run("-c", SEND_NATIVELY).returncode == 0
        assert any("AF_INET" in line for line in quarantine.attempts())


@pytest.mark.slow
def test_the_library_opens_no_network_socket(quarantine: Quarantine, talker: Path) -> None:
    done = quarantine.run("-c", DUB, talker, SPEECH, "o.mp4")
    assert (done.returncode, done.stdout) == (0, b"")
    assert quarantine.attempts() == []
    assert quarantine.litter("o.mp4", "o.mp4.lipdub", "o.mp4.provenance.json") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (("inspect", "VIDEO", "--contact-sheet", "faces.png"), ("faces.png",)),
        (("score", "VIDEO", "-o", "scored"), ("scored",)),
        (("lips", SPEECH, "-o", "lips.csv"), ("lips.csv",)),
        (("doctor",), ()),
    ],
    ids=lambda value: value[0] if value and isinstance(value[0], str) and value[0].isalpha() else "",
)
def test_a_command_opens_no_network_socket(
    arguments: tuple[object, ...], left: tuple[str, ...], quarantine: Quarantine, talker: Path
) -> None:
    done = quarantine.run("-m", "lipdub", *(talker if word == "VIDEO" else word for word in arguments))
    assert done.returncode == 0, done.stdout.decode()
    assert quarantine.attempts() == []
    assert quarantine.litter(*left) == []


@pytest.mark.slow
def test_a_folder_named_like_a_protocol_is_a_folder(quarantine: Quarantine, talker: Path) -> None:
    folder = quarantine.folder / "work" / "http:"
    folder.mkdir()
    shutil.copy(talker, folder / "v.mp4")
    shutil.copy(SPEECH, folder / "s.wav")
    words = ("run", "http:/v.mp4", "http:/s.wav", "--mix", "http:/s.wav", "-o", "http:/o.mp4")
    done = quarantine.run("-m", "lipdub", *words, "--length", "shortest", "--preset", "ultrafast")
    assert done.returncode == 0, done.stdout.decode()
    assert quarantine.attempts() == []
    assert quarantine.litter("http:") == []
    assert {path.name for path in folder.iterdir()} >= {"v.mp4", "s.wav", "o.mp4", "o.mp4.provenance.json"}


def test_a_playlist_is_not_followed(quarantine: Quarantine) -> None:
    (quarantine.folder / "work" / "v.mp4").write_text("#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    assert quarantine.run("-m", "lipdub", "inspect", "v.mp4").returncode == 3
    assert quarantine.attempts() == []


@pytest.mark.slow
def test_an_adaptation_opens_no_network_socket(quarantine: Quarantine, long_talker: Path) -> None:
    base = save_base_model(quarantine.folder, hears=PHONETIC)
    small = ("--minutes", "1", "--pixels", "24", "--set", "sampling.windows=2", "-o", "a.safetensors")
    learn_own_sound = ("--set", "min_own_contrast=0")  # an untrained network finds that it does not fit the lips
    done = quarantine.run("-c", ADAPT_IN_ONE_STEP, "adapt", long_talker, "--talker", base, *small, *learn_own_sound)
    assert done.returncode == 0, done.stdout.decode()
    assert quarantine.attempts() == []
    assert quarantine.litter("a.safetensors", "a.md") == []


@pytest.mark.slow
def test_a_training_opens_no_network_socket(quarantine: Quarantine, long_talker: Path) -> None:
    options = ("--size", "24", "--split", "speaker", "--held-out", "0", "--jobs", "2")
    done = quarantine.run("-m", "lipdub", "prepare", "-o", "data", *options, long_talker)
    assert done.returncode == 0, done.stdout.decode()
    tiny = ("widths=[4, 4, 8]", "faces=4", "loop.steps=2", "loop.warmup=1")
    settings = [word for change in tiny for word in ("--set", change)]
    done = quarantine.run("-m", "lipdub", "train", "face-features", "--data", "data", "-o", "f.safetensors", *settings)
    assert done.returncode == 0, done.stdout.decode()
    assert quarantine.attempts() == []
    made = [path.name for path in (quarantine.folder / "work").iterdir() if path.name.startswith("f")]
    assert quarantine.litter("data", *made) == []
