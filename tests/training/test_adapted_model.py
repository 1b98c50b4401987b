"""Adapted models: where they go, and which settings count. The adaptation itself is tested in `test_adapt.py`."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.errors import UsageError, WeightsError
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
from lipdub.training import adapt
from lipdub.training.adapted_model import AdaptArguments, make_adapted_model
from lipdub.training.trainable import Runtime
from lipdub.weights import talking_face_file, user_models
from lipdub.weights.store import FOLDER_VARIABLE
from lipdub.weights.talking_face_file import FAMILY
from lipdub.workspace.keys import digest_file

Calls = list[dict[str, Any]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What the adaptation is called with, in place of doing it."""
    seen: Calls = []

    def pretend(video: Path, base: Path, out: Path, **given: Any) -> Any:
        seen.append({"base": base, "out": out, **given})
        shutil.copyfile(base, out)
        notes = {
            "video": video.name,
            "seed": given["seed"],
            "seconds": 2.0,
            "speech": [],
            "adaptation": {"minutes": 10},
        }
        return SimpleNamespace(notes={"adapted": notes, "remark": "adapted"})

    monkeypatch.setattr(adapt, "adapt", pretend)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "store"))
    return seen


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A small model."""
    silent, talking = (FaceGenerator(FaceGeneratorSize(24, 8, 16, 16)) for _ in range(2))
    size = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
    model = talking_face_file.TalkingFaceModel(AVSyncNet(size), silent, talking)
    return str(talking_face_file.save(tmp_path / "base.safetensors", model))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "Ann.mp4"
    path.write_bytes(b"video")
    return path


def test_the_model_is_kept_for_the_video(calls: Calls, video: Path, base: str, tmp_path: Path) -> None:
    lines: list[str] = []
    made = make_adapted_model(video, AdaptArguments(base_model=base, seed=3), Runtime(1, "cpu", lines.append))
    assert made.path.parent == tmp_path / "store" / "trained" / FAMILY.method
    assert made.notes["video"] == "Ann.mp4"
    assert user_models.find(FAMILY, None, digest_file(video)).path == made.path
    assert "lipdub adapt Ann.mp4 --minutes 10 --seed 3" in made.path.with_suffix(".md").read_text()
    (call,) = calls
    assert (call["base"], call["seed"], call["threads"], call["device"]) == (Path(base), 3, 1, "cpu")
    assert not call["out"].exists()


def test_a_model_of_a_name_and_one_in_a_file(calls: Calls, video: Path, base: str, tmp_path: Path) -> None:
    assert make_adapted_model(video, AdaptArguments(base_model=base, name="ann")).path.stem == "ann"
    out = tmp_path / "mine.safetensors"
    assert make_adapted_model(video, AdaptArguments(base_model=base, out=out)).path == out
    assert out.with_suffix(".md").is_file()


def test_minutes_and_pixels_count_more_than_changes_and_these_more_than_the_file(
    calls: Calls, video: Path, base: str, tmp_path: Path
) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("minutes = 1\npixels = 96\nseconds_per_minute = 4\n")
    changes = ["minutes=2", "pixels=128"]
    make_adapted_model(video, AdaptArguments(base_model=base, minutes=3, config=config, changes=changes))
    options = calls[0]["options"]
    assert (options.minutes, options.pixels, options.seconds_per_minute) == (3, 128, 4)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"base_model": "nobody"}, WeightsError),
        ({"name": "../up"}, UsageError),
        ({"changes": ["nothing=1"]}, UsageError),
        ({"minutes": 0.0}, UsageError),
        ({"recipe": "stylelipsync", "pixels": 96}, UsageError),
    ],
)
def test_wrong_arguments_are_refused_before_the_work(
    calls: Calls, video: Path, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        make_adapted_model(video, AdaptArguments(**arguments))
    assert not calls
