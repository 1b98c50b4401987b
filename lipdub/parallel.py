"""Work in threads and child processes."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ordered(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Generator[Result, None, None]:
    """Call ``work`` for every item in threads and yield the results in the items' order.

    Use it for work that releases the interpreter's lock (OpenCV, codecs, NumPy). Items are taken in the
    consumer's thread, at most ``2 * threads`` ahead of the consumer.

    Args:
        work: Called with one item. Its exception is raised in place of its result.
        items: The items; may be endless.
        threads: Number of threads, at least 1.

    Yields:
        The results.
    """
    with ThreadPoolExecutor(max(1, threads)) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) >= 2 * max(1, threads):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def start_in_thread(work: Callable[[], Result]) -> Future[Result]:
    """Start ``work()`` in a thread of its own, and return its future.

    The program may end without waiting: the thread ends with it.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def count_cores() -> int:
    """Return the number of processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows lack it
        return os.cpu_count() or 1


def child_command(module: str) -> list[str]:
    """Return the command that runs a module of this package; run it with :func:`child_environment`."""
    return [sys.executable, "-m", module]


def child_environment() -> dict[str, str]:
    """Return an environment in which a child process imports the same copy of this package."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
