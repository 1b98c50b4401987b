"""Mouth measures, the response model, and a talker's range."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import mesh, mouth_shapes
from tests.faces.made_faces import make_face, with_lips

NO_SKIN = (np.zeros(0, int), np.zeros((0, 3), int))


def prior(low: tuple[float, float], rest: tuple[float, float], high: tuple[float, float]) -> mouth_shapes.MouthPrior:
    gain = np.zeros((2, mesh.VERTICES, 3))
    return mouth_shapes.MouthPrior(gain, np.array(low), np.array(rest), np.array(high), *NO_SKIN)


PRIOR = prior((0, 0.79), (0, 0.85), (0.21, 0.89))


def test_lips_that_cross_have_a_negative_opening() -> None:
    face = make_face(np.random.default_rng(0))
    crossed = with_lips(face, 0.1, 0.8)
    upper, lower = mesh.LIPS_INNER[mesh.UPPER_MIDDLE], mesh.LIPS_INNER[mesh.LOWER_MIDDLE]
    crossed[[upper, lower]] = crossed[[lower, upper]]
    assert np.allclose(mouth_shapes.measure(np.stack([with_lips(face, 0.1, 0.8), crossed]))[:, 0], [0.1, -0.1])


def test_predicted_lip_heights_are_those_of_the_predicted_faces_in_blocks() -> None:
    rng = np.random.default_rng(4)
    response = mouth_shapes.MouthResponse(
        make_face(rng), np.array([0.1, 0.8]), rng.normal(0, 0.1, (2, mesh.VERTICES, 3))
    )
    measures = rng.uniform(0, 0.3, (600, 2))
    whole = mouth_shapes.measure_lip_heights(response.shape(measures))
    assert np.array_equal(mouth_shapes.predict_lip_heights(response, measures), whole)
    assert mouth_shapes.predict_lip_heights(response, measures[:0]).shape == (0, 2)


def test_response_of_a_moving_talker_is_the_talkers_own_and_of_a_still_one_the_priors() -> None:
    rng = np.random.default_rng(2)
    base, gain = rng.normal(size=(mesh.VERTICES, 3)), rng.normal(size=(2, mesh.VERTICES, 3))
    general = prior((0, 0.7), (0, 0.8), (0.2, 0.9))
    measures = np.stack([rng.uniform(0, 0.3, 2000), rng.uniform(0.6, 0.9, 2000)], 1)
    frames = base + np.einsum("nm,mpc->npc", measures, gain)
    fit = mouth_shapes.ResponseFit(2)
    fit.add(frames[:1000], measures[:1000])
    fit.add(frames[1000:], measures[1000:])
    solved = fit.solve(base, general)
    assert np.allclose(solved.gain, gain, rtol=0.05, atol=0.05)
    assert np.allclose(solved.shape(measures[:5]), frames[:5], atol=0.05)
    still = mouth_shapes.ResponseFit(2)
    still.add(frames[:1].repeat(50, 0), measures[:1].repeat(50, 0))
    assert np.allclose(still.solve(base, general).gain, general.gain)
    assert mouth_shapes.ResponseFit(2).solve(base, general).base is base


def test_range_of_a_talker() -> None:
    t = np.linspace(0, 30, 500)
    talking = np.stack([0.12 + 0.12 * np.sin(t), 0.8 + 0.05 * np.cos(t)], 1)
    own = mouth_shapes.estimate_speech_range(talking, PRIOR)
    assert own.trust == 1
    assert own.high[0] == pytest.approx(0.24, abs=0.01)
    assert own.rest[0] == 0
    still = mouth_shapes.estimate_speech_range(np.tile([0.1, 0.8], (200, 1)), PRIOR)
    assert still.trust == 0
    assert still.high[0] == pytest.approx(0.21)
    assert still.rest[0] == 0
    at_rest = mouth_shapes.map_motion_to_range(np.zeros(3), np.zeros(3), own)
    assert np.allclose(at_rest, own.rest)
    wide = mouth_shapes.map_motion_to_range(np.ones(1), np.ones(1), own)
    steeper = np.array([0, own.slope * (own.high[0] - own.rest[0])])
    assert np.allclose(wide[0], own.high + steeper)
    smiler = talking + np.stack([np.zeros(500), 0.5 * (talking[:, 0] - 0.12)], 1)
    assert mouth_shapes.estimate_speech_range(smiler, PRIOR).slope == pytest.approx(0.35, abs=0.05)


def test_frames_without_the_face_do_not_count_for_the_range() -> None:
    t = np.linspace(0, 30, 500)
    talking = np.stack([0.12 + 0.12 * np.sin(t), 0.8 + 0.05 * np.cos(t)], 1)
    gaps = np.insert(talking, 100, np.nan, axis=0)
    assert np.array_equal(
        mouth_shapes.estimate_speech_range(gaps, PRIOR).high, mouth_shapes.estimate_speech_range(talking, PRIOR).high
    )


def test_what_neutralize_stores_is_unpacked() -> None:
    face = np.random.default_rng(0).normal(size=(4, mesh.VERTICES, 3))
    facts = {"mean": [0.1, 0.8], "low": [0, 0.7], "rest": [0, 0.8], "high": [0.2, 0.9], "trust": 0.5, "slope": 0.1}
    canonical, response, span = mouth_shapes.unpack_talker(face, facts)
    assert np.array_equal(canonical, face[0])
    assert np.array_equal(response.base, face[1])
    assert np.array_equal(response.gain, face[2:])
    assert response.mean.tolist() == facts["mean"]
    assert (span.low.tolist(), span.rest.tolist(), span.high.tolist()) == ([0, 0.7], [0, 0.8], [0.2, 0.9])
    assert (span.trust, span.slope) == (0.5, 0.1)


def test_quiet_speech_is_opened_to_the_talkers_range_but_never_boundlessly() -> None:
    quiet, loud, limits = np.linspace(0, 0.7, 500), np.linspace(0, 1.1, 500), mouth_shapes.OPENING_GAIN_LIMITS
    gain = mouth_shapes.estimate_motion_gain
    assert 1 < gain(quiet, 20, limits) <= limits[1]
    assert limits[0] <= gain(loud, 20, limits) < 1
    assert gain(np.zeros(100), 20, limits) == 1
    assert abs(gain(quiet, 0.3, limits) - 1) < abs(gain(quiet, 20, limits) - 1)
    assert gain(-quiet / 9, 20, mouth_shapes.WIDTH_GAIN_LIMITS) > 2
