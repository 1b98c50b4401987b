"""Ordered work in threads."""

from __future__ import annotations

import threading
import time

import pytest

from lipdub.parallel import map_ordered


def test_results_come_in_order_and_items_are_not_taken_all_at_once() -> None:
    taken: list[int] = []

    def items():
        for i in range(50):
            taken.append(i)
            yield i

    def slow_first(i: int) -> int:
        time.sleep(0.01 if i % 7 == 0 else 0)
        return i * i

    got = map_ordered(slow_first, items(), 3)
    assert next(got) == 0 and len(taken) <= 7
    assert list(got) == [i * i for i in range(1, 50)]


def test_errors_arrive_in_their_place_and_threads_end() -> None:
    def work(i: int) -> int:
        if i == 5:
            raise ValueError("five")
        return i

    got = map_ordered(work, range(100), 2)
    assert [next(got) for _ in range(5)] == [0, 1, 2, 3, 4]
    before = threading.active_count()
    with pytest.raises(ValueError, match="five"):
        next(got)
    assert threading.active_count() < before


def test_leaving_early_ends_the_work() -> None:
    got = map_ordered(lambda i: i, iter(int, 1), 2)
    next(got)
    got.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]
