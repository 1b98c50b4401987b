"""The GRID corpus: held-out clips and phone times."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech.phones import PHONE_INDEX, PHONES

torch = pytest.importorskip("torch")

from lipdub.training import grid


def test_held_out_clips_are_a_fixed_fifteenth() -> None:
    names = [f"clip{i:03d}" for i in range(900)]
    apart = grid.held_out_clips(reversed(names))
    assert len(apart) == 60 and apart[:2] == ["clip007", "clip022"]


def test_forced_alignment_finds_known_phones() -> None:
    words = [(0.0, 0.2, "sil"), (0.2, 0.5, "bin"), (0.5, 0.8, "blue"), (0.8, 1.0, "sil")]
    truth = [("sil", 20), ("b", 6), ("ih", 12), ("n", 12), ("b", 5), ("l", 8), ("uw", 17), ("sil", 20)]
    p = np.full((100, len(PHONES)), 0.01, np.float32)
    p[np.arange(100), [PHONE_INDEX[x] for x, n in truth for _ in range(n)]] = 0.6
    found = grid.align_phones(words, p)
    assert [x for _, _, x in found] == [x for x, _ in truth]
    ends = np.cumsum([n for _, n in truth]) / 100
    assert np.abs(np.array([b for _, b, _ in found]) - ends).max() <= 0.02
