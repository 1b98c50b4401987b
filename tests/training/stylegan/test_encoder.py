"""The training of a latent encoder at tiny size: its losses by hand, what learns, and exact resumption."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

pytest.importorskip("accelerate")

from lipdub.errors import UsageError
from lipdub.faces.perceptual import multi_scale_perceptual
from lipdub.networks.latent_encoder import LatentEncoder, StyleAutoencoder
from lipdub.training.dataset import Dataset, open_dataset
from lipdub.training.stylegan.encoder import (
    EncoderBatch,
    EncoderObjective,
    EncoderOptions,
    full_options,
    make_sampler,
    train_encoder,
)
from tests.training.style_lip_sync.small import DECODER, LOOP, PIXELS, StoppedError, prior, talkers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPTIONS = EncoderOptions(loop=LOOP)

pytestmark = pytest.mark.usefixtures("weights_folder")  # no published networks


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(talkers(tmp_path_factory.mktemp("faces"), clips=3))


def network(seed: int = 0) -> StyleAutoencoder:
    torch.manual_seed(seed)
    return StyleAutoencoder(prior().generator, LatentEncoder(DECODER, prior().average_code))


def batch(data: Dataset, generated: int = 2) -> EncoderBatch:
    random = torch.Generator().manual_seed(1)
    faces = make_sampler(data, DECODER, OPTIONS, 0).draw(0)
    return EncoderBatch(faces, torch.randn(generated, DECODER.style_dim, generator=random))


def train(
    data: Dataset, folder: Path, options: EncoderOptions = OPTIONS, progress: Callable[[str], None] | None = None
) -> StyleAutoencoder:
    return train_encoder(data, None, prior(), folder, options, progress=progress)


@pytest.mark.parametrize("generated", [0, 2])
def test_its_parts_by_hand(data: Dataset, generated: int) -> None:
    given, model, objective = batch(data, generated), network(), EncoderObjective(OPTIONS)
    total, parts = objective.loss(model, given)
    generator = model.generator
    with torch.no_grad():
        known = generator.mapping(given.latents)[:, None].expand(-1, generator.layers, -1)
        faces = torch.cat([given.faces, generator(known)])
        differences, codes = model.encoder.differences(faces), model.encoder(faces)
        drawn = generator(codes)
    assert parts["pixel"] == pytest.approx(float((drawn - faces).abs().mean()), rel=1e-5)
    alike = multi_scale_perceptual(objective.features, (drawn + 1) / 2, (faces.clamp(-1, 1) + 1) / 2)
    assert parts["perceptual"] == pytest.approx(float(alike), rel=1e-4)
    assert parts["difference"] == pytest.approx(float(differences[:, 1:].square().mean()), rel=1e-5)
    assert ("code" in parts) == bool(generated)
    if generated:
        assert parts["code"] == pytest.approx(float((codes[-2:] - known).square().mean()), rel=1e-5)
    weights = {"pixel": 1.0, "perceptual": 0.3, "code": 0.05, "difference": 0.02}
    assert float(total.detach()) == pytest.approx(sum(weights[name] * value for name, value in parts.items()), rel=1e-5)


def test_the_whole_encoder_learns(data: Dataset) -> None:
    model = network()
    EncoderObjective(OPTIONS).loss(model, batch(data))[0].backward()
    assert [name for name, value in model.encoder.named_parameters() if value.grad is None] == []


@pytest.mark.parametrize("trains", ["encoder", "both"])
def test_the_generator_learns_only_where_it_may(trains: Any, data: Dataset, tmp_path: Path) -> None:
    trained = train(data, tmp_path, replace(OPTIONS, trains=trains)).generator
    pairs = zip(trained.state_dict().items(), prior().generator.state_dict().values(), strict=True)
    changed = {name for (name, value), before in pairs if not torch.equal(value, before)}
    assert any(name.startswith("convs.") for name in changed) == (trains == "both")
    assert not any(name.startswith(("style.", "noises.")) for name in changed)


def test_a_broken_training_ends_as_an_unbroken_one(data: Dataset, tmp_path: Path) -> None:
    whole = train(data, tmp_path / "whole")

    def stop(line: str) -> None:
        if "step 3," in line:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(data, tmp_path / "broken", progress=stop)
    again = train(data, tmp_path / "broken")
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_it_is_validated_and_shows_pictures(data: Dataset, tmp_path: Path) -> None:
    loop = replace(LOOP, steps=1, validate_every=1, sample_every=1)
    train(data, tmp_path, replace(OPTIONS, loop=loop))
    (row,) = csv.DictReader((tmp_path / "log.csv").open())
    assert 0 < float(row["validation"]) < 1
    assert (tmp_path / "samples" / "0000001.png").exists()


def test_faces_of_another_size_are_refused(data: Dataset) -> None:
    with pytest.raises(UsageError, match=f"generator has 32 pixels, the dataset {PIXELS}") as error:
        make_sampler(data, replace(DECODER, pixels=32), OPTIONS, 0)
    assert error.value.hint == "Prepare the data with --size 32."


@pytest.mark.slow
def test_latents_of_the_generators_own_pictures_are_found(data: Dataset, tmp_path: Path) -> None:
    options = replace(
        OPTIONS, trains="encoder", generated=4, pixel=0.0, perceptual=0.0, difference=0.0, code=1.0,
        loop=replace(LOOP, steps=60, learning_rate=1e-2, save_every=1000),
    )  # fmt: skip
    train(data, tmp_path, options)
    losses = [float(row["code"]) for row in csv.DictReader((tmp_path / "log.csv").open())]
    assert sum(losses[-10:]) / 10 < losses[0] / 2


def test_full_options_are_larger() -> None:
    assert (
        full_options().trains == "encoder"
        and full_options().widen > EncoderOptions().widen
        and full_options().loop.steps > EncoderOptions().loop.steps
    )


@pytest.mark.parametrize("change", [{"faces": 3}, {"faces": 0}, {"generated": -1}])
def test_options_without_sense_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        EncoderOptions(**change)  # type: ignore[arg-type]
