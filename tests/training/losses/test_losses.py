"""The losses against values worked out by hand, and at the points where a careless formula is infinite."""

from __future__ import annotations

from math import exp, log, log1p, sqrt

import pytest

torch = pytest.importorskip("torch")

from lipdub.training.losses.adaptive_triplet import adaptive_triplet, triplet
from lipdub.training.losses.adversarial import discriminator_loss, generator_loss
from lipdub.training.losses.lip_sync import lip_sync
from lipdub.training.losses.stabilized_sync import similarity, stabilized_sync


def numbers(*values: float, learns: bool = False) -> torch.Tensor:
    return torch.tensor(values, requires_grad=learns)


def test_similarity_is_the_cosine() -> None:
    a = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]])
    b = torch.tensor([[1.0, 0.0], [0.8, -0.6], [0.0, 1.0]])
    torch.testing.assert_close(similarity(a, b), numbers(1.0, 0.0, -1.0))


@pytest.mark.parametrize(("x", "y", "d"), [(0.2, 0.7, 0.4), (0.9, 0.7, 0.4), (-0.5, 0.3, 0.9), (0.7, 0.7, 0.6)])
def test_stabilized_sync_is_the_papers_formula(x: float, y: float, d: float) -> None:
    apart, room, epsilon = abs(x - y), abs(y - d), 0.01
    wanted = -log(1 - (apart + epsilon) / (apart + room + epsilon))
    found = stabilized_sync(numbers(x), numbers(y), numbers(d), epsilon)
    assert float(found) == pytest.approx(wanted, rel=1e-4)
    both = stabilized_sync(numbers(x, 0.5), numbers(y, 0.5), numbers(d, 0.5), epsilon)
    assert float(both) == pytest.approx(wanted / 2, rel=1e-4)


def test_stabilized_sync_is_least_where_made_and_true_go_alike_with_the_sound() -> None:
    y, d = numbers(0.6), numbers(0.1)
    at = [float(stabilized_sync(numbers(x), y, d)) for x in (0.2, 0.5, 0.6, 0.7, 1.0)]
    assert at[0] > at[1] > at[2] < at[3] < at[4]
    assert at[2] == pytest.approx(log(0.51 / 0.5), rel=1e-4)
    assert at[1] == pytest.approx(at[3], rel=1e-4)  # better than the true one is no better


def test_stabilized_sync_weighs_more_where_the_reference_fits_the_sound() -> None:
    for x, slope in ((0.2, -1), (0.9, 1)):
        for d, room in ((0.5, 0.0), (0.4, 0.1), (-0.3, 0.8)):
            made = numbers(x, learns=True)
            stabilized_sync(made, numbers(0.5), numbers(d)).backward()
            assert float(made.grad) == pytest.approx(slope / (abs(x - 0.5) + room + 0.01), rel=1e-4)


def test_stabilized_sync_is_finite_where_the_papers_is_not() -> None:
    x, y, d = numbers(0.3, 0.5, 0.5, learns=True), numbers(0.5, 0.5, 0.5), numbers(0.5, 0.5, 0.502)
    found = stabilized_sync(x, y, d)
    assert float(stabilized_sync(y, y, y)) == 0.0
    assert found.item() == pytest.approx((log(0.21 / 0.01) + 0 + log(0.012 / 0.01)) / 3, rel=1e-3)
    found.backward()
    torch.testing.assert_close(x.grad, numbers(-1 / 0.21 / 3, 0.0, 0.0))


def test_only_the_made_face_learns_from_stabilized_sync() -> None:
    x, y, d = (numbers(value, learns=True) for value in (0.1, 0.5, 0.9))
    stabilized_sync(x, y, d).backward()
    assert x.grad is not None and y.grad is None and d.grad is None


def test_lip_sync_is_cross_entropy() -> None:
    assert float(lip_sync(numbers(0.0))) == pytest.approx(log(2))
    logits = numbers(2.0, -1.0, learns=True)
    lip_sync(logits).backward()
    assert lip_sync(logits).item() == pytest.approx((log1p(exp(-2)) + log1p(exp(1))) / 2)
    torch.testing.assert_close(logits.grad, numbers(-1 / (1 + exp(2)) / 2, -1 / (1 + exp(-1)) / 2))
    assert float(lip_sync(numbers(-200.0))) == pytest.approx(200)


def test_adversarial_losses_do_not_saturate() -> None:
    assert float(generator_loss(numbers(0.0, 0.0))) == pytest.approx(log(2))
    assert float(generator_loss(numbers(2.0, -100.0))) == pytest.approx((log1p(exp(-2)) + 100) / 2)
    fake = numbers(-100.0, learns=True)
    generator_loss(fake).backward()
    assert float(fake.grad) == pytest.approx(-1)
    found = discriminator_loss(numbers(1.0, 3.0), numbers(-2.0))
    assert float(found) == pytest.approx((log1p(exp(-1)) + log1p(exp(-3))) / 2 + log1p(exp(-2)), rel=1e-5)
    assert float(discriminator_loss(numbers(60.0), numbers(-60.0))) == pytest.approx(0, abs=1e-6)


def rows(*values: tuple[float, float], learns: bool = False) -> torch.Tensor:
    return torch.tensor(values, requires_grad=learns)


def test_triplets_by_hand() -> None:
    anchor, positive, negative = (
        rows((0.0, 0.0), (1.0, 0.0)),
        rows((0.3, 0.4), (1.0, 0.1)),
        rows((0.6, 0.8), (1.0, 2.0)),
    )
    # apart: anchor and positive 0.5, 0.1; anchor and negative 1, 2; positive and negative 0.5, 1.9
    adaptive = max(0.5 - 1 / 0.5 + 2, 0), max(0.1 - 2 / 1.9 + 2, 0)
    assert float(adaptive_triplet(anchor, positive, negative, alpha=2.0)) == pytest.approx(sum(adaptive) / 2, rel=1e-4)
    vanilla = 0.5 - 1 + 1, 0.001
    assert float(triplet(anchor, positive, negative)) == pytest.approx(sum(vanilla) / 2, rel=1e-4)


def test_a_face_as_near_the_reference_as_the_true_one_is_costs_only_its_distance() -> None:
    # on the middle line between them: the quotient is that of two sides of a triangle
    found = adaptive_triplet(rows((0.0, 1.0)), rows((-1.0, 0.0)), rows((1.0, 0.0)))
    assert float(found) == pytest.approx(sqrt(2) - sqrt(2) / 2 + 1, rel=1e-4)
    assert float(adaptive_triplet(rows((2.0, 3.0)), rows((2.0, 3.0)), rows((0.0, 0.0)))) == pytest.approx(
        0.001, abs=1e-6
    )


def test_the_adaptive_one_takes_the_reference_as_the_measure() -> None:
    # all ten times as far from the reference: the quotient stays, so only the distance to the true face decides
    near = adaptive_triplet(rows((0.0, 0.1)), rows((0.0, 0.0)), rows((0.0, 0.3)))
    far = adaptive_triplet(rows((0.0, 1.0)), rows((0.0, 0.0)), rows((0.0, 3.0)))
    assert float(near) == pytest.approx(0.1 - 2 / 3 + 1, rel=1e-3) and float(far) == pytest.approx(
        1 - 2 / 3 + 1, rel=1e-3
    )


@pytest.mark.parametrize("loss", [adaptive_triplet, triplet])
@pytest.mark.parametrize(
    ("anchor", "positive", "negative"),
    [
        ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0)),
        ((1.0, 1.0), (1.0, 1.0), (0.0, 1.0)),
        ((0.0, 1.0), (1.0, 1.0), (1.0, 1.0)),
        ((1.0, 1.0), (0.0, 1.0), (1.0, 1.0)),
    ],
)
def test_triplets_are_finite_where_faces_are_equal(loss, anchor, positive, negative) -> None:
    made = rows(anchor, learns=True)
    found = loss(made, rows(positive), rows(negative))
    found.backward()
    assert torch.isfinite(found) and found.item() >= 0.001 - 1e-7
    assert torch.isfinite(made.grad).all()
