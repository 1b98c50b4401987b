"""Phone recognizer."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import WeightsError
from lipdub.speech import encoder
from lipdub.speech.coarticulation import LipModel
from lipdub.speech.phone_features import (
    HOP,
    LEVEL_SPAN,
    compute_log_mel,
    compute_mel_power,
    compute_running_level,
    find_silent_frames,
)
from lipdub.speech.phone_network import PhoneNetwork
from lipdub.speech.phones import PHONE_INDEX, PHONES
from lipdub.weights import verify_shipped

WEIGHTS_FORMAT = "lipdub lip-motion 2"  # of the weights file: its metadata's `format`


_CHUNK_FRAMES = 2400  # frames taken at once: 24 s


def find_default_weights() -> Path:
    """The weights of this project's lip-motion network. Raises WeightsError when they are missing."""
    return verify_shipped("lip-motion.safetensors")


def load_weights(path: Path | None = None) -> tuple[PhoneNetwork, LipModel]:
    """Read a weights file. WeightsError when it is missing, damaged or not a lip-motion file."""
    path = Path(path) if path is not None else find_default_weights()
    try:
        stat = path.stat()
    except OSError as error:
        raise WeightsError(f"no lip-motion weights at {path}", hint="Install lipdub again") from error
    return _load_file(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _load_file(path: Path, changed: int, size: int) -> tuple[PhoneNetwork, LipModel]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "numpy") as file:
            facts = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged ({error})") from error
    if facts.get("format") != WEIGHTS_FORMAT:
        raise WeightsError(f"{path} is not a lip-motion weights file of this version")
    arrays = {name: tensors.pop(f"lips.{name}") for name in ("targets", "dominance", "reach", "ahead")}
    layers = (
        tuple(tensors.pop(f"lips.context.{i}").astype(np.float64) for i in range(3))
        if "lips.context.0" in tensors
        else ()
    )
    model = LipModel(**arrays, context=layers, **json.loads(facts["lips"]))
    return PhoneNetwork({name.removeprefix("phones."): value for name, value in tensors.items()}), model


def compute_phone_posteriors(audio: np.ndarray, network: PhoneNetwork, *, chunk: int = _CHUNK_FRAMES) -> np.ndarray:
    """Probabilities of the phones, float32 (frames, len(PHONES)), a frame each 10 ms, from mono 16 kHz audio.

    Worked off in chunks of so many frames (even), each read with enough on both sides that the result does
    not depend on the chunk. Frames sure to be silent are exactly silence. Raises WeightsError without the
    speech encoder.
    """
    count = len(audio) // HOP + 1 if len(audio) else 0
    encoded = encoder.make_window_encoder(audio)
    out = np.empty((count, len(PHONES)), np.float32)
    reach = network.reach + network.reach % 2
    around = LEVEL_SPAN + reach + 2
    for first in range(0, count, chunk):
        last = min(first + chunk, count)
        low, high = max(first - around, 0), min(last + around, count)
        low -= low % 2
        power = _chunk_power(audio, low, high, count)
        level = compute_running_level(power)
        near_low, near_high = max(first - reach, 0), min(last + reach, count)
        inner = slice(near_low - low, near_high - low)
        known = encoded(near_low // 2, (near_high + 1) // 2)
        p = network.posteriors(compute_log_mel(power[inner], level[inner]), known)
        silent = find_silent_frames(power)[inner]
        p[silent] = 0.0
        p[silent, PHONE_INDEX["sil"]] = 1.0
        out[first:last] = p[first - near_low : last - near_low]
    return out


def _chunk_power(audio: np.ndarray, low: int, high: int, count: int) -> np.ndarray:
    """Mel power of frames low..high-1 of the whole audio, read with the samples that their windows reach
    to.
    """
    lead = min(low, 2)  # frames' windows reach over 200 samples: two frames
    begin = (low - lead) * HOP
    end = len(audio) if high == count else min((high + 2) * HOP, len(audio))
    return compute_mel_power(audio[begin:end])[lead : lead + high - low]


def to_mono_speech(audio: np.ndarray, rate: int = SAMPLE_RATE_HZ) -> np.ndarray:
    """Sound as the networks take it: float32 (n,) at 16 kHz, of (n,) or (n, channels) at `rate`. ValueError as
    `lip_motion`.
    """
    audio = np.asarray(audio, np.float32)
    if audio.ndim == 2:
        audio = audio.mean(1)
    if audio.ndim != 1:
        raise ValueError(f"audio must be (samples,) or (samples, channels); got shape {audio.shape}")
    if not np.isfinite(audio).all():
        raise ValueError("audio holds values that are not finite")
    if rate != SAMPLE_RATE_HZ:
        import soxr

        audio = soxr.resample(audio, rate, SAMPLE_RATE_HZ)
    return audio
