"""Sync scores from two series of features."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.metrics import lse
from tests.networks import parity


def test_they_are_the_published_ones() -> None:
    facts, data = parity.fixture("preprocess")
    tolerance = facts["tolerances"]["lse.*"]
    found = lse.feature_distances(data["lse.lip_features"], data["lse.audio_features"])
    assert np.abs(found - data["lse.distances"]).max() <= tolerance
    assert np.abs(found.mean(1) - data["lse.mean_distance"]).max() <= tolerance
    assert np.abs(np.array(lse.score_distances(found)) - data["lse.result"]).max() <= tolerance


def test_distances_by_hand() -> None:
    lips, sound = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 1.0], [3.0, 0.0]])
    found = lse.feature_distances(lips, sound, reach=1)
    # rows: sound one frame earlier, in place, one frame later; zeros beyond the ends
    np.testing.assert_allclose(found, [[0, np.sqrt(18)], [1, 4], [3, 5]], atol=1e-5)
    scores = lse.score_distances(found)
    assert scores.offset == 1 and scores.distance == pytest.approx(np.sqrt(18) / 2, abs=1e-5)
    assert scores.confidence == pytest.approx(2.5 - np.sqrt(18) / 2, abs=1e-5)


@pytest.mark.parametrize("late", [-4, 0, 3])
def test_sound_that_comes_late_has_a_negative_offset(late: int) -> None:
    lips = np.random.default_rng(0).standard_normal((60, 32)).astype(np.float32)
    scores = lse.score_distances(lse.feature_distances(lips, np.roll(lips, late, 0)))
    assert scores.offset == -late and scores.distance < 1 < 5 < scores.confidence


def test_series_that_do_not_match_are_refused() -> None:
    for lips, sound in (((5, 8), (6, 8)), ((0, 8), (0, 8)), ((5,), (5,))):
        with pytest.raises(ValueError, match="two equal series"):
            lse.feature_distances(np.zeros(lips), np.zeros(sound))
