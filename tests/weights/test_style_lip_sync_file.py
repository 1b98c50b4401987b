"""Files of StyleLipSync models: whole ones and differences come back, and what is none is refused."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lipdub.errors import WeightsError
from lipdub.networks.style_lip_sync import StyleLipSync, StyleLipSyncSize
from lipdub.networks.stylegan2 import StyleGAN2Size
from lipdub.weights import style_lip_sync_file, user_models
from lipdub.weights.shipped_files import sha256
from lipdub.weights.style_lip_sync_file import FAMILY, FORMAT, StyleLipSyncModel

if TYPE_CHECKING:
    from torch import nn

SIZE = StyleLipSyncSize(StyleGAN2Size(16, 6, 1, 1 / 128), audio_width=2, audio_features=8)
PHONETIC = replace(
    SIZE, audio="phonetic", audio_rows=50, audio_columns=21, audio_width=1, fuses_by_style=False, smooths=False
)
GONE = r"is a difference to a model that is no longer here: SHA-256 {}….*weights store"

pytestmark = pytest.mark.usefixtures("weights_folder")


def model(size: StyleLipSyncSize = SIZE, seed: int = 0, **notes: Any) -> StyleLipSyncModel:
    torch.manual_seed(seed)
    network = StyleLipSync(size)
    network.average_code.copy_(torch.randn(size.decoder.style_dim))
    return StyleLipSyncModel(network, "box", {"remark": "for tests", **notes})


def stored(folder: Path, name: str = "base", seed: int = 0) -> Path:
    """Write a whole model, and keep it in the weights store. Give its file outside of it."""
    path = style_lip_sync_file.save(folder / f"{name}.safetensors", model(seed=seed, lead=0.02, earlier=1))
    user_models.add_model(FAMILY, path, name)
    return path


def adapted(base: Path, by: float = 0.25) -> StyleLipSyncModel:
    """Change two of the decoder's weights."""
    changed = style_lip_sync_file.load(base)
    with torch.no_grad():
        changed.network.decoder.input.input.add_(by)
        changed.network.decoder.to_rgb1.bias.add_(by)
    return StyleLipSyncModel(changed.network, changed.mask, {**changed.notes, "remark": "of ann", "adapted": {"a": 1}})


def equal(one: nn.Module, other: nn.Module, atol: float = 0.0) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.allclose(a[name], b[name], rtol=0, atol=atol) for name in a)


# Whole models


@pytest.mark.parametrize("size", [SIZE, PHONETIC])
def test_what_goes_in_comes_out(tmp_path: Path, size: StyleLipSyncSize) -> None:
    given = model(size, seed=3)
    path = style_lip_sync_file.save(tmp_path / "a" / "m.safetensors", given)
    again = style_lip_sync_file.load(path)
    assert again.network.size == size and again.mask == "box" and again.notes == given.notes
    assert not again.network.training and equal(copy.deepcopy(given.network).half().float(), again.network)
    assert style_lip_sync_file.read_description(path) == {
        "size": asdict(size),
        "mask": "box",
        "notes": given.notes,
    }
    assert style_lip_sync_file.read_audio(path) == (size.audio, size.audio_rows, size.audio_columns)
    assert style_lip_sync_file.find_whole(path) == path
    assert path.read_bytes() == style_lip_sync_file.save(tmp_path / "b.safetensors", given).read_bytes()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_its_lead_and_its_silence() -> None:
    assert model().lead == 0.0 and model(lead=0.04).lead == 0.04
    for size, value in ((SIZE, -4.0), (PHONETIC, 0.0)):
        silence = model(size).silence()
        assert silence.shape == (1, size.audio_rows, size.audio_columns) and silence.dtype == np.float32
        assert (silence == value).all()


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    path = style_lip_sync_file.save(tmp_path / "m.safetensors", model())
    state, told = load_file(path), style_lip_sync_file.read_description(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cannot be read"):
        style_lip_sync_file.load(path)
    for read in (style_lip_sync_file.read_description, style_lip_sync_file.find_whole, style_lip_sync_file.read_audio):
        with pytest.raises(WeightsError, match="cannot be read"):
            read(tmp_path / "none.safetensors")
        with pytest.raises(WeightsError, match="holds no StyleLipSync model"):
            read(Path(__file__).parents[2] / "weights" / "neutral-face.safetensors")
    size = told["size"]
    for wrong, said in (
        (None, r"holds no StyleLipSync model.*lipdub train stylelipsync"),
        ("[]", "does not say"),
        ("{", "does not say"),
        (json.dumps({**told, "size": 3}), "does not say"),
        (json.dumps({**told, "size": {**size, "decoder": 3}}), "does not say"),
        (json.dumps({**told, "size": {**size, "decoder": {"pixels": 12}}}), "does not say"),
        (json.dumps({**told, "size": {**size, "audio": "wav"}}), "does not say"),
        (json.dumps({**told, "size": {**size, "depth": 3}}), "does not say"),
        (json.dumps({"size": size, "notes": {}}), "does not say"),
        (json.dumps({**told, "notes": 3}), "does not say"),
        (
            json.dumps({**told, "size": {**size, "audio_features": 9}}),
            r"m\.safetensors is not a checkpoint of StyleLip",
        ),
    ):
        save_file(state, path, {} if wrong is None else {FORMAT: wrong})
        with pytest.raises(WeightsError, match=said):
            style_lip_sync_file.load(path)
    save_file(state, path, {FORMAT: json.dumps({"size": 3})})
    with pytest.raises(WeightsError, match="does not say"):
        style_lip_sync_file.read_audio(path)


def test_a_model_that_lacks_a_weight_or_has_another_is_refused(tmp_path: Path) -> None:
    path = style_lip_sync_file.save(tmp_path / "m.safetensors", model())
    state, told = load_file(path), json.dumps(style_lip_sync_file.read_description(path))
    for wrong in ({**state, "other": torch.zeros(1)}, {k: v for k, v in state.items() if k != "average_code"}):
        save_file(wrong, path, {FORMAT: told})
        with pytest.raises(WeightsError, match="is not a checkpoint of StyleLipSync"):
            style_lip_sync_file.load(path)


# Differences


def test_a_difference_holds_what_the_decoder_learnt_and_comes_back_as_a_whole_model(tmp_path: Path) -> None:
    base = stored(tmp_path)
    given = adapted(base)
    path = style_lip_sync_file.save_adapted(tmp_path / "ann.safetensors", base, given)
    assert set(load_file(path)) == {"decoder.input.input", "decoder.to_rgb1.bias"}
    assert path.stat().st_size < base.stat().st_size / 4
    again = style_lip_sync_file.load(path)
    assert equal(given.network, again.network, atol=1e-3) and not again.network.training
    before = style_lip_sync_file.load(base)
    unchanged = {name for name in before.network.state_dict() if name not in load_file(path)}
    for name in unchanged:
        assert torch.equal(again.network.state_dict()[name], before.network.state_dict()[name]), name
    assert again.mask == "box" and again.notes == given.notes and again.lead == 0.02
    assert path.read_bytes() == style_lip_sync_file.save_adapted(tmp_path / "b.safetensors", base, given).read_bytes()


def test_small_changes_are_not_lost_in_large_weights(tmp_path: Path) -> None:
    """A difference keeps what float16 could not tell from the whole weight."""
    base = stored(tmp_path)
    path = style_lip_sync_file.save_adapted(tmp_path / "ann.safetensors", base, adapted(base, 1e-4))
    (before, after) = (style_lip_sync_file.load(file).network.decoder.input.input for file in (base, path))
    torch.testing.assert_close(after - before, torch.full_like(before, 1e-4), rtol=0.01, atol=0)


def test_a_difference_says_what_its_base_says_and_what_is_its_own(tmp_path: Path) -> None:
    base = stored(tmp_path)
    path = style_lip_sync_file.save_adapted(tmp_path / "ann.safetensors", base, adapted(base))
    told = style_lip_sync_file.read_description(path)
    assert told["size"] == asdict(SIZE) and told["mask"] == "box" and told["base"] == sha256(base)
    assert told["notes"]["remark"] == "of ann" and FAMILY.describe(path).endswith("ann.safetensors: of ann")
    assert style_lip_sync_file.read_audio(path) == ("mel", 80, 16)
    whole = style_lip_sync_file.find_whole(path)
    assert sha256(whole) == sha256(base) and whole != base, "the one in the store"


def test_the_base_is_found_by_its_digest_whatever_its_name(tmp_path: Path) -> None:
    base = stored(tmp_path)
    path = style_lip_sync_file.save_adapted(tmp_path / "ann.safetensors", base, adapted(base))
    expected = style_lip_sync_file.load(path).network
    base.unlink()
    other = stored(tmp_path, "other", seed=1)
    assert equal(style_lip_sync_file.load(path).network, expected)
    first = user_models.find(FAMILY, "base", None).path
    kept = tmp_path / "kept.safetensors"
    kept.write_bytes(first.read_bytes())
    user_models.add_model(FAMILY, other, "base")  # the name is another model's now
    with pytest.raises(WeightsError, match=GONE.format(sha256(kept)[:12])):
        style_lip_sync_file.load(path)
    user_models.add_model(FAMILY, kept, "again")
    assert equal(style_lip_sync_file.load(path).network, expected)


def test_a_difference_without_its_base_is_refused_with_a_way_out(tmp_path: Path) -> None:
    base = stored(tmp_path)
    path = style_lip_sync_file.save_adapted(tmp_path / "ann.safetensors", base, adapted(base))
    said = GONE.format(sha256(base)[:12])
    file = user_models.find(FAMILY, "base", None).path
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"x")  # a changed one is not the base
    for read in (
        style_lip_sync_file.load,
        style_lip_sync_file.read_description,
        style_lip_sync_file.find_whole,
        style_lip_sync_file.read_audio,
    ):
        with pytest.raises(WeightsError, match=said):
            read(path)
    file.unlink()
    with pytest.raises(WeightsError, match=said):
        style_lip_sync_file.load(path)
    with pytest.raises(WeightsError, match=said):
        user_models.add_model(FAMILY, path, "ann")
    file.write_bytes(whole)
    assert user_models.find(FAMILY, str(user_models.add_model(FAMILY, path, "ann")), None).origin == "name"


def test_an_adapted_model_whose_base_nobody_could_find_again_is_written_whole(tmp_path: Path) -> None:
    base = style_lip_sync_file.save(tmp_path / "base.safetensors", model())
    given = adapted(base)
    path = style_lip_sync_file.save_adapted(tmp_path / "ann.safetensors", base, given)
    base.unlink()
    again = style_lip_sync_file.load(path)
    assert "base" not in style_lip_sync_file.read_description(path) and style_lip_sync_file.find_whole(path) == path
    assert again.notes == given.notes and equal(copy.deepcopy(given.network).half().float(), again.network)


def test_the_shipped_model_is_a_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = style_lip_sync_file.save(tmp_path / "shipped.safetensors", model())
    for name in ("locate_shipped", "verify_shipped"):
        monkeypatch.setattr(user_models, name, lambda name: base)
    given = adapted(base)
    path = style_lip_sync_file.save_adapted(tmp_path / "ann.safetensors", base, given)
    assert style_lip_sync_file.find_whole(path) == base
    assert equal(style_lip_sync_file.load(path).network, given.network, atol=1e-3)
    assert user_models.find_file(FAMILY, sha256(base)) == base and user_models.find_file(FAMILY, "0" * 64) is None


def test_a_difference_that_does_not_fit_its_base_is_refused(tmp_path: Path) -> None:
    base = stored(tmp_path)
    path = style_lip_sync_file.save_adapted(tmp_path / "ann.safetensors", base, adapted(base))
    told = json.dumps({"base": sha256(base), "notes": {}})
    for wrong in (
        {"decoder.input.input": torch.zeros(1, 9, 4, 4)},
        {"decoder.nothing": torch.zeros(1)},
        {"average_code": torch.zeros(6)},
        {"face_encoder.stages.0.1.bias": torch.zeros(4)},
    ):
        save_file(wrong, path, {FORMAT: told})
        with pytest.raises(WeightsError, match=f"does not fit its model: {next(iter(wrong))}"):
            style_lip_sync_file.load(path)


def test_models_of_other_methods_are_no_base(tmp_path: Path) -> None:
    path = style_lip_sync_file.save(tmp_path / "m.safetensors", model())
    user_models.add_model(replace(FAMILY, method="other", shipped=None), path, "m")
    assert user_models.find_file(FAMILY, sha256(path)) is None
    user_models.add_model(FAMILY, path, "m")
    found = user_models.find_file(FAMILY, sha256(path))
    assert found is not None and found.parent.name == "stylelipsync"


def test_an_adaptation_that_learnt_nothing_is_its_base(tmp_path: Path) -> None:
    base = stored(tmp_path)
    path = style_lip_sync_file.save_adapted(tmp_path / "same.safetensors", base, style_lip_sync_file.load(base))
    assert load_file(path) == {}
    assert equal(style_lip_sync_file.load(path).network, style_lip_sync_file.load(base).network)
