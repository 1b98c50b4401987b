"""The response prior's fit."""

from __future__ import annotations

import numpy as np

from lipdub.faces import mouth_shapes
from lipdub.training import mouth_response
from tests.faces.made_faces import make_face, with_lips


def test_fit_finds_gains_and_ranges_and_leaves_out_frames_without_a_face() -> None:
    rng = np.random.default_rng(0)
    still = make_face(rng)
    still[152] = (0, 1.5, 0)
    clips = np.full((3, 60, 478, 3), np.nan, np.float32)
    for c in range(3):
        for f in range(60):
            opening, width = rng.uniform(0, 0.2), rng.uniform(0.7, 0.9)
            frame = with_lips(still, opening, width)
            frame[152, 1] += 0.4 * opening
            clips[c, f] = frame * 100 + (200, 150, 0)
    clips[1, 10:20] = np.nan
    made = mouth_response.fit_prior(clips)
    prior = mouth_shapes.MouthPrior(
        *(made[k] for k in ("gain", "low", "rest", "high", "skin_vertices", "skin_triangles"))
    )
    assert np.isclose(prior.gain[0, 152, 1], 0.4, atol=0.02)
    assert np.isclose(prior.high[0], 0.2, atol=0.02) and np.isclose(prior.high[1], 0.9, atol=0.02)
    assert np.isclose(prior.gain[1, 291, 0], 0.5, atol=0.05) and np.isclose(prior.gain[1, 61, 0], -0.5, atol=0.05)


def test_the_shipped_prior_is_sane() -> None:
    prior = mouth_shapes.load_prior()
    assert prior.gain.shape == (2, 478, 3)
    assert 0.2 < prior.gain[0, 152, 1] < 0.5 and 0.5 < prior.gain[0, 17, 1] < 1.0
    assert (prior.low < prior.high).all()
