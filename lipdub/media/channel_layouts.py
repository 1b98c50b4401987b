"""Which channel layouts the audio encoders take, and mixing sound down to one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lipdub.arrays import F32

# Layouts that each encoder keeps, by FFmpeg's names. Of those with the same number of channels, the first stands for
# channels without places; encoders cut the highs of a bass channel, so that it has none if possible. Encoders that are
# not listed take any layout.
_KEPT_LAYOUTS = {
    "aac": (
        *("mono", "stereo", "3.0", "2.1", "3.0(back)", "4.0", "quad", "3.1", "5.0", "4.1", "5.1", "6.0"),
        *("6.0(front)", "hexagonal", "6.1", "6.1(back)", "6.1(front)", "7.0", "7.0(front)"),
        *("7.1", "7.1(wide)", "7.1(wide-side)", "octagonal"),
    ),
    "libopus": ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"),
    "flac": ("mono", "stereo", "3.0", "quad", "5.0(side)", "5.1(side)", "6.1", "7.1"),
    "alac": ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1(back)", "7.1(wide)"),
    "libmp3lame": ("mono", "stereo"),
    "ac3": (
        *("mono", "stereo", "3.0", "2.1", "3.0(back)", "4.0", "quad(side)", "3.1", "5.0(side)", "4.1", "5.1(side)"),
    ),
}
# Layouts that differ only in how the same loudspeakers are called.
_SAME_PLACES = (
    {"quad", "quad(side)"},
    {"5.0", "5.0(side)"},
    {"5.1", "5.1(side)"},
    {"6.1", "6.1(back)"},
    {"stereo", "binaural", "downmix"},
)
_MIXED_LAYOUTS = ("5.1", "5.1(side)", "stereo", "mono")  # what is mixed down to, the first that fits
_NO_PLACES = re.compile(r"\d+ channels?|ambisonic .*")  # FFmpeg's names of layouts without loudspeakers
_PLAIN_CHANNELS = 2  # so many channels are mono or stereo, whatever they say
_IMPULSE_RATE = 48000  # Hz; any rate gives the same weights


@dataclass(frozen=True)
class LayoutFit:
    """How sound is laid out for an encoder.

    Attributes:
        layout: FFmpeg's name of the layout.
        channels: Its number of channels.
        is_mixed: Whether channels must be mixed to it. Otherwise it only names the channels that are there.
        is_guessed: Whether the sound does not say where its channels belong, and the encoder needs a name.
    """

    layout: str
    channels: int
    is_mixed: bool = False
    is_guessed: bool = False

    def describe(self, what: str, encoder: str) -> list[str]:
        """Return remarks for the person where ``what``, a sound, was mixed or named for an encoder."""
        if self.is_mixed:
            return [f"{what} was mixed down to {self.layout}: {encoder} does not take its channel layout"]
        if self.is_guessed:
            reason = f"they are labelled {self.layout}, since {encoder} needs a channel layout"
            return [f"{what} does not say where its {self.channels} channels belong: {reason}"]
        return []


def fit_layout(encoder: str, layout: str, channels: int) -> LayoutFit:
    """Return the layout in which an encoder takes sound.

    Channels are kept where the encoder has a layout for them. Surround sound is mixed to a smaller layout; channels
    without places, as recorders write them, are mixed to mono.

    Args:
        encoder: FFmpeg's name of the encoder.
        layout: FFmpeg's name of the sound's layout.
        channels: Number of channels of the sound.
    """
    kept = _KEPT_LAYOUTS.get(encoder)
    if kept is None or layout in kept:
        return LayoutFit(layout, channels)
    if not has_places(layout):
        named = [name for name in kept if _count_channels(name) == channels]
        if not named:
            return LayoutFit("mono", 1, is_mixed=True)
        return LayoutFit(named[0], channels, is_guessed=channels > _PLAIN_CHANNELS)
    for name in kept:
        if any({name, layout} <= places for places in _SAME_PLACES):
            return LayoutFit(name, channels)
    for name in _MIXED_LAYOUTS:
        if name in kept and _count_channels(name) < channels:
            return LayoutFit(name, _count_channels(name), is_mixed=True)
    return LayoutFit("mono", 1, is_mixed=True)


def _count_channels(layout: str) -> int:
    import av

    return int(av.AudioLayout(layout).nb_channels)


def has_places(layout: str) -> bool:
    """Whether a layout tells which loudspeakers its channels belong to."""
    return _NO_PLACES.fullmatch(layout) is None


class ChannelMixer:
    """Mixes channels down.

    Attributes:
        weights: (channels, mixed channels) float32.
        gain: Factor that keeps the mix below full scale.
    """

    def __init__(self, layout: str, channels: int, target: str) -> None:
        self.weights = _mixing_weights(layout, channels, target)
        self.gain = 1.0

    def limit(self, blocks: Iterable[F32]) -> None:
        """Set the gain for a sound, of which all ``blocks`` are read: (n, channels) float32 each."""
        peak = max((float(np.abs(block @ self.weights).max(initial=0.0)) for block in blocks), default=0.0)
        self.gain = 1.0 / max(1.0, peak)

    def mix(self, blocks: Iterable[F32]) -> Iterator[F32]:
        """Yield each (n, channels) block as (n, mixed channels) float32."""
        weights = self.weights * np.float32(self.gain)
        for block in blocks:
            yield block @ weights


def _mixing_weights(layout: str, channels: int, target: str) -> F32:
    """Return the weight of each channel in each mixed one, (channels, mixed channels) float32.

    FFmpeg's own weights are measured with an impulse in each channel. Channels without places are added up.
    """
    import av

    if not has_places(layout):
        return np.ones((channels, _count_channels(target)), np.float32)
    impulses = av.AudioFrame.from_ndarray(np.eye(channels, dtype=np.float32).reshape(1, -1), "flt", layout)
    impulses.sample_rate = _IMPULSE_RATE
    resampler = av.AudioResampler(format="flt", layout=target, rate=_IMPULSE_RATE)
    try:
        frames = [*resampler.resample(impulses), *resampler.resample(None)]
    except av.error.FFmpegError:  # it knows no way from one to the other
        return np.ones((channels, _count_channels(target)), np.float32)
    mixed: F32 = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).reshape(channels, -1)
    return mixed
