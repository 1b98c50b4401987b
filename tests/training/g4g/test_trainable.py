"""`lipdub train g4g`: what it takes, refuses, and writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate")

from lipdub.errors import UsageError, WeightsError
from lipdub.training.g4g.generator import G4GOptions, full_options
from lipdub.training.registry import TRAINABLES, make_arguments, train
from lipdub.weights import g4g_file, user_models
from lipdub.weights.g4g_file import FAMILY, G4GModel
from lipdub.weights.shipped_files import verify_shipped
from tests.training.datasets import talkers as small_faces
from tests.training.g4g.small import OPTIONS, SIZE, network, talkers

SETTINGS = replace(OPTIONS, loop=replace(OPTIONS.loop, steps=1))

pytestmark = pytest.mark.usefixtures("weights_folder")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talkers(tmp_path_factory.mktemp("inputs") / "faces", clips=3, held_out={2})


def test_settings_are_those_of_a_cpu_or_the_papers() -> None:
    trainable = TRAINABLES.get("g4g")
    given: dict[str, Any] = {"data": [Path("faces")]}
    assert trainable.settings(make_arguments(trainable, given)) == G4GOptions()
    assert trainable.settings(make_arguments(trainable, {**given, "full": True})) == full_options()
    few = trainable.settings(make_arguments(trainable, {**given, "overfit": 3, "minutes": 2.0}))
    assert few.sampling.overfit == 3 and few.loop.minutes == 2.0


def test_a_new_model_hears_phones_and_is_kept(tmp_path: Path, data: Path) -> None:
    out = train("g4g", tmp_path / "a.safetensors", data=data, settings=replace(SETTINGS, lead=0.02), threads=1)
    model = g4g_file.load(out)
    assert model.network.size.audio == "phonetic" and model.network.size.unit == SIZE.unit and model.lead == 0.02
    assert model.mask == "pose" and "one speaker" in model.notes["remark"]
    TRAINABLES.get("g4g").publish(out, "card", make_arguments(TRAINABLES.get("g4g"), {"data": [data], "keep": "mine"}))
    assert user_models.find(FAMILY, "mine", None).origin == "name"


def test_a_training_that_goes_on_keeps_mask_lead_and_notes(tmp_path: Path, data: Path) -> None:
    notes = {"remark": "of two", "lead": 0.04, "g4g": {"training": 1}}
    begin = g4g_file.save(tmp_path / "begin.safetensors", G4GModel(network(), "box", notes))
    out = train("g4g", tmp_path / "b.safetensors", data=data, begin=begin, settings=SETTINGS, threads=1)
    model = g4g_file.load(out)
    assert (model.mask, model.network.size, model.lead) == ("box", SIZE, 0.04)
    assert model.notes["g4g, earlier"] == {"training": 1} and model.notes["g4g"]["training"]["mask"] == "box"


def test_what_is_refused(tmp_path: Path, data: Path) -> None:
    other = verify_shipped("stylelipsync.safetensors")
    with pytest.raises(WeightsError, match="holds no G4G model"):
        train("g4g", tmp_path / "c.safetensors", data=data, begin=other, settings=SETTINGS, threads=1)
    with pytest.raises(UsageError, match="needs faces of"):
        train("g4g", tmp_path / "c.safetensors", data=small_faces(tmp_path / "faces"), settings=SETTINGS, threads=1)
    with pytest.raises(UsageError, match="cannot have the name"):
        make_arguments(TRAINABLES.get("g4g"), {"data": [data], "keep": "../up"})
    assert not (tmp_path / "c.safetensors").exists()
