"""What adaptations learn from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.media.audio import load_audio
from lipdub.media.frame_index import read_frame_times
from lipdub.media.read import read_frames
from lipdub.networks.avsyncnet import AVSyncNet
from lipdub.training.adaptation_data import cut_beginning, retime_own_clips
from lipdub.training.dataset import open_dataset
from lipdub.training.own_speech import SpeechFit
from lipdub.training.prepare import prepare
from lipdub.weights.talking_face_file import TalkingFaceModel
from tests.training.base_models import PHONETIC
from tests.training.footage import cut

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_only_sound_that_fits_the_lips_is_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video, said = cut(tmp_path / "talker.mp4", seconds=2.4), list[str]()
    prepare([video], tmp_path / "faces", clips={"size": 24, "min_sync": 0.0, "min_face": 0.0}, split={"held_out": 0.0})
    data = open_dataset(tmp_path / "faces")
    model = TalkingFaceModel(AVSyncNet(PHONETIC), notes={"lead": 0.02})
    module = "lipdub.training.adaptation_data"
    monkeypatch.setattr(f"{module}.refine_lag", lambda _, fit: replace(fit, seconds=fit.seconds + 0.005))
    for fit in (None, SpeechFit(0.0, 0.1)):
        monkeypatch.setattr(f"{module}.fit_own_speech", lambda *_, fit=fit: fit)
        assert retime_own_clips(data, video, model.sync, model.lead, 0.22, said.append) == []
    monkeypatch.setattr(f"{module}.fit_own_speech", lambda *_: SpeechFit(0.08, 0.4))
    # The network learnt from mouths 20 ms late.
    (clip,) = retime_own_clips(data, video, model.sync, model.lead, 0.22, said.append)
    assert ["from dubs alone" in said[0], "from dubs alone" in said[1], "fits its lips, 65 ms late" in said[2]] == [
        True
    ] * 3
    before, after = data.read(data.clips[0]), data.with_clips([clip]).read(clip)
    assert clip.video == "own" and np.array_equal(before.placements, after.placements)
    np.testing.assert_array_equal(before.audio[1040:], after.audio[:-1040])
    assert not after.audio[-1040:].any()


@pytest.mark.slow
def test_no_more_than_there_is_time_for(tmp_path: Path) -> None:
    video = cut(tmp_path / "-a talker's 'long'.mp4", seconds=3.0)
    said: list[str] = []
    assert cut_beginning(video, 2.9, tmp_path, said.append) == video and not said
    out = cut_beginning(video, 1.6, tmp_path, said.append)
    assert len(read_frame_times(out)) == 40 and abs(len(load_audio(out)) / 16000 - 1.6) < 0.05
    assert "only the first 2 s" in said[0]
    first, same = (next(iter(read_frames(path, 0, 1))).picture.rgb() for path in (video, out))
    assert np.abs(first.astype(float) - same).mean() < 2
