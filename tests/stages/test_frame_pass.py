"""The pass over frames: every item once, missing chunks only, batches inside chunks, several passes in one reading."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.stages.base import Cancelled, StageContext
from lipdub.stages.frame_pass import FrameBatch, FramePass, count_finished, run_frame_passes
from lipdub.stages.job import Job
from lipdub.workspace.stage_store import StageStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAMES = 40
CHUNK = 6


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The source frames that were read, in order. A frame's picture is its number."""
    read: list[int] = []

    def read_frames_in_order(path: Any, indices: list[int]) -> Iterator[Any]:
        for index in indices:
            read.append(index)
            yield SimpleNamespace(picture=index)

    monkeypatch.setattr("lipdub.media.read.read_frames_in_order", read_frames_in_order)
    return read


def context(folder: Path, **fields: Any) -> StageContext:
    job = Job(video=folder / "video.mp4")
    return StageContext(job, None, StageStore(folder, "toy"), {}, {}, **fields)  # type: ignore[arg-type]


def make_pass(ctx: StageContext, source: np.ndarray, wanted: np.ndarray, name: str = "a", **fields: Any) -> FramePass:
    """A pass whose arrays get the source frame, and twice that."""
    first = ctx.store.array(name, shape=(len(source),), dtype="int32", chunk=CHUNK)
    second = ctx.store.array(f"{name}-twice", shape=(len(source), 2), dtype="float32", chunk=CHUNK)

    def render(batch: FrameBatch) -> list[int]:
        assert len({item // CHUNK for item in batch.items}) <= 1
        batch.out[0][batch.rows] = batch.inputs
        return [2 * picture for picture in batch.inputs]

    def finish(batch: FrameBatch, doubled: list[int]) -> None:
        if batch.items:
            batch.out[1][batch.rows] = np.array(doubled)[:, None]

    return FramePass((first, second), source, wanted, render, finish, **fields)


def check(item: FramePass) -> None:
    first, second = (array.read(0, len(array)) for array in item.arrays)
    assert np.array_equal(first, np.where(item.wanted, item.source, 0))
    assert np.array_equal(second[:, 0], np.where(item.wanted, 2.0 * item.source, np.nan), equal_nan=True)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("batch", "balanced"), [(1, False), (4, False), (4, True), (100, True)])
def test_every_wanted_item_is_made_from_its_frame(
    tmp_path: Path, order: list[int], batch: int, balanced: bool, threads: int
) -> None:
    rng = np.random.default_rng(batch)
    source, wanted = rng.integers(0, FRAMES, 50), rng.random(50) < 0.7
    wanted[2 * CHUNK : 3 * CHUNK] = False
    item = make_pass(context(tmp_path), source, wanted, batch=batch, balanced=balanced)
    run_frame_passes(context(tmp_path), item, threads=threads)
    check(item)
    assert order == source[wanted].tolist()


def test_only_missing_chunks_are_made(tmp_path: Path, order: list[int]) -> None:
    source, wanted = np.arange(30), np.arange(30) % 5 != 0
    item = make_pass(context(tmp_path), source, wanted, batch=4)
    run_frame_passes(context(tmp_path), item)
    order.clear()
    run_frame_passes(context(tmp_path), item)
    assert order == []
    item.arrays[0].file(1).unlink()
    item.arrays[1].file(3).unlink()
    assert item.missing() == [1, 3] and count_finished(item.arrays, wanted) == item.count_finished() == 14
    run_frame_passes(context(tmp_path), item)
    assert order == [i for i in (*range(6, 12), *range(18, 24)) if wanted[i]]
    check(item)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(1, 9), st.booleans())
def test_batches_cover_the_items_in_order(items: int, batch: int, balanced: bool) -> None:
    class Whole:
        def missing(self) -> list[int]:
            return [0]

        def span(self, chunk: int) -> tuple[int, int]:
            return 0, items

    item = FramePass(
        [Whole()],  # type: ignore[list-item]
        np.arange(items),
        np.ones(items, bool),
        lambda part: None,
        batch=batch,
        balanced=balanced,
    )
    parts = list(item.batches())
    assert [i for part in parts for i in part.items] == list(range(items))
    sizes = [len(part.items) for part in parts]
    assert max(sizes) <= batch and len(sizes) == -(-items // batch)
    assert max(sizes) - min(sizes) <= 1 or not balanced
    assert [part.is_first for part in parts] == [True, *[False] * (len(parts) - 1)]
    assert [part.is_last for part in parts] == [*[False] * (len(parts) - 1), True]


def test_several_passes_read_the_source_once(tmp_path: Path, order: list[int]) -> None:
    everything = np.ones(20, bool)
    passes = [
        make_pass(context(tmp_path), source, everything, name)
        for name, source in (("even", np.arange(0, 40, 2)), ("third", np.arange(0, 60, 3)))
    ]
    run_frame_passes(context(tmp_path), *passes, report=lambda batch: None)
    assert order == sorted(order) and len(order) == 40
    for item in passes:
        check(item)


def test_progress_ends_with_all_and_cancelling_stops(tmp_path: Path, order: list[int]) -> None:
    events: list[tuple[int, int | None]] = []
    ctx = context(tmp_path, callback=lambda event: events.append((event.done, event.total)))
    source, wanted = np.arange(30), np.arange(30) < 8
    run_frame_passes(ctx, make_pass(ctx, source, wanted))
    assert events[-1] == (30, 30)
    stopped = context(tmp_path / "other", cancelled=lambda: len(order) > 12)
    item = make_pass(stopped, source, np.ones(30, bool))
    order.clear()
    with pytest.raises(Cancelled):
        run_frame_passes(stopped, item)
    assert 4 in item.missing()
    run_frame_passes(context(tmp_path / "other"), item)
    check(item)


def test_an_error_of_a_thread_reaches_the_caller(tmp_path: Path, order: list[int]) -> None:
    def fail(batch: FrameBatch, result: Any) -> None:
        raise ValueError(f"item {batch.items[0]}")

    ctx = context(tmp_path)
    array = ctx.store.array("a", shape=(12,), dtype="int32", chunk=CHUNK)
    item = FramePass([array], np.arange(12), np.ones(12, bool), lambda batch: None, fail)
    with pytest.raises(ValueError, match="item 0"):
        run_frame_passes(ctx, item, threads=2)
    assert array.missing() == [0, 1]
