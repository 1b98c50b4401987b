"""Boxes as the published scripts pad and smooth them."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import boxes
from tests.networks import parity


@pytest.mark.parametrize("case", ["", "_short"])
def test_smoothing_is_the_published_one(case: str) -> None:
    _, data = parity.fixture("preprocess")
    assert np.array_equal(boxes.forward_mean(data[f"boxes.raw{case}"]), data[f"boxes.smoothed{case}"])


def test_smoothing_by_hand() -> None:
    raw = np.array([0, 10, 20, 33])[:, None] * np.ones((1, 4), np.int64)
    # (0 + 10) / 2, (10 + 20) / 2, (20 + 33) / 2 cut, then the last two: 26 as smoothed and 33
    assert boxes.forward_mean(raw, span=2)[:, 0].tolist() == [5, 15, 26, 29]
    assert raw[0, 0] == 0
    # fewer than the span: the last two of three, again with what is already smoothed
    assert boxes.forward_mean(raw[:3])[:, 0].tolist() == [15, 15, 17]
    assert boxes.forward_mean(raw[:0]).shape == (0, 4)


def test_padding_stays_in_the_frame() -> None:
    found = boxes.padded(np.array([[10, 20, 50, 90], [0, 0, 99, 79]]), (1, 20, 3, 4), 100, 80)
    assert found.tolist() == [[7, 19, 54, 80], [0, 0, 100, 80]]
    assert boxes.padded(np.array([[1, 2, 3, 4]]), boxes.RETALKING_PADS, 99, 99).tolist() == [[1, 2, 3, 24]]
