"""User models are found by method and name, by their video, or as a file, and are refused once changed."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from lipdub.errors import UsageError, WeightsError
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
from lipdub.weights import talking_face_file, user_models
from lipdub.weights.shipped_files import sha256
from lipdub.weights.store import FOLDER_VARIABLE
from lipdub.weights.talking_face_file import FAMILY, TalkingFaceModel

if TYPE_CHECKING:
    from lipdub.weights.user_models import ModelFamily

OTHER = replace(FAMILY, method="other", title="other model", shipped=None)
AVSYNC_SIZE = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "store"))
    return tmp_path / "store"


def write_model(path: Path, seed: int = 0, remark: str = "") -> Path:
    torch.manual_seed(seed)
    generator = FaceGenerator(FaceGeneratorSize(24, 4, 8, 16))
    notes = {"remark": remark} if remark else {}
    return talking_face_file.save(path, TalkingFaceModel(AVSyncNet(AVSYNC_SIZE), generator, None, notes))


def store_as_version_0_1_0(store: Path, file: Path, name: str, video: str | None) -> Path:
    """Do what `lipdub adapt` of version 0.1.0 did: the file lies in ``trained`` itself, its key is its name."""
    home = store / "trained"
    home.mkdir(parents=True, exist_ok=True)
    index = home / "trained.json"
    rows = json.loads(index.read_text()) if index.exists() else {}
    path = Path(shutil.copyfile(file, home / f"{name}.safetensors"))
    path.with_suffix(".md").write_text("# card")
    index.write_text(json.dumps({**rows, name: {"sha256": sha256(path), "video": video}}, indent=1))
    return path


def test_by_name_by_video_and_as_a_file(tmp_path: Path, store: Path) -> None:
    first = write_model(tmp_path / "a.safetensors", 0, "of ann")
    second = write_model(tmp_path / "b.safetensors", 1)
    stored = user_models.add_model(FAMILY, first, "Ann - take 1", "v1", "# Ann")
    assert stored == store / "trained" / "stabilized" / "Ann - take 1.safetensors"
    assert stored.read_bytes() == first.read_bytes()
    assert stored.with_suffix(".md").read_text() == "# Ann"
    user_models.add_model(FAMILY, second, "later", "v1")
    model = user_models.find(FAMILY, "Ann - take 1", None)
    assert (model.path, model.origin) == (stored, "name")
    assert model.description.endswith(": of ann")
    latest = user_models.find(FAMILY, None, "v1")
    assert (latest.path.name, latest.origin) == ("later.safetensors", "video")
    assert user_models.find(FAMILY, str(first), "v1").origin == "file"
    assert user_models.find(FAMILY, str(stored), None).origin == "name"  # so its digest is checked, too
    assert "does not say how it was trained" in user_models.find(FAMILY, "later", None).description


def test_the_latest_model_of_a_video_is_used(tmp_path: Path) -> None:
    first, second = write_model(tmp_path / "a.safetensors"), write_model(tmp_path / "b.safetensors", 1)
    stored = user_models.add_model(FAMILY, first, "ann", "v1")
    user_models.add_model(FAMILY, second, "bob", "v1")
    user_models.add_model(FAMILY, first, "ann", "v1")  # the same name again: now it is the latest
    assert user_models.find(FAMILY, None, "v1").path == stored
    assert list(user_models.describe_models()) == ["bob", "ann"]
    temporary = {path.name for path in stored.parent.iterdir() if path.name.startswith(".")}
    assert not temporary


def test_models_of_two_methods_may_have_one_name(tmp_path: Path) -> None:
    first = user_models.add_model(FAMILY, write_model(tmp_path / "a.safetensors", 0, "of ann"), "ann", "v1")
    second = user_models.add_model(OTHER, write_model(tmp_path / "b.safetensors", 1), "ann", "v1")
    assert user_models.find(FAMILY, "ann", None).path == user_models.find(FAMILY, None, "v1").path == first
    assert user_models.find(OTHER, "ann", None).path == user_models.find(OTHER, None, "v1").path == second
    assert list(user_models.describe_models()) == ["stabilized/ann", "other/ann"]


def test_a_method_without_a_shipped_model_says_how_to_make_one() -> None:
    assert user_models.find(FAMILY, None, "v1").origin == "shipped"
    with pytest.raises(WeightsError, match=r"there is no other model.*lipdub adapt"):
        user_models.find(OTHER, None, "v1")


def test_models_that_version_0_1_0_stored_are_found(tmp_path: Path, store: Path) -> None:
    first = store_as_version_0_1_0(store, write_model(tmp_path / "a.safetensors", 0, "of ann"), "ann", "v1")
    second = store_as_version_0_1_0(store, write_model(tmp_path / "b.safetensors", 1), "bob", "v2")
    for asked in (("ann", None), (None, "v1"), (str(first), None)):
        assert user_models.find(FAMILY, *asked).path == first
    assert user_models.find(FAMILY, None, "v2").path == second
    third = user_models.add_model(FAMILY, write_model(tmp_path / "c.safetensors", 2), "carol", "v1")
    assert user_models.find(FAMILY, None, "v1").path == third
    assert user_models.find(FAMILY, "ann", None).path == first
    first.write_bytes(b"x")
    with pytest.raises(WeightsError, match="has changed"):
        user_models.find(FAMILY, "ann", None)


def test_a_model_that_version_0_1_0_stored_can_be_replaced(tmp_path: Path, store: Path) -> None:
    old = store_as_version_0_1_0(store, write_model(tmp_path / "a.safetensors"), "ann", "v1")
    new = user_models.add_model(FAMILY, write_model(tmp_path / "b.safetensors", 1), "ann", "v1")
    assert user_models.find(FAMILY, "ann", None).path == new
    assert list(user_models.describe_models()) == ["ann"]
    assert not old.exists()
    assert not old.with_suffix(".md").exists()


def test_models_that_are_stored_at_once_are_all_there(tmp_path: Path) -> None:
    file = write_model(tmp_path / "a.safetensors")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: user_models.add_model(FAMILY, file, f"take {number}"), range(24)))
    assert sorted(user_models.describe_models()) == sorted(f"take {number}" for number in range(24))


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no talking-face model bob"):
        user_models.find(FAMILY, "bob", None)
    for name in ("bob.safetensors", "models/bob"):
        with pytest.raises(WeightsError, match=f"there is no file {name}"):
            user_models.find(FAMILY, name, None)
    user_models.add_model(FAMILY, write_model(tmp_path / "a.safetensors"), "ann", "v1")
    with pytest.raises(WeightsError, match="Stored models: ann"):
        user_models.find(FAMILY, "bob", None)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    stored = user_models.add_model(FAMILY, write_model(tmp_path / "a.safetensors"), "ann", "v1")
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    for asked in (("ann", None), (None, "v1"), (str(stored), None)):
        with pytest.raises(WeightsError, match="has changed since it was stored"):
            user_models.find(FAMILY, *asked)


def test_a_damaged_or_missing_file_hides_no_other(tmp_path: Path) -> None:
    stored = user_models.add_model(FAMILY, write_model(tmp_path / "a.safetensors"), "ann", "v1")
    user_models.add_model(FAMILY, write_model(tmp_path / "b.safetensors", 1, "of bob"), "bob")
    stored.write_bytes(stored.read_bytes()[:-100])
    descriptions = user_models.describe_models()
    assert list(descriptions) == ["ann", "bob"]
    assert "cannot be read" in descriptions["ann"]
    assert descriptions["bob"].endswith(": of bob")
    stored.unlink()
    assert user_models.describe_models() == {"ann": "ann.safetensors is missing", "bob": descriptions["bob"]}
    with pytest.raises(WeightsError, match="no longer"):
        user_models.find(FAMILY, "ann", None)


@pytest.mark.parametrize("content", ["[", "[1]", '{"ann": 1}', '{"ann": {}}'])
def test_a_damaged_index_is_named(content: str, store: Path) -> None:
    (store / "trained").mkdir(parents=True)
    (store / "trained" / user_models.INDEX_FILE).write_text(content)
    with pytest.raises(WeightsError, match=r"list of stored models .* is damaged"):
        user_models.find(FAMILY, "ann", None)


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "../up", "a\nb", "x" * 101])
def test_names_that_cannot_be(tmp_path: Path, store: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot have the name"):
        user_models.add_model(FAMILY, write_model(tmp_path / "a.safetensors"), name)
    assert not (store / "trained").exists()
    user_models.check_name(user_models.sanitize_name(name))


@pytest.mark.parametrize("family", [FAMILY, OTHER])
def test_only_models_are_stored(family: ModelFamily, store: Path) -> None:
    with pytest.raises(WeightsError, match="holds no talking-face model"):
        user_models.add_model(family, Path(__file__).parents[2] / "weights" / "neutral-face.safetensors", "nose")
    assert not (store / "trained").exists()
