"""Selection of the weakest moments."""

from __future__ import annotations

from lipdub.metrics.metric import Moment
from lipdub.scoring import moments


def test_the_worst_moments_stand_apart() -> None:
    found = [Moment(t, "seam", times, "") for t, times in ((1.0, 2.0), (1.5, 3.0), (2.5, 1.0), (4.0, 0.5), (5.0, -1.0))]
    assert [m.time for m in moments.select_weakest(found)] == [1.5, 2.5, 4.0]
    assert [m.time for m in moments.select_weakest(found, count=1)] == [1.5]
