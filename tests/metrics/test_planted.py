"""A planted fault is found by the measure meant for it, and by no other."""

from __future__ import annotations

import pytest

from tests.metrics import plants
from tests.sample import TALKER

REAL = {"man_suit_700.mp4": 50, "woman_512_25fps.mp4": 75, "generated_a_512.mp4": 50}
"""Clips, and how many frames show a mouth long enough that should move."""


@pytest.fixture(scope="module")
def drawn() -> dict[str, plants.Clip]:
    """The talker that the tests' sample draws by code, with each fault."""
    return plants.planted(plants.clip(TALKER, 50))


@pytest.fixture(scope="module", params=REAL)
def real(request: pytest.FixtureRequest) -> dict[str, plants.Clip]:
    return plants.planted(plants.clip(plants.shared_clip(request.param), REAL[request.param]))


def _against_source(made: dict[str, plants.Clip]) -> None:
    rows = {name: plants.measured(clip, made["nothing"].frames) for name, clip in made.items()}
    _only_the_fault_is_found(rows, plants.AGAINST_SOURCE)


def _alone(made: dict[str, plants.Clip]) -> None:
    made = {**made, "colour step": plants.strong_colour_step(made["nothing"])}
    _only_the_fault_is_found({name: plants.measured(clip) for name, clip in made.items()}, plants.ALONE)


def _only_the_fault_is_found(rows: dict[str, dict[str, float]], thresholds: dict[str, float]) -> None:
    print("\n" + plants.table(rows | {"(threshold)": thresholds}))  # pytest -s shows it
    for fault, values in rows.items():
        found = {name for name, value in values.items() if value > thresholds[name]}
        assert found == ({fault} if fault != "nothing" else set()), f"{fault}\n{plants.table(rows)}"


@pytest.mark.slow
def test_drawn_against_its_source(drawn: dict[str, plants.Clip]) -> None:
    _against_source(drawn)


@pytest.mark.slow
def test_drawn_alone(drawn: dict[str, plants.Clip]) -> None:
    _alone(drawn)


@pytest.mark.slow
def test_real_against_its_source(real: dict[str, plants.Clip]) -> None:
    _against_source(real)


@pytest.mark.slow
def test_real_alone(real: dict[str, plants.Clip]) -> None:
    _alone(real)
