"""`lipdub adapt` and `lipdub train --keep`: what they leave in the weights store, and what they refuse at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize  # noqa: E402
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize  # noqa: E402
from lipdub.weights import talking_face_file, user_models  # noqa: E402
from lipdub.weights.store import FOLDER_VARIABLE  # noqa: E402
from lipdub.weights.talking_face_file import FAMILY, TalkingFaceModel  # noqa: E402
from lipdub.workspace.keys import digest_file  # noqa: E402
from tests.training.datasets import talkers  # noqa: E402
from tests.training.footage import cut  # noqa: E402

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


def lipdub(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lipdub", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ)


def test_adapt_keeps_the_model_for_this_video(tmp_path: Path, store: Path, base: Path) -> None:
    video = cut(tmp_path / "-odd 'name'.mp4", seconds=2.4)
    done = lipdub("adapt", "--minutes", 0.15, "--talker", base, "--json", "--set", "draw.windows=2", "--", video)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    kept = Path(told["weights"])
    assert kept.parent == store / "trained" / "stabilized"
    assert kept.is_file()
    assert user_models.find(FAMILY, None, digest_file(video)).path == kept
    assert "lipdub adapt" in kept.with_suffix(".md").read_text() and "consent" in kept.with_suffix(".md").read_text()
    assert told["notes"]["adaptation"]["draw"]["windows"] == 2
    assert "its own from half of it on" in kept.with_suffix(".md").read_text()
    listed = json.loads(lipdub("weights", "list", "--json").stdout)
    assert list(listed["trained"]) == [kept.stem] and "fine-tuned on 2.4 s" in listed["trained"][kept.stem]


def test_adapt_refuses_before_it_begins(tmp_path: Path, base: Path) -> None:
    video = tmp_path / "none.mp4"
    for arguments, code, said in (
        (("--talker", base), 3, "none.mp4"),
        (("--talker", "nobody"), 4, "there is no talking-face model nobody"),
        (("--talker", base, "--name", "../up"), 2, "cannot have the name"),
        (("--talker", base, "--set", "minutes=0"), 2, "minutes"),
        (("--talker", base, "--set", "nothing=1"), 2, "no setting nothing"),
    ):
        done = lipdub("adapt", video, *arguments)
        assert done.returncode == code and said in done.stderr, (arguments, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1


def test_train_shows_its_settings_keeps_and_writes_a_card(tmp_path: Path, store: Path, base: Path) -> None:
    data = talkers(tmp_path / "faces")
    given = ["train", "stabilized", "--data", data, "--silent", base, "--set", "draw.windows=1", "--overfit", 1]
    shown = lipdub(*given, "--show-config")
    assert shown.returncode == 0 and "only = 1" in shown.stdout and 'sync_loss = "stabilized"' in shown.stdout
    out = tmp_path / "out" / "all.safetensors"
    done = lipdub(*given, "--set", "loop.steps=1", "--set", "loop.precision=no", "--keep", "every one", "-o", out)
    assert done.returncode == 0, done.stderr
    assert (store / "trained" / "every one.safetensors").read_bytes() == out.read_bytes()
    assert "lipdub train stabilized" in out.with_suffix(".md").read_text()
    assert lipdub(*given, "--keep", "-", "-o", out).returncode == 2


def test_train_names_a_damaged_shard_or_refuses_it(tmp_path: Path, base: Path) -> None:
    data = talkers(tmp_path / "faces")
    path = next((data / "shards" / "02").iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    given = [
        "train",
        "stabilized",
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
    assert refused.returncode == 3 and "0202-0000" in refused.stderr and not out.exists()
    done = lipdub(*given, "-o", out)
    assert done.returncode == 0 and "passed over: 0202-0000" in done.stderr and out.exists()
