"""Models kept by name: found by it, by the video they were adapted to, or as a file; refused when they changed."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from lipdub.errors import UsageError, WeightsError  # noqa: E402
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize  # noqa: E402
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize  # noqa: E402
from lipdub.weights import talking_face_file, user_models  # noqa: E402
from lipdub.weights.store import FOLDER_VARIABLE  # noqa: E402
from lipdub.weights.talking_face_file import TalkingFaceModel  # noqa: E402

HEARS = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "store"))
    return tmp_path / "store"


def made(path: Path, seed: int = 0, remark: str = "") -> Path:
    torch.manual_seed(seed)
    size = FaceGeneratorSize(24, 4, 8, 16)
    return talking_face_file.save(
        path, TalkingFaceModel(AVSyncNet(HEARS), FaceGenerator(size), None, {"remark": remark} if remark else {})
    )


def test_by_name_by_video_and_as_a_file(tmp_path: Path, store: Path) -> None:
    first, second = made(tmp_path / "a.safetensors", 0, "of ann"), made(tmp_path / "b.safetensors", 1)
    kept = user_models.add_model(first, "Ann - take 1", "v1", "# Ann")
    assert kept == store / "trained" / "Ann - take 1.safetensors" and kept.read_bytes() == first.read_bytes()
    assert kept.with_suffix(".md").read_text() == "# Ann"
    user_models.add_model(second, "later", "v1")
    found = user_models.find("Ann - take 1", None)
    assert (found.path, found.origin) == (kept, "name") and found.remark.endswith(": of ann")
    assert (
        user_models.find(None, "v1").path.name == "later.safetensors" and user_models.find(None, "v1").origin == "video"
    )
    assert user_models.find(str(first), "v1").origin == "file"
    assert user_models.find(str(kept), None).origin == "name"  # its digest is checked so, too
    assert "nothing is told" in user_models.find("later", None).remark
    user_models.add_model(first, "Ann - take 1", "v1")  # the same name again: now the latest of the video
    assert user_models.find(None, "v1").path == kept and list(user_models.describe_models()) == [
        "later",
        "Ann - take 1",
    ]
    assert {path.name for path in kept.parent.iterdir() if path.name.startswith(".")} <= {".trained.json.lock"}


def test_models_that_are_kept_at_once_are_all_there(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    file = made(tmp_path / "a.safetensors")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: user_models.add_model(file, f"take {number}"), range(24)))
    assert sorted(user_models.describe_models()) == sorted(f"take {number}" for number in range(24))


def test_what_is_not_there_or_not_what_it_was(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no talking-face model bob"):
        user_models.find("bob", None)
    kept = user_models.add_model(made(tmp_path / "a.safetensors"), "ann", "v1")
    with pytest.raises(WeightsError, match="Kept are: ann"):
        user_models.find("bob", None)
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    for asked in (("ann", None), (None, "v1"), (str(kept), None)):
        with pytest.raises(WeightsError, match="is not what was kept"):
            user_models.find(*asked)
    user_models.add_model(made(tmp_path / "b.safetensors", 1, "of bob"), "bob")
    kept.write_bytes(kept.read_bytes()[:-100])
    told = user_models.describe_models()
    assert list(told) == ["ann", "bob"] and "cannot be read" in told["ann"] and told["bob"].endswith(": of bob")
    kept.unlink()
    assert user_models.describe_models() == {"ann": "ann.safetensors is no longer there", "bob": told["bob"]}
    with pytest.raises(WeightsError, match="no longer"):
        user_models.find("ann", None)
    (kept.parent / user_models.INDEX_FILE).write_text("[")
    with pytest.raises(WeightsError, match="is damaged"):
        user_models.find("ann", None)


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "../up", "a\nb", "x" * 101])
def test_names_that_cannot_be(tmp_path: Path, store: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be kept by the name"):
        user_models.add_model(made(tmp_path / "a.safetensors"), name)
    assert not (store / "trained").exists()
    assert user_models._NAME.fullmatch(user_models.sanitize_name(name))


def test_only_models_are_kept(tmp_path: Path, store: Path) -> None:
    with pytest.raises(WeightsError, match="holds no talking-face model"):
        user_models.add_model(Path(__file__).parents[2] / "weights" / "neutral-face.safetensors", "nose")
    assert not (store / "trained").exists()
