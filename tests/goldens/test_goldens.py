"""Every frame of every recipe is as it was recorded. ``python -m tests.goldens`` records them anew."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest

from tests.goldens import record
from tests.goldens.dubs import DUBS

if TYPE_CHECKING:
    from pathlib import Path


RECIPES = [pytest.param(name, marks=[] if name == "builtin" else [pytest.mark.slow]) for name in DUBS]


@pytest.mark.parametrize("recipe", RECIPES)
def test_frames_are_as_recorded(recipe: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    dubbed = request.getfixturevalue("sample_dub") if recipe == "builtin" else DUBS[recipe](tmp_path)
    goldens = record.load()
    exact = goldens["fingerprint"] == record.fingerprint()
    difference = record.compare(recipe, goldens["recipes"][recipe], record.record(dubbed), exact)
    assert difference is None, f"{difference} (compared {'exactly' if exact else 'by grey levels'})"


def test_a_change_is_told_with_the_first_frame_and_stage() -> None:
    golden = record.load()["recipes"]["builtin"]
    assert record.compare("builtin", golden, golden, exact=True) is None
    changed = copy.deepcopy(golden)
    changed["result"][7]["digest"] = "0"
    changed["enhance"][7]["grid"][3] += 2 * record.FRAME_TOLERANCE
    changed["sync"][9]["digest"] = "0"
    exactly = record.compare("builtin", golden, changed, exact=True)
    assert exactly is not None
    assert (exactly.recipe, exactly.frame, exactly.stage) == ("builtin", 7, "result")
    assert str(exactly).startswith("recipe builtin: frame 7 is the first that differs, in stage result: digest 0")
    roughly = record.compare("builtin", golden, changed, exact=False)
    assert roughly is not None
    assert (roughly.frame, roughly.stage) == (7, "enhance")
    drifted = copy.deepcopy(golden)
    for frame in drifted["sync"][4:]:
        frame["grid"][0] += 2 * record.TOLERANCE
    drift = record.compare("builtin", golden, drifted, exact=False)
    assert drift is not None
    assert (drift.frame, drift.stage) == (4, "sync")
    del changed["sync"][5:]
    shorter = record.compare("builtin", golden, changed, exact=False)
    assert shorter is not None
    assert (shorter.frame, shorter.stage, shorter.what) == (5, "sync", "the frame is missing")
