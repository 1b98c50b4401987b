"""The drawn talker: small, playable, tracked by the face mesh, with lips that move as drawn."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.media.audio import load_audio
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from tests.mouths import track_mouth
from tests.sample import draw

if TYPE_CHECKING:
    from lipdub.metrics.mouth_motion import MouthMotion

HERE = Path(__file__).resolve().parent
TALKER, SPEECH = HERE / "talker.mp4", HERE / "speech.wav"


def test_the_files_are_small_and_what_they_claim() -> None:
    assert TALKER.stat().st_size < 400_000
    assert SPEECH.stat().st_size < 150_000
    facts = probe(TALKER)
    assert facts.video is not None
    assert (facts.video.width, facts.video.height, facts.video.average_rate) == (
        draw.SIZE,
        draw.SIZE,
        draw.FPS,
    )
    assert facts.audio[0].codec == "aac"
    sound = load_audio(SPEECH)
    assert 3 < len(sound) / 16000 < 5
    assert np.abs(sound).max() > 0.1


@pytest.fixture(scope="module")
def mouth() -> MouthMotion:
    return track_mouth((float(f.time), f.picture.rgb()) for f in read_frames(TALKER))


@pytest.mark.slow
def test_the_face_mesh_finds_him_and_his_mouth_moves(mouth: MouthMotion) -> None:
    assert mouth.faces == len(mouth) > 60
    assert mouth.opening[:60].min() < 0.03
    assert mouth.opening[:60].max() > 0.15


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_the_measured_opening_follows_the_drawn_one(mouth: MouthMotion) -> None:
    poses, seconds = draw.cast_of()
    facts = probe(TALKER)
    assert facts.video is not None
    assert facts.video.frames == len(poses) == round(seconds * draw.FPS)
    drawn = np.array([draw.opened(pose) for pose in poses])
    assert np.corrcoef(drawn, mouth.opening)[0, 1] > 0.95


@pytest.mark.slow
def test_a_frame_can_be_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "SUPER", 1)
    shut, wide = draw.draw(draw.Pose()), draw.draw(draw.Pose(opening=1.0))
    assert shut.shape == wide.shape == (draw.SIZE, draw.SIZE, 3)
    changed = np.abs(shut.astype(int) - wide).max(2) > 12
    assert changed[300:400].any() and not changed[:150].any()


def test_closed_sounds_close_the_drawn_mouth() -> None:
    phones = [(0.0, 0.3, "aa"), (0.3, 0.42, "m"), (0.42, 0.8, "aa")]
    motion = draw.mouth_motion(phones, np.arange(20) / 25)
    assert motion[8:10, 0].min() < 0.05
    assert motion[4, 0] > 0.7
