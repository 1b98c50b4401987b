from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lipdub.speech.phones import PHONE_INDEX
from lipdub.training.kokoro import STYLES, _name_output, has_kokoro, speak_kokoro, time_phones


def test_marks_and_blanks_belong_to_their_neighbours() -> None:
    symbols = list("ˈaːm pˈɪ")
    lengths = np.array([4, 1, 3, 2, 2, 1, 2, 1, 4, 8])
    phones = time_phones(symbols, lengths)
    assert [phone for *_, phone in phones] == ["sil", "a", "m", "p", "ih", "sil"]
    assert [round(start / 0.025) for start, *_ in phones] == [0, 4, 10, 13, 15, 20]
    assert phones[-1][1] == pytest.approx(lengths.sum() * 0.025)
    assert all(a[1] == b[0] for a, b in pairwise(phones))


def test_long_blanks_and_punctuation_are_silent() -> None:
    phones = time_phones(list("m m,"), np.array([0, 2, 5, 2, 3, 0]))
    assert [phone for *_, phone in phones] == ["m", "sil", "m", "sil", "sil"]


def test_an_output_is_a_piece_of_a_graph() -> None:
    assert _name_output("ab") == b"\x3a\x06\x62\x04\x0a\x02ab"


@pytest.mark.slow
@pytest.mark.skipif(not has_kokoro(), reason="no Kokoro")
def test_speech_and_phones_have_one_length() -> None:
    spoken = speak_kokoro("hˈɛloʊ mˈaɪ fɹˈɛnd", first=STYLES[0], second=STYLES[4], share=0.3)
    assert spoken.phones[-1][1] == pytest.approx(len(spoken.audio) / 16_000, abs=0.01)
    loud = [np.abs(spoken.audio[int(a * 16_000) : int(b * 16_000)]).mean() for a, b, p in spoken.phones if p != "sil"]
    assert min(loud) > np.abs(spoken.audio[: int(spoken.phones[0][1] * 8_000)]).mean()
    assert all(phone in PHONE_INDEX for *_, phone in spoken.phones)
