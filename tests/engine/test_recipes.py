"""Which recipe `auto` takes, before and after the talkers are measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import lipdub
from lipdub import stages
from lipdub.engine import recipes
from lipdub.engine.recipes import RECIPES, Recipe, choose_recipe, reconsider_recipe
from lipdub.errors import UsageError
from lipdub.faces.mouth_shapes import WEAK_TRUST
from tests import small_stages
from tests.sounds import write_tone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class ReadyRecipe(Recipe):
    """A recipe that draws mouths and has all it needs."""

    def is_ready(self, job: Any, digest: Any) -> bool:
        return True


READY = ReadyRecipe("ready", "a test", replace(recipes.WAV2LIP, name="x").methods)
STILL = SimpleNamespace(video=SimpleNamespace(is_image=True))
MOVING = SimpleNamespace(video=SimpleNamespace(is_image=False))


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path / "empty"))


def measured(*trusts: float, usable: bool = True) -> dict[str, Any]:
    return {"tracks": [{"id": i, "usable": usable, "trust": trust} for i, trust in enumerate(trusts)]}


def test_auto_is_builtin_for_a_video_and_for_a_still_picture_without_weights(tmp_path: Path) -> None:
    job = lipdub.Job(tmp_path / "a.mp4")
    for facts in (MOVING, STILL, None):
        recipe, reason = choose_recipe(job, facts, lambda: "")  # type: ignore[arg-type]
        assert recipe.name == "builtin" and reason.startswith("builtin: ")
    assert "still picture" in choose_recipe(job, STILL, lambda: "")[1]  # type: ignore[arg-type]
    assert reconsider_recipe(job, measured(0.0), lambda: "") is None


def test_a_still_picture_is_drawn_where_a_recipe_can(tmp_path: Path) -> None:
    job = lipdub.Job(tmp_path / "a.png")
    with RECIPES.added("ready", f"{__name__}:READY"):
        recipe, reason = choose_recipe(job, STILL, lambda: "")  # type: ignore[arg-type]
        assert recipe is READY and "still picture" in reason
        assert choose_recipe(job, MOVING, lambda: "")[0].name == "builtin"  # type: ignore[arg-type]
        assert choose_recipe(replace(job, recipe="builtin"), STILL, lambda: "")[0].name == "builtin"  # type: ignore[arg-type]


def test_a_talker_who_hardly_opens_the_mouth_is_drawn_where_a_recipe_can(tmp_path: Path) -> None:
    job = lipdub.Job(tmp_path / "a.mp4")
    with RECIPES.added("ready", f"{__name__}:READY"):
        change = reconsider_recipe(job, measured(0.1, WEAK_TRUST - 0.01), lambda: "")
        assert change is not None and change[0] is READY and "hardly moves the mouth" in change[1]
        assert reconsider_recipe(job, measured(0.1, WEAK_TRUST), lambda: "") is None
        assert reconsider_recipe(job, measured(0.1, usable=False), lambda: "") is None


def test_summaries_are_sentences() -> None:
    for name, recipe in RECIPES.items():
        assert recipe.summary[0].isupper() and recipe.summary.endswith("."), name


def test_a_recipe_is_known_or_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recipe 'best'"):
        choose_recipe(lipdub.Job(tmp_path / "a.mp4", recipe="best"), None, lambda: "")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    before = small_stages.install()
    small_stages.write_video(tmp_path / "video.mp4")
    write_tone(tmp_path / "speech.wav")
    yield tmp_path
    stages.STAGES.update(before)


@pytest.mark.slow
def test_a_run_changes_its_recipe_and_a_second_one_reuses_it(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_stages, "TRUST", 0.1)
    video, speech = small / "video.mp4", small / "speech.wav"
    with RECIPES.added("ready", f"{__name__}:READY"):
        result = lipdub.dub(video, speech)
        assert result.recipe == "ready" and "hardly moves the mouth" in result.reason
        again = lipdub.dub(video, speech)
        assert again.recipe == "ready" and {stage.action for stage in again.stages} == {"reuse"}
        assert {stage.action for stage in lipdub.plan(lipdub.Job(video, speech))} == {"reuse"}
    monkeypatch.setattr(small_stages, "TRUST", 1.0)
    assert lipdub.dub(video, speech, small / "other.mp4").recipe == "builtin"
