"""The weights that a method or a recipe needs, as values that can be checked before anything runs.

A method declares ``weights = AllOf("dnet", "face3d")`` or ``AnyOf("wav2lip-gan", "wav2lip")``. The engine gets the
missing names and the verified files from the declaration. Requirements may be nested: ``AllOf("dnet",
AnyOf("gfpgan-1.4", "gfpgan-1.3"))``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lipdub.errors import WeightsError
from lipdub.weights import manifest
from lipdub.weights.shipped_files import locate_shipped, verify_shipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.weights.store import VerifiedWeights, WeightsStore


class Requirement(ABC):
    """Weights that must be available before a method can run."""

    @property
    def names(self) -> tuple[str, ...]:
        """All published weights that it names, by their manifest names, in order and without repetition."""
        return tuple(dict.fromkeys(self._names()))

    def missing(self, store: WeightsStore) -> tuple[str, ...]:
        """Return the names to fetch to fulfil it, empty if it is fulfilled. Does not read the files."""
        return tuple(dict.fromkeys(self._missing(store)))

    def is_available(self, store: WeightsStore) -> bool:
        """Return whether nothing is missing. Does not read the files."""
        return not self.missing(store)

    def verify_files(self, store: WeightsStore) -> tuple[VerifiedWeights, ...]:
        """Verify the published files to use and return them in order.

        Raises:
            WeightsError: a file is missing or is not the file it should be.
        """
        return tuple(self._verified(store))

    def paths(self, store: WeightsStore) -> tuple[Path, ...]:
        """Verify all files to use and return their paths in order. A stage's key needs the digests of these files.

        Raises:
            WeightsError: a file is missing or is not the file it should be.
        """
        return tuple(self._paths(store))

    @abstractmethod
    def _names(self) -> Iterator[str]: ...

    @abstractmethod
    def _missing(self, store: WeightsStore) -> Iterator[str]: ...

    @abstractmethod
    def _verified(self, store: WeightsStore) -> Iterator[VerifiedWeights]: ...

    def _paths(self, store: WeightsStore) -> Iterator[Path]:
        for weights in self._verified(store):
            yield weights.path


@dataclass(frozen=True)
class Published(Requirement):
    """Needs one published file, by its manifest name."""

    name: str

    def _names(self) -> Iterator[str]:
        yield self.name

    def _missing(self, store: WeightsStore) -> Iterator[str]:
        if not store.has(manifest.find_entry(self.name)):
            yield self.name

    def _verified(self, store: WeightsStore) -> Iterator[VerifiedWeights]:
        yield store.verify(manifest.find_entry(self.name))


@dataclass(frozen=True, init=False)
class Shipped(Requirement):
    """Needs files that come with lipdub, by their names in its ``weights`` folder."""

    files: tuple[str, ...]

    def __init__(self, *files: str) -> None:
        object.__setattr__(self, "files", files)

    def _names(self) -> Iterator[str]:
        yield from ()

    def _missing(self, store: WeightsStore) -> Iterator[str]:
        for name in self.files:
            try:
                locate_shipped(name)
            except WeightsError:
                yield name

    def _verified(self, store: WeightsStore) -> Iterator[VerifiedWeights]:
        yield from ()

    def _paths(self, store: WeightsStore) -> Iterator[Path]:
        yield from map(verify_shipped, self.files)


@dataclass(frozen=True, init=False)
class _Combination(Requirement):
    """Requirements that are checked in order."""

    members: tuple[Requirement, ...]

    def __init__(self, *members: Requirement | str) -> None:
        parts = tuple(Published(member) if isinstance(member, str) else member for member in members)
        object.__setattr__(self, "members", parts)

    @abstractmethod
    def _select(self, store: WeightsStore) -> tuple[Requirement, ...]:
        """Return the members to use with this store."""

    def _names(self) -> Iterator[str]:
        for member in self.members:
            yield from member.names

    def _missing(self, store: WeightsStore) -> Iterator[str]:
        for member in self._select(store):
            yield from member.missing(store)

    def _verified(self, store: WeightsStore) -> Iterator[VerifiedWeights]:
        for member in self._select(store):
            yield from member.verify_files(store)

    def _paths(self, store: WeightsStore) -> Iterator[Path]:
        for member in self._select(store):
            yield from member.paths(store)


class AllOf(_Combination):
    """Needs each of its members; ``AllOf()`` needs nothing."""

    def _select(self, store: WeightsStore) -> tuple[Requirement, ...]:
        return self.members


class AnyOf(_Combination):
    """Needs one of its members and takes the first that is available; the first is the preferred one."""

    def __init__(self, *members: Requirement | str) -> None:
        if not members:
            raise ValueError("AnyOf needs at least one member")
        super().__init__(*members)

    def _select(self, store: WeightsStore) -> tuple[Requirement, ...]:
        return (next((member for member in self.members if member.is_available(store)), self.members[0]),)


NOTHING = AllOf()
