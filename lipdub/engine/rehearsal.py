"""Trying the end of a run beside its beginning, so that what would fail after hours fails within the first second."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lipdub.errors import EnvironmentFailure, LipdubError, wrap_os_error
from lipdub.parallel import start_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lipdub.engine.resolve import ResolvedJob


class Rehearsal:
    """The rehearsals of stages that are about to run, in a thread of their own.

    Args:
        resolved: The job.
        names: The stages, in their order.

    Attributes:
        names: The stages.
    """

    def __init__(self, resolved: ResolvedJob, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._resolved = resolved
        self._future = start_in_thread(self._try_stages)

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

    def _try_stages(self) -> None:
        job, facts = self._resolved.job, self._resolved.facts
        for name in self.names:
            stage = self._resolved.stages[name]
            if stage.spec.rehearse is not None:
                with explain_failures(name):
                    stage.spec.rehearse(job, facts, stage.options)


@contextmanager
def explain_failures(name: str) -> Iterator[None]:
    """Turn errors of the machine into errors for people. Lipdub's own pass."""
    try:
        yield
    except LipdubError:
        raise
    except MemoryError as error:
        raise EnvironmentFailure(f"{name} ran out of memory", hint="Close other programs and run again.") from error
    except OSError as error:
        raise wrap_os_error(error, doing=f"go on with {name}, at") from error
    except RuntimeError as error:
        if "out of memory" not in str(error).lower():
            raise
        raise EnvironmentFailure(f"{name} ran out of device memory", hint="Use --device cpu.") from error
