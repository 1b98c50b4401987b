"""The perceptual loss by hand, and which network it looks through."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from lipdub.errors import WeightsError
from lipdub.faces import perceptual as module
from lipdub.faces.perceptual import Scaled, load_features, perceptual
from lipdub.networks.face_features import FaceFeatures
from lipdub.networks.vgg19 import VGG19
from lipdub.weights import face_features_file, manifest, shipped_files, store

if TYPE_CHECKING:
    from pathlib import Path


def test_maps_count_alike_whatever_their_size() -> None:
    found = [
        torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True),
        torch.tensor([[[[5.0]]]], requires_grad=True),
    ]
    true = [torch.tensor([[[[1.0, 0.0], [3.0, 8.0]]]]), torch.tensor([[[[4.0]]]])]
    loss = perceptual(found, true)
    loss.backward()
    assert loss.item() == pytest.approx(((0 + 2 + 0 + 4) / 4 + 1) / 2)
    assert found[0].grad is not None and found[1].grad is not None
    assert found[0].grad.flatten().tolist() == [0, 1 / 8, 0, -1 / 8] and float(found[1].grad) == 0.5
    assert perceptual(true, true).item() == 0
    with pytest.raises(ValueError, match=r"shorter|longer"):
        perceptual(found, true[:1])


def test_scaled_maps() -> None:
    found = Scaled(lambda pictures: [pictures, 2 * pictures], (3.0, 0.5))(torch.ones(1))  # type: ignore[arg-type]
    assert [float(part) for part in found] == [3.0, 1.0]


def test_vgg19_is_torchvisions() -> None:
    from lipdub.networks.compat import fix_torchvision

    fix_torchvision()
    from torchvision.models.vgg import vgg19

    with torch.device("meta"):
        published = vgg19(weights=None).state_dict()
        own = VGG19().state_dict()
    assert {k: v.shape for k, v in published.items() if "classifier" not in k} == {k: v.shape for k, v in own.items()}
    torch.manual_seed(0)
    network = VGG19().eval()
    pictures = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        maps = network(pictures)
        mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
        torch.testing.assert_close(maps[2], network.features[:14]((pictures - mean) / deviation))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 64, 96), (128, 32, 48), (256, 16, 24), (512, 8, 12), (512, 4, 6)]
    assert all(float(m.min()) == 0 for m in maps)  # each is what a ReLU lets through


@pytest.mark.slow
def test_the_published_network_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    network, path = VGG19(), tmp_path / "vgg19-dcbb9e9d.pth"
    torch.save({**network.state_dict(), "classifier.0.weight": torch.zeros(2, 2)}, path)
    item = replace(manifest.find_entry("vgg19"), bytes=path.stat().st_size, sha256=shipped_files.sha256(path))
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(manifest, "find_entry", lambda name: item)
    features, which = load_features()
    assert which == "VGG-19 (vgg19-dcbb9e9d.pth)"
    assert not features.training and not any(p.requires_grad for p in features.parameters())
    pictures = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        wanted = zip(network.eval()(pictures), (5 / 32, 5 / 16, 5 / 8, 5 / 4, 5.0), strict=True)
        for found, (own, scale) in zip(features(pictures), wanted, strict=True):
            torch.testing.assert_close(found, own * scale)
    path.write_bytes(path.read_bytes()[:-1] + b"x")  # a damaged one is not passed over
    with pytest.raises(WeightsError, match="vgg19"):
        load_features()


@pytest.fixture
def nothing_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "store"))


def test_else_the_small_one(tmp_path: Path, nothing_published: None, monkeypatch: pytest.MonkeyPatch) -> None:
    path = face_features_file.save(tmp_path / module.SHIPPED, FaceFeatures((4, 4, 4)), {})
    monkeypatch.setattr(module, "locate_shipped", lambda name: path)
    monkeypatch.setattr(module, "verify_shipped", lambda name: path)
    features, which = load_features()
    assert "face-features.safetensors" in which and "\n" not in which
    assert not features.training and not any(p.requires_grad for p in features.parameters())
    for pixels in (64, 96, 256):
        pictures = torch.rand(2, 3, pixels, pixels, requires_grad=True)
        maps = features(pictures)
        assert [m.shape[2] for m in maps] == [pixels, pixels // 2, pixels // 4]
        perceptual(maps, [m.detach() + 1 for m in maps]).backward()
        assert pictures.grad is not None and pictures.grad.abs().sum() > 0


def test_without_either_one_is_told_what_to_do(nothing_published: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Path:
        return shipped_files.locate_shipped("no-such-" + name)

    monkeypatch.setattr(module, "locate_shipped", missing)
    with pytest.raises(WeightsError, match=r"perceptual loss.*weights pull vgg19.*train face-features"):
        load_features()
