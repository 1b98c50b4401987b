"""The fit of the coarticulation model."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech import coarticulation
from lipdub.speech.coarticulation import LipModel
from lipdub.speech.phones import PHONE_INDEX, PHONES

torch = pytest.importorskip("torch")

from lipdub.training import lip_fit


@pytest.mark.slow
def test_lip_fit_finds_the_lead_of_the_lips_and_stays_near_the_table() -> None:
    rng = np.random.default_rng(0)
    posteriors = np.eye(len(PHONES), dtype=np.float32)[np.repeat(rng.integers(0, len(PHONES), (6, 30)), 10, axis=1)]
    posteriors[:, :20] = posteriors[:, -20:] = np.eye(len(PHONES))[PHONE_INDEX["sil"]]
    table = LipModel.phonetic()
    early = LipModel(table.targets, table.dominance, table.reach, table.lead + 0.04)
    own = np.stack([coarticulation.blend_lip_shapes(p, early)[::4][:, [0, 1, 3]] for p in posteriors])
    model = lip_fit.fit_lip_model(posteriors, own, lip_fit.LipFitOptions(steps=60, hold_reach=0.001))
    assert model.lead[0] > table.lead[0] + 0.01
    assert np.abs(model.targets - table.targets).max() < 0.3
    assert not model.targets[PHONE_INDEX["sil"]].any() and model.targets[PHONE_INDEX["p"], 0] == 0
