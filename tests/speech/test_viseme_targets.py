"""The table of lip targets."""

from __future__ import annotations

from lipdub.speech import viseme_targets
from lipdub.speech.phones import BILABIALS, LABIODENTALS, PHONES, SILENCE


def test_every_phone_has_targets_in_range_and_insists_on_them() -> None:
    targets, dominances = viseme_targets.build_target_matrix(), viseme_targets.build_dominance_matrix()
    assert targets.shape == dominances.shape == (len(PHONES), len(viseme_targets.SHAPES))
    assert (dominances > 0).all() and targets.min() >= -1 and targets.max() <= 1
    assert set(viseme_targets.REACH_SECONDS) == set(viseme_targets.LEAD_SECONDS) == set(viseme_targets.SHAPES)


def test_phones_do_what_phonetics_says() -> None:
    opening, width, rounding, jaw, lower_lip = viseme_targets.build_target_matrix().T
    index = {phone: i for i, phone in enumerate(PHONES)}
    assert all(opening[index[phone]] == 0 for phone in (*BILABIALS, SILENCE))
    assert all(lower_lip[index[phone]] > 0.8 for phone in LABIODENTALS)
    assert width[index["iy"]] > 0 > width[index["uw"]] and rounding[index["uw"]] == 1
    assert jaw[index["aa"]] > jaw[index["s"]]
