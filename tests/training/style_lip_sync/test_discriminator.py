"""The discriminator's loss by hand, with R1 in some of its steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import softplus

from lipdub.training.style_lip_sync.discriminator import AugmentedDiscriminator, DiscriminatorOptions, cut_mouths
from tests.training.style_lip_sync.small import PIXELS, style_discriminator


class Linear(torch.nn.Module):
    """Judges a picture by a weighted sum of its pixels."""

    def __init__(self) -> None:
        super().__init__()
        weights = torch.randn(3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(0))
        self.weights = torch.nn.Parameter(0.02 * weights)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return (self.weights * pictures).sum((1, 2, 3))


def judge(**options: Any) -> AugmentedDiscriminator:
    """A linear discriminator behind the module."""
    return AugmentedDiscriminator(Linear(), DiscriminatorOptions(**options))


def pictures(seed: int, count: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(seed))


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weights() -> None:
    made, real, fake = judge(r1=3.0, r1_every=4), pictures(1), pictures(2)
    weights = made.discriminator.weights
    loss, figures = made.loss(made, real, fake)
    loss.backward()
    square = weights.detach().square().sum()
    plain = softplus(-made(real)).mean() + softplus(made(fake)).mean()
    assert figures["r1"] == pytest.approx(float(square), rel=1e-5)
    torch.testing.assert_close(loss, plain + 3.0 / 2 * 4 * square)
    (slope,) = torch.autograd.grad(plain, weights)
    torch.testing.assert_close(weights.grad, slope + 3.0 * 4 * weights.detach())
    assert figures["real"] == pytest.approx(float(made(real).detach().sign().mean())) and figures["augment"] == 0


def test_r1_is_computed_once_in_some_steps_and_weighs_as_many() -> None:
    made, real, fake = judge(r1=3.0, r1_every=3), pictures(1), pictures(2)
    given, has_r1 = list[torch.Tensor](), []
    made.register_forward_hook(lambda module, shown, found: given.append(shown[0]))
    for step in range(7):
        assert int(made.step) == step
        loss, figures = made.loss(made, real, fake)
        has_r1.append("r1" in figures)
        assert given[-2].requires_grad == has_r1[-1] and not given[-1].requires_grad, "real, then generated"
        if not has_r1[-1]:
            torch.testing.assert_close(loss, softplus(-made(real)).mean() + softplus(made(fake)).mean())
    assert has_r1 == [True, False, False, True, False, False, True]


def test_without_a_weight_there_is_no_r1() -> None:
    made = judge(r1=0.0)
    assert "r1" not in made.loss(made, pictures(1), pictures(2))[1]


def test_it_sees_real_and_generated_pictures_after_the_augmentation(monkeypatch: pytest.MonkeyPatch) -> None:
    made, real, fake, given = judge(r1_every=1), pictures(1), pictures(2), list[torch.Tensor]()
    monkeypatch.setattr(made.augment, "forward", lambda shown: shown + 1)
    made.register_forward_hook(lambda module, shown, found: given.append(shown[0].detach()))
    made.loss(made, real, fake)
    assert torch.equal(given[0], real + 1) and torch.equal(given[1], fake + 1)


@pytest.mark.parametrize(("sign", "probability"), [(1, 0.5 + 4 / 40), (-1, 0.5 - 4 / 40)])
def test_the_augmentation_follows_the_logits_of_real_pictures(
    sign: int, probability: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = judge(augment_target=0.6, augment_pictures=40)
    made.augment.probability.fill_(0.5)
    monkeypatch.setattr(made.augment, "forward", lambda shown: shown)
    real = sign * made.discriminator.weights.detach().expand(4, -1, -1, -1)
    made.loss(made, real, -real)
    assert float(made.augment.probability) == pytest.approx(probability)


def test_r1_of_patches_is_of_their_mean() -> None:
    made = judge(r1=3.0, r1_every=1)
    weights, real = made.discriminator.weights, pictures(1)

    class Patches(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return (weights * pictures).sum((1, 2, 3))[:, None] * torch.tensor([1.0, 2.0, 6.0])

    _, figures = made.loss(Patches(), real, pictures(2))
    assert figures["r1"] == pytest.approx(9 * float(weights.detach().square().sum()), rel=1e-5)


def test_what_it_remembers_between_steps_is_kept_with_its_weights() -> None:
    made = judge()
    assert {"step", "path_length", "augment.probability", "discriminator.weights"} == set(made.state_dict())
    made.loss(made, pictures(1), pictures(2))
    again = judge()
    again.load_state_dict(made.state_dict())
    assert int(again.step) == 1


def test_r1_of_the_network_itself_makes_its_slopes_smaller() -> None:
    torch.manual_seed(0)
    made, real = AugmentedDiscriminator(style_discriminator(), DiscriminatorOptions(r1=10.0, r1_every=1)), pictures(1)
    optimizer = torch.optim.Adam(made.parameters(), lr=1e-2)
    found = []
    for _ in range(10):
        loss, figures = made.loss(made, real, real)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(figures["r1"])
    assert found[-1] < 0.9 * found[0]


# The mouths


@pytest.mark.parametrize(
    ("lips", "corner"),
    [
        (((5, 8), (6, 9)), (2.5, 3.5)),  # the middle is in row 6 and column 7, 3.5 pixels from the first row and column
        (((0, 2), (0, 16)), (0, 4)),
        (((15, 16), (15, 16)), (8, 8)),
        (((0, 0), (0, 0)), (4, 4)),
    ],
    ids=["inside", "at the top", "in a corner", "no lips"],
)
def test_mouths_are_cut_around_the_middle_of_the_lips(
    lips: tuple[tuple[int, int], tuple[int, int]], corner: tuple[float, float]
) -> None:
    outline = torch.zeros(1, 1, PIXELS, PIXELS)
    (top, bottom), (left, right) = lips
    outline[..., top:bottom, left:right] = 1
    at = torch.arange(PIXELS, dtype=torch.float32)
    face = torch.stack([at[:, None].expand(-1, PIXELS), at.expand(PIXELS, -1), at.expand(PIXELS, -1)])[None]
    cut = cut_mouths(face, outline)
    assert cut.shape == (1, 3, PIXELS // 2, PIXELS // 2)
    y, x = int(cut[0, 0, 0, 0]), int(cut[0, 1, 0, 0])
    assert torch.equal(cut, face[..., y : y + PIXELS // 2, x : x + PIXELS // 2])
    assert abs(y - corner[0]) <= 0.5 and abs(x - corner[1]) <= 0.5


def test_each_face_has_its_own_square() -> None:
    outlines = torch.zeros(2, 1, PIXELS, PIXELS)
    outlines[0, 0, 0, 0] = outlines[1, 0, -1, -1] = 1
    faces = torch.rand(2, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(0))
    half = PIXELS // 2
    first, second = cut_mouths(faces, outlines)
    assert torch.equal(first, faces[0, :, :half, :half]) and torch.equal(second, faces[1, :, half:, half:])
