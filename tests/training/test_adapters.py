"""What every recipe whose model can be adapted must do."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate")

from lipdub.engine.recipes import RECIPES
from lipdub.errors import UsageError
from lipdub.training import adapt as stabilized
from lipdub.training import adapters
from lipdub.training.adapters import ADAPTERS, DEFAULT_ADAPTER, AdaptationTask, Adapter
from lipdub.training.card import collect_adaptation_notes
from lipdub.training.config import apply_settings, format_toml
from lipdub.training.g4g import adaptation as g4g
from lipdub.training.style_lip_sync import adaptation, sync_judge
from lipdub.training.trainable import Runtime
from lipdub.weights.user_models import ModelFamily

MODULES = {
    "stabilized": (stabilized, "adapt"),
    "stylelipsync": (adaptation, "adapt_style_lip_sync"),
    "g4g": (g4g, "adapt_g4g"),
}


class Model:
    """An adapted model, as far as its card needs it."""

    def __init__(self, notes: dict[str, Any]) -> None:
        self.notes = notes


def task(settings: Any) -> AdaptationTask:
    runtime = Runtime(3, "cuda", print)
    return AdaptationTask(Path("a.mp4"), Path("base"), Path("out"), [Path("b.wav")], settings, 7, runtime)


@pytest.mark.parametrize("name", ADAPTERS.names())
def test_it_has_its_recipes_name_and_family(name: str) -> None:
    adapter = ADAPTERS.get(name)
    family = adapter.family()
    assert adapter.name == name and name in RECIPES
    assert isinstance(family, ModelFamily) and family.method == name and family.shipped == f"{name}.safetensors"
    assert "lipdub adapt" in family.makers


@pytest.mark.parametrize("name", ADAPTERS.names())
def test_its_settings_take_ten_minutes_and_can_be_changed(name: str) -> None:
    settings: Any = ADAPTERS.get(name).default_settings()
    assert settings.minutes == 10.0 and is_dataclass(settings)
    changed: Any = apply_settings(settings, None, ["minutes=2.5"])
    assert changed.minutes == 2.5 and "minutes = 2.5" in format_toml(changed)
    with pytest.raises(UsageError, match="minutes"):
        apply_settings(settings, None, ["minutes=0.01"])


@pytest.mark.parametrize("name", ADAPTERS.names())
def test_it_passes_on_the_whole_task(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Any, ...]] = []
    module, function = MODULES[name]
    monkeypatch.setattr(sync_judge, "load_sync_judge", lambda: "judge")

    def note(*values: Any, **options: Any) -> str:
        given.append((values, options))
        return "model"

    monkeypatch.setattr(module, function, note)
    adapter = ADAPTERS.get(name)
    settings = adapter.default_settings()
    assert adapter.adapt(task(settings)) == "model"
    ((values, options),) = given
    assert [value for value in values if value != "judge"] == [Path("a.mp4"), Path("base"), Path("out")]
    assert options == {
        "speech": [Path("b.wav")],
        "options": settings,
        "seed": 7,
        "threads": 3,
        "device": "cuda",
        "progress": print,
    }


@pytest.mark.parametrize("name", ADAPTERS.names())
def test_its_card_says_what_was_learnt_and_how(name: str, tmp_path: Path) -> None:
    adapter, speech = ADAPTERS.get(name), tmp_path / "speech.wav"
    speech.write_bytes(b"sound")
    settings = replace(adapter.default_settings(), minutes=2.5)
    notes = collect_adaptation_notes(settings, 7, 12.3, tmp_path / "a talker's.mp4", [speech])
    notes["heard"] = ["speech.wav"]
    card = adapter.render_card(Model({"adapted": notes, "remark": "fine-tuned"}), "lipdub adapt VIDEO")
    for said in (
        "a talker's.mp4",
        "`lipdub adapt VIDEO`",
        "12.3 s",
        "speech.wav",
        '"minutes": 2.5',
        "consent",
        "seed 7",
    ):
        assert said in card, said


def test_the_default_is_one_of_them() -> None:
    assert ADAPTERS.get(DEFAULT_ADAPTER) is adapters.STABILIZED
    with pytest.raises(UsageError, match=r"no recipe with a model to adapt 'nothing'.*stabilized, stylelipsync"):
        ADAPTERS.get("nothing")


def test_one_that_lacks_a_part_cannot_be_made() -> None:
    class Half(Adapter):
        name = "half"

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]
