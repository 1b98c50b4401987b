"""Passes over frames: spans of missing chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def consecutive_spans(chunks: set[int]) -> Iterator[tuple[int, int]]:
    """Successive chunk numbers as inclusive spans."""
    for i in sorted(chunks):
        if i - 1 not in chunks:
            last = i
            while last + 1 in chunks:
                last += 1
            yield i, last
