"""Lip shapes of phones: what each does, and the numbers of the model in a weights file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.speech.coarticulation import (
    COEFFICIENTS,
    LipModel,
    apply_kernel,
    blend_lip_shapes,
    make_gaussian_kernel,
    suppress_unlikely,
)
from lipdub.speech.phone_recognizer import load_weights
from lipdub.speech.phones import PHONES
from tests.speech.synthetic import column, one_hot


@pytest.mark.parametrize("model", [LipModel.phonetic(), load_weights()[1]], ids=["table", "shipped"])
def test_phones_move_the_lips_as_they_should(model: LipModel) -> None:
    posteriors = one_hot(
        ("sil", 100),
        ("aa", 15),
        ("p", 6),
        ("aa", 15),
        ("uw", 15),
        ("iy", 15),
        ("f", 8),
        ("aa", 15),
        ("sil", 100),
    )
    values = blend_lip_shapes(posteriors, model)
    opening, width = column(values, "opening"), column(values, "width")
    assert not values[:30].any() and not values[-50:].any()  # rest well away from speech
    assert opening[85] > 0.02  # the lips part before the first sound
    assert opening[107] > 0.5 and opening[127] > 0.5
    assert opening[114:121].min() < 0.05 and column(values, "closure")[114:121].max() > 0.95  # a short p still shuts
    assert width[144] < -0.2 and width[159] > width[144] + 0.4  # u rounded, i spread
    assert column(values, "rounding")[144] > 0.4 > column(values, "rounding")[107]
    assert column(values, "lower_lip")[170] > 0.5 and opening[170] < 0.4
    assert column(values, "jaw")[107] > column(values, "jaw")[159]


def test_lips_are_shut_before_an_initial_bilabial() -> None:
    values = blend_lip_shapes(one_hot(("sil", 100), ("b", 5), ("aa", 20)), LipModel.phonetic())
    assert column(values, "opening")[98] < 0.05 < column(values, "opening")[85]


@given(st.floats(0.01, 0.2), st.floats(-0.1, 0.1))
def test_kernels_are_centred_and_keep_a_constant(reach: float, lead: float) -> None:
    weights, first = make_gaussian_kernel(reach, lead)
    assert weights.sum() == pytest.approx(1)
    centre = weights @ (first + np.arange(len(weights))) / 100
    assert centre == pytest.approx(lead, abs=0.01)
    np.testing.assert_allclose(apply_kernel(np.full(50, 0.7), weights, first), 0.7)


@given(st.lists(st.tuples(st.sampled_from(PHONES), st.integers(1, 30)), min_size=1, max_size=12))
def test_coefficients_stay_in_their_ranges(spans: list[tuple[str, int]]) -> None:
    values = blend_lip_shapes(one_hot(*spans), LipModel.phonetic())
    assert np.isfinite(values).all()
    for name, low, high in zip(COEFFICIENTS, (0, -1, 0, 0, 0, 0), (2, 1, 1, 2, 1, 1), strict=True):
        assert low <= column(values, name).min() and column(values, name).max() <= high


def test_small_posteriors_are_dropped() -> None:
    p = np.full((1, len(PHONES)), 0.005)
    p[0, 0] = 1 - 0.005 * (len(PHONES) - 1)
    assert suppress_unlikely(p)[0].tolist() == [1.0] + [0.0] * (len(PHONES) - 1)


def test_a_model_survives_its_file() -> None:
    _, model = load_weights()
    arrays, numbers = model.to_file()
    assert set(arrays) >= {"targets", "dominance", "reach", "ahead", "context.0"}
    assert numbers["closure_ahead"] == model.closure_lead and numbers["posture_before"] == model.pause_rise
    again = LipModel.from_file(arrays, numbers)
    for name in ("targets", "dominance", "reach", "lead"):
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
    assert len(again.context) == len(model.context) == 3
    np.testing.assert_array_equal(again.context[2], model.context[2])
    assert again.closure_probability == model.closure_probability and again.pause_fall == model.pause_fall
