"""Files of G4G models: they come back, and what is none is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lipdub.errors import WeightsError
from lipdub.networks.g4g import G4G, G4GSize
from lipdub.stages import g4g
from lipdub.weights import g4g_file, user_models
from lipdub.weights.g4g_file import FAMILY, FORMAT, G4GModel
from lipdub.weights.shipped_files import verify_shipped

SIZE = G4GSize(4, 2, 3, 8, audio="phonetic", audio_rows=50, audio_columns=41, audio_width=2, moves=2)

pytestmark = pytest.mark.usefixtures("weights_folder")


def model() -> G4GModel:
    torch.manual_seed(0)
    return G4GModel(G4G(SIZE), "box", {"remark": "for tests", "lead": 0.02})


def test_a_model_comes_back(tmp_path: Path) -> None:
    first = model()
    again = g4g_file.load(g4g_file.save(tmp_path / "a.safetensors", first))
    assert (again.network.size, again.mask, again.notes, again.lead) == (SIZE, "box", first.notes, 0.02)
    assert not again.network.training
    for name, value in first.network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[name], value, rtol=1e-3, atol=1e-3, msg=name)


def test_what_stages_read_without_the_weights(tmp_path: Path) -> None:
    path = str(g4g_file.save(tmp_path / "a.safetensors", model()))
    assert g4g.read_size(path) == SIZE and g4g.read_mask(path) == "box"
    assert g4g.find_sound_windows(path).feature.name == "phonetic"
    assert FAMILY.describe(Path(path)) == "the G4G model a.safetensors: for tests"


@pytest.mark.parametrize("change", [{"unit": 5}, {"nothing": 1}, None])
def test_a_file_that_does_not_say_what_it_is_is_refused(tmp_path: Path, change: dict[str, int] | None) -> None:
    path = g4g_file.save(tmp_path / "a.safetensors", model())
    size = {**asdict(SIZE), **change} if change is not None else None
    described = {"size": size, "mask": "box", "notes": {}} if size is not None else {"mask": "box"}
    save_file(load_file(path), path, {FORMAT: json.dumps(described)})
    for read in (g4g_file.load, lambda file: g4g.read_size(str(file))):
        with pytest.raises(WeightsError, match="does not say what its networks are like"):
            read(path)


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    other = verify_shipped("stylelipsync.safetensors")
    for read in (g4g_file.load, g4g_file.read_description):
        with pytest.raises(WeightsError, match="holds no G4G model"):
            read(other)
    path = g4g_file.save(tmp_path / "a.safetensors", model())
    state = load_file(path)
    del state["paint.weight"]
    save_file(state, path, _metadata(path))
    with pytest.raises(WeightsError):
        g4g_file.load(path)


def test_the_model_adapted_to_a_video_is_found(tmp_path: Path) -> None:
    mine = replace(model(), notes={"remark": "adapted"})
    path = g4g_file.save(tmp_path / "a.safetensors", mine)
    user_models.add_model(FAMILY, path, "mine", video_digest="abc")
    assert user_models.find_origin(FAMILY, "abc") == "video"
    assert user_models.find(FAMILY, "mine", None).origin == "name"


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata: dict[str, str] = file.metadata()
    return metadata
