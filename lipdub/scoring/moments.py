"""Select the weakest moments of a result, some time apart from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lipdub.metrics.metric import Moment

MAX_COUNT = 10
MIN_DISTANCE = 0.8  # seconds between two moments


def select_weakest(
    moments: Iterable[Moment], count: int = MAX_COUNT, distance: float = MIN_DISTANCE
) -> tuple[Moment, ...]:
    """Return the weakest moments, the weakest first.

    Args:
        moments: of all metrics.
        count: how many to return at most.
        distance: seconds that each lies from all weaker ones at least.
    """
    selected: list[Moment] = []
    for moment in sorted(moments, key=lambda m: (-m.severity, m.time)):
        if len(selected) == count:
            break
        if moment.severity > 0 and all(abs(moment.time - other.time) >= distance for other in selected):
            selected.append(moment)
    return tuple(selected)
