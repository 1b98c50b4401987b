"""Files of face features go out and come back, and others are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lipdub.errors import WeightsError
from lipdub.networks.face_features import FaceFeatures
from lipdub.weights import face_features_file


def test_round_trip(tmp_path: Path) -> None:
    network = FaceFeatures((4, 6, 8))
    network.train()(torch.rand(4, 3, 32, 32))  # so that the layers have statistics of their own
    path = face_features_file.save(tmp_path / "a" / "features.safetensors", network, {"seed": 5})
    again = face_features_file.load(path)
    assert again.widths == (4, 6, 8) and not again.training
    for (name, a), b in zip(network.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a.half().float() if a.is_floating_point() else a, b), name
    assert face_features_file.read_description(path) == {"widths": [4, 6, 8], "notes": {"seed": 5}}
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert (
        face_features_file.save(tmp_path / "again.safetensors", network, {"seed": 5}).read_bytes() == path.read_bytes()
    )


def test_others_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    other = tmp_path / "other.safetensors"
    other.write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match="cannot be read"):
        face_features_file.load(other)
    with pytest.raises(WeightsError, match="cannot be read"):
        face_features_file.read_description(tmp_path / "missing.safetensors")
    with pytest.raises(WeightsError, match="holds no network of face features"):
        face_features_file.load(Path(__file__).parents[2] / "weights" / "neutral-face.safetensors")
    state = FaceFeatures((4, 6)).state_dict()
    for told in ("{", "[]", "{}", '{"widths": []}', '{"widths": "x"}', '{"widths": 3}'):
        save_file(state, other, {face_features_file.FORMAT: told})
        with pytest.raises(WeightsError, match="does not say"):
            face_features_file.load(other)
    save_file(state, other, {face_features_file.FORMAT: '{"widths": [4, 6, 8]}'})
    with pytest.raises(WeightsError, match=r"other.safetensors"):
        face_features_file.load(other)
