"""The sample formats of sound: decoded frames to float32, and float32 to what is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

LOUDEST = 100.0  # times full scale (40 dB): what is louder is no sound
_NOTED_PEAK = 2.0  # times full scale (6 dB): encoders overshoot by less
_ODD_SHARE = 0.1  # of all samples: with more odd ones a file is no sound
_MOST_PLANES = 8  # planar frames with as many channels or more cannot be read plane by plane
FLOAT_FORMATS = ("flt", "dbl")  # and the planar ones, which end with "p"
_LOSSLESS_CODECS = ("flac", "alac", "wavpack", "tta", "ape", "truehd", "mlp")
# Full scale of the signed integer sample formats.
_FULL_SCALE = {"s16": 1 << 15, "s32": 1 << 31}


@dataclass
class OddSamples:
    """Counts what is no sound in the samples of a file.

    Attributes:
        count: Number of samples, of all channels.
        unknown: How many are not a number. They are silence here.
        too_loud: How many are infinite or louder than `LOUDEST`. They have full scale here.
        peak: Largest size of the others.
    """

    count: int = 0
    unknown: int = 0
    too_loud: int = 0
    peak: float = 0.0

    def repair(self, values: Array) -> F32:
        """Count samples of any shape and return them as float32, without the odd ones."""
        self.count += values.size
        peak = float(np.abs(values).max(initial=0.0))
        if not peak <= LOUDEST:
            is_unknown, is_too_loud = np.isnan(values), np.abs(values) > LOUDEST
            self.unknown += int(is_unknown.sum())
            self.too_loud += int(is_too_loud.sum())
            values = np.where(is_unknown, 0.0, np.where(is_too_loud, np.copysign(1.0, values), values))
            peak = float(np.abs(values).max(initial=0.0))
        self.peak = max(self.peak, peak)
        return np.ascontiguousarray(values, dtype=np.float32)

    def check(self, name: str) -> None:
        """Refuse a file that is no sound. Raises InputError.

        Args:
            name: The file, for people.
        """
        most = _ODD_SHARE * self.count
        if self.unknown > most:
            raise InputError(
                f"{self.unknown} of {self.count} samples of {name} are not a number",
                hint="Export the sound again, as 16 or 24 bits.",
            )
        if self.too_loud > most:
            raise InputError(
                f"{self.too_loud} of {self.count} samples of {name} are more than {LOUDEST:.0f} times full scale",
                hint="Floating point samples lie between -1 and 1: export the sound again, as 16 or 24 bits.",
            )

    def describe(self, name: str) -> list[str]:
        """Return notes on the odd samples of a file.

        Args:
            name: The file, for people.
        """
        notes = []
        if self.unknown:
            notes.append(f"{self.unknown} of {self.count} samples of {name} are not a number: they become silence")
        if self.too_loud:
            notes.append(
                f"{self.too_loud} of {self.count} samples of {name} are more than {LOUDEST:.0f} times full scale: "
                "they are clipped"
            )
        if self.peak > _NOTED_PEAK:
            notes.append(f"{name} goes {20 * np.log10(self.peak):.0f} dB over full scale: players clip it")
        return notes


def unpack_samples(frame: Any, odd: OddSamples) -> F32:
    """Return the samples of a decoded ``av.AudioFrame`` as (n, channels) float32, in -1..1 but for loud floats.

    Args:
        frame: The frame.
        odd: Counts the odd ones.
    """
    if frame.format.name.startswith("s64"):
        frame = _convert(frame, "dbl")
    elif frame.format.is_planar and frame.layout.nb_channels >= _MOST_PLANES:
        frame = _convert(frame, frame.format.packed)
    name = frame.format.name
    values: Array = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    if name.startswith(FLOAT_FORMATS):
        return odd.repair(values)
    odd.count += values.size
    if name.startswith("u8"):
        return (values.astype(np.float32) - 128.0) / 128.0
    full = _FULL_SCALE[name.removesuffix("p")]
    if full > _FULL_SCALE["s16"]:
        return (values / float(full)).astype(np.float32)
    return values.astype(np.float32) * np.float32(1.0 / full)


def is_lossless_codec(codec: str) -> bool:
    """Whether sound of a codec, by FFmpeg's name, keeps the samples that it was made of."""
    return codec.startswith("pcm_") or codec in _LOSSLESS_CODECS


def _convert(frame: Any, sample_format: Any) -> Any:
    """Return a frame in another sample format, with its channels interleaved.

    PyAV finds the end of a frame's planes by an empty pointer. Frames with many planes have none, and the process
    crashes. It does not read integers of 64 bits at all.
    """
    import av

    converted: list[Any] = av.AudioResampler(format=sample_format).resample(frame)
    assert len(converted) == 1
    return converted[0]


def pack_samples(block: F32, sample_format: str) -> Array:
    """Pack (n, channels) float32 samples into a (1, n * channels) array of a sample format: "flt", "s16" or "s32"."""
    if sample_format == "flt":
        return np.ascontiguousarray(block, dtype=np.float32).reshape(1, -1)
    full = _FULL_SCALE[sample_format]
    if sample_format == "s16":
        values: Array = np.clip(np.rint(block * float(full)), -full, full - 1).astype(np.int16)
    else:
        values = np.clip(np.rint(block.astype(np.float64) * float(full)), -full, full - 1).astype(np.int32)
    return np.ascontiguousarray(values).reshape(1, -1)
