"""Trying the end of a run beside its beginning, so that what would fail after hours fails within the first second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipdub.engine.failures import explain_failures
from lipdub.parallel import start_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Rehearsal:
    """The rehearsals of stages that are about to run, in a thread of their own.

    Args:
        parts: What tries each stage, by its name, in the order of the stages.

    Attributes:
        names: The stages.
    """

    def __init__(self, parts: Mapping[str, Callable[[], None]]) -> None:
        self.names = tuple(parts)
        self._future = start_in_thread(lambda: _try_parts(parts))

    @property
    def has_failed(self) -> bool:
        """Whether a stage would fail, as far as is known now."""
        return self._future.done() and self._future.exception() is not None

    def wait(self) -> None:
        """Wait until nothing is tried any more, so that its scratch files are gone."""
        self._future.exception()

    def finish(self) -> None:
        """Wait for the result.

        Raises:
            LipdubError: A stage would fail.
        """
        self._future.result()


def _try_parts(parts: Mapping[str, Callable[[], None]]) -> None:
    for name, part in parts.items():
        with explain_failures(name):
            part()
