"""Work in threads and child processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lipdub
from lipdub.parallel import child_command, child_environment, count_cores, map_ordered, start_in_thread
from tests.properties import repeatable

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_results_come_in_order_and_items_are_not_taken_all_at_once() -> None:
    taken: list[int] = []
    second = threading.Event()

    def items() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    def slow_first(number: int) -> int:
        if number == 0:
            second.wait(10)  # the next item is done before this one
        elif number == 1:
            second.set()
        return number * number

    results = map_ordered(slow_first, items(), 3)
    assert next(results) == 0
    assert len(taken) <= 7
    assert list(results) == [number * number for number in range(1, 50)]


@repeatable
@given(items=st.lists(st.integers(), max_size=20), threads=st.integers(0, 5))
def test_it_is_map(items: list[int], threads: int) -> None:
    assert list(map_ordered(str, items, threads)) == [str(item) for item in items]


def test_errors_arrive_in_their_place_and_threads_end() -> None:
    def work(number: int) -> int:
        if number == 5:
            raise ValueError("five")
        return number

    results = map_ordered(work, range(100), 2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    before = threading.active_count()
    with pytest.raises(ValueError, match="five"):
        next(results)
    assert threading.active_count() < before


def test_leaving_early_ends_the_work() -> None:
    before = set(threading.enumerate())  # an earlier test may have left some
    results = map_ordered(lambda number: number, iter(int, 1), 2)
    next(results)
    assert set(threading.enumerate()) > before
    results.close()
    assert set(threading.enumerate()) <= before


def test_a_thread_of_its_own() -> None:
    begun, release = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        release.wait(10)
        return threading.current_thread().name

    future = start_in_thread(work)
    assert begun.wait(10)
    assert not future.done()
    release.set()
    assert future.result() != threading.current_thread().name


def test_the_error_of_a_thread_is_raised_where_it_is_waited_for() -> None:
    def work() -> None:
        raise KeyError("lost")

    future = start_in_thread(work)
    with pytest.raises(KeyError, match="lost"):
        future.result()


def test_cores() -> None:
    assert count_cores() >= 1


def test_children_import_this_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "first")
    root = Path(lipdub.__file__).parents[1]
    environment = child_environment()
    assert environment["PYTHONPATH"].split(":") == [str(root), "first"]
    assert child_command("lipdub.errors") == [sys.executable, "-m", "lipdub.errors"]
    code = "import lipdub; print(lipdub.__file__)"
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(output.stdout.strip()) == Path(lipdub.__file__)
