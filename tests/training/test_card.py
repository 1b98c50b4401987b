"""Cards tell what a file itself tells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from lipdub.errors import WeightsError
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
from lipdub.training.card import collect_notes, render_training_card, settings_key
from lipdub.training.dataset import open_dataset
from lipdub.training.loop import LoopOptions
from lipdub.training.sync_scorer import SyncScorerOptions, write_weights
from lipdub.training.trainables.talking_face import describe_speakers
from lipdub.weights import talking_face_file
from lipdub.weights.talking_face_file import TalkingFaceModel
from tests.training.style_lip_sync.small import talkers

if TYPE_CHECKING:
    from pathlib import Path

HEARS = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
NOTES = {
    "seed": 3,
    "training": {"rate": 0.5},
    "clips": 7,
    "speakers": ["ann"],
    "licences": ["CC BY 4.0"],
    "figures": {"matched": 0.6},
}


def test_of_one_training(tmp_path: Path) -> None:
    text = render_training_card(
        write_weights(tmp_path / "sync.safetensors", AVSyncNet(HEARS), NOTES), "lipdub train sync-scorer --data D"
    )
    for said in (
        "# sync",
        "`lipdub train sync-scorer --data D`",
        "7 clips of 1 speaker (ann)",
        "CC BY 4.0",
        "matched: 0.6",
        '"rate": 0.5',
    ):
        assert said in text
    assert "no basis for other people" in text


def test_of_several(tmp_path: Path) -> None:
    two = {"silent-lip": NOTES, "stabilized": {**NOTES, "speakers": ["ann", "bob"]}, "remark": "for tests"}
    model = TalkingFaceModel(AVSyncNet(HEARS), FaceGenerator(FaceGeneratorSize(24, 4, 8, 16)), None, two)
    text = render_training_card(talking_face_file.save(tmp_path / "talker.safetensors", model), "x")
    assert text.index("## silent-lip") < text.index("## stabilized") and "2 speakers (ann, bob)" in text
    assert "For tests." in text and text.count("no basis for other people") == 1


@pytest.mark.parametrize(
    ("speakers", "rendered", "said"),
    [
        (["ann"], 0, "trained on one speaker (ann): a demonstration, which must be adapted to other people"),
        (["ann", "bob"], 0, "trained on 2 speakers"),
        (["ann", "bob", "cyd"], 2, "trained on 3 speakers, 2 of them rendered"),
    ],
)
def test_the_remark_says_how_many_speakers_there_were_and_how_many_of_them_were_rendered(
    tmp_path: Path, speakers: list[str], rendered: int, said: str
) -> None:
    facts = [
        {"speaker": name, **({"scene": f"scene-{name}", "variant": "plain"} if number < rendered else {})}
        for number, name in enumerate(speakers)
    ]
    data = open_dataset(talkers(tmp_path, clips=len(speakers), frames=5, facts=facts))
    assert describe_speakers(collect_notes(data, SyncScorerOptions(), 0)) == said


def test_of_what_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "none.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="does not tell"):
        render_training_card(tmp_path / "none.safetensors", "x")


def test_a_training_of_lipdub_0_1_still_finds_its_checkpoints() -> None:
    """The key counts renamed settings by their first names. It was computed by commit b2eb023."""
    loop = LoopOptions(
        steps=8, learning_rate=3e-3, warmup=2, save_every=3, report_every=1, precision="bf16", validate_every=0
    )
    options = SyncScorerOptions(clips=2, moments=4, variants=2, size=HEARS, loop=loop)
    assert settings_key(options, 3) == "7bee90b99d09"
    assert settings_key(replace(options, loop=replace(loop, save_every=1, workers=2)), 3) == "7bee90b99d09"
    assert settings_key(replace(options, min_distance=4), 3) != "7bee90b99d09"
    assert settings_key(options, 4) != "7bee90b99d09"
