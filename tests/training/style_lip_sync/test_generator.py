"""The training of StyleLipSync at tiny size: what learns, its loss by hand, and that it resumes exactly."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn.functional import softplus

pytest.importorskip("accelerate")

from lipdub.errors import UsageError
from lipdub.faces.masks import MASKS
from lipdub.faces.perceptual import load_features, multi_scale_perceptual
from lipdub.networks.avsyncnet import AVSyncNet
from lipdub.speech import phonetic_features
from lipdub.training.dataset import Dataset, open_dataset
from lipdub.training.face_windows import WindowBatch, WindowSampling
from lipdub.training.style_lip_sync import generator as module
from lipdub.training.style_lip_sync.discriminator import DiscriminatorOptions, cut_mouths
from lipdub.training.style_lip_sync.generator import (
    GeneratorTrainingOptions,
    StyleLossWeights,
    StyleObjective,
    choose_trained_parts,
    full_options,
    hold_frozen_parts,
    make_network,
    make_sampler,
    pick_middle,
    pixel_loss,
    train_style_lip_sync,
)
from tests.training.style_lip_sync.small import (
    DECODER,
    HEARS,
    LOOP,
    PIXELS,
    SIZE,
    StoppedError,
    changed,
    copy_state,
    network,
    prior,
    sync,
    talkers,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.networks.style_lip_sync import StyleLipSync

OPTIONS = GeneratorTrainingOptions(size=SIZE, sampling=WindowSampling(windows=2), loop=LOOP)
NOTHING = StyleLossWeights(perceptual=0.0, sync=0.0)

pytestmark = pytest.mark.usefixtures("weights_folder")  # no published networks


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(talkers(tmp_path_factory.mktemp("faces"), clips=3))


@pytest.fixture(scope="module")
def batch(data: Dataset) -> WindowBatch:
    """Two windows as they are, with other speech."""
    other = torch.randn(80, 60, generator=torch.Generator().manual_seed(0)).numpy()
    return make_sampler(data, sync(), OPTIONS, 0, others=[other]).draw_plain(0)


class Drawn(torch.nn.Module):
    """A network that draws what it was made with, whatever it is shown, and remembers the latter."""

    def __init__(self, faces: torch.Tensor) -> None:
        super().__init__()
        self.faces = torch.nn.Parameter(faces.clone())
        self.given: list[tuple[torch.Tensor, ...]] = []

    def forward(
        self, audio: torch.Tensor, faces: torch.Tensor, masks: torch.Tensor, references: torch.Tensor
    ) -> torch.Tensor:
        self.given.append((audio, faces, masks, references))
        return self.faces


def drawn(batch: WindowBatch) -> Drawn:
    """Faces that are not quite the true ones, and reach beyond white and black."""
    noise = torch.randn(batch.faces.shape, generator=torch.Generator().manual_seed(1))
    return Drawn(batch.faces + 0.2 * noise)


def loss_of(
    shown: torch.nn.Module, batch: WindowBatch, weights: StyleLossWeights, **options: Any
) -> tuple[torch.Tensor, dict[str, float], StyleObjective]:
    chosen = replace(OPTIONS, loss_weights=weights, **options)
    made = StyleObjective(network(), sync(), chosen)
    total, parts = made.loss(shown, batch)
    return total, parts, made


# The loss


def test_its_parts_are_weighted_and_added(batch: WindowBatch) -> None:
    weights = StyleLossWeights(
        perceptual=2.0, sync=0.3, pixel=5.0, mask=3.0, lips=4.0, adversarial=0.7, sync_regularizer=0.11
    )
    total, parts, _ = loss_of(drawn(batch), batch, weights)
    by_name = {"perceptual": 2.0, "sync": 0.3, "pixel": 5.0, "adversarial": 0.7, "sync_regularizer": 0.11}
    assert set(parts) == set(by_name)
    expected = sum(by_name[name] * value for name, value in parts.items())
    assert float(total.detach()) == pytest.approx(expected, rel=1e-5)


def test_the_papers_loss_is_perceptual_and_sync_alone(batch: WindowBatch) -> None:
    total, parts, made = loss_of(drawn(batch), batch, StyleLossWeights())
    assert set(parts) == {"perceptual", "sync"} and made.judge is None
    assert float(total.detach()) == pytest.approx(10 * parts["perceptual"] + 0.1 * parts["sync"], rel=1e-5)


def test_a_part_without_a_weight_is_not_computed(batch: WindowBatch) -> None:
    total, parts, made = loss_of(drawn(batch), batch, NOTHING)
    assert parts == {} and float(total) == 0 and made.judge is None
    alone = batch._replace(others=batch.others[:0])
    assert loss_of(drawn(batch), alone, replace(NOTHING, sync_regularizer=1.0))[1] == {}


def test_the_network_sees_sounds_faces_masks_and_the_first_reference(batch: WindowBatch) -> None:
    shown = drawn(batch)
    loss_of(shown, batch, replace(NOTHING, sync=1.0, sync_regularizer=1.0))
    usual, other = shown.given
    for given, sounds in ((usual, batch.sounds), (other, batch.others)):
        assert all(torch.equal(a, b) for a, b in zip(given[:3], (sounds, batch.faces, batch.masks), strict=True))
        assert torch.equal(given[3], batch.references[:, 0])


def as_shown(shown: Drawn, batch: WindowBatch, keeps_given: bool) -> torch.Tensor:
    """Give what a network drew, with the given pixels outside the mask if these are kept: (n, F, 3, P, P)."""
    fake = shown.faces.detach()
    return torch.where(batch.masks > 0, fake, batch.faces) if keeps_given else fake


@pytest.mark.parametrize("keeps_given", [True, False])
@pytest.mark.parametrize("levels", [1, 3])
def test_the_perceptual_part_is_eq_6_at_as_many_levels(batch: WindowBatch, levels: int, keeps_given: bool) -> None:
    shown, weights = drawn(batch), replace(NOTHING, perceptual=1.0)
    found = loss_of(shown, batch, weights, levels=levels, keeps_given=keeps_given)[1]["perceptual"]
    faces, true = as_shown(shown, batch, keeps_given).flatten(0, 1), batch.faces.flatten(0, 1)
    assert found == pytest.approx(float(multi_scale_perceptual(load_features()[0], faces, true, levels)), rel=1e-5)


def test_the_sync_part_is_one_minus_the_cosine_of_lips_and_sound(batch: WindowBatch) -> None:
    shown, judge = drawn(batch), sync()
    weights = replace(NOTHING, sync=1.0, sync_regularizer=1.0)
    _, parts, _ = loss_of(shown, batch, weights, blur=0.0)
    lower = shown.faces.detach().flatten(0, 1)[:, :, PIXELS // 2 :]
    with torch.no_grad():
        lips = judge.image_features(lower.unflatten(0, (2, 5)).flatten(1, 2))
        for name, sounds in (("sync", batch.sounds), ("sync_regularizer", batch.others)):
            cosine = torch.nn.functional.cosine_similarity(lips, judge.audio_features(sounds[:, sounds.shape[1] // 2]))
            assert parts[name] == pytest.approx(float((1 - cosine).mean()), rel=1e-4)
    blurred = loss_of(shown, batch, weights, blur=1.0)[1]
    assert blurred["sync"] != pytest.approx(parts["sync"], rel=1e-4)


def test_the_pixel_part_by_hand(batch: WindowBatch) -> None:
    shown = drawn(batch)
    weights = replace(NOTHING, pixel=1.0, mask=3.0, lips=4.0)
    found = loss_of(shown, batch, weights)[1]["pixel"]
    difference = (shown.faces.detach() - batch.faces).abs()
    total = 0.0
    for is_masked in (0.0, 1.0):
        for is_lip in (0.0, 1.0):
            place = ((batch.masks == is_masked) & (batch.lips == is_lip)).expand_as(difference)
            total += (1 + 2 * is_masked + 3 * is_lip) * float(difference[place].sum())
    assert found == pytest.approx(total / difference.numel(), rel=1e-4)
    assert 0 < batch.masks.mean() < 1 and 0 < batch.lips.mean() < batch.masks.mean()
    fake = shown.faces.detach().flatten(0, 1)
    plain = pixel_loss(fake, batch, StyleLossWeights())
    assert float(plain) == pytest.approx(float(difference.mean()), rel=1e-4), "without factors the plain mean"


@pytest.mark.parametrize("keeps_given", [True, False])
def test_the_adversarial_part_judges_the_ends_of_the_windows(batch: WindowBatch, keeps_given: bool) -> None:
    shown = drawn(batch)
    weights, options = replace(NOTHING, adversarial=1.0), DiscriminatorOptions(r1=0.0)
    total, parts, made = loss_of(shown, batch, weights, discriminator=options, keeps_given=keeps_given)
    assert made.judge is not None
    whole = as_shown(shown, batch, keeps_given)
    lips = torch.cat([batch.lips[:, 0], batch.lips[:, -1]])
    fake, real = (cut_mouths(torch.cat([f[:, 0], f[:, -1]]), lips) * 2 - 1 for f in (whole, batch.faces))
    assert fake.shape[-1] == PIXELS // 2
    logits, right = made.judge(fake).detach(), made.judge(real).detach()
    assert parts["adversarial"] == pytest.approx(float(softplus(-logits).mean()), rel=1e-5)
    (slope,) = torch.autograd.grad(total, shown.faces)
    assert slope.flatten(2).any(2).tolist() == [[True, False, False, False, True]] * 2
    loss, _ = made.discriminator_loss(made.judge)
    torch.testing.assert_close(loss.detach(), softplus(-right).mean() + softplus(logits).mean())


def test_judges_do_not_learn_from_the_generators_loss(batch: WindowBatch) -> None:
    judge = sync()
    options = replace(OPTIONS, loss_weights=StyleLossWeights(pixel=1.0))
    before = copy_state(judge)
    shown = drawn(batch)
    StyleObjective(network(), judge, options).loss(shown, batch)[0].backward()
    assert shown.faces.grad is not None and bool(shown.faces.grad.isfinite().all())
    assert all(value.grad is None for value in judge.parameters()) and changed(before, judge) == set()


@pytest.mark.parametrize("weights", [{"sync": 0.1}, {"sync_regularizer": 0.1}])
def test_a_sync_loss_needs_five_frames(weights: dict[str, float]) -> None:
    options = replace(OPTIONS, sampling=WindowSampling(frames=3), loss_weights=replace(NOTHING, **weights))
    with pytest.raises(UsageError, match=r"sampling\.frames must be 5, not 3"):
        StyleObjective(network(), sync(), options)
    StyleObjective(network(), sync(), replace(options, loss_weights=NOTHING))


class Speaking(torch.nn.Module):
    """Draws the given faces, brighter by the mean of each face's own sound, and remembers how many it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(0.1))
        self.asked: list[tuple[int, int]] = []

    def forward(
        self, audio: torch.Tensor, faces: torch.Tensor, masks: torch.Tensor, references: torch.Tensor
    ) -> torch.Tensor:
        windows, frames = faces.shape[:2]
        context = (audio.shape[1] - frames) // 2
        assert masks.shape[:2] == (windows, frames) and len(references) == windows
        self.asked.append((windows, frames))
        own = audio[:, context : context + frames].mean((2, 3))
        return faces + self.gain * own[:, :, None, None, None]


def test_with_middle_faces_these_alone_are_drawn_and_whole_windows_are_said(batch: WindowBatch) -> None:
    weights = replace(NOTHING, pixel=1.0, sync_regularizer=1.0)
    whole, middle, one = Speaking(), Speaking(), Speaking()
    _, usual, _ = loss_of(whole, batch, weights)
    total, parts, _ = loss_of(middle, batch, weights, middle_faces=True)
    assert whole.asked == [(2, 5), (2, 5)] and middle.asked == [(2, 1), (2, 5)]
    assert parts["sync_regularizer"] == pytest.approx(usual["sync_regularizer"], rel=1e-6)
    own = batch.sounds[:, batch.sounds.shape[1] // 2].mean((1, 2))
    assert parts["pixel"] == pytest.approx(0.1 * float(own.abs().mean()), rel=1e-4)
    total.backward()
    assert middle.gain.grad is not None and float(middle.gain.grad) != 0
    _, alone, _ = loss_of(one, batch, weights, middle_faces=True, regularized_windows=1)
    assert one.asked == [(2, 1), (1, 5)]
    first = WindowBatch(*(part[:1] for part in batch))
    assert alone["sync_regularizer"] == pytest.approx(
        loss_of(Speaking(), first, weights)[1]["sync_regularizer"], rel=1e-5
    )
    assert alone["pixel"] == pytest.approx(parts["pixel"], rel=1e-6), "of all windows"


def test_the_middle_face_has_its_own_mask_lips_and_sounds(batch: WindowBatch) -> None:
    middle = pick_middle(batch)
    for name in ("faces", "masks", "lips"):
        assert torch.equal(getattr(middle, name), getattr(batch, name)[:, 2:3])
    assert torch.equal(middle.sounds, batch.sounds[:, 2:9]), "three moments before and after it"
    assert middle.references is batch.references and middle.others is batch.others


def test_middle_faces_have_no_sync_loss() -> None:
    options = replace(OPTIONS, middle_faces=True, loss_weights=replace(NOTHING, sync=0.1))
    with pytest.raises(UsageError, match="needs whole windows, not middle_faces"):
        StyleObjective(network(), sync(), options)
    with pytest.raises(ValueError, match="regularized_windows must be 0 or more, not -1"):
        replace(OPTIONS, regularized_windows=-1)


# What is measured and shown


def test_the_validation_is_the_mean_error_inside_the_mask(batch: WindowBatch) -> None:
    shown = drawn(batch)
    made = StyleObjective(network(), sync(), OPTIONS)
    difference = (shown.faces.detach() - batch.faces).abs()
    inside = batch.masks.expand_as(difference) == 1
    assert made.mask_error(shown, batch) == pytest.approx(float(difference[inside].mean()), rel=1e-5)


def test_samples_show_the_hidden_face_the_reference_the_result_and_the_truth(batch: WindowBatch) -> None:
    shown = drawn(batch)
    rows = StyleObjective(network(), sync(), OPTIONS).draw_samples(shown, batch)
    assert rows.shape == (2, 4, 3, PIXELS, PIXELS)
    middle = (batch.faces * (1 - batch.masks) + 0.5 * batch.masks)[:, 2], batch.references[:, 0]
    expected = torch.stack([*middle, shown.faces.detach()[:, 2], batch.faces[:, 2]], 1)
    torch.testing.assert_close(rows, expected)


def test_mouths_are_measured_at_the_windows_ends_from_two_references(
    batch: WindowBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[tuple[Any, ...]] = []

    def note(*faces: Any) -> dict[str, float]:
        measured.append(faces)
        return {"opening": 1.0}

    monkeypatch.setattr(module, "measure_mouths", note)
    shown = drawn(batch)
    assert StyleObjective(network(), sync(), OPTIONS).measure(shown, [batch, batch]) == {"opening": 1.0}
    assert torch.equal(shown.given[0][3], batch.references[:, 0])
    assert torch.equal(shown.given[1][3], batch.second_references[:, 0])
    fake, true, reference, again, second = measured[0]
    assert fake.shape == true.shape == reference.shape == again.shape == second.shape == (8, PIXELS, PIXELS, 3)
    ends = torch.cat([batch.faces[:, 0], batch.faces[:, -1]])
    assert (true[:4] == (ends * 255).round().byte().permute(0, 2, 3, 1).numpy()).all()
    one = (batch.references[:, 0] * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert (reference[:2] == one).all() and (reference[2:4] == one).all(), "a window has one reference"


# The windows


@pytest.mark.parametrize("mask", MASKS.names())
def test_windows_have_the_masks_of_the_options_and_the_sounds_that_avsyncnet_hears(data: Dataset, mask: str) -> None:
    made = make_sampler(data, sync(), replace(OPTIONS, mask=mask), 0).draw_plain(0)
    assert made.masks.shape == (2, 5, 1, PIXELS, PIXELS) and made.sounds.shape == (2, 11, 80, 16)
    few = make_sampler(data, sync(), replace(OPTIONS, mask=mask, sound_context=1), 0).draw_plain(0)
    assert torch.equal(few.sounds, made.sounds[:, 2:-2])
    assert len(made.second_references) == 2 and len(made.others) == 0
    others = [make_sampler(data, sync(), replace(OPTIONS, mask=name), 0).draw_plain(0).masks for name in MASKS.names()]
    assert [torch.equal(other, made.masks) for other in others] == [name == mask for name in MASKS.names()]


def test_a_lead_is_heard_ahead(data: Dataset) -> None:
    plain, ahead = (make_sampler(data, sync(), OPTIONS, 0, lead).draw_plain(0) for lead in (0.0, 0.08))
    assert torch.equal(plain.faces, ahead.faces) and not torch.equal(plain.sounds, ahead.sounds)
    assert torch.equal(plain.sounds[:, 2:], ahead.sounds[:, :-2]), "two frames on"
    late = make_sampler(data, sync(), replace(OPTIONS, lead=0.08), 0).draw_plain(0)
    assert torch.equal(late.sounds, plain.sounds), "what late mouths teach is heard ahead only after the training"


def test_a_mask_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="mask is 'nose', not one of jaw, pose, box"):
        GeneratorTrainingOptions(mask="nose")


def test_less_context_than_none() -> None:
    with pytest.raises(ValueError, match="sound_context must be 0 or more, not -1"):
        GeneratorTrainingOptions(sound_context=-1)


# The network


def test_a_new_network_has_the_priors_decoder_and_hears_what_avsyncnet_hears() -> None:
    begun = prior(seed=2)
    made = make_network(begun, sync(), OPTIONS, 0)
    assert changed(copy_state(begun.generator), made.decoder) == set()
    assert torch.equal(made.average_code, begun.average_code) and made.size == SIZE
    hears = replace(HEARS, audio="phonetic", audio_rows=phonetic_features.ROWS, audio_columns=21)
    phonetic = make_network(begun, AVSyncNet(hears), OPTIONS, 0).size
    assert (phonetic.audio, phonetic.audio_rows, phonetic.audio_columns) == ("phonetic", phonetic_features.ROWS, 21)
    full = replace(OPTIONS, size=replace(SIZE, decoder=replace(DECODER, pixels=256)))
    assert make_network(begun, sync(), full, 0).size.decoder == DECODER, "the prior's, whatever the options say"
    assert changed(copy_state(made), make_network(begun, sync(), OPTIONS, 0)) == set()
    assert changed(copy_state(made), make_network(begun, sync(), OPTIONS, 1))


def train(
    data: Dataset, folder: Path, options: GeneratorTrainingOptions, begun: StyleLipSync | None = None, **more: Any
) -> StyleLipSync:
    begun = begun or make_network(prior(), sync(), options, 0)
    return train_style_lip_sync("tiny", data, None, begun, sync(), folder, options, seed=4, **more)


def learnt(data: Dataset, folder: Path, trains: Any) -> tuple[set[str], set[str]]:
    """Train a little. Give the names of what changed, and of all else."""
    options = replace(OPTIONS, trains=trains, loop=replace(LOOP, steps=2))
    begun = make_network(prior(), sync(), options, 0)
    before = copy_state(begun)
    made = train(data, folder, options, begun)
    assert not made.training and all(value.requires_grad for value in made.parameters())
    names = changed(before, made)
    return names, set(before) - names


def test_a_frozen_decoder_stays_as_it_is_to_the_last_bit(tmp_path: Path, data: Dataset) -> None:
    learns, stays = learnt(data, tmp_path, "encoders")
    assert {name for name in learns if name.startswith("decoder.")} == set()
    parts = {"face_encoder", "reference_encoder", "audio_encoder", "fusions", "smoothing"}
    assert {name.split(".")[0] for name in learns} == parts
    assert {name.split(".")[0] for name in stays} >= {"decoder", "average_code"}


def test_an_adaptation_leaves_everything_but_the_decoder_as_it_is(tmp_path: Path, data: Dataset) -> None:
    """Also the statistics of the audio encoder's batch normalisation."""
    learns, stays = learnt(data, tmp_path, "decoder")
    assert {name.split(".")[0] for name in learns} == {"decoder"}
    assert {name.split(".")[1] for name in learns} == {"input", "conv1", "convs", "to_rgb1", "to_rgbs"}
    assert {name.split(".")[1] for name in stays if name.startswith("decoder.")} >= {"style", "noises"}
    assert any("running_mean" in name for name in stays)


def test_parts_that_do_not_learn_are_in_evaluation_mode() -> None:
    for trains, frozen in (("encoders", {"decoder"}), ("all", set())):
        made = network().train()
        choose_trained_parts(made, trains)
        hold_frozen_parts(made)
        assert {name for name, part in made.named_children() if not part.training} == frozen
    made = network().train()
    choose_trained_parts(made, "decoder")
    hold_frozen_parts(made)
    assert {name for name, part in made.named_children() if part.training} == {"decoder"}


def test_all_parts_can_learn(tmp_path: Path, data: Dataset) -> None:
    learns, stays = learnt(data, tmp_path, "all")
    assert {name.split(".")[0] for name in stays} == {"decoder", "average_code"} and "average_code" not in learns
    assert {name.split(".")[1] for name in stays if name.startswith("decoder.")} & {"input", "to_rgb1"} == set()


def stop_at(text: str) -> Callable[[str], None]:
    """Stop a training when it says so."""

    def stop(said: str) -> None:
        if text in said:
            raise StoppedError

    return stop


@pytest.mark.slow
def test_a_stopped_training_ends_as_an_unbroken_one(tmp_path: Path, data: Dataset) -> None:
    weights = replace(OPTIONS.loss_weights, sync_regularizer=0.1)
    options = replace(OPTIONS, loss_weights=weights, discriminator=DiscriminatorOptions(r1_every=2, augment_pictures=8))
    more: dict[str, Any] = {"others": [torch.randn(80, 60, generator=torch.Generator().manual_seed(0)).numpy()]}
    said: list[str] = []
    whole = train(data, tmp_path / "whole", options, progress=said.append, **more)
    assert "perceptual features" in said[0] and len(said) == 5
    assert all(name in said[-1] for name in ("perceptual", "sync_regularizer", "pixel", "adversarial", "augment"))
    with pytest.raises(StoppedError):
        train(data, tmp_path / "broken", options, progress=stop_at("step 3,"), **more)
    said.clear()
    resumed = train(data, tmp_path / "broken", options, progress=said.append, **more)
    assert said[1].startswith("tiny: step 3,"), "from the checkpoint at step 2"
    assert changed(copy_state(whole), resumed) == set()


def test_it_is_validated_and_shows_pictures(tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure_mouths", lambda *faces: {"opening": 0.5})
    loop = replace(LOOP, steps=1, validate_every=1, sample_every=1)
    train(data, tmp_path, replace(OPTIONS, loop=loop))
    (row,) = csv.DictReader((tmp_path / "log.csv").open())
    assert float(row["validation"]) > 0 and float(row["opening"]) == 0.5
    assert (tmp_path / "samples" / "0000001.png").exists()


def test_faces_of_another_size_are_refused(tmp_path: Path, data: Dataset) -> None:
    other = network(replace(SIZE, decoder=replace(DECODER, pixels=32)))
    with pytest.raises(UsageError, match="the generator has 32 pixels, the dataset 16"):
        train(data, tmp_path, OPTIONS, other)


def test_the_full_options_are_the_papers() -> None:
    full = full_options()
    assert full.trains == "encoders" and full.mask == "pose" and full.levels == 3
    weights = full.loss_weights
    assert (weights.perceptual, weights.sync, weights.pixel, weights.adversarial) == (10.0, 0.1, 0.0, 0.0)
    assert full.loop.learning_rate == 1e-4 and full.size.codes == 14 and full.sampling.frames == 5


@pytest.mark.slow
def test_windows_learnt_by_heart(tmp_path: Path, data: Dataset) -> None:
    """Of eight windows, the loss falls to a tenth of what it was."""
    size = replace(SIZE, decoder=replace(DECODER, style_dim=32, narrow=1 / 8), audio_width=4, audio_features=32)
    loop = replace(LOOP, steps=160, learning_rate=1.5e-2, warmup=10, betas=(0.5, 0.99), save_every=1000)
    sampling = WindowSampling(windows=2, frames=1, overfit=8)
    weights = replace(NOTHING, pixel=1.0)
    options = replace(
        OPTIONS, size=size, sampling=sampling, loss_weights=weights, sound_context=0, loop=loop
    )  # without context for the smoothing it hears a quarter as much
    train(data, tmp_path, options, network(size))
    losses = [float(row["loss"]) for row in csv.DictReader((tmp_path / "log.csv").open())]
    assert sum(losses[-10:]) / 10 < losses[0] / 10
