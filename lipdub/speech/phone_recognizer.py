"""The phone recognizer: its weights file, and phone probabilities from sound. NumPy only."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import WeightsError
from lipdub.speech import encoder
from lipdub.speech.audio_features import AudioFeature
from lipdub.speech.coarticulation import LipModel
from lipdub.speech.phone_features import (
    HOP,
    LEVEL_SPAN,
    compute_log_mel,
    compute_mel_power,
    compute_running_level,
    count_frames,
    find_silent_frames,
)
from lipdub.speech.phone_network import FRAMES_PER_STEP, PhoneNetwork
from lipdub.speech.phones import PHONE_INDEX, PHONES, SILENCE
from lipdub.weights import verify_shipped

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

WEIGHTS_FORMAT = "lipdub lip-motion 2"
"""Value of `format` in the metadata of the weights file."""

_CHUNK_FRAMES = 2400  # frames computed at once: 24 s
_WINDOW_FRAMES = 2  # half an analysis window, 200 samples, rounded up to frames


def find_default_weights() -> Path:
    """Find the lip-motion weights of this project.

    Raises:
        WeightsError: They are missing.
    """
    return verify_shipped("lip-motion.safetensors")


def load_weights(path: Path | None = None) -> tuple[PhoneNetwork, LipModel]:
    """Read a weights file.

    Args:
        path: The file; by default the one of this project.

    Raises:
        WeightsError: The file is missing, damaged, or not a lip-motion file.
    """
    path = Path(path) if path is not None else find_default_weights()
    try:
        stat = path.stat()
    except OSError as error:
        raise WeightsError(f"no lip-motion weights at {path}", hint="Install lipdub again.") from error
    return _load_file(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _load_file(path: Path, modified_ns: int, size: int) -> tuple[PhoneNetwork, LipModel]:
    """Read a weights file; cached while the file does not change."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged ({error})") from error
    if metadata.get("format") != WEIGHTS_FORMAT:
        raise WeightsError(f"{path} is not a lip-motion weights file of this version")
    groups: dict[str, dict[str, Array]] = {"phones": {}, "lips": {}}
    for name, value in tensors.items():
        group, _, key = name.partition(".")
        groups[group][key] = value
    return PhoneNetwork(groups["phones"]), LipModel.from_file(groups["lips"], json.loads(metadata["lips"]))


def compute_phone_posteriors(audio: F32, network: PhoneNetwork, *, chunk: int = _CHUNK_FRAMES) -> F32:
    """Compute the probabilities of the phones.

    Each chunk is read with enough sound on both sides that the result does not depend on the chunks. Frames that are
    certainly silent are exactly silence.

    Args:
        audio: (n,) float32 mono at 16 kHz.
        network: The recognizer.
        chunk: Frames computed at once, an even number.

    Returns:
        (frames, len(PHONES)) float32 at 100 Hz; rows sum to one.

    Raises:
        WeightsError: The speech encoder is missing.
    """
    count = count_frames(len(audio))
    encode_steps = encoder.make_window_encoder(audio)
    out = np.empty((count, len(PHONES)), np.float32)
    reach = network.reach + network.reach % FRAMES_PER_STEP
    around = LEVEL_SPAN + reach + FRAMES_PER_STEP
    for first in range(0, count, chunk):
        last = min(first + chunk, count)
        low, high = max(first - around, 0), min(last + around, count)
        low -= low % FRAMES_PER_STEP
        power = _compute_chunk_power(audio, low, high, count)
        level = compute_running_level(power)
        near_low, near_high = max(first - reach, 0), min(last + reach, count)
        inner = slice(near_low - low, near_high - low)
        encoding = encode_steps(near_low // 2, (near_high + 1) // 2)
        p = network.posteriors(compute_log_mel(power[inner], level[inner]), encoding)
        silent = find_silent_frames(power)[inner]
        p[silent] = 0.0
        p[silent, PHONE_INDEX[SILENCE]] = 1.0
        out[first:last] = p[first - near_low : last - near_low]
    return out


def _compute_chunk_power(audio: F32, low: int, high: int, count: int) -> F32:
    """Compute the mel power of frames low to high - 1 of the whole audio, which has `count` frames."""
    lead = min(low, _WINDOW_FRAMES)
    begin = (low - lead) * HOP
    end = len(audio) if high == count else min((high + _WINDOW_FRAMES) * HOP, len(audio))
    return compute_mel_power(audio[begin:end])[lead : lead + high - low]


def to_mono_speech(audio: Array, rate: int = SAMPLE_RATE_HZ) -> F32:
    """Convert sound to the input of the networks.

    Args:
        audio: (n,) or (n, channels) float in -1 to 1; channels are averaged.
        rate: Sampling rate in Hz.

    Returns:
        (m,) float32 mono at 16 kHz.

    Raises:
        ValueError: The shape is wrong, or a value is not finite.
    """
    samples: F32 = np.asarray(audio, np.float32)
    if samples.ndim == 2:
        samples = samples.mean(1)
    if samples.ndim != 1:
        raise ValueError(f"audio must be (samples,) or (samples, channels); got shape {samples.shape}")
    if not np.isfinite(samples).all():
        raise ValueError("audio holds values that are not finite")
    if rate != SAMPLE_RATE_HZ:
        import soxr

        samples = soxr.resample(samples, rate, SAMPLE_RATE_HZ)
    return samples


def _compute_of_sound(audio: F32) -> F32:
    return compute_phone_posteriors(audio, load_weights()[0])


PHONE_POSTERIORS = AudioFeature(
    name="phone-posteriors",
    summary="Probabilities of the phones, by the phone network of this project",
    hop=HOP,
    size=len(PHONES),
    compute=_compute_of_sound,
    time_axis=0,
    weights=("lip-motion.safetensors",),
)
