"""Files of face priors: what goes in comes out, a published generator serves too, and what is none is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from lipdub.errors import WeightsError
from lipdub.networks.stylegan2 import StyleGAN2, StyleGAN2Size
from lipdub.networks.stylegan2_discriminator import StyleDiscriminator
from lipdub.weights import face_prior_file, manifest
from lipdub.weights.face_prior_file import FORMAT, FacePrior
from lipdub.weights.manifest import NetworkPart
from tests.weights.small import digest, entry, saved

if TYPE_CHECKING:
    from torch import nn

SIZE = StyleGAN2Size(16, 6, 1, 1 / 128)


def prior() -> FacePrior:
    torch.manual_seed(0)
    return FacePrior(SIZE, SIZE.build(), torch.randn(6), StyleDiscriminator(16, 1, 1 / 128), {"remark": "of nobody"})


def same(one: nn.Module, other: nn.Module) -> bool:
    """Whether a network is another, rounded to float16."""
    values = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a.half().float(), b) for a, b in values)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    given = prior()
    path = face_prior_file.save(tmp_path / "a" / "prior.safetensors", given)
    again = face_prior_file.load(path)
    assert again.size == SIZE and again.notes == given.notes and given.discriminator is not None
    assert same(given.generator, again.generator) and not again.generator.training
    assert again.discriminator is not None and not again.discriminator.training
    assert same(given.discriminator, again.discriminator)
    assert torch.equal(again.average_code, given.average_code.half().float())
    assert face_prior_file.read_description(path) == {"size": asdict(SIZE), "notes": given.notes}
    assert path.read_bytes() == face_prior_file.save(tmp_path / "b.safetensors", given).read_bytes()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    faces = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(again.discriminator(faces), given.discriminator(faces), atol=0.02, rtol=0.02)


def test_without_a_discriminator(tmp_path: Path) -> None:
    path = face_prior_file.save(tmp_path / "prior.safetensors", replace(prior(), discriminator=None, notes={}))
    again = face_prior_file.load(path)
    assert again.discriminator is None and again.notes == {}


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    path = face_prior_file.save(tmp_path / "prior.safetensors", prior())
    state, told = load_file(path), face_prior_file.read_description(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cannot be read"):
        face_prior_file.load(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        face_prior_file.read_description(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="holds no face prior"):
        face_prior_file.load(Path(__file__).parents[2] / "weights" / "neutral-face.safetensors")
    for wrong, said in (
        (None, r"holds no face prior.*lipdub train face-prior"),
        ("[]", "does not say"),
        ("{", "does not say"),
        (json.dumps({**told, "size": 3}), "does not say"),
        (json.dumps({**told, "size": {"pixels": 17}}), "does not say"),
        (json.dumps({**told, "size": {"depth": 3}}), "does not say"),
        (json.dumps({**told, "notes": 3}), "does not say"),
        (json.dumps({**told, "size": {**told["size"], "pixels": 32}}), r"\(generator\)"),
    ):
        save_file(state, path, {} if wrong is None else {FORMAT: wrong})
        with pytest.raises(WeightsError, match=said):
            face_prior_file.load(path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("average_code", "does not say"),
        ("generator.input.input", r"\(generator\)"),
        ("discriminator.judge.1.bias", r"\(discr"),
    ],
)
def test_a_file_that_lacks_something_is_refused(tmp_path: Path, name: str, said: str) -> None:
    path = face_prior_file.save(tmp_path / "prior.safetensors", prior())
    state, told = load_file(path), face_prior_file.read_description(path)
    state.pop(name)
    save_file(state, path, {FORMAT: json.dumps(told)})
    with pytest.raises(WeightsError, match=said):
        face_prior_file.load(path)


def test_the_published_generator_serves_as_a_prior(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is a narrow one, with the published one's place in the store."""
    weights_folder.mkdir()
    torch.manual_seed(0)
    generator = StyleGAN2(256, 4, 1, 1 / 64)
    path = saved(weights_folder / "stylegan2.pt", {"g_ema": generator.state_dict()})
    arguments = {"size": 256, "style_dim": 4, "multiplier": 1, "narrow": 1 / 64}
    part = NetworkPart("state", "lipdub.networks.stylegan2:StyleGAN2", arguments, key=("g_ema",))
    item = entry(
        face_prior_file.PUBLISHED, file=path.name, parts=(part,), bytes=path.stat().st_size, sha256=digest(path)
    )
    monkeypatch.setattr(manifest, "find_entry", {face_prior_file.PUBLISHED: item}.__getitem__)
    prior = face_prior_file.load_published()
    assert prior.discriminator is None and prior.notes == {"published": "stylegan2.pt"}
    assert all(torch.equal(a, b) for a, b in zip(generator.parameters(), prior.generator.parameters(), strict=True))
    assert torch.equal(prior.average_code, generator.average_code()) and prior.size == StyleGAN2Size()
    path.unlink()
    with pytest.raises(WeightsError, match="stylegan2"):
        face_prior_file.load_published()


def test_the_manifests_published_generator_has_the_priors_size() -> None:
    arguments = manifest.find_entry(face_prior_file.PUBLISHED).part(None).arguments
    with torch.device("meta"):
        published, own = StyleGAN2(**arguments), StyleGAN2Size().build()
    shapes = {name: value.shape for name, value in own.state_dict().items()}
    assert {name: value.shape for name, value in published.state_dict().items()} == shapes
