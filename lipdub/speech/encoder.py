"""A published speech encoder, which the phone network reads in addition to the spectrum.

Jeffries et al., Moonshine: Speech Recognition for Live Transcription and Voice Commands (2024); MIT licence. The
encoder was trained on far more voices, rooms and noises than this project has. Its English model comes with the wheel
of the package moonshine-voice, of which nothing else is used: ONNX Runtime runs the file.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import WeightsError
from lipdub.offline import import_onnxruntime
from lipdub.speech.phone_features import HOP, LEVEL_FLOOR
from lipdub.speech.wheel_data import find_wheel_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.arrays import F32, Array

WIDTH = 288
"""Values of the encoder for each moment."""

WINDOW, STRIDE = 16.0, 12.0
"""Seconds of sound encoded at once, and seconds between two such windows. The middle of each window is used."""

LOOKAHEAD_SECONDS = (WINDOW + STRIDE) / 2
"""Seconds of sound after a moment that its values may depend on."""

DIGEST = "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"
"""SHA-256 of the model file."""

_STEP = 384  # samples between two frames of the encoder: strides 64, 3 and 2
_CENTRE = 447.0  # sample at the centre of the first frame: the middle of its receptive field
_LEVEL = 0.1  # root mean square that a stretch is scaled to; the encoder depends on the level
_MIN_LEVEL = 10 ** (LEVEL_FLOOR / 20)  # quieter stretches are not scaled up to _LEVEL
_MIN_SAMPLES = SAMPLE_RATE_HZ // 2  # the encoder reads at least so many samples
_STEP_SAMPLES = 2 * HOP  # samples of one step of the phone network: 20 ms


def find_encoder_file() -> Path | None:
    """Find the model file; None if moonshine-voice is not installed or holds none."""
    return find_wheel_file("moonshine_voice", "assets", "tiny-en", "encoder_model.ort")


@lru_cache(maxsize=1)
def _load_session() -> Any:
    """Load the encoder, to run on one core.

    Raises:
        WeightsError: The file is missing or has another digest.
    """
    path = find_encoder_file()
    hint = "Install the package again: pip install --force-reinstall moonshine-voice==0.1.0"
    if path is None:
        raise WeightsError("the speech encoder is missing (package moonshine-voice)", hint=hint)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != DIGEST:
        raise WeightsError(f"{path} is not the speech encoder this version was trained with", hint=hint)
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the same sums on every machine
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def encode(audio: Array) -> F32:
    """Run the encoder on one stretch of sound.

    Args:
        audio: (n,) float mono at 16 kHz, at most about 30 s.

    Returns:
        (frames, WIDTH) float32, one frame every 24 ms.

    Raises:
        WeightsError: The model file is missing or has another digest.
    """
    audio = np.asarray(audio, np.float32)
    level = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if len(audio) else 0.0
    audio = audio * np.float32(_LEVEL / max(level, _MIN_LEVEL))
    if len(audio) < _MIN_SAMPLES:
        audio = np.pad(audio, (0, _MIN_SAMPLES - len(audio)))
    inputs = {"input_values": audio[None], "attention_mask": np.ones((1, len(audio)), np.int64)}
    encoding: F32 = _load_session().run(None, inputs)[0][0]
    return encoding


def interpolate_steps(encoding: F32, first: int, last: int) -> F32:
    """Interpolate the encoder's frames to steps of two phone frames.

    Args:
        encoding: (frames, WIDTH) float32, from `encode`.
        first: First step of 20 ms from the beginning of the encoded sound.
        last: Last step + 1. A step is the middle of its two frames.

    Returns:
        (last - first, WIDTH) float32.
    """
    place = ((2 * np.arange(first, last) + 0.5) * HOP - _CENTRE) / _STEP
    place = np.clip(place, 0, len(encoding) - 1)
    low = np.minimum(place.astype(np.int64), max(len(encoding) - 2, 0))
    part = (place - low).astype(np.float32)[:, None]
    steps: F32 = encoding[low] * (1 - part) + encoding[np.minimum(low + 1, len(encoding) - 1)] * part
    return steps


def make_window_encoder(audio: F32) -> Callable[[int, int], F32]:
    """Make a function that encodes any steps of a long sound.

    The windows lie at fixed places, so that no result depends on the requested steps. Windows are kept while the steps
    move forward in time.

    Args:
        audio: (n,) float32 mono at 16 kHz.

    Returns:
        A function of (first, last), as in `interpolate_steps`.
    """
    per_stride, lead = round(STRIDE * SAMPLE_RATE_HZ), round((WINDOW - STRIDE) / 2 * SAMPLE_RATE_HZ)
    stride = per_stride // _STEP_SAMPLES  # in steps
    windows: dict[int, F32] = {}

    def encode_window(k: int) -> F32:
        if k not in windows:
            begin = max(k * per_stride - lead, 0)
            windows[k] = encode(audio[begin : (k + 1) * per_stride + lead])
        return windows[k]

    def encode_steps(first: int, last: int) -> F32:
        parts = []
        for k in range(first // stride, (last - 1) // stride + 1):
            begin = max(k * stride - lead // _STEP_SAMPLES, 0)
            a, b = max(first, k * stride), min(last, (k + 1) * stride)
            parts.append(interpolate_steps(encode_window(k), a - begin, b - begin))
        for k in [k for k in windows if k < first // stride]:
            del windows[k]
        return np.concatenate(parts) if parts else np.zeros((0, WIDTH), np.float32)

    return encode_steps
