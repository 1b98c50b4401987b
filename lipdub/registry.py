"""Registries: objects by name, imported on first use.

A registry is data: names and import paths. So a list of names, a table in the manual or a choice on the command line
needs no heavy import, and a new method is one file and one line here.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar

from lipdub.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")


class Registry(Generic[T]):
    """Objects of one kind by name, in a fixed order.

    Args:
        kind: What the objects are, for messages: "sync method".
        expected: Their class or protocol. Each object is checked against it when it is imported.
        paths: Name to ``package.module:OBJECT``.
    """

    def __init__(self, kind: str, expected: type[T], paths: Mapping[str, str]) -> None:
        self.kind = kind
        self._expected = expected
        self._paths = dict(paths)

    def names(self) -> tuple[str, ...]:
        """Return all names, in order."""
        return tuple(self._paths)

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._paths))

    def __len__(self) -> int:
        return len(self._paths)

    def get(self, name: str) -> T:
        """Return the object called ``name``.

        Raises:
            UsageError: There is none of this name.
            TypeError: The object is not of the registry's kind.
        """
        path = self._paths.get(name)
        if path is None:
            raise UsageError(f"there is no {self.kind} {name!r}", hint=f"Available: {', '.join(self._paths)}.")
        module, _, attribute = path.partition(":")
        item = getattr(import_module(module), attribute)
        if not isinstance(item, self._expected):
            raise TypeError(f"{path} is not a {self._expected.__name__}")
        return item

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield name and object, importing each."""
        for name in self.names():
            yield name, self.get(name)

    @contextmanager
    def added(self, name: str, path: str) -> Iterator[None]:
        """Add an entry for the time of a ``with`` block, as tests and plug-ins do.

        Raises:
            ValueError: The name is taken.
        """
        if name in self._paths:
            raise ValueError(f"there is a {self.kind} {name!r} already")
        self._paths[name] = path
        try:
            yield
        finally:
            self._paths.pop(name, None)
