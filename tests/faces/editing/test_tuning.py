"""Tuning, pivotal tuning (Eq. 4) and stitching (Eq. 8): equations by hand, what changes, and exact resumption."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn.functional import mse_loss

from lipdub.faces.editing.pivotal_tuning import PivotalTuningOptions, compare, draw_near, tune_on_pivots
from lipdub.faces.editing.stitching import (
    StitchingOptions,
    draw_ring,
    mean_under,
    stitching_loss,
    tune_on_rings,
)
from lipdub.faces.editing.tuning import TuningLoop, tune_generator
from lipdub.faces.perceptual import perceptual
from tests.faces.editing.small import PIXELS, Means, frames, generator, latents, rand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.networks.stylegan2 import StyleGAN2

LOOP = TuningLoop(steps=6, frames=2, learning_rate=1e-2, save_every=2)
COUNT = 4


class StoppedError(Exception):
    """What a test stops a tuning with."""


def on_pivots(model: StyleGAN2, folder: Path, key: str = "k", check: Callable[[int], None] = lambda step: None) -> None:
    shown = frames(COUNT)
    options = PivotalTuningOptions(loop=LOOP)
    tune_on_pivots(model, latents(COUNT), lambda n: shown[n], Means(), options, folder / "tuning", key, check)


def masks(count: int = COUNT) -> torch.Tensor:
    out = torch.zeros(count, 1, PIXELS, PIXELS)
    out[..., 6:12, 5:11] = 1
    return out


def on_rings(model: StyleGAN2, folder: Path, key: str = "k", check: Callable[[int], None] = lambda step: None) -> None:
    shown = frames(COUNT)
    options = StitchingOptions(ring=1 / 8, loop=LOOP)
    tune_on_rings(model, latents(COUNT), lambda n: (shown[n], masks(len(n))), options, folder / "tuning", key, check)


TUNINGS = pytest.mark.parametrize("tune", [on_pivots, on_rings])


def same(one: StyleGAN2, other: StyleGAN2) -> bool:
    values = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in values)


@TUNINGS
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_broken_tuning_ends_as_an_unbroken_one(tune: Callable[..., None], stop: int, tmp_path: Path) -> None:
    whole, broken, again = generator(), generator(), generator()
    tune(whole, tmp_path / "whole")

    def check(step: int) -> None:
        if step == stop:
            raise StoppedError

    with pytest.raises(StoppedError):
        tune(broken, tmp_path / "broken", check=check)
    seen: list[int] = []
    tune(again, tmp_path / "broken", check=seen.append)
    assert seen[0] == stop // 2 * 2 + 1, "from the last checkpoint on"
    assert same(whole, again)
    assert (tmp_path / "whole" / "tuning").read_bytes() == (tmp_path / "broken" / "tuning").read_bytes()


@TUNINGS
def test_a_finished_tuning_is_read_and_another_key_begins_anew(tune: Callable[..., None], tmp_path: Path) -> None:
    first, second, third = generator(), generator(), generator()
    tune(first, tmp_path)
    seen: list[int] = []
    tune(second, tmp_path, check=seen.append)
    assert same(first, second) and seen == []
    tune(third, tmp_path, key="other", check=seen.append)
    assert seen == list(range(1, LOOP.steps + 1))
    assert not any(parameter.requires_grad for parameter in first.parameters())


@TUNINGS
def test_a_damaged_checkpoint_begins_anew(tune: Callable[..., None], tmp_path: Path) -> None:
    whole, again = generator(), generator()
    tune(whole, tmp_path)
    (tmp_path / "tuning").write_bytes(b"half of it")
    tune(again, tmp_path)
    assert same(whole, again)


@TUNINGS
def test_the_mapping_and_the_noise_stay(tune: Callable[..., None], tmp_path: Path) -> None:
    tuned, before = generator(), generator()
    tune(tuned, tmp_path)
    changed = {name for name, value in tuned.state_dict().items() if not torch.equal(value, before.state_dict()[name])}
    assert changed and not any(name.startswith(("style.", "noises.")) for name in changed)
    assert {"input.input", "to_rgbs.1.bias"} <= changed


def test_steps_draw_their_frames_by_number(tmp_path: Path) -> None:
    drawn: list[list[int]] = []

    def loss(network: torch.nn.Module, chosen: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        drawn.append(chosen.tolist())
        return sum((p.square().sum() for p in network.parameters()), start=torch.zeros(()))

    for name in ("a", "b"):
        tune_generator(torch.nn.Linear(2, 2), loss, 50, LOOP, tmp_path / name, "k")
    assert drawn[:6] == drawn[6:] and len({tuple(numbers) for numbers in drawn}) > 3
    assert all(0 <= number < 50 for numbers in drawn for number in numbers)


@torch.no_grad()
def test_equation_four_by_hand() -> None:
    drawn, true = frames(2, seed=5), frames(2, seed=6)
    expected = perceptual(Means()((drawn + 1) / 2), Means()((true + 1) / 2)) + 0.7 * mse_loss(drawn, true)
    torch.testing.assert_close(compare(Means(), drawn, true, 0.7), expected)
    assert float(compare(Means(), true, true, 0.7)) == 0


def test_regularized_latents_lie_at_one_distance_towards_others() -> None:
    pivots = latents(3)
    near = draw_near(generator(), pivots, 0.5, torch.Generator().manual_seed(0))
    apart = (near - pivots).flatten(1).square().mean(1).sqrt()
    torch.testing.assert_close(apart, torch.full((3,), 0.5))
    z = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    way = generator().mapping(z)[:, None] - pivots
    cosine = torch.nn.functional.cosine_similarity((near - pivots).flatten(1), way.flatten(1))
    torch.testing.assert_close(cosine, torch.ones(3))


def test_pivotal_tuning_draws_the_frames_better_and_others_as_before(tmp_path: Path) -> None:
    pivots, shown = latents(COUNT), frames(COUNT) * 0.2 + 0.5
    elsewhere = generator().mapping(rand(8, 6, seed=9))
    errors, moved = {}, {}
    for locality in (0.0, 30.0):
        model = generator()
        options = PivotalTuningOptions(locality=locality, reach=0.3, loop=TuningLoop(steps=60, learning_rate=1e-2))
        tune_on_pivots(model, pivots, lambda n: shown[n], Means(), options, tmp_path / f"{locality}", "k")
        with torch.no_grad():
            errors[locality] = float(mse_loss(model(pivots), shown))
            moved[locality] = float(mse_loss(model(elsewhere), generator()(elsewhere)))
    with torch.no_grad():
        before = float(mse_loss(generator()(pivots), shown))
    assert errors[0.0] < before / 3 and errors[30.0] < before
    assert moved[30.0] < moved[0.0] / 2


def test_a_ring_is_what_widening_adds() -> None:
    ring = draw_ring(masks(1), 2)
    wide = torch.zeros_like(ring)
    wide[..., 4:14, 3:13] = 1
    assert torch.equal(ring, wide - masks(1))


@torch.no_grad()
def test_equation_eight_by_hand() -> None:
    drawn, true, kept = (
        torch.zeros(1, 3, PIXELS, PIXELS),
        torch.full((1, 3, PIXELS, PIXELS), 0.5),
        torch.zeros(1, 3, PIXELS, PIXELS),
    )
    kept[..., 6:9, :] = 1.0  # half of the mask's rows
    options = StitchingOptions(ring=1 / 8, inside=0.01)
    assert float(stitching_loss(drawn, true, kept, masks(1), options)) == pytest.approx(0.5 + 0.01 * 0.5)
    assert float(mean_under(true, torch.zeros_like(masks(1)))) == 0


def test_stitching_meets_the_frames_in_the_ring_and_keeps_the_inside(tmp_path: Path) -> None:
    codes, shown = latents(COUNT), frames(COUNT) * 0.2 + 0.5
    model, before = generator(), generator()
    options = StitchingOptions(ring=1 / 8, inside=0.3, loop=TuningLoop(steps=80, learning_rate=1e-2))
    tune_on_rings(model, codes, lambda n: (shown[n], masks(len(n))), options, tmp_path / "tuning", "k")
    ring = draw_ring(masks(), 2)
    with torch.no_grad():
        was, now = (float(mean_under(net(codes) - shown, ring)) for net in (before, model))
        inside = float(mean_under(model(codes) - before(codes), masks()))
        outside = float(mean_under(before(codes) - shown, masks()))
    assert now < was / 2
    assert inside < outside / 2


def test_tuning_leaves_a_copy_of_the_generator_alone(tmp_path: Path) -> None:
    model = generator()
    copy = deepcopy(model)
    on_pivots(model, tmp_path)
    assert same(copy, generator()) and not same(copy, model)


@pytest.mark.parametrize("change", [{"steps": -1}, {"frames": 0}, {"save_every": 0}, {"learning_rate": 0.0}])
def test_loops_without_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no such tuning"):
        TuningLoop(**{"steps": 2, **change})  # type: ignore[arg-type]
