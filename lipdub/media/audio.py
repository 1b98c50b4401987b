"""Reading sound in presentation order, with encoder priming removed and gaps filled, and writing WAV files."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import InputError, printable
from lipdub.media.audio_priming import LONGEST_GAP, decode_sound_frames
from lipdub.media.channel_layouts import ChannelMixer
from lipdub.media.demux import absolute_path, identify_content, open_media
from lipdub.media.probe import AudioFacts, probe
from lipdub.media.sample_formats import FLOAT_FORMATS, OddSamples, is_lossless_codec, pack_samples, unpack_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lipdub.arrays import F32, F64
    from lipdub.media.channel_layouts import LayoutFit

_SHORTEST_GAP = Fraction(1, 20)  # seconds; gaps in the times longer than this are filled with silence
_SILENCE_BLOCK_SECONDS = 4
# Weights of the channels of surround layouts in a mix to mono: speech is in the centre.
_CENTRE_WEIGHT = 1.0
_FRONT_WEIGHT = 0.707
_BASS_WEIGHT = 0.0
_REAR_WEIGHT = 0.5
# A mix has lost a second of sound where it has less than this share of the power that unrelated channels would give it
# (10 dB: they cancel each other), or of the loudest channel's power (15 dB: many silent channels thin it out).
CANCELLED_SHARE = 0.1
DROWNED_SHARE = 0.03
SILENT_PEAK = 0.001  # -60 dB; a sound that stays below is silence
LOST_SHARE = 0.25  # of the loudest channel's power in lost seconds, from which that channel is taken alone


@dataclass(frozen=True)
class AudioSource:
    """What a sound stream decodes to.

    Attributes:
        rate: Samples per second.
        channels: Number of channels.
        layout: Name of the channel layout.
        sample_format: FFmpeg's name of the decoder's sample format.
        lossless: Whether the codec is lossless.
        bits: Bits of a sample as stored.
        start: When the first sample is heard, in seconds on the container's clock.
    """

    rate: int
    channels: int
    layout: str
    sample_format: str
    lossless: bool
    bits: int
    start: Fraction


def probe_audio_stream(path: Path | str, stream: int | None = None) -> AudioFacts:
    """Return the facts of a file's first sound stream, or of the one with the index ``stream``.

    Raises:
        InputError: There is no such stream.
    """
    for facts in probe(path).audio:
        if stream is None or facts.index == stream:
            return facts
    raise InputError(f"{printable(path)} holds no sound")


def _select_stream(container: Any, path: Path | str, index: int | None) -> Any:
    """Return the first sound stream of a container, or the one with this index."""
    for stream in container.streams.audio:
        if index is None or stream.index == index:
            return stream
    raise InputError(f"{printable(path)} holds no sound")


def probe_audio_source(path: Path | str, stream: int | None = None) -> AudioSource:
    """Decode the first frame of a sound stream and return what the stream decodes to.

    It is cached while the file does not change: FFmpeg reads five megabytes of a WAV file before it opens it.

    Args:
        path: The file.
        stream: Index of the stream; the first sound stream by default.

    Raises:
        InputError: There is no such stream, or it holds no samples.
    """
    return _probe_audio_source(path, stream, identify_content(path))


@lru_cache(maxsize=16)
def _probe_audio_source(path: Path | str, stream: int | None, content: tuple[str, int, int]) -> AudioSource:
    """Probe the sound of a file while its content is this one (`demux.identify_content`)."""
    with open_media(path) as container:
        sound = _select_stream(container, path, stream)
        frame = next(decode_sound_frames(container, sound), None)
        if frame is None:
            raise InputError(f"{printable(path)} holds no sound samples")
        codec = sound.codec_context.name
        bits = frame.format.bytes * 8
        is_flac_24 = sound.codec_context.codec.name == "flac" and bits == 32
        if codec in ("pcm_s24le", "pcm_s24be") or is_flac_24:
            bits = 24
        return AudioSource(
            rate=frame.sample_rate,
            channels=frame.layout.nb_channels,
            layout=frame.layout.name,
            sample_format=frame.format.name,
            lossless=is_lossless_codec(codec),
            bits=bits,
            start=Fraction(frame.pts or 0) * frame.time_base if frame.time_base else Fraction(0),
        )


def read_audio_blocks(path: Path | str, stream: int | None = None, *, odd: OddSamples | None = None) -> Iterator[F32]:
    """Yield the samples of a sound stream at its own rate, from the first heard sample on.

    Encoder priming and the parts that an edit list cuts are left out. Gaps in the times are filled with silence and
    overlaps are cut, so that sample n is heard n / rate seconds after the first. What is no sound is silence or
    clipped.

    Args:
        path: The file.
        stream: Index of the stream; the first sound stream by default.
        odd: Counts what is no sound.

    Yields:
        (n, channels) float32 in -1..1, but for loud floats.
    """
    odd = odd if odd is not None else OddSamples()
    with open_media(path) as container:
        sound = _select_stream(container, path, stream)
        rate = 0
        channels = 0
        start: Fraction | None = None
        count = 0
        for frame in decode_sound_frames(container, sound):
            if not rate:
                rate, channels = frame.sample_rate, frame.layout.nb_channels
            samples = _conform(unpack_samples(frame, odd), frame.sample_rate, rate, channels)
            if frame.pts is not None and frame.time_base:
                time = frame.pts * frame.time_base
                if start is None:
                    start = time - Fraction(count, rate)
                gap = time - start - Fraction(count, rate)
                if _SHORTEST_GAP < gap < LONGEST_GAP:
                    missing = round(gap * rate)
                    count += missing
                    yield from _silence(missing, channels, rate)
                elif -LONGEST_GAP < gap < -_SHORTEST_GAP:
                    samples = samples[round(-gap * rate) :]
            if len(samples):
                count += len(samples)
                yield samples


def _silence(count: int, channels: int, rate: int) -> Iterator[F32]:
    """Yield ``count`` samples of silence in (n, channels) blocks."""
    while count > 0:
        part = min(count, rate * _SILENCE_BLOCK_SECONDS)
        yield np.zeros((part, channels), np.float32)
        count -= part


def _conform(samples: F32, rate: int, target_rate: int, channels: int) -> F32:
    """Convert samples to the rate and channel count the stream began with; both may change inside a stream.

    Other channels are mixed to one, which is repeated: which of them lay where is not known any more.
    """
    if samples.shape[1] == channels and rate == target_rate:
        return samples
    import soxr

    if samples.shape[1] != channels:
        samples = np.repeat(mix_down(samples)[:, None], channels, axis=1)
    if rate != target_rate:
        samples = soxr.resample(samples, rate, target_rate)
    return np.ascontiguousarray(samples, dtype=np.float32)


def mix_down(samples: F32, layout: str = "") -> F32:
    """Mix channels to one.

    One or two channels are averaged. Surround layouts weigh the centre, where speech is, most, the rear
    channels least, and leave the bass channel out. The weights sum to 1.

    Args:
        samples: (n, channels) float32.
        layout: FFmpeg's name of the channel layout.

    Returns:
        (n,) float32.
    """
    mixed: F32 = samples @ mix_weights(samples.shape[1], layout)
    return mixed


def mix_weights(channels: int, layout: str = "") -> F32:
    """Return the weights of the channels in a mix to mono, (channels,) float32 with the sum 1."""
    weights = np.ones(channels, dtype=np.float32)
    if layout.startswith(("5.1", "6.1", "7.1")) and channels >= 6:
        weights[:] = _REAR_WEIGHT
        weights[:4] = (_FRONT_WEIGHT, _FRONT_WEIGHT, _CENTRE_WEIGHT, _BASS_WEIGHT)
    elif layout.startswith(("3.0", "4.0", "5.0")) and channels >= 3:
        weights[:] = _REAR_WEIGHT
        weights[:3] = (_FRONT_WEIGHT, _FRONT_WEIGHT, _CENTRE_WEIGHT)
    normalized: F32 = weights / weights.sum()
    return normalized


def load_audio(path: Path | str, rate: int = SAMPLE_RATE_HZ, *, mono: bool = True, stream: int | None = None) -> F32:
    """Load the sound of a file.

    Sample 0 is the first one heard: encoder priming is removed and edit lists hold. :func:`probe_audio_source`
    gives its time on the container's clock. Resampling does not shift the sound.

    Args:
        path: The file.
        rate: Wanted samples per second.
        mono: Whether to mix the channels down to one.
        stream: Index of the stream; the first sound stream by default.

    Returns:
        (n,) or, without ``mono``, (n, channels) float32 in -1..1.

    Raises:
        InputError: The file is no media, or holds no sound stream or no sample.
    """
    if mono:
        return load_mono(path, rate, stream=stream).samples
    return _load(path, rate, stream, lambda block, layout: block, OddSamples())


@dataclass(frozen=True)
class MonoSound:
    """The sound of a file as one channel.

    Attributes:
        samples: (n,) float32 in -1..1.
        channel: The only channel that was taken, counted from 0, since a mix of all would lose the sound. None for
            a mix.
        odd: What in the file is no sound.
    """

    samples: F32
    channel: int | None = None
    odd: OddSamples = field(default_factory=OddSamples)


def load_mono(path: Path | str, rate: int = SAMPLE_RATE_HZ, *, stream: int | None = None) -> MonoSound:
    """Load the sound of a file as one channel: the mix of all, or the loudest one where they cancel each other.

    Args:
        path: The file.
        rate: Wanted samples per second.
        stream: Index of the stream; the first sound stream by default.

    Raises:
        InputError: The file is no media, or holds no sound stream or no sample.
    """
    power = MixPower(probe_audio_source(path, stream).rate)

    def mix(block: F32, layout: str) -> F32:
        mixed = mix_down(block, layout)
        power.add(block, mixed, layout)
        return mixed

    odd = OddSamples()
    samples = _load(path, rate, stream, mix, odd)
    channel = power.find_only_channel()
    if channel is not None:
        samples = _load(path, rate, stream, lambda block, layout: block[:, channel], OddSamples())
    return MonoSound(samples, channel, odd)


def describe_mono(path: Path | str, sound: MonoSound) -> list[str]:
    """Return notes where a sound is odd or not the plain mix, or where nothing can be heard."""
    notes = sound.odd.describe(printable(path))
    if sound.channel is not None:
        notes.append(
            f"a mix of the channels of {printable(path)} would lose the sound, so the mouth follows "
            f"channel {sound.channel + 1} alone"
        )
    if not len(sound.samples) or float(np.abs(sound.samples).max()) < SILENT_PEAK:
        notes.append(f"{printable(path)} is silent")
    return notes


def describe_odd_samples(path: Path | str) -> list[str]:
    """Return notes on what is no sound in a file. Only uncompressed floats are searched."""
    source = probe_audio_source(path)
    odd = OddSamples()
    if source.lossless and source.sample_format.startswith(FLOAT_FORMATS):
        for _ in read_audio_blocks(path, odd=odd):
            pass
    return odd.describe(printable(path))


class MixPower:
    """Compares the power of a mix with that of its channels, second by second.

    Args:
        rate: Samples per second.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._count = 0
        self._sums: list[F64] = []  # of each second: the mix, what unrelated channels would give, each channel

    def add(self, block: F32, mixed: F32, layout: str) -> None:
        """Add a block (n, channels) and its mix (n,)."""
        weights = mix_weights(block.shape[1], layout)
        start = 0
        while start < len(block):
            if self._count % self._rate == 0:
                self._sums.append(np.zeros(2 + block.shape[1]))
            stop = min(len(block), start + self._rate - self._count % self._rate)
            channels = np.einsum("nc,nc->c", block[start:stop], block[start:stop], dtype=np.float64)
            mix = float(np.dot(mixed[start:stop], mixed[start:stop]))
            self._sums[-1] += [mix, float(weights**2 @ channels), *channels]
            self._count += stop - start
            start = stop

    def find_only_channel(self) -> int | None:
        """Return the loudest channel where the mix loses much of the sound; None where the mix will do."""
        if not self._sums or len(self._sums[0]) == 3:
            return None
        sums = np.stack(self._sums)
        mixes, unrelated, channels = sums[:, 0], sums[:, 1], sums[:, 2:]
        is_lost = (mixes < CANCELLED_SHARE * unrelated) | (mixes < DROWNED_SHARE * channels.max(1))
        loudest = int(channels.sum(0).argmax())
        lost = channels[is_lost, loudest].sum()
        return loudest if lost > LOST_SHARE * channels[:, loudest].sum() else None


def _load(path: Path | str, rate: int, stream: int | None, select: Callable[[F32, str], F32], odd: OddSamples) -> F32:
    """Load the channels that `select` makes of a block (n, channels) and its layout: (n,) or (n, k) float32."""
    import soxr

    source = probe_audio_source(path, stream)
    resampler = None
    parts: list[F32] = []
    count = 0
    for block in read_audio_blocks(path, stream, odd=odd):
        count += len(block)
        values = select(block, source.layout)
        if source.rate != rate:
            channels = 1 if values.ndim == 1 else values.shape[1]
            resampler = resampler or soxr.ResampleStream(source.rate, rate, channels, dtype="float32", quality="HQ")
            values = resampler.resample_chunk(np.ascontiguousarray(values))
        parts.append(values)
    if count == 0:
        raise InputError(f"{printable(path)} holds no sound samples")
    odd.check(printable(path))
    if resampler is not None:
        parts.append(resampler.resample_chunk(np.zeros((0, *parts[0].shape[1:]), np.float32), last=True))
    samples = np.concatenate(parts)
    length = -(-count * rate // source.rate)
    if len(samples) < length:
        pad = [(0, length - len(samples))] + [(0, 0)] * (samples.ndim - 1)
        samples = np.pad(samples, pad)
    return np.clip(samples[:length], -1.0, 1.0).astype(np.float32, copy=False)


def write_wav(
    path: Path,
    source: Path | str,
    *,
    lead: int = 0,
    skip: int = 0,
    limit: int | None = None,
    stream: int | None = None,
    fit: LayoutFit | None = None,
) -> AudioSource:
    """Write the sound of a file to a WAV file at its own rate and depth, block by block.

    Sources of 16 bits keep their exact samples, unless their channels are mixed.

    Args:
        path: The WAV file.
        source: The file to read.
        lead: Samples of silence before the sound.
        skip: Samples of the source to leave out at its beginning.
        limit: Most samples to write, silence included.
        stream: Index of the stream; the first sound stream by default.
        fit: The channels of the WAV file; the source's own by default.

    Returns:
        What the stream decodes to.

    Raises:
        InputError: The source holds no sound.
    """
    import av

    facts = probe_audio_source(source, stream)
    codec, sample_format = _wav_format(facts)
    layout = facts.layout if fit is None else fit.layout
    blocks = _lay_out_blocks(source, stream, facts, lead=lead, skip=skip, limit=limit)
    if fit is not None and fit.is_mixed:
        mixer = ChannelMixer(facts.layout, facts.channels, fit.layout)
        mixer.limit(blocks)
        blocks = mixer.mix(_lay_out_blocks(source, stream, facts, lead=lead, skip=skip, limit=limit))
    with av.open(str(absolute_path(path)), "w", format="wav", options={"rf64": "auto"}) as container:
        track = container.add_stream(codec, rate=facts.rate, layout=layout)
        written = 0
        for block in blocks:
            packed = pack_samples(block, sample_format)
            frame = av.AudioFrame.from_ndarray(packed, format=sample_format, layout=layout)
            frame.sample_rate = facts.rate
            frame.pts = written
            frame.time_base = Fraction(1, facts.rate)
            container.mux(track.encode(frame))
            written += len(block)
        container.mux(track.encode(None))
    return facts


def _lay_out_blocks(
    path: Path | str, stream: int | None, facts: AudioSource, *, lead: int, skip: int, limit: int | None
) -> Iterator[F32]:
    """Yield the blocks of a laid out sound, none of them empty; see :func:`write_wav`."""
    left = limit  # samples that may still be yielded
    is_empty = True
    for block in _skip_samples(path, stream, facts, lead=lead, skip=skip):
        part = block if left is None else block[:left]
        if len(part):
            is_empty = False
            yield part
        if left is not None:
            left -= len(part)
            if not left:
                break
    if is_empty:
        yield np.zeros((1, facts.channels), np.float32)  # a stream without samples would not be valid


def _skip_samples(path: Path | str, stream: int | None, facts: AudioSource, *, lead: int, skip: int) -> Iterator[F32]:
    """Yield silence and then the sound of a file without its first ``skip`` samples."""
    yield from _silence(lead, facts.channels, facts.rate)
    count = 0
    for block in read_audio_blocks(path, stream):
        yield block[max(0, skip - count) :]
        count += len(block)
    if count == 0:
        raise InputError(f"{printable(path)} holds no sound samples")


def _wav_format(facts: AudioSource) -> tuple[str, str]:
    """Return the codec and sample format that keep a source's samples."""
    if facts.lossless and facts.sample_format.startswith(("u8", "s16")):
        return "pcm_s16le", "s16"
    if facts.lossless and facts.sample_format.startswith("s32"):
        return ("pcm_s24le", "s32") if facts.bits <= 24 else ("pcm_s32le", "s32")
    return "pcm_f32le", "flt"
