"""Work in threads and child processes: successive items with results in order, one thing beside others, modules of this
package as programs.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ordered(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """``work(item)`` of every item, in the items' order, up to ``2 * threads`` items ahead of the consumer.

    For work that spends its time outside the interpreter's lock (OpenCV, codecs, NumPy). Items are taken in the
    consumer's thread. An exception in ``work`` is raised where its result would have come.
    """
    with ThreadPoolExecutor(max(1, threads)) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 2 * max(1, threads):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def start_in_thread(work: Callable[[], Result]) -> Callable[[], Result]:
    """Begins ``work()`` in a thread of its own; the function returned waits for its result or raises its exception.

    The program may end without waiting: the thread ends with it.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result


def count_cores() -> int:
    """Processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def child_command(module: str) -> list[str]:
    """The command that runs a module of this package as a program; with `child_environment`."""
    return [sys.executable, "-m", module]


def child_environment() -> dict[str, str]:
    """This process's environment for a child that is to find this package where this process found it."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
