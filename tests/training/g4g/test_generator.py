"""The training of G4G at tiny size: its losses by hand, what learns, and that it resumes exactly."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

pytest.importorskip("accelerate")

from lipdub.faces.masks import MASKS
from lipdub.faces.perceptual import load_features, perceptual
from lipdub.networks.g4g import G4G, G4GMotion
from lipdub.training.dataset import Dataset, open_dataset
from lipdub.training.face_windows import WindowSampling
from lipdub.training.g4g import generator as module
from lipdub.training.g4g.generator import (
    G4GLossWeights,
    G4GObjective,
    G4GOptions,
    WindowDiscriminator,
    attribute_loss,
    cut_mouth_region,
    full_options,
    generate,
    make_network,
    make_sampler,
    masked_difference,
    moved_difference,
    scale_masks,
    train_g4g,
    two_scale_perceptual,
)
from lipdub.training.losses.contrastive import contrastive
from tests.training.g4g.small import NOTHING, OPTIONS, SIZE, network, talkers
from tests.training.style_lip_sync.small import LOOP, StoppedError, changed, copy_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.training.g4g.reference_windows import ReferenceBatch

pytestmark = pytest.mark.usefixtures("weights_folder")  # no published networks


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(talkers(tmp_path_factory.mktemp("faces"), clips=4, held_out={3}))


@pytest.fixture(scope="module")
def batch(data: Dataset) -> ReferenceBatch:
    return make_sampler(data, SIZE, OPTIONS, 0).draw_plain(0)


def objective(weights: G4GLossWeights, **changes: Any) -> G4GObjective:
    return G4GObjective(SIZE, replace(OPTIONS, loss_weights=weights, **changes))


def flat(part: torch.Tensor) -> torch.Tensor:
    return part.flatten(0, 1)


# The losses


def test_the_parts_are_weighted_and_added(batch: ReferenceBatch) -> None:
    weights = G4GLossWeights(1.0, 2.0, 3.0, 4.0, 5.0, moved=6.0, cover=7.0)
    total, parts = objective(weights).loss(network(), batch)
    names = ("attribute", "perceptual", "adversarial", "pixel", "contrastive", "moved", "cover")
    by_name = dict(zip(names, range(1, 8), strict=True))
    assert set(parts) == set(by_name)
    assert float(total.detach()) == pytest.approx(sum(by_name[name] * value for name, value in parts.items()), rel=1e-4)


def test_the_papers_weights_are_one_to_five() -> None:
    full = full_options()
    given = full.loss_weights
    parts = (given.attribute, given.perceptual, given.adversarial, given.pixel, given.contrastive)
    assert parts == (1, 2, 3, 4, 5) and given.moved == given.cover == 0
    assert full.sampling.windows == 3 and full.sampling.frames == 5 and full.loop.learning_rate == 1e-4
    assert (full.size.height, full.size.breadth, full.size.references) == (416, 320, 5)


def test_parts_by_hand(batch: ReferenceBatch) -> None:
    weights = G4GLossWeights(1.0, 1.0, 1.0, 1.0, 1.0, moved=1.0, cover=1.0)
    made, model = objective(weights), network()
    _, parts = made.loss(model, batch)
    with torch.no_grad():
        drawn = generate(model, batch)
        lips, masks, real = flat(batch.lips), flat(batch.masks), flat(batch.faces)
        scales = scale_masks(lips, masks, SIZE.unit)
        assert parts["pixel"] == pytest.approx(float(masked_difference(drawn.faces, real, scales)), rel=1e-4)
        found = two_scale_perceptual(load_features()[0], drawn.faces, real)
        assert parts["perceptual"] == pytest.approx(float(found), rel=1e-4)
        found = contrastive(drawn.face_embedding, drawn.sound_embedding, OPTIONS.temperature)
        assert parts["contrastive"] == pytest.approx(float(found), rel=1e-4)
        assert parts["attribute"] == pytest.approx(float(attribute_loss(drawn.aligned, drawn.landmarks)), rel=1e-4)
        assert drawn.motion is not None
        away = masks * (1 - scales[2])
        assert parts["cover"] == pytest.approx(float((drawn.motion.cover * away).mean()), rel=1e-4)
        assert parts["moved"] == pytest.approx(float(moved_difference(drawn.motion, real, masks)), rel=1e-4)


def test_eq_12_is_one_minus_the_cosine() -> None:
    one, other = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[4.0, 3.0], [-2.0, 0.0]])
    assert float(attribute_loss(one, other)) == pytest.approx(((1 - 24 / 25) + 2) / 2, rel=1e-5)


def test_eq_13_is_the_mean_of_both_sizes() -> None:
    features, _ = load_features()
    fake, real = torch.rand(2, 2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    halves = [torch.nn.functional.interpolate(part, scale_factor=0.5, mode="area") for part in (fake, real)]
    whole = [perceptual(features(a), features(b)) for a, b in ((fake, real), halves)]
    torch.testing.assert_close(two_scale_perceptual(features, fake, real), (whole[0] + whole[1]) / 2)


def test_eq_14_is_least_squares_on_frames_and_on_windows_of_five(data: Dataset) -> None:
    sampling = WindowSampling(windows=2)
    options = replace(OPTIONS, sampling=sampling, loss_weights=replace(NOTHING, adversarial=1.0))
    five = make_sampler(data, SIZE, options, 0).draw_plain(0)
    made, model = G4GObjective(SIZE, options), network()
    assert made.judge is not None and made.judge.window is not None
    _, parts = made.loss(model, five)
    with torch.no_grad():
        values = made.judge(made._fake)
        assert parts["adversarial"] == pytest.approx(float((values - 1).square().mean()) / 2, rel=1e-4)
        loss, _ = made.discriminator_loss(made.judge)
        right = made.judge(made._real)
        expected = (float((right - 1).square().mean()) + float(values.square().mean())) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert made._fake.shape[:3] == (2, 5, 3), "mouths of all frames"
    alone = WindowDiscriminator(4, 2, judges_motion=False)
    assert alone.window is None and len(alone(made._fake)) < len(values)


def test_eq_15_is_a_mean_over_each_mask() -> None:
    lips, masks = torch.zeros(1, 1, 12, 10), torch.zeros(1, 1, 12, 10)
    lips[..., 7, 4:6], masks[..., 5:11, 2:8] = 1, 1
    scales = scale_masks(lips, masks, 1)
    assert [int(mask.sum()) for mask in scales] == [120, 36, 3 * 4, 2]
    fake, real = torch.zeros(1, 3, 12, 10), torch.zeros(1, 3, 12, 10)
    fake[..., 7, 4] = 0.6  # one of the two pixels of the lips
    by_hand = (0.6 / 120 + 0.6 / 36 + 0.6 / 12 + 0.6 / 2) / 4
    assert float(masked_difference(fake, real, scales)) == pytest.approx(by_hand, rel=1e-5)
    assert float(masked_difference(fake, real, scales[:1])) == pytest.approx(0.6 / 120, rel=1e-5)
    assert float(masked_difference(fake, real, [torch.zeros(1, 1, 12, 10)])) == 0


def test_each_moved_reference_must_be_right_where_it_is_chosen() -> None:
    real = torch.full((1, 3, 4, 4), 0.5)
    moved = torch.stack([real - 0.2, real + 0.2], 1)  # right on average, wrong each
    attention = torch.full((1, 2, 2, 2), 0.5)
    masks = torch.ones(1, 1, 4, 4)
    motion = G4GMotion(torch.zeros(1, 2, 2, 2, 2), attention, real, masks, moved)
    assert float(moved_difference(motion, real, masks)) == pytest.approx(0.2)
    chosen = attention.clone()
    chosen[:, 0], chosen[:, 1] = 1, 0
    moved = torch.stack([real, real + 0.2], 1)
    assert float(moved_difference(motion._replace(attention=chosen, moved=moved), real, masks)) == 0


def test_the_mouth_region_is_eight_units_below_four() -> None:
    rows = torch.arange(SIZE.height)[:, None].expand(-1, SIZE.breadth)[None, None]
    cut = cut_mouth_region(rows, SIZE)
    assert cut.shape == (1, 1, 32, 32) and int(cut[0, 0, 0, 0]) == 16


def test_the_validation_is_the_mean_error_inside_the_mask(batch: ReferenceBatch) -> None:
    model = network().eval()
    with torch.no_grad():
        difference = (generate(model, batch).faces - flat(batch.faces)).abs()
    inside = flat(batch.masks).expand_as(difference) == 1
    assert objective(NOTHING).mask_error(model, batch) == pytest.approx(float(difference[inside].mean()), rel=1e-4)


def test_mouths_are_drawn_again_from_the_shut_reference(batch: ReferenceBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[tuple[Any, ...]] = []
    monkeypatch.setattr(module, "measure_mouths", lambda *faces: measured.append(faces) or {"opening": 1.0})
    assert objective(NOTHING).measure(network().eval(), [batch]) == {"opening": 1.0}
    drawn, true, reference, again, second = measured[0]
    assert drawn.shape == true.shape == reference.shape == (4, SIZE.height, SIZE.breadth, 3)
    most_open, shut = ((batch.references[:, k] * 255).round().byte().permute(0, 2, 3, 1).numpy() for k in (-1, 0))
    assert (reference[:2] == most_open).all() and (second[:2] == shut).all() and (drawn != again).any()


def test_samples_show_what_is_given_the_result_and_the_truth(batch: ReferenceBatch) -> None:
    rows = objective(NOTHING).draw_samples(network().eval(), batch)
    assert rows.shape == (2, 5, 3, SIZE.height, SIZE.breadth)
    assert torch.equal(rows[:, 4], batch.faces[:, 1]) and torch.equal(rows[:, 2], batch.references[:, -1])
    assert torch.equal(rows[:, 1, 0], batch.landmarks[:, 1, 0])


@pytest.mark.parametrize("change", [{"mask": "nose"}, {"scales": 0}, {"scales": 5}, {"temperature": 0.0}])
def test_options_that_make_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"mask|scales|temperature"):
        replace(G4GOptions(), **change)
    assert G4GOptions().mask in MASKS


# The training


def train(
    data: Dataset, folder: Path, options: G4GOptions, model: G4G, progress: Callable[[str], None] | None = None
) -> G4G:
    return train_g4g("g4g", data, None, model, folder, options, progress=progress)


def test_every_network_learns(data: Dataset, tmp_path: Path) -> None:
    weights = G4GLossWeights(0.1, 0.1, 0.1, 1.0, 0.1, moved=0.1, cover=0.1)
    model = network()
    before = copy_state(model)
    trained = train(data, tmp_path, replace(OPTIONS, loss_weights=weights, loop=replace(LOOP, steps=2)), model)
    learnt = {name for name, _ in model.named_parameters()}
    assert learnt <= changed(before, trained), "nothing is frozen"
    assert not trained.training


def test_a_new_network_hears_what_it_is_asked_to() -> None:
    model = make_network(OPTIONS, "phonetic", 0)
    assert (model.size.audio, model.size.audio_rows, model.size.audio_columns) == ("phonetic", 50, 41)
    again = make_network(OPTIONS, "phonetic", 0)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_a_broken_training_ends_as_an_unbroken_one(data: Dataset, tmp_path: Path) -> None:
    weights = G4GLossWeights(0.1, 0.1, 0.1, 1.0, 0.1, moved=0.1, cover=0.1)
    options = replace(OPTIONS, loss_weights=weights)
    whole = train(data, tmp_path / "whole", options, network())

    def stop(line: str) -> None:
        if "step 3" in line:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(data, tmp_path / "broken", options, network(), stop)
    resumed = train(data, tmp_path / "broken", options, network())
    assert changed(copy_state(whole), resumed) == set()


@pytest.mark.slow
def test_windows_learnt_by_heart(data: Dataset, tmp_path: Path) -> None:
    """Of four windows, the loss falls to a third of what the unmoved references had."""
    size = replace(SIZE, width=8, features=16)
    sampling = WindowSampling(windows=3, frames=1, overfit=4)
    loop = replace(LOOP, steps=120, learning_rate=1e-3, warmup=10, save_every=1000)
    train(data, tmp_path, replace(OPTIONS, size=size, sampling=sampling, loop=loop), network(size))
    losses = [float(row["loss"]) for row in csv.DictReader((tmp_path / "log.csv").open())]
    assert sum(losses[-10:]) / 10 < losses[0] / 3
