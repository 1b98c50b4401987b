"""Adaptive augmentation: its changes by hand, how often each is made, and how its probability follows."""

from __future__ import annotations

import math

import pytest
import torch

from lipdub.training.style_lip_sync import adaptive_augmentation as module
from lipdub.training.style_lip_sync.adaptive_augmentation import AdaptiveAugmentation

CPU = torch.device("cpu")
SIDE = 16


def pictures(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def augmentation(probability: float) -> AdaptiveAugmentation:
    made = AdaptiveAugmentation()
    made.probability.fill_(probability)
    return made


def seen_through(monkeypatch: pytest.MonkeyPatch, view: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
    """Give the pictures after one view and one map of colours."""
    monkeypatch.setattr(module, "_draw_views", lambda count, *_: view.expand(count, 3, 3))
    monkeypatch.setattr(module, "_draw_colours", lambda count, *_: colour.expand(count, 4, 4))
    changed: torch.Tensor = augmentation(1.0)(pictures())
    return changed


def test_with_probability_0_pictures_are_given_back() -> None:
    shown = pictures()
    assert AdaptiveAugmentation()(shown) is shown


def test_with_probability_1_all_pictures_change_and_the_same_seed_changes_them_alike() -> None:
    shown, made = pictures(16), augmentation(1.0)
    torch.manual_seed(3)
    changed = made(shown)
    torch.manual_seed(3)
    assert torch.equal(made(shown), changed)
    torch.manual_seed(4)
    assert not torch.equal(made(shown), changed)
    assert changed.shape == shown.shape and bool(changed.isfinite().all())
    assert float((changed - shown).abs().mean((1, 2, 3)).min()) > 0.05


def test_each_picture_has_changes_of_its_own() -> None:
    torch.manual_seed(0)
    changed = augmentation(1.0)(pictures(1).expand(8, -1, -1, -1))
    assert all((changed[i] - changed[j]).abs().max() > 0.05 for i in range(8) for j in range(i))


def test_slopes_come_through_to_the_pictures() -> None:
    torch.manual_seed(0)
    shown = pictures().requires_grad_()
    augmentation(1.0)(shown).square().sum().backward()
    assert shown.grad is not None and bool(shown.grad.flatten(1).any(1).all())


# Views


def test_a_flip_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    flip = module._scale(torch.tensor([-1.0]), torch.ones(1))
    torch.testing.assert_close(seen_through(monkeypatch, flip, torch.eye(4)), pictures().flip(3), atol=1e-5, rtol=0)


def test_a_shift_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    shift = module._shift(torch.tensor([[3.0, -2.0]]) * 2 / SIDE)
    changed = seen_through(monkeypatch, shift, torch.eye(4))
    torch.testing.assert_close(changed[..., 2:, :-3], pictures()[..., :-2, 3:], atol=1e-5, rtol=0)
    mirrored = pictures()[..., :-2, -3:].flip(3)
    torch.testing.assert_close(changed[..., 2:, -3:], mirrored, atol=1e-5, rtol=0)


def test_a_quarter_turn_and_a_stretch_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = module._turn(torch.tensor([math.pi / 2]))
    turned = seen_through(monkeypatch, turn, torch.eye(4))
    torch.testing.assert_close(turned, pictures().rot90(1, (2, 3)), atol=1e-4, rtol=0)
    narrower = module._scale(torch.full((1,), 1 / 2), torch.ones(1))
    middle = seen_through(monkeypatch, narrower, torch.eye(4))
    at = (torch.arange(SIDE) + 0.5) / 2 + SIDE / 4 - 0.5  # of each column in the picture
    low = at.floor().long()
    expected = pictures()[..., low] * (1 - at + low) + pictures()[..., low + 1] * (at - low)
    torch.testing.assert_close(middle, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_how_often_and_how_far_views_change(probability: float) -> None:
    """A turned, stretched and shifted view keeps its area, so determinants tell of flips and sizes alone."""
    torch.manual_seed(0)
    views = module._draw_views(8000, 64, probability, CPU)
    sizes = torch.det(views[:, :2, :2])
    assert float((sizes < 0).float().mean()) == pytest.approx(probability / 2, abs=0.02)
    powers = sizes.abs().log2() / 2
    assert float((powers.abs() > 1e-4).float().mean()) == pytest.approx(probability, abs=0.02)
    assert float(powers.square().mean().sqrt()) == pytest.approx(0.2 * math.sqrt(probability), abs=0.01)
    untouched = (views - torch.eye(3)).abs().amax((1, 2)) < 1e-5
    assert float(untouched.float().mean()) == pytest.approx(
        (1 - probability / 2) * (1 - probability) ** 5, abs=0.015
    ), "the flip, two shifts, the size, the turns together and the stretch, independent of each other"


def test_how_far_pictures_are_shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """First by whole pixels, up to an eighth of the side; at last by any share of it, an eighth as a deviation."""
    shifts, shift = list[torch.Tensor](), module._shift
    monkeypatch.setattr(module, "_shift", lambda by: shifts.append(by) or shift(by))  # type: ignore[func-returns-value]
    torch.manual_seed(0)
    module._draw_views(4000, 64, 1.0, CPU)
    whole, moved = (by * 64 / 2 for by in shifts)
    assert whole.unique().tolist() == list(range(-8, 9))
    assert moved.std(0).tolist() == pytest.approx([8.0, 8.0], abs=0.3)


# Colours


def test_greys_stay_grey() -> None:
    torch.manual_seed(0)
    colours = module._draw_colours(200, 1.0, CPU)
    grey = torch.linspace(-1, 1, 5).expand(3, 5)
    seen = colours[:, :3, :3] @ grey + colours[:, :3, 3:]
    torch.testing.assert_close(seen - seen[:, :1], torch.zeros_like(seen), atol=1e-5, rtol=0)
    assert torch.equal(colours[:, 3], torch.tensor([0.0, 0, 0, 1]).expand(200, 4))
    torch.manual_seed(0)
    shown = pictures(8).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    changed = augmentation(1.0)(shown)
    torch.testing.assert_close(changed[:, 1:], changed[:, :1].expand(-1, 2, -1, -1), atol=1e-5, rtol=0)


def test_a_third_of_a_turn_of_the_hue_swaps_the_primary_colours() -> None:
    third, whole = module._turn_about_grey(torch.tensor([2 * math.pi / 3, 2 * math.pi]))
    red, green, blue = torch.eye(3)
    torch.testing.assert_close(torch.stack([third @ red, third @ green, third @ blue]), torch.stack([green, blue, red]))
    torch.testing.assert_close(whole, torch.eye(3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_how_often_and_how_far_colours_change(probability: float) -> None:
    torch.manual_seed(0)
    colours = module._draw_colours(8000, probability, CPU)
    grey = torch.full((3,), 1 / math.sqrt(3))
    along = torch.einsum("i,nij,j->n", grey, colours[:, :3, :3], grey)  # contrast, negative where it is inverted
    assert float((along < 0).float().mean()) == pytest.approx(probability / 2, abs=0.02)
    powers = along.abs().log2()
    assert float(powers.square().mean().sqrt()) == pytest.approx(0.5 * math.sqrt(probability), abs=0.02)
    saturation = torch.det(colours[:, :3, :3]).abs().log2() / 2 - 1.5 * powers
    assert float(saturation.square().mean().sqrt()) == pytest.approx(math.sqrt(probability), abs=0.05)
    brightness = colours[:, :3, 3].mean(1) / along
    assert float(brightness.square().mean().sqrt()) == pytest.approx(0.2 * math.sqrt(probability), abs=0.01)
    untouched = (colours - torch.eye(4)).abs().amax((1, 2)) < 1e-5
    assert float(untouched.float().mean()) == pytest.approx((1 - probability / 2) * (1 - probability) ** 4, abs=0.02)


def test_one_map_of_colours_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    colour = torch.eye(4)
    colour[0, 1], colour[2, 3] = 2.0, 0.25
    changed, shown = seen_through(monkeypatch, torch.eye(3), colour), pictures()
    expected = torch.stack([shown[:, 0] + 2 * shown[:, 1], shown[:, 1], shown[:, 2] + 0.25], 1)
    torch.testing.assert_close(changed, expected, atol=1e-5, rtol=0)


# The probability


def test_it_follows_the_sign_of_the_logits_and_stays_in_its_range() -> None:
    made = AdaptiveAugmentation(target=0.5, pictures=100, highest=0.3)
    sure, unsure = torch.ones(10), torch.tensor([1.0, 1.0, 1.0, -0.1])
    for expected in (0.1, 0.2, 0.3, 0.3):
        made.adapt(sure * 7)
        assert float(made.probability) == pytest.approx(expected), (
            "by the share of pictures, and no higher than allowed"
        )
    made.adapt(unsure)
    assert float(made.probability) == pytest.approx(0.3), "exactly at its target"
    for expected in (0.2, 0.1, 0.0, 0.0):
        made.adapt(-sure)
        assert float(made.probability) == pytest.approx(expected, abs=1e-6)
    assert made(pictures()) is not None and float(made.probability) == 0


def test_its_probability_is_kept_with_the_networks_state() -> None:
    again = AdaptiveAugmentation()
    again.load_state_dict(augmentation(0.25).state_dict())
    assert float(again.probability) == 0.25


def test_the_defaults_are_the_papers() -> None:
    made = AdaptiveAugmentation()
    assert (made.target, made.pictures, made.highest) == (0.6, 500_000, 0.8)
