"""A published speech encoder: what the phone network hears beside the sound's spectrum.

Moonshine tiny (Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands", 2024;
MIT licence) was trained on far more voices, rooms and noises than this project can make. Its English model lies in
the wheel of the package moonshine-voice, of which nothing else is used: ONNX Runtime runs the file.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import WeightsError
from lipdub.speech.phone_features import HOP, LEVEL_FLOOR
from lipdub.speech.wheel_data import find_wheel_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WIDTH = 288
"""Numbers for each moment."""

WINDOW, STRIDE = 16.0, 12.0
"""Seconds of sound encoded at once, and from one such window to the next: what lies in the middle of one is kept."""

LOOKAHEAD_SECONDS = (WINDOW + STRIDE) / 2
"""Seconds of sound after a moment that its numbers may depend on."""

DIGEST = "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"
"""SHA-256 of the model file."""

_STEP = 384  # samples from one of the encoder's frames to the next: strides 64, 3 and 2
_CENTRE = 447.0  # sample about which the first frame lies: the middle of what its convolutions see
_LEVEL = 0.1  # root mean square that a stretch is brought to: the encoder is not indifferent to it
_FAINTEST = 10 ** (LEVEL_FLOOR / 20)  # anything quieter is not raised to that
_SHORTEST = SAMPLE_RATE_HZ // 2  # samples that the encoder is given at least


def find_encoder_file() -> Path | None:
    """Where the model lies, or None when moonshine-voice is not installed or holds none."""
    return find_wheel_file("moonshine_voice", "assets", "tiny-en", "encoder_model.ort")


@lru_cache(maxsize=1)
def _session() -> Any:
    """The encoder, ready to run on one core. WeightsError when its file is missing or another."""
    path = find_encoder_file()
    hint = "Install the package again: pip install --force-reinstall moonshine-voice==0.1.0"
    if path is None:
        raise WeightsError("the speech encoder is missing (package moonshine-voice)", hint=hint)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != DIGEST:
        raise WeightsError(f"{path} is not the speech encoder this version was trained with", hint=hint)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the same sums on every machine
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def encode(audio: np.ndarray) -> np.ndarray:
    """The encoder's answer to one stretch of sound.

    audio: float32 (n,) mono, 16 kHz, at most some 30 s. Returns float32 (frames, WIDTH), a frame each 24 ms.
    Raises WeightsError as the file cannot be used.
    """
    audio = np.asarray(audio, np.float32)
    loud = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if len(audio) else 0.0
    audio = audio * np.float32(_LEVEL / max(loud, _FAINTEST))
    if len(audio) < _SHORTEST:
        audio = np.pad(audio, (0, _SHORTEST - len(audio)))
    given = {"input_values": audio[None], "attention_mask": np.ones((1, len(audio)), np.int64)}
    return _session().run(None, given)[0][0]


def interpolate_steps(encoded: np.ndarray, first: int, last: int) -> np.ndarray:
    """What `encode` gave, at steps of two frames: float32 (last - first, WIDTH).

    first, last: steps of 20 ms from the encoded sound's beginning, each about the middle of its two frames.
    """
    place = ((2 * np.arange(first, last) + 0.5) * HOP - _CENTRE) / _STEP
    place = np.clip(place, 0, len(encoded) - 1)
    low = np.minimum(place.astype(np.int64), max(len(encoded) - 2, 0))
    part = (place - low).astype(np.float32)[:, None]
    return encoded[low] * (1 - part) + encoded[np.minimum(low + 1, len(encoded) - 1)] * part


def make_window_encoder(audio: np.ndarray) -> Callable[[int, int], np.ndarray]:
    """What the encoder makes of a long sound: a function of (first, last) that gives its `at_steps`.

    Windows lie at fixed places, so that no answer depends on what was asked for; they are kept while the questions
    move on in time.
    """
    per_stride, lead = round(STRIDE * SAMPLE_RATE_HZ), round((WINDOW - STRIDE) / 2 * SAMPLE_RATE_HZ)
    stride = per_stride // (2 * HOP)  # in steps
    known: dict[int, np.ndarray] = {}

    def window(k: int) -> np.ndarray:
        if k not in known:
            begin = max(k * per_stride - lead, 0)
            known[k] = encode(audio[begin : (k + 1) * per_stride + lead])
        return known[k]

    def answer(first: int, last: int) -> np.ndarray:
        parts = []
        for k in range(first // stride, (last - 1) // stride + 1):
            begin = max(k * stride - lead // (2 * HOP), 0)
            a, b = max(first, k * stride), min(last, (k + 1) * stride)
            parts.append(interpolate_steps(window(k), a - begin, b - begin))
        for k in [k for k in known if k < first // stride]:
            del known[k]
        return np.concatenate(parts) if parts else np.zeros((0, WIDTH), np.float32)

    return answer
