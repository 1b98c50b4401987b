"""Clips of a dubbed video are cut where the faces of the first one are, and carry the sound that was dubbed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.training.dataset import open_dataset
from lipdub.training.prepare import prepare
from lipdub.training.pseudo_targets import write_dubbed_clips
from tests.training.footage import cut

if TYPE_CHECKING:
    from pathlib import Path

NEGATED = "scale=256:256,negate"


@pytest.mark.slow
def test_the_same_places_with_other_pictures_and_another_sound(tmp_path: Path) -> None:
    video = cut(tmp_path / "talker.mp4", seconds=3.0)
    prepare([video], tmp_path / "faces", clips={"size": 32, "min_sync": 0.0, "min_face": 0.0}, split={"held_out": 0.0})
    data = open_dataset(tmp_path / "faces")
    (own,) = data.clips
    dubbed = cut(tmp_path / "dubbed.mp4", 0.0, 1.6, filters=NEGATED)
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, round(1.2 * SAMPLE_RATE_HZ)).astype(np.float32)
    (clip,) = write_dubbed_clips(data, dubbed, sound, "said")
    assert (clip.video, clip.frames, clip.start) == ("said", 40, own.start) and own.frames == 75
    whole = data.with_clips([own, clip])
    before, after = whole.read(own, 0, 40), whole.read(clip)
    np.testing.assert_array_equal(after.placements, before.placements)
    assert np.abs(255.0 - after.crops - before.crops).mean() < 8  # a negative of the very same crops
    np.testing.assert_allclose(after.audio[: len(sound)], sound, atol=1e-4)
    assert not after.audio[len(sound) :].any()
    short = cut(tmp_path / "short.mp4", 0.0, 0.2, filters=NEGATED)
    assert write_dubbed_clips(data, short, sound, "shorter") == ()
