"""`lipdub adapt` and `lipdub train --keep`: what they leave in the weights store, and what they refuse at once."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.cli import main
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
from lipdub.weights import talking_face_file, user_models
from lipdub.weights.store import FOLDER_VARIABLE
from lipdub.weights.talking_face_file import FAMILY, TalkingFaceModel
from lipdub.workspace.keys import digest_file
from tests.training.datasets import talkers
from tests.training.footage import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEARS = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    size = FaceGeneratorSize(24, 8, 16, 16)
    return talking_face_file.save(
        tmp_path / "base.safetensors", TalkingFaceModel(AVSyncNet(HEARS), FaceGenerator(size), FaceGenerator(size))
    )


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def lipdub(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Done]]:
    """Run a command in this process, as the installed program would."""
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["lipdub", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.slow
def test_adapt_keeps_the_model_for_this_video(
    lipdub: Callable[..., Done], tmp_path: Path, store: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lipdub.training.adapt._STEPS", 2)
    video = cut(tmp_path / "-odd 'name'.mp4", seconds=2.4)
    done = lipdub(
        "adapt", "--threads", 1, "--minutes", 0.1, "--talker", base, "--json", "--set", "draw.windows=2", "--", video
    )
    assert done.code == 0, done.err
    told = json.loads(done.out)
    kept = Path(told["weights"])
    assert kept.parent == store / "trained" / "stabilized"
    assert kept.is_file()
    assert user_models.find(FAMILY, None, digest_file(video)).path == kept
    assert "lipdub adapt" in kept.with_suffix(".md").read_text() and "consent" in kept.with_suffix(".md").read_text()
    assert told["notes"]["adaptation"]["sampling"]["windows"] == 2
    assert "its own speech from half its length on" in kept.with_suffix(".md").read_text()
    listed = json.loads(lipdub("weights", "list", "--json").out)
    assert list(listed["trained"]) == [kept.stem] and "fine-tuned on 2.4 s" in listed["trained"][kept.stem]


def test_adapt_refuses_before_it_begins(lipdub: Callable[..., Done], tmp_path: Path, base: Path) -> None:
    video = tmp_path / "none.mp4"
    for arguments, code, said in (
        (("--base-model", base), 3, "none.mp4"),
        (("--base-model", "nobody"), 4, "there is no talking-face model nobody"),
        (("--base-model", base, "--name", "../up"), 2, "cannot have the name"),
        (("--base-model", base, "--set", "minutes=0"), 2, "minutes"),
        (("--base-model", base, "--set", "nothing=1"), 2, "no setting nothing"),
    ):
        done = lipdub("adapt", video, *arguments)
        assert done.code == code and said in done.err, (arguments, done.err)
        assert len(done.err.strip().splitlines()) == 1


def test_train_shows_its_settings_keeps_and_writes_a_card(
    lipdub: Callable[..., Done], tmp_path: Path, store: Path, base: Path
) -> None:
    data = talkers(tmp_path / "faces")
    given = [
        "train",
        "stabilized",
        "--threads",
        1,
        "--data",
        data,
        "--silent",
        base,
        "--set",
        "draw.windows=1",
        "--overfit",
        1,
    ]
    shown = lipdub(*given, "--show-config")
    assert shown.code == 0 and "overfit = 1" in shown.out and 'sync_loss = "stabilized"' in shown.out
    out = tmp_path / "out" / "all.safetensors"
    done = lipdub(*given, "--set", "loop.steps=1", "--set", "loop.precision=no", "--keep", "every one", "-o", out)
    assert done.code == 0, done.err
    assert (store / "trained" / "stabilized" / "every one.safetensors").read_bytes() == out.read_bytes()
    assert "lipdub train stabilized" in out.with_suffix(".md").read_text()
    assert lipdub(*given, "--keep", "-", "-o", out).code == 2


@pytest.mark.slow
def test_train_names_a_damaged_shard_or_refuses_it(lipdub: Callable[..., Done], tmp_path: Path, base: Path) -> None:
    data = talkers(tmp_path / "faces")
    path = next((data / "shards" / "02").iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    given = [
        "train",
        "stabilized",
        "--threads",
        1,
        "--data",
        data,
        "--silent",
        base,
        "--set",
        "loop.steps=1",
        "--set",
        "loop.precision=no",
    ]
    out = tmp_path / "out.safetensors"
    refused = lipdub(*given, "-o", out, "--on-bad", "error")
    assert refused.code == 3 and "0202-0000" in refused.err and not out.exists()
    done = lipdub(*given, "-o", out)
    assert done.code == 0 and "skipped: 0202-0000" in done.err and out.exists()
