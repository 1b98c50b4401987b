"""The training of the face prior at tiny size: its faces, its losses by hand, and that it resumes exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

pytest.importorskip("accelerate")

from lipdub.errors import InputError, LipdubError, UsageError
from lipdub.training.dataset import Dataset, open_dataset
from lipdub.training.style_lip_sync.discriminator import AugmentedDiscriminator, DiscriminatorOptions
from lipdub.training.style_lip_sync.face_prior import (
    FaceSampler,
    PriorObjective,
    PriorOptions,
    collect_statistics,
    evaluate_prior,
    full_options,
    is_dub,
    make_noises,
    sample_faces,
    train_face_prior,
    write_sheet,
)
from tests.training.style_lip_sync.small import (
    DECODER,
    LOOP,
    PIXELS,
    StoppedError,
    changed,
    copy_state,
    prior,
    style_discriminator,
    talkers,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.networks.stylegan2 import StyleGAN2
    from lipdub.weights.face_prior_file import FacePrior

OPTIONS = PriorOptions(
    size=DECODER,
    faces=4,
    path_length_every=2,
    discriminator=DiscriminatorOptions(r1_every=2, augment_pictures=20),
    fid_pictures=8,
    loop=LOOP,
)

pytestmark = pytest.mark.usefixtures("weights_folder")  # no published networks


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(talkers(tmp_path_factory.mktemp("faces"), clips=3))


def objective(**options: Any) -> PriorObjective:
    torch.manual_seed(1)
    made = replace(OPTIONS, **options)
    return PriorObjective(AugmentedDiscriminator(style_discriminator(), made.discriminator), made)


def known_faces(data: Dataset) -> dict[bytes, str]:
    """Give every face of a dataset and its mirror image, with the id of its clip."""
    known: dict[bytes, str] = {}
    for clip in data.clips:
        for face in data.crop_middle(data.read(clip).crops):
            known |= {face.tobytes(): clip.id, np.ascontiguousarray(face[:, ::-1]).tobytes(): clip.id}
    return known


def to_bytes(faces: torch.Tensor) -> list[bytes]:
    """Turn faces in -1..1 back into the pixels that they were."""
    pixels = ((faces + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous()
    return [face.numpy().tobytes() for face in pixels]


# The faces


def test_faces_are_those_of_the_clips_some_of_them_mirrored(data: Dataset) -> None:
    known = known_faces(data)
    faces = FaceSampler(data, replace(OPTIONS, faces=40), 0).draw(0)
    assert faces.shape == (40, 3, PIXELS, PIXELS) and faces.dtype == torch.float32
    assert faces.min() >= -1 and faces.max() <= 1
    drawn = to_bytes(faces)
    assert {known[face] for face in drawn} == {clip.id for clip in data.clips}
    plain = {face.tobytes() for clip in data.clips for face in data.crop_middle(data.read(clip).crops)}
    assert 10 < sum(face in plain for face in drawn) < 30
    for flip, share in ((0.0, 40), (1.0, 0)):
        faces = FaceSampler(data, replace(OPTIONS, faces=40, flip=flip), 0).draw(0)
        assert sum(face in plain for face in to_bytes(faces)) == share


def test_the_same_number_gives_the_same_faces_in_any_order(data: Dataset) -> None:
    first = FaceSampler(data, OPTIONS, 3)
    batches = [first.draw(number) for number in range(3)]
    again = FaceSampler(data, OPTIONS, 3)
    assert all(torch.equal(again.draw(number), batches[number]) for number in (2, 0, 1))
    assert not torch.equal(batches[0], batches[1])
    assert not torch.equal(FaceSampler(data, OPTIONS, 4).draw(0), batches[0])
    assert torch.equal(first.draw_plain(6), again.draw_plain(6)) and len(first.draw_plain(6)) == 6


def test_dubs_of_real_people_are_left_out_and_shut_mouths_of_rendered_ones_are_not(tmp_path: Path) -> None:
    facts = [{"variant": "plain"}, {"variant": "shut", "id": "shut-0101-0000"}, {"variant": "shut", "scene": "0-1"}]
    data = open_dataset(talkers(tmp_path, clips=3, facts=facts))
    assert [is_dub(clip) for clip in data.clips] == [False, True, False]
    known = known_faces(data)
    faces = FaceSampler(data, replace(OPTIONS, faces=60), 0).draw(0)
    assert {known[face] for face in to_bytes(faces)} == {data.clips[0].id, data.clips[2].id}


@pytest.mark.parametrize(("power", "odds"), [(1.0, 1 / 5), (0.0, 1 / 2), (0.5, 1 / 3)])
def test_speakers_are_drawn_by_a_power_of_their_clips(tmp_path: Path, power: float, odds: float) -> None:
    """Of five clips, the third is of a second speaker."""
    facts = [{"speaker": "second" if clip == 2 else "first"} for clip in range(5)]
    data = open_dataset(talkers(tmp_path, clips=5, frames=3, facts=facts))
    known = known_faces(data)
    faces = FaceSampler(data, replace(OPTIONS, faces=600, speaker_power=power), 0).draw(0)
    counts = {clip.id: 0 for clip in data.clips}
    for face in to_bytes(faces):
        counts[known[face]] += 1
    found = np.array([counts[clip.id] for clip in data.clips]) / 600
    np.testing.assert_allclose(found, [odds if clip == 2 else (1 - odds) / 4 for clip in range(5)], atol=0.06)


def test_a_damaged_clip_is_passed_over(tmp_path: Path) -> None:
    folder, said = talkers(tmp_path, clips=3), list[str]()
    damage(folder, "01")
    data = open_dataset(folder, report=said.append)
    FaceSampler(data, replace(OPTIONS, faces=40), 0).draw(0)
    assert len(said) == 1 and "0101-0000" in said[0]


def test_a_damaged_clip_that_must_not_be_passed_over_is_named(tmp_path: Path) -> None:
    damage(talkers(tmp_path, clips=3), "01")
    data = open_dataset(tmp_path)
    data.on_bad = "error"
    with pytest.raises(InputError, match="0101-0000"):
        FaceSampler(data, replace(OPTIONS, faces=40), 0).draw(0)


def damage(folder: Path, clip: str) -> None:
    """Change a byte of a clip's shard, which its size does not tell."""
    path = next((folder / "shards" / clip).iterdir())
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def test_where_all_clips_are_damaged_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, tries = talkers(tmp_path, clips=2), 0
    for clip in ("00", "01"):
        damage(folder, clip)
    read = Dataset.read

    def count(*arguments: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries > 2000:
            raise StoppedError
        return read(*arguments)

    monkeypatch.setattr(Dataset, "read", count)
    with pytest.raises(InputError, match="damaged"):
        FaceSampler(open_dataset(folder), OPTIONS, 0).draw(0)


def test_a_dataset_of_dubs_alone_is_refused(tmp_path: Path) -> None:
    facts = [{"variant": "shut", "id": f"shut-{clip}"} for clip in range(2)]
    with pytest.raises(LipdubError):
        FaceSampler(open_dataset(talkers(tmp_path, clips=2, facts=facts)), OPTIONS, 0).draw(0)


def test_few_faces_as_asked_for(data: Dataset) -> None:
    sampler = FaceSampler(data, replace(OPTIONS, faces=8, overfit=5), 0)
    assert len({face for number in range(10) for face in to_bytes(sampler.draw(number))}) <= 5


def test_few_faces_are_drawn_alike(data: Dataset) -> None:
    sampler = FaceSampler(data, replace(OPTIONS, faces=400, overfit=8), 0)
    faces, counts = np.unique(to_bytes(sampler.draw(0)), return_counts=True)
    assert len(faces) >= 7 and counts.min() > 20  # two of them may be one face


def test_faces_of_another_size_are_refused(data: Dataset) -> None:
    with pytest.raises(UsageError, match="the generator has 32 pixels, the dataset 16"):
        FaceSampler(data, replace(OPTIONS, size=replace(DECODER, pixels=32)), 0)


@pytest.mark.parametrize("faces", [0, 2, 6])
def test_faces_that_make_no_groups_of_four(faces: int) -> None:
    with pytest.raises(ValueError, match=f"multiple of 4, not {faces}"):
        PriorOptions(faces=faces)


def test_the_full_options_are_karras_et_als() -> None:
    full = full_options()
    assert (full.size.pixels, full.size.style_dim, full.size.narrow) == (256, 512, 1.0)
    assert full.discriminator.augment_pictures == 500_000 and full.discriminator.augment_target == 0.6
    assert (full.path_length, full.mixing, full.loop.betas) == (2.0, 0.9, (0.0, 0.99))


# The losses


def test_the_generators_loss_is_the_non_saturating_one_and_the_discriminator_sees_the_same_faces() -> None:
    made = objective(path_length=0.0, discriminator=DiscriminatorOptions(r1=0.0))
    generator, faces = prior().generator, torch.rand(4, 3, PIXELS, PIXELS) * 2 - 1
    torch.manual_seed(3)
    loss, figures = made.loss(generator, faces)
    torch.manual_seed(3)
    with torch.no_grad():
        fake = generator(made._draw_codes(generator, 4), make_noises(generator, 4))
        logits, real = made.discriminator(fake), made.discriminator(faces)
    torch.testing.assert_close(loss, softplus(-logits).mean())
    assert figures == {"generator": pytest.approx(float(loss.detach()))}
    (slope,) = torch.autograd.grad(loss, [generator.input.input])
    assert slope.any()
    loss, figures = made.discriminator_loss(made.discriminator)
    torch.testing.assert_close(loss, softplus(-real).mean() + softplus(logits).mean())
    assert set(figures) == {"augment", "real"}


def test_the_path_length_penalty_of_pictures_that_are_linear_in_their_codes() -> None:
    """The slope of the pictures' product with noise is then the matrix's product with it."""
    made, drawn = objective(), torch.Generator().manual_seed(0)
    codes = torch.randn(3, 4, 5, generator=drawn, requires_grad=True)
    matrix = torch.randn(3 * 8 * 8, 4 * 5, generator=drawn, requires_grad=True)
    expected_mean = 0.0
    for seed in (5, 6):
        pictures = (codes.flatten(1) @ matrix.T).unflatten(1, (3, 8, 8))
        torch.manual_seed(seed)
        penalty = made._path_penalty(pictures, codes)
        torch.manual_seed(seed)
        noise = (torch.randn(3, 3, 8, 8) / 8).flatten(1)
        lengths = []
        for one in noise:
            slope = (matrix.detach().T @ one).reshape(4, 5)
            lengths.append(float((slope**2).sum() / 4) ** 0.5)
        expected_mean += 0.01 * (np.mean(lengths) - expected_mean)
        assert float(penalty.detach()) == pytest.approx(np.mean((np.array(lengths) - expected_mean) ** 2), rel=1e-4)
        assert float(made.discriminator.path_length) == pytest.approx(expected_mean, rel=1e-4)
    penalty.backward()
    assert matrix.grad is not None and matrix.grad.any()


def test_the_path_length_is_held_in_some_steps_only_and_weighs_as_many() -> None:
    made, generator, faces = objective(path_length=3.0), prior().generator, torch.zeros(4, 3, PIXELS, PIXELS)
    has_path = []
    for step in range(4):
        torch.manual_seed(step)
        loss, figures = made.loss(generator, faces)
        has_path.append("path" in figures)
        expected = figures["generator"] + 3.0 * 2 * figures.get("path", 0.0)
        assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
        slopes = torch.autograd.grad(loss, [*generator.convs.parameters()], allow_unused=True)
        assert all(slope is not None and bool(slope.isfinite().all()) for slope in slopes)
        made.discriminator_loss(made.discriminator)
    assert has_path == [True, False, True, False]
    assert "path" not in objective(path_length=0.0).loss(generator, faces)[1]


def test_mixed_codes_are_of_two_latents_from_a_layer_on() -> None:
    generator: StyleGAN2 = prior().generator
    torch.manual_seed(0)
    mixed, plain = (objective(mixing=share)._draw_codes(generator, 60) for share in (1.0, 0.0))
    assert mixed.shape == plain.shape == (60, generator.layers, DECODER.style_dim)
    assert torch.equal(plain, plain[:, :1].expand_as(plain)) and mixed.requires_grad
    changes = (mixed[:, 1:] != mixed[:, :-1]).any(2)
    assert (changes.sum(1) == 1).all(), "each has one layer at which the second latent begins"
    assert changes.any(0).all(), "and any but the first may be it"
    some = objective(mixing=0.5)._draw_codes(generator, 200)
    share = float((some[:, 0] != some[:, -1]).any(1).float().mean())
    assert share == pytest.approx(0.5, abs=0.1)


def test_every_picture_has_noise_of_its_own() -> None:
    noises = make_noises(prior().generator, 3)
    assert [tuple(noise.shape) for noise in noises] == [(3, 1, side, side) for side in (4, 8, 8, 16, 16)]
    assert not torch.equal(noises[0][0], noises[0][1])


# What it makes


def test_faces_are_generated_in_chunks_and_drawn_to_the_average_code() -> None:
    generator: StyleGAN2 = prior().generator
    chunks = list(sample_faces(generator, 20, seed=2))
    assert [len(chunk) for chunk in chunks] == [16, 4]
    faces = torch.cat(chunks)
    assert torch.equal(torch.cat(list(sample_faces(generator, 20, seed=2))), faces)
    assert not torch.equal(torch.cat(list(sample_faces(generator, 20, seed=3))), faces)
    mean = generator.average_code()
    z = torch.randn(4, DECODER.style_dim, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for truncation in (0.0, 0.7, 1.0):
            expected = generator(mean + truncation * (generator.mapping(z) - mean))
            found = next(sample_faces(generator, 4, seed=2, truncation=truncation))
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_statistics_are_those_of_the_means_of_maps() -> None:
    def features(pictures: torch.Tensor) -> list[torch.Tensor]:
        assert pictures.min() >= 0 and pictures.max() <= 1
        return [pictures, 2 * pictures[:, :1]]

    faces = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    found = collect_statistics(features, iter(faces.split(4)))
    shown = ((faces.clamp(-1, 1) + 1) / 2).mean((2, 3)).numpy().astype(np.float64)
    vectors = np.concatenate([shown, 2 * shown[:, :1]], 1)
    np.testing.assert_allclose(found.mean, vectors.mean(0), atol=1e-6)
    np.testing.assert_allclose(found.covariance, np.cov(vectors.T), atol=1e-6)


def test_a_prior_is_measured_and_shown(tmp_path: Path, data: Dataset) -> None:
    import cv2

    made = prior()
    figures = evaluate_prior(made, data, OPTIONS)
    assert set(figures) == {"fid_own", "fid_own_truncated"} and all(value > 0 for value in figures.values())
    write_sheet(tmp_path / "new" / "sheet.png", made.generator, 2, 4)
    picture = cv2.imread(str(tmp_path / "new" / "sheet.png"))
    assert picture is not None and picture.shape[0] >= 2 * PIXELS and picture.shape[1] >= 4 * PIXELS


# The training


def train(data: Dataset, folder: Path, options: PriorOptions = OPTIONS, **more: Any) -> FacePrior:
    return train_face_prior(data, None, folder, options, seed=5, **more)


def stop_at(text: str) -> Callable[[str], None]:
    """Stop a training when it says so."""

    def stop(said: str) -> None:
        if text in said:
            raise StoppedError

    return stop


def test_a_stopped_training_gives_the_same_prior_as_an_unbroken_one(tmp_path: Path, data: Dataset) -> None:
    said: list[str] = []
    whole = train(data, tmp_path / "whole", progress=said.append)
    assert [line.split(",")[0] for line in said] == [f"face-prior: step {step}" for step in (1, 2, 3, 4)]
    assert all(name in line for line in said for name in ("generator", "adversary", "augment"))
    assert ["r1" in line and "path" in line for line in said] == [True, False, True, False]
    with pytest.raises(StoppedError):
        train(data, tmp_path / "broken", progress=stop_at("step 3,"))
    said.clear()
    resumed = train(data, tmp_path / "broken", progress=said.append)
    assert said[0].startswith("face-prior: step 3,"), "from the checkpoint at step 2"
    assert whole.discriminator is not None and resumed.discriminator is not None
    assert changed(copy_state(whole.generator), resumed.generator) == set()
    assert changed(copy_state(whole.discriminator), resumed.discriminator) == set()
    assert torch.equal(whole.average_code, resumed.average_code)
    assert not whole.generator.training and not whole.discriminator.training
    assert torch.equal(whole.average_code, whole.generator.average_code()) and whole.size == DECODER


def test_both_networks_learn_and_the_pictures_and_the_fid_are_kept(tmp_path: Path, data: Dataset) -> None:
    torch.manual_seed(5)
    before = copy_state(DECODER.build())
    loop = replace(LOOP, steps=2, sample_every=2, validate_every=2)
    made = train(data, tmp_path, replace(OPTIONS, loop=loop))
    learnt = changed(before, made.generator)
    assert {name.split(".")[0] for name in before} - {name.split(".")[0] for name in learnt} == {"noises"}
    assert (tmp_path / "samples" / "0000002.png").exists() and "validation" in (tmp_path / "log.csv").read_text()


def test_a_training_goes_on_from_a_prior(tmp_path: Path, data: Dataset) -> None:
    begun = prior(seed=9)
    still = replace(OPTIONS, loop=replace(LOOP, steps=1, learning_rate=0.0))
    made = train(data, tmp_path / "same", still, begin=begun)
    assert made.discriminator is not None and begun.discriminator is not None
    assert changed(copy_state(begun.generator), made.generator) == set()
    assert changed(copy_state(begun.discriminator), made.discriminator) == set()
    published = replace(begun, discriminator=None)
    made = train(data, tmp_path / "published", still, begin=published)
    assert changed(copy_state(begun.generator), made.generator) == set() and made.discriminator is not None
    other = replace(OPTIONS, size=replace(DECODER, style_dim=6))
    with pytest.raises(UsageError, match="another size"):
        train(data, tmp_path / "other", other, begin=begun)
