"""The choice of reference faces that show what a talker's mouth looks like, from shut to wide open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F64, I64

_ENDS = (0.02, 0.98)  # quantiles of the opening between which references are spread
_MIN_SPREAD = 0.02  # eye distances: openings of a talker who hardly moves count as alike


def choose_spread(openings: F64, costs: F64, count: int) -> I64:
    """Choose faces whose mouths are spread over the openings that there are.

    Args:
        openings: (n,) openings of the mouths, eye distances; NaN where unknown.
        costs: (n,) what speaks against each face, in deviations of the opening; infinite where it may not be chosen.
        count: number of faces. Of fewer that may be chosen, some are chosen again.

    Returns:
        (count,) int64 of rows, the least open mouth first.

    Raises:
        ValueError: no face may be chosen.
    """
    usable = np.flatnonzero(np.isfinite(openings) & np.isfinite(costs))
    if not len(usable):
        raise ValueError("no face may be chosen")
    opening, cost = openings[usable], costs[usable].copy()
    spread = max(float(opening.std()), _MIN_SPREAD)
    chosen: list[int] = []
    for target in np.quantile(opening, np.linspace(*_ENDS, count)):
        distance = abs(opening - target) / spread
        best = int((distance + cost if np.isfinite(cost).any() else distance).argmin())
        chosen.append(best)
        cost[best] = np.inf
    order = np.argsort(opening[chosen], kind="stable")
    result: I64 = usable[np.array(chosen)[order]].astype(np.int64)
    return result
