from __future__ import annotations

import itertools

import numpy as np
import pytest

from lipdub.speech import visemes
from lipdub.speech.coarticulation import COEFFICIENTS, LipModel, blend_lip_shapes
from lipdub.speech.lip_motion import LipMotion
from lipdub.speech.phones import BILABIALS, PHONE_INDEX, PHONES, VOWELS
from lipdub.speech.word import Segment


def speak_phones(*spans: tuple[str, int]) -> LipMotion:
    """The lips of phones that are surely these, (phone, frames of 10 ms)."""
    labels = [p for p, n in spans for _ in range(n)]
    values = blend_lip_shapes(
        np.eye(len(PHONES), dtype=np.float32)[[PHONE_INDEX[p] for p in labels]], LipModel.phonetic()
    )
    edges = list(itertools.accumulate((n for _, n in spans), initial=0))
    phones = [Segment(a / 100, b / 100, p) for (a, b), (p, _) in zip(itertools.pairwise(edges), spans, strict=True)]
    return LipMotion(np.arange(len(labels)) / 100, values, phones)


def shapes(cues: list[Segment]) -> list[str]:
    return [label for _, _, label in cues]


@pytest.mark.parametrize("kind", [visemes.OVR_SHAPES, visemes.RHUBARB_SHAPES])
def test_every_phone_has_a_shape_and_every_shape_a_phone(kind: visemes.MouthShapeSet) -> None:
    assert set(kind.choices) == set(PHONES)
    used = {shape for options in kind.choices.values() for shape in options}
    assert used == set(kind.names) == set(kind.looks)
    assert kind.choices["sil"] == (kind.rest,)
    assert {kind.choices[p] for p in BILABIALS} == {(kind.closed,)}
    assert kind.choices["f"] == kind.choices["v"] and kind.choices["f"][0] in kind.protected


def test_a_sentence_in_both_sets() -> None:
    motion = speak_phones(("sil", 40), ("m", 12), ("aa", 20), ("f", 12), ("uw", 20), ("s", 12), ("iy", 20), ("sil", 40))
    cues = visemes.build_viseme_cues(motion)
    assert shapes(cues) == ["sil", "PP", "aa", "FF", "ou", "SS", "ih", "sil"]
    assert shapes(visemes.build_rhubarb_cues(motion)) == ["X", "A", "D", "G", "F", "B", "X"]
    assert cues[0][0] == 0 and cues[-1][1] == pytest.approx(1.76)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(cues))


def test_lips_shut_before_the_sound_is_heard() -> None:
    motion = speak_phones(("sil", 60), ("p", 10), ("a", 30), ("sil", 40))
    _, closure, *_ = visemes.build_viseme_cues(motion)
    assert closure[2] == "PP"
    assert closure[0] < 0.6 - 0.02 and closure[1] <= 0.7
    shut = motion.column("closure")
    assert shut[round(closure[0] * 100) : round(closure[1] * 100)].min() >= 0.5


def test_a_closure_the_trajectory_passes_over_is_kept_all_the_same() -> None:
    motion = speak_phones(("aa", 30), ("b", 3), ("aa", 30))
    flat = motion.values.copy()
    flat[:, COEFFICIENTS.index("closure")] = 0
    for one in (motion, LipMotion(motion.times, flat, motion.phones)):
        cues = visemes.build_viseme_cues(one)
        assert shapes(cues) == ["aa", "PP", "aa"]
        assert cues[1][1] - cues[1][0] == pytest.approx(visemes.MIN_CUE_SECONDS)
        assert cues[1][0] < 0.33 and cues[1][1] > 0.27


def test_short_shapes_are_swallowed_or_lengthened() -> None:
    motion = speak_phones(("aa", 30), ("k", 3), ("aa", 30), ("f", 5), ("aa", 30), ("t", 7), ("aa", 30))
    cues = visemes.build_viseme_cues(motion)
    assert shapes(cues) == ["aa", "FF", "aa", "DD", "aa"]  # k is gone, f is longer, t lacked little
    assert all(b - a >= visemes.MIN_CUE_SECONDS - 1e-9 for a, b, _ in cues)
    assert shapes(visemes.build_viseme_cues(motion, min_seconds=0.02))[1] == "kk"


def test_two_closures_remain_two() -> None:
    cues = visemes.enforce_min_duration(
        ["aa"] * 20 + ["PP"] * 8 + ["ih"] * 3 + ["PP"] * 9 + ["aa"] * 20, visemes.OVR_SHAPES
    )
    assert shapes(cues) == ["aa", "PP", "ih", "PP", "aa"]
    assert cues[2][1] - cues[2][0] == pytest.approx(0.04)  # what the second closure can spare


def test_no_closure_is_ever_lost_and_time_is_covered_once() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        runs = [(visemes.VISEMES[rng.integers(15)], int(rng.integers(1, 20))) for _ in range(rng.integers(1, 30))]
        labels = [label for label, n in runs for _ in range(n)]
        cues = visemes.enforce_min_duration(labels, visemes.OVR_SHAPES)
        assert cues[0][0] == 0 and cues[-1][1] == pytest.approx(len(labels) / 100)
        assert all(a[1] == b[0] and a[2] != b[2] for a, b in itertools.pairwise(cues))
        closures = [label for label, _ in itertools.groupby(labels) if label in visemes.OVR_SHAPES.protected]
        assert [label for label in shapes(cues) if label in visemes.OVR_SHAPES.protected] == closures
        for i, (start, end, label) in enumerate(cues):
            if end - start > visemes.MIN_CUE_SECONDS - 1e-9:
                continue
            neighbours = [(b - a, other) for a, b, other in (*cues[max(i - 1, 0) : i], *cues[i + 1 : i + 2])]
            if label not in visemes.OVR_SHAPES.protected:
                assert {other for _, other in neighbours} <= set(visemes.OVR_SHAPES.protected)
                if end - start > 0.04 - 1e-9:
                    continue
            for length, other in neighbours:  # could not spare any time
                assert length < (visemes.MIN_CUE_SECONDS if other in visemes.OVR_SHAPES.protected else 0.04) + 1e-9


def test_the_trajectory_decides_where_a_phone_has_several_shapes() -> None:
    wide = visemes.build_viseme_cues(speak_phones(("sil", 30), ("aa", 20), ("h", 12), ("aa", 20), ("sil", 30)))
    round_ = visemes.build_viseme_cues(speak_phones(("sil", 30), ("uw", 20), ("h", 12), ("uw", 20), ("sil", 30)))
    assert shapes(wide) == ["sil", "aa", "sil"] and shapes(round_) == ["sil", "ou", "sil"]
    loud = visemes.build_rhubarb_cues(speak_phones(("sil", 30), ("aa", 25), ("sil", 30)))
    quick = visemes.build_rhubarb_cues(speak_phones(("s", 12), ("ah", 8), ("s", 12)))
    assert shapes(loud)[1] == "D" and shapes(quick) == ["B", "C", "B"]


@pytest.mark.parametrize("vowel", VOWELS)
def test_vowels_are_neither_closed_nor_rest(vowel: str) -> None:
    motion = speak_phones(("sil", 30), (vowel, 20), ("sil", 30))
    assert shapes(visemes.build_viseme_cues(motion))[1] not in ("sil", "PP", "FF")
    assert shapes(visemes.build_rhubarb_cues(motion))[1] in "BCDEF"


def test_until_and_empty_speech() -> None:
    motion = speak_phones(("aa", 30), ("sil", 21))
    assert visemes.build_viseme_cues(motion, duration=0.505)[-1][1] == 0.5
    assert visemes.build_viseme_cues(speak_phones()) == []
    assert shapes(visemes.build_viseme_cues(speak_phones(("sil", 30)))) == ["sil"]
    assert visemes.clip_cues([Segment(0.0, 1.0, "aa"), Segment(1.0, 2.0, "sil")], 0.5, 1.0) == [(0.5, 1.0, "aa")]
