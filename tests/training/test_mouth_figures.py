"""What a training reports of the mouths that its generator draws."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.media.read import read_frames
from lipdub.training.mouth_figures import fit_leak, fit_openings, measure_mouths
from tests.sample import TALKER


def test_following_and_leaking_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    true, references = rng.uniform(0, 0.4, (2, 200))
    copies = fit_openings(references, true, references)
    assert copies["leak"] == pytest.approx(1) and abs(copies["opening"]) < 0.2
    follows = fit_openings(0.5 * true + 0.1, true, references)
    assert follows["leak"] == pytest.approx(0) and follows["opening"] == pytest.approx(1)
    assert follows["range"] == pytest.approx(0.5)
    assert fit_openings(true + 0.2 * references, true, references)["leak"] == pytest.approx(0.2)


def test_lips_that_are_thick_for_a_reason_are_no_leak() -> None:
    """People differ in how open a shut mouth looks: in the drawn ones and in the references alike."""
    rng = np.random.default_rng(0)
    true, shown, person = rng.uniform(0, 0.3, (3, 200))
    drawn = 0.8 * true + person
    assert fit_leak((drawn + 0.1 * shown) - (drawn + 0.1 * true), shown - true) == pytest.approx(0.1)
    assert fit_openings(drawn, true, shown + person)["leak"] > 0.2, "a plain fit would take them for one"


def test_the_drawn_talker_against_itself() -> None:
    faces = np.stack([frame.picture.rgb()[40:440, 56:456] for frame in read_frames(TALKER, 0, 60)][::4])
    later = np.roll(faces, 3, 0)
    same = measure_mouths(faces, faces, later, faces, faces)
    assert same["opening"] == pytest.approx(1) and same["range"] == pytest.approx(1)
    assert same["leak"] == pytest.approx(0, abs=1e-6) and same["speckles"] == 0
    other = measure_mouths(later, faces, later, faces, faces)
    assert other["leak"] == pytest.approx(1, abs=1e-6) and other["opening"] < 0.9


def test_too_few_faces_give_no_figures() -> None:
    nothing = np.zeros((4, 24, 24, 3), np.uint8)
    assert measure_mouths(nothing, nothing, nothing, nothing, nothing) == {}
