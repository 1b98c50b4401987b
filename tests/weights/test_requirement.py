"""Requirements tell what is missing and give the verified files, whichever way they are combined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lipdub.errors import UsageError, WeightsError
from lipdub.weights.requirement import NOTHING, AllOf, AnyOf, Requirement, Shipped
from lipdub.weights.store import WeightsStore
from tests.weights import small

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsStore:
    """A store of which ``one``, ``two`` and ``three`` are published; it is empty."""
    small.publish(monkeypatch, tmp_path, *(small.entry(name) for name in ("one", "two", "three")))
    return WeightsStore(tmp_path / "store")


def put(store: WeightsStore, tmp_path: Path, *names: str) -> None:
    from lipdub.weights import manifest

    for seed, name in enumerate(names):
        store.add(manifest.find_entry(name), small.saved(tmp_path / f"given-{name}.pth", small.state(seed=seed)))


def test_all_of_needs_each(store: WeightsStore, tmp_path: Path) -> None:
    requirement = AllOf("one", "two")
    assert requirement.missing(store) == ("one", "two")
    put(store, tmp_path, "two")
    assert requirement.missing(store) == ("one",)
    assert not requirement.is_available(store)
    with pytest.raises(WeightsError, match=r"the weights one\.pth are not in the store"):
        requirement.paths(store)
    put(store, tmp_path, "one")
    assert requirement.is_available(store)
    assert requirement.paths(store) == (store.folder / "one.pth", store.folder / "two.pth")
    assert [weights.entry.name for weights in requirement.verify_files(store)] == ["one", "two"]


def test_any_of_takes_the_first_that_is_there(store: WeightsStore, tmp_path: Path) -> None:
    requirement = AnyOf("one", "two")
    assert requirement.missing(store) == ("one",)
    with pytest.raises(WeightsError, match=r"the weights one\.pth are not in the store"):
        requirement.paths(store)
    put(store, tmp_path, "two")
    assert requirement.missing(store) == ()
    assert requirement.paths(store) == (store.folder / "two.pth",)
    put(store, tmp_path, "one")
    assert requirement.paths(store) == (store.folder / "one.pth",)


def test_requirements_nest(store: WeightsStore, tmp_path: Path) -> None:
    requirement = AllOf("one", AnyOf(AllOf("one", "two"), "three"))
    assert requirement.names == ("one", "two", "three")
    assert requirement.missing(store) == ("one", "two")
    put(store, tmp_path, "one", "three")
    assert requirement.missing(store) == ()
    assert [path.name for path in requirement.paths(store)] == ["one.pth", "three.pth"]


def test_a_changed_file_is_refused(store: WeightsStore, tmp_path: Path) -> None:
    put(store, tmp_path, "one")
    (store.folder / "one.pth").write_bytes(b"damaged")
    assert AllOf("one").is_available(store)  # files are not read for this answer
    with pytest.raises(WeightsError):
        AllOf("one").paths(store)


def test_shipped_files(store: WeightsStore) -> None:
    requirement = Shipped("lip-motion.safetensors", "no-such.safetensors")
    assert requirement.missing(store) == ("no-such.safetensors",)
    assert Shipped("lip-motion.safetensors").is_available(store)
    assert [path.name for path in Shipped("lip-motion.safetensors").paths(store)] == ["lip-motion.safetensors"]
    assert requirement.names == ()


@pytest.mark.parametrize("requirement", [NOTHING, AllOf(), Shipped()])
def test_nothing_is_always_available(requirement: Requirement, store: WeightsStore) -> None:
    assert requirement.is_available(store)
    assert requirement.paths(store) == requirement.verify_files(store) == ()


def test_requirements_are_values(store: WeightsStore) -> None:
    assert AllOf("one", "two") == AllOf("one", "two")
    assert len({AllOf("one"), AllOf("one"), AnyOf("one")}) == 2
    with pytest.raises(ValueError, match="at least one"):
        AnyOf()
    with pytest.raises(UsageError, match="unknown"):
        AllOf("unknown").missing(store)
