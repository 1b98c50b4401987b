"""Files of talking-face models: what goes in comes out, and what is none is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from lipdub.errors import WeightsError
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
from lipdub.networks.talking_face import SilentLip, TalkingFace
from lipdub.weights import talking_face_file, verify_shipped
from lipdub.weights.talking_face_file import FORMAT, TalkingFaceModel

if TYPE_CHECKING:
    from pathlib import Path

HEARS = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)


def model() -> TalkingFaceModel:
    torch.manual_seed(0)
    return TalkingFaceModel(
        AVSyncNet(HEARS),
        FaceGenerator(FaceGeneratorSize(24, 4, 8, 16)),
        FaceGenerator(FaceGeneratorSize(24, 8, 8, 16)),
        {"remark": "for tests", "seed": 3},
    )


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    given = model()
    path = talking_face_file.save(tmp_path / "a" / "m.safetensors", given)
    again = talking_face_file.load(path)
    assert again.notes == given.notes == talking_face_file.read_description(path)["notes"] and again.pixels == 24
    for name in ("sync", "silent", "talking"):
        one, other = getattr(given, name), getattr(again, name)
        assert one.size == other.size and not other.training
        for (key, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3, msg=key)
    assert again.sound(torch.zeros(3, 80, 16)).shape == (3, 16)
    assert path.read_bytes() == talking_face_file.save(tmp_path / "b.safetensors", given).read_bytes()
    assert sorted(p.name for p in path.parent.iterdir()) == ["m.safetensors"]
    assert talking_face_file.read_audio(path) == ("mel", 80, 16)


def test_the_shipped_model_computes_as_it_did() -> None:
    """Sums of what the model computed when it was added."""
    shipped = talking_face_file.load(verify_shipped("stabilized.safetensors"))
    size = shipped.sync.size
    assert size.audio == "phonetic" and shipped.silent is not None and shipped.talking is not None
    seeded = torch.Generator().manual_seed(0)
    heard = torch.rand(2, size.audio_rows, size.audio_columns, generator=seeded)
    faces = torch.rand(2, 3, 128, 128, generator=seeded)
    with torch.no_grad():
        closed = SilentLip(shipped.silent, shipped.sync)(faces)
        made = shipped.sound(heard), closed, TalkingFace(shipped.talking, shipped.sync)(heard, faces, closed)
    sums = [float(value.double().sum()) for value in made]
    assert sums == pytest.approx([-4.024192294673412, 49199.49480033334, 46878.390445008525], rel=1e-6)
    assert made[1][0, :, 100, 64].tolist() == pytest.approx([0.6055334, 0.8866027, 0.7271726], abs=1e-6)


def test_without_a_talking_face_generator(tmp_path: Path) -> None:
    given = model()
    given.talking = None
    again = talking_face_file.load(talking_face_file.save(tmp_path / "m.safetensors", given))
    assert again.talking is None and again.silent is not None and again.pixels == 24


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    path = talking_face_file.save(tmp_path / "m.safetensors", model())
    state, told = load_file(path), talking_face_file.read_description(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cannot be read"):
        talking_face_file.load(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        talking_face_file.read_description(tmp_path / "none.safetensors")
    save_file(state, path, {FORMAT: json.dumps({**told, "sync": 3})})
    with pytest.raises(WeightsError, match="does not say"):
        talking_face_file.read_audio(path)
    for wrong, said in (
        (None, "holds no talking-face model"),
        ("[]", "does not say"),
        ("{", "does not say"),
        (json.dumps({**told, "sync": {"depth": 3}}), "does not say"),
        (json.dumps({**told, "silent": {**told["silent"], "pixels": 25}}), "does not say"),
        (json.dumps({**told, "silent": {**told["silent"], "width": 8}}), r"\(silent\)"),
        (json.dumps({**told, "silent": None, "talking": None}), "holds no generator"),
    ):
        save_file(state, path, {} if wrong is None else {FORMAT: wrong})
        with pytest.raises(WeightsError, match=said):
            talking_face_file.load(path)
