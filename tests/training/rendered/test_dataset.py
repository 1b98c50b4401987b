from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("moderngl")
pytest.importorskip("meshoptimizer")

from lipdub.errors import EnvironmentFailure, InputError, UsageError
from lipdub.training.dataset import open_dataset
from lipdub.training.rendered import dataset as module
from lipdub.training.rendered.dataset import render_talkers
from lipdub.training.rendered.options import TalkerOptions
from lipdub.training.rendered.truth import read_truth
from lipdub.training.rendered.voices import list_kinds
from lipdub.training.shards import unpack_masks
from tests.training.rendered.made_head import SHARED_HEADS, write_head

if TYPE_CHECKING:
    from pathlib import Path

try:
    list_kinds()
except EnvironmentFailure as error:
    pytest.skip(str(error), allow_module_level=True)

CLIPS = {"size": 32}


def _read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    write_head(folder / "Ann_Casual.glb")
    write_head(folder / "Bob_Casual.glb")
    return folder


def _options(**changes: Any) -> TalkerOptions:
    return TalkerOptions(
        **{"scenes": 2, "seconds": 1.2, "pixels": 128, "kept_apart": "Bob", "pairs": "shut", **changes}
    )


@pytest.fixture(scope="module")
def whole(heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "data"
    render_talkers(heads, out, talkers=_options(), clips=CLIPS)
    return out


@pytest.mark.slow
def test_the_clips_are_a_dataset(whole: Path) -> None:
    data = open_dataset(whole, on_bad="error")
    assert {(clip.speaker, clip.split) for clip in data.clips} == {("Ann", "train"), ("Bob", "held-out")}
    assert {clip.variant for clip in data.clips} == {"plain", "shut"}
    scenes = {clip.scene for clip in data.clips}
    assert len(scenes) == 2
    for scene in scenes:
        pair = {clip.variant: data.read(clip) for clip in data.clips if clip.scene == scene}
        assert (pair["plain"].placements == pair["shut"].placements).all()
        assert not pair["shut"].audio.any()
        assert pair["plain"].audio.any()
    for clip in data.clips:
        truth = read_truth(whole, clip)
        assert len(truth["opening"]) == clip.frames
        assert (truth["opening"].max() > 0.02) == (clip.variant == "plain")


@pytest.mark.slow
def test_a_stopped_call_resumes_with_the_same_bytes(
    heads: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "data"
    render_talkers(heads, out, talkers=_options(scenes=1), clips=CLIPS)
    next((out / "shards").rglob("*.safetensors")).unlink()
    render_talkers(heads, out, talkers=_options(), clips=CLIPS, jobs=2)
    assert _read_files(out) == _read_files(whole)
    monkeypatch.setattr(module, "_render_scene", lambda *_: pytest.fail("all of it is known"))
    module._render_task(module._Task(heads / "none.glb", "", (), _options(), None, (), out, None))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_HEADS.is_dir(), reason="no heads at hand")
def test_a_real_head_says_what_it_is_told(tmp_path: Path) -> None:
    from lipdub.metrics.mouth_motion import measure_mouth_shape

    folder = tmp_path / "heads"
    folder.mkdir()
    (folder / "Hispanic_M_1_Casual.glb").symlink_to(SHARED_HEADS / "Hispanic_M_1_Casual.glb")
    talkers = TalkerOptions(scenes=1, seconds=2.0, pixels=128, pairs="camera,hidden", seed=4)
    render_talkers(folder, tmp_path / "data", talkers=talkers, videos=tmp_path / "videos", clips={"size": 64})
    data = open_dataset(tmp_path / "data")
    assert len(list((tmp_path / "videos").rglob("*.mp4"))) == 3
    for clip in data.clips:
        truth = read_truth(data.folder, clip)
        window = data.read(clip)
        if clip.variant == "hidden":
            hidden = unpack_masks(truth["hidden"], data.side)
            assert 0.02 < hidden.mean() < 0.6
            continue
        measured = [measure_mouth_shape(points)[0] for points in window.landmarks]
        assert np.corrcoef(measured, truth["opening"])[0, 1] > 0.9


def test_missing_packages_are_named(heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with pytest.raises(EnvironmentFailure, match=r"moderngl.*lipdub\[render\]"):
        render_talkers(heads, tmp_path / "data", talkers=_options())
    assert not (tmp_path / "data").exists()


def test_wrong_requests_are_refused_early(heads: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no head Eve"):
        render_talkers(heads, tmp_path / "data", talkers=_options(kept_apart="Eve"))
    with pytest.raises(InputError, match="no heads"):
        render_talkers(tmp_path, tmp_path / "data", talkers=_options())
    with pytest.raises(UsageError, match="loud"):
        _options(pairs="loud")
    assert _options(pairs="all").variants == ("plain", "speech", "shut", "camera", "emotion", "hidden")
    assert _options(pairs="none").variants == ("plain",)
    assert not (tmp_path / "data").exists()
