"""The adaptation of a G4G model to a video: what it learns, and what it writes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("accelerate")

from lipdub.errors import InputError, UsageError
from lipdub.training import adaptation_data
from lipdub.training.adaptation_data import SILENT_VIDEO
from lipdub.training.face_windows import WindowSampling
from lipdub.training.g4g import adaptation
from lipdub.training.g4g.adaptation import G4GAdaptationOptions, adapt_g4g, render_card
from lipdub.weights import g4g_file
from lipdub.weights.g4g_file import G4GModel
from lipdub.workspace.keys import digest_file
from tests.training.footage import TALKER, blank, cut
from tests.training.g4g.small import network
from tests.training.style_lip_sync.small import changed, copy_state

if TYPE_CHECKING:
    from pathlib import Path

SPEECH = TALKER.parent / "speech.wav"

pytestmark = pytest.mark.usefixtures("weights_folder")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    model = G4GModel(network(), "jaw", {"remark": "for tests", "lead": 0.02})
    return g4g_file.save(tmp_path / "base.safetensors", model)


def quick(**options: Any) -> G4GAdaptationOptions:
    """Options of a few steps, which make no speech."""
    made = G4GAdaptationOptions(utterances=0)
    loop = replace(made.training.loop, precision="no", report_every=1)
    sampling = replace(made.training.sampling, windows=2)
    training = replace(made.training, loop=loop, sampling=sampling, judge_layers=2)
    return replace(made, training=training, **options)


@pytest.mark.slow
def test_it_learns_the_video_and_its_dubs(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptation_data, "_STEPS", 2)
    given: list[Any] = []
    real = adaptation.train_g4g

    def train(name: str, data: Any, *values: Any, **named: Any) -> Any:
        given.append((data, named))
        return real(name, data, *values, **named)

    monkeypatch.setattr(adaptation, "train_g4g", train)
    out, video = tmp_path / "adapted.safetensors", cut(tmp_path / "a talker's.mp4", seconds=2.4)
    said: list[str] = []
    model = adapt_g4g(video, base, out, speech=[SPEECH], options=quick(), seed=3, threads=1, progress=said.append)
    ((data, named),) = given
    own = {clip.video for clip in data.clips} - {SILENT_VIDEO} - {clip for clip in named["shares"] if "said" in clip}
    assert len(own) == 1 and named["shares"][SILENT_VIDEO] == 0.1 and named["shares"][own.pop()] == 0.7
    assert named["lead"] == 0.02 and any("step 2," in line for line in said)
    before, after = g4g_file.load(base), g4g_file.load(out)
    learnt = changed(copy_state(before.network), model.network)
    assert {name for name, _ in before.network.named_parameters()} <= learnt
    assert (after.mask, after.lead, after.network.size) == ("jaw", 0.02, before.network.size)
    notes = after.notes["adapted"]
    assert notes["video"] == "a talker's.mp4" and notes["digests"] == [digest_file(SPEECH)] and notes["seconds"] > 2.0
    text = render_card(model, "lipdub adapt VIDEO")
    for part in ("a talker's.mp4", "`lipdub adapt VIDEO`", "consent", "dubs of it with speech.wav"):
        assert part in text


def test_what_it_cannot_learn_from(tmp_path: Path, base: Path) -> None:
    with pytest.raises(InputError):
        adapt_g4g(blank(tmp_path / "blank.mp4"), base, tmp_path / "out.safetensors", options=quick(), threads=1)
    assert not (tmp_path / "out.safetensors").exists()
    for wrong in ({"minutes": 0.01}, {"own_clip_share": 1.0}, {"utterances": -1}):
        with pytest.raises(UsageError):
            quick(**wrong)


def test_it_draws_single_faces_with_references_of_other_videos() -> None:
    training = G4GAdaptationOptions().training
    assert training.sampling.frames == 1 and 0 < training.sampling.cross_video_share < 1
    assert isinstance(training.sampling, WindowSampling) and training.loop.learning_rate < 1e-3
