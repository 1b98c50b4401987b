"""Landmark distances."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces.landmarks import IBUG, to_ibug
from lipdub.metrics import lmd
from tests.metrics.made_pictures import make_face


def test_mouth_distance_is_free_of_the_faces_place_and_face_distance_is_not() -> None:
    truth = make_face()
    moved = truth + np.array([3, 4, 0])
    assert lmd.lmd(moved, truth).pixels == pytest.approx(0, abs=1e-12)
    assert lmd.f_lmd(moved, truth) == (pytest.approx(5), pytest.approx(5 / 40))


def test_mouth_distance_by_hand() -> None:
    truth = make_face()
    result = truth.copy()
    lips = [IBUG[48], IBUG[60]]
    result[lips[0], 0] += 10
    result[lips[1], 0] -= 10  # the mean stays
    found = lmd.lmd(result, truth)
    assert found.pixels == pytest.approx(1) and found.eyes == pytest.approx(1 / 40)
    assert lmd.f_lmd(result, truth).pixels == pytest.approx(20 / 68)
    result[IBUG[0], 1] += 34  # the jaw is no part of the mouth
    assert lmd.lmd(result, truth).pixels == pytest.approx(1)
    assert lmd.f_lmd(result, truth).pixels == pytest.approx(54 / 68)


def test_landmarks_may_be_of_ibug_of_many_frames_and_missing() -> None:
    truth = np.stack([make_face(k) for k in range(4)])
    result = truth + np.random.default_rng(0).normal(0, 1, truth.shape)
    whole, few = lmd.lmd(result, truth), lmd.lmd(to_ibug(result)[..., :2], to_ibug(truth)[..., :2])
    np.testing.assert_allclose(whole.pixels, few.pixels)
    assert whole.pixels.shape == (4,)
    result[2] = np.nan
    assert np.isnan(lmd.lmd(result, truth).eyes).tolist() == [False, False, True, False]
    with pytest.raises(ValueError, match="different shapes"):
        lmd.lmd(result[0], truth)
    with pytest.raises(ValueError, match="68 or 478"):
        lmd.f_lmd(np.zeros((5, 2)), np.zeros((5, 2)))
