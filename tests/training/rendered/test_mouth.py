from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech.phones import PHONES
from lipdub.training.rendered.mouth import TARGETS, Style, move_mouth

TIMES = np.arange(100) / 25


def _say(*phones: str, length: float = 0.12) -> list[tuple[float, float, str]]:
    return [(0.5 + i * length, 0.5 + (i + 1) * length, phone) for i, phone in enumerate(phones)]


def test_every_phone_has_a_target() -> None:
    assert set(TARGETS) == set(PHONES)


@pytest.mark.parametrize("phone", ["p", "b", "m"])
@pytest.mark.parametrize("shift", [0.0, 0.013, 0.027])
def test_lips_are_shut_in_a_frame_of_each_closure(phone: str, shift: float) -> None:
    phones = [(a + shift, b + shift, p) for a, b, p in _say("aa", phone, "aa", length=0.06)]
    moved, shut = move_mouth(phones, TIMES, Style())
    assert shut.max() == 1
    at = shut.argmax()
    assert moved["MPB_Up"][at] >= 0.8
    assert moved["AE_AA"][at] == 0
    assert moved["AE_AA"].max() > 0.2


def test_vowels_spread_open_and_round() -> None:
    courses = {phone: move_mouth(_say(phone, length=0.3), TIMES, Style())[0] for phone in ("iy", "aa", "uw")}
    assert max(courses, key=lambda phone: courses[phone]["AE_AA"].max()) == "aa"
    assert max(courses, key=lambda phone: courses[phone]["UW_U"].max()) == "uw"
    assert max(courses, key=lambda phone: courses[phone]["H_EST"].max()) == "iy"


def test_silence_is_rest() -> None:
    moved, shut = move_mouth([], TIMES, Style())
    assert all(np.allclose(course, 0) for course in moved.values())
    assert not shut.any()


def test_a_neighbour_changes_a_phone() -> None:
    alone = move_mouth(_say("iy", "t", "iy"), TIMES, Style())[0]
    rounded = move_mouth(_say("uw", "t", "uw"), TIMES, Style())[0]
    middle = round(0.68 * 25)
    assert rounded["UW_U"][middle] > alone["UW_U"][middle] + 0.2


def test_lips_are_open_a_little_before_speech() -> None:
    moved, _ = move_mouth(_say("s", "aa"), TIMES, Style())
    assert moved["H_EST"][10] > moved["H_EST"][2]
