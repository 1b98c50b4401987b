"""English words in sound, and their phones' times, by PocketSphinx: a process of its own (`python -m`).

PocketSphinx computes without letting other threads of its process run, and its model is a C object that only
one thread may use: `speech.words` starts this module as a child and talks to it over pipes. A request is one
line of JSON, `{"samples": n, "words": null or [[word, "AR PA BET" or null], ...]}`, then n samples of int16,
16 kHz. Without words it recognises them; with words it finds only where these lie. The answer is one line of
JSON: a list of [word, [[start frame, frames, ARPAbet phone], ...]] at 100 frames a second, silences left out;
null when nothing was recognised or the words do not fit.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, BinaryIO

_BEAM, _WORD_BEAM = 1e-48, 1e-29
_VARIANT = re.compile(r"\(\d+\)$")

Words = list[list[Any]]


def open_decoder() -> Any:
    """A decoder with PocketSphinx's own English model, dictionary and trigrams. Raises ImportError without the
    package."""
    from pocketsphinx import Decoder, get_model_path

    return Decoder(
        hmm=get_model_path("en-us/en-us"),
        lm=get_model_path("en-us/en-us.lm.bin"),
        dict=get_model_path("en-us/cmudict-en-us.dict"),
        beam=_BEAM,
        wbeam=_WORD_BEAM,
        maxhmmpf=3000,  # a third faster than without a limit, and as right
        fwdflat=False,  # a second look over the words found: a quarter of the time, hardly a word better
        cmn="batch",  # each piece of sound by itself: no answer depends on what was asked before
        loglevel="FATAL",
    )


def recognise(decoder: Any, sound: bytes) -> list[str]:
    """The words in the sound (int16, 16 kHz), without those that stand for noise."""
    decoder.activate_search("_default")
    _decode(decoder, sound)
    found = decoder.hyp()
    return found.hypstr.split() if found is not None else []


def times(decoder: Any, sound: bytes, words: list[str]) -> Words | None:
    """Where the words and their phones lie, or None when they do not fit. The decoder must know the words."""
    if not words:
        return None
    try:
        decoder.set_align_text(" ".join(words))
        _decode(decoder, sound)
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        _decode(decoder, sound)
        found = decoder.get_alignment()
    except RuntimeError:  # the search ended before the last word
        return None
    if found is None:
        return None
    rows: Words = []
    for word in found:
        name = _VARIANT.sub("", word.name)
        if name[0] in "<[+":
            continue
        rows.append([name, [[phone.start, phone.duration, phone.name] for phone in word]])
    return rows


def _decode(decoder: Any, sound: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()


def _known(decoder: Any, word: str, pronunciation: str | None) -> str | None:
    """The word as the decoder knows it, taught if need be; None if it cannot be pronounced."""
    if decoder.lookup_word(word):
        return word
    if not pronunciation:
        return None
    decoder.add_word(word, pronunciation, update=True)
    return word


def answer(decoder: Any, sound: bytes, words: list[list[str | None]] | None) -> Words | None:
    """What one request asks for."""
    if words is None:
        return times(decoder, sound, recognise(decoder, sound))
    known = [w for w in (_known(decoder, str(w), p) for w, p in words) if w is not None]
    return times(decoder, sound, known) if len(known) == len(words) else None


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answers requests until the source ends."""
    decoder = open_decoder()
    while line := source.readline():
        asked = json.loads(line)
        sound = source.read(2 * asked["samples"])
        sink.write(json.dumps(answer(decoder, sound, asked["words"])).encode() + b"\n")
        sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
