"""Words found in posteriors: in order, passed over where they are not said, other sound left alone."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech import forced_alignment as module
from lipdub.speech.forced_alignment import align_words
from lipdub.speech.phones import PHONE_INDEX, PHONES

# words of four phones, no two alike
WORDS = [
    ("b", "iy", "n", "s"),
    ("m", "uw", "k", "ae"),
    ("f", "ao", "l", "t"),
    ("w", "eh", "d", "z"),
    ("sh", "ow", "g", "iy"),
    ("p", "a", "r", "k"),
    ("v", "ih", "ng", "aa"),
    ("j", "er", "th", "h"),
]
PHONE_FRAMES = 8


def sound(*parts: tuple[str, ...] | int, sure: float = 0.7, seed: int = 0) -> np.ndarray:
    """Posteriors of words one after the other, numbers being frames of silence; the network hears each phone
    with some noise."""
    rng = np.random.default_rng(seed)
    phones: list[str] = []
    for part in parts:
        phones += ["sil"] * part if isinstance(part, int) else [p for p in part for _ in range(PHONE_FRAMES)]
    out = rng.uniform(0.0, 1.0, (len(phones), len(PHONES)))
    out *= (1 - sure) / out.sum(1, keepdims=True)
    out[np.arange(len(phones)), [PHONE_INDEX[p] for p in phones]] += sure
    return out.astype(np.float32)


def starts(alignment: module.ForcedAlignment) -> list[float | None]:
    """Start of each word in frames, None where it was passed over."""
    return [None if np.isnan(a) else round(a * 100) for a in alignment.spans[:, 0]]


def near(alignment: module.ForcedAlignment, expected: list[int | None], by: int = 2) -> bool:
    return all(
        (a is None) == (b is None) and (a is None or b is None or abs(a - b) <= by)
        for a, b in zip(starts(alignment), expected, strict=True)
    )


def test_words_are_found_where_they_are() -> None:
    alignment = align_words(WORDS[:3], sound(30, WORDS[0], 20, WORDS[1], WORDS[2], 30))
    assert near(alignment, [30, 82, 114])
    assert (alignment.fit > 0.8).all()
    assert alignment.phones[0][0] == 0.0 and abs(alignment.phones[-1][1] - 1.76) < 1e-9
    assert all(abs(a[1] - b[0]) < 1e-9 for a, b in zip(alignment.phones, alignment.phones[1:], strict=False))
    assert [p for (_, _, p), owner in zip(alignment.phones, alignment.owner, strict=True) if owner == 1] == list(
        WORDS[1]
    )


def test_every_phone_lasts_twenty_milliseconds() -> None:
    alignment = align_words(WORDS[:2], sound(10, WORDS[0], WORDS[1], 10))
    durations = [b - a for (a, b, _), owner in zip(alignment.phones, alignment.owner, strict=True) if owner >= 0]
    assert min(durations) > 0.0199


def test_words_that_are_not_said_are_passed_over() -> None:
    alignment = align_words(WORDS[:6], sound(30, WORDS[0], WORDS[1], 10, WORDS[4], WORDS[5], 30))
    assert near(alignment, [30, 62, None, None, 104, 136])
    assert alignment.fit[2] == alignment.fit[3] == 0.0


def test_text_beyond_the_ends_of_the_sound_is_passed_over() -> None:
    alignment = align_words(WORDS, sound(10, WORDS[3], WORDS[4], WORDS[5], 10))
    assert near(alignment, [None, None, None, 10, 42, 74, None, None])


def test_speech_that_is_not_in_the_text_is_left_alone() -> None:
    parts = [30, WORDS[0], WORDS[1], WORDS[6], WORDS[7], WORDS[3], WORDS[6], WORDS[4], WORDS[5], 30]
    alignment = align_words([WORDS[0], WORDS[1], WORDS[4], WORDS[5]], sound(*parts))
    assert near(alignment, [30, 62, 222, 254])
    inside = [(a, b) for (a, b, _), owner in zip(alignment.phones, alignment.owner, strict=True) if owner < 0]
    assert any(a < 1.0 and b > 2.2 for a, b in inside)


def test_another_text_is_not_found() -> None:
    alignment = align_words(WORDS[4:], sound(30, *WORDS[:4], 10, *WORDS[:4], 30))
    assert np.isnan(alignment.spans).all()


def test_words_nobody_can_say_are_passed_over_at_no_cost() -> None:
    alignment = align_words([WORDS[0], (), WORDS[1], (), ()], sound(10, WORDS[0], WORDS[1], 10))
    assert near(alignment, [10, None, 42, None, None])


def test_cues_tell_like_words_apart() -> None:
    posteriors = sound(30, WORDS[0], 100, WORDS[0], 100, WORDS[0], 30)
    assert near(align_words([WORDS[0]], posteriors, time_limits=[(2.8, 4.0)]), [294])
    assert near(align_words([WORDS[0]], posteriors, time_limits=[(1.0, 2.5)]), [162])
    assert starts(align_words([WORDS[0]], posteriors, time_limits=[None])) == starts(
        align_words([WORDS[0]], posteriors)
    )


def test_nothing_is_found_in_nothing() -> None:
    alignment = align_words(WORDS[:2], np.zeros((0, len(PHONES)), np.float32))
    assert alignment.phones == [] and np.isnan(alignment.spans).all()
    alignment = align_words([], sound(20))
    assert alignment.phones == [(0.0, 0.2, "sil")] and alignment.owner == [-1]
    assert np.isnan(align_words(WORDS, sound(1)).spans).all()


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("window", "settle"), [(400, 100), (800, 300), (6000, 1000)])
def test_a_long_text_needs_but_a_window(monkeypatch: pytest.MonkeyPatch, window: int, settle: int) -> None:
    monkeypatch.setattr(module, "_SETTLE", settle)
    monkeypatch.setattr(module, "_OPEN", 4 * settle)
    rng = np.random.default_rng(1)
    words = [WORDS[i] for i in rng.integers(0, len(WORDS), 150)]
    parts: list[tuple[str, ...] | int] = []
    expected, frame = [], 0
    for i, word in enumerate(words):
        if i % 10 == 0:
            parts.append(25)
            frame += 25
        expected.append(frame)
        parts.append(word)
        frame += PHONE_FRAMES * len(word)
    alignment = align_words(words, sound(*parts, 20), window=window)
    assert near(alignment, expected)


def test_the_past_kept_open_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLE", 100)
    monkeypatch.setattr(module, "_OPEN", 300)
    lengths: list[int] = []
    settle = module._write_agreed_path
    monkeypatch.setattr(
        module, "_write_agreed_path", lambda past, *rest, **k: lengths.append(len(past)) or settle(past, *rest, **k)
    )
    flat = np.full((3000, len(PHONES)), 1 / len(PHONES), np.float32)  # nothing tells the ways apart
    align_words(WORDS * 5, flat)
    assert len(lengths) > 5 and max(lengths) <= 400
