"""Sound: decoding in presentation order, with priming removed and gaps filled."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, printable
from lipdub.media.demux import decode_frames, open_media
from lipdub.media.probe import AudioFacts, probe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GAP = Fraction(1, 20)  # a hole in the times longer than this is filled with silence
_LONGEST_GAP = Fraction(3600)  # one longer than this is a broken time, not a hole
_CHUNK_SECONDS = 4


@dataclass(frozen=True)
class AudioSource:
    """A sound stream about to be read: ``rate`` in Hz, ``channels``, the channel ``layout``'s name, the
    decoder's sample format, ``lossless`` whether the codec is, ``start`` when its first sample is heard
    (seconds, on the container's clock) and ``bits`` of one sample as stored.
    """

    rate: int
    channels: int
    layout: str
    sample_format: str
    lossless: bool
    bits: int
    start: Fraction


def probe_audio_stream(path: Path | str, stream: int | None = None) -> AudioFacts:
    """Facts of a file's first sound stream (or of the one with this stream index)."""
    for facts in probe(path).audio:
        if stream is None or facts.index == stream:
            return facts
    raise InputError(f"{printable(path)} holds no sound")


def _pick(container: Any, path: Path | str, stream: int | None) -> Any:
    for found in container.streams.audio:
        if stream is None or found.index == stream:
            return found
    raise InputError(f"{printable(path)} holds no sound")


def probe_audio_source(path: Path | str, stream: int | None = None) -> AudioSource:
    """What :func:`audio_blocks` will give."""
    with open_media(path) as container:
        sound = _pick(container, path, stream)
        frame = next(decode_frames(container, sound), None)
        if frame is None:
            raise InputError(f"{printable(path)} holds no sound samples")
        codec = sound.codec_context.name
        start = Fraction(frame.pts or 0) * frame.time_base if frame.time_base else Fraction(0)
        bits = frame.format.bytes * 8
        if codec in ("pcm_s24le", "pcm_s24be") or (sound.codec_context.codec.name == "flac" and bits == 32):
            bits = 24
        lossless = codec.startswith("pcm_") or codec in ("flac", "alac", "wavpack", "tta", "ape", "truehd", "mlp")
        return AudioSource(
            frame.sample_rate, frame.layout.nb_channels, frame.layout.name, frame.format.name, lossless, bits, start
        )


def read_audio_blocks(path: Path | str, stream: int | None = None) -> Iterator[np.ndarray]:
    """The stream as float32 (n, channels) blocks at its own rate, from its first heard sample on.

    Encoder priming and what an edit list cuts are left out; holes in the times are filled with silence and
    overlaps cut, so that sample n is heard n/rate after the first.
    """
    with open_media(path) as container:
        sound = _pick(container, path, stream)
        rate = 0
        channels = 0
        start: Fraction | None = None
        given = 0
        for frame in decode_frames(container, sound):
            if not frame.samples:
                continue
            if not rate:
                rate, channels = frame.sample_rate, frame.layout.nb_channels
            samples = _float(frame)
            if frame.sample_rate != rate or samples.shape[1] != channels:
                samples = _adapted(samples, frame.sample_rate, rate, channels)
            if frame.pts is not None and frame.time_base:
                time = frame.pts * frame.time_base
                if start is None:
                    start = time - Fraction(given, rate)
                hole = time - start - Fraction(given, rate)
                if _GAP < hole < _LONGEST_GAP:
                    missing = round(hole * rate)
                    given += missing
                    yield from _silence(missing, channels, rate)
                elif -_LONGEST_GAP < hole < -_GAP:
                    samples = samples[round(-hole * rate) :]
            if len(samples):
                given += len(samples)
                yield samples


def _silence(count: int, channels: int, rate: int) -> Iterator[np.ndarray]:
    while count > 0:
        part = min(count, rate * _CHUNK_SECONDS)
        yield np.zeros((part, channels), np.float32)
        count -= part


def _float(frame: Any) -> np.ndarray:
    """Samples of a decoded frame as float32 (n, channels) in -1..1."""
    name = frame.format.name
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    if name.startswith(("flt", "dbl")):
        return np.ascontiguousarray(values, dtype=np.float32)
    if name.startswith("u8"):
        return (values.astype(np.float32) - 128.0) / 128.0
    full = {"s16": 1 << 15, "s32": 1 << 31, "s64": 1 << 63}[name.removesuffix("p")]
    if full > 1 << 15:
        return (values / float(full)).astype(np.float32)
    return values.astype(np.float32) * np.float32(1.0 / full)


def _adapted(samples: np.ndarray, rate: int, wanted: int, channels: int) -> np.ndarray:
    """Samples brought to the rate and channel count the stream began with (both may change on the way)."""
    import soxr

    if samples.shape[1] != channels:
        samples = np.repeat(mix_down(samples)[:, None], channels, axis=1)
    if rate != wanted:
        samples = soxr.resample(samples, rate, wanted)
    return np.ascontiguousarray(samples, dtype=np.float32)


def mix_down(samples: np.ndarray, layout: str = "") -> np.ndarray:
    """(n, channels) to one channel: the mean for one or two; surround layouts weigh the centre, where speech
    is, by 1, left and right by 0.707 and the rest by 0.5, without the bass channel; the sum of weights is 1.
    """
    channels = samples.shape[1]
    weights = np.ones(channels, dtype=np.float32)
    if layout.startswith(("5.1", "6.1", "7.1")) and channels >= 6:
        weights[:] = 0.5
        weights[:4] = (0.707, 0.707, 1.0, 0.0)
    elif layout.startswith(("3.0", "4.0", "5.0")) and "back" not in layout[:3] and channels >= 3:
        weights[:] = 0.5
        weights[:3] = (0.707, 0.707, 1.0)
    return samples @ (weights / weights.sum())


def load_audio(path: Path | str, rate: int = 16000, mono: bool = True, stream: int | None = None) -> np.ndarray:
    """The sound of a file as float32 in -1..1 at ``rate`` Hz: (n,) mixed down, or (n, channels).

    Sample 0 is the first one heard (encoder priming removed, edit lists respected); when that is on the
    container's clock, :func:`audio_source` or ``AudioFacts.start_time`` tell. Resampling (soxr, high quality)
    shifts nothing. Raises :class:`InputError` if there is no sound stream, no sample, or the file is no media.
    """
    import soxr

    source = probe_audio_source(path, stream)
    resampler = soxr.ResampleStream(source.rate, rate, 1 if mono else source.channels, dtype="float32", quality="HQ")
    parts: list[np.ndarray] = []
    count = 0
    for block in read_audio_blocks(path, stream):
        count += len(block)
        values = mix_down(block, source.layout) if mono else block
        parts.append(values if source.rate == rate else resampler.resample_chunk(np.ascontiguousarray(values)))
    if count == 0:
        raise InputError(f"{printable(path)} holds no sound samples")
    if source.rate != rate:
        rest = np.zeros((0,) if mono else (0, source.channels), np.float32)
        parts.append(resampler.resample_chunk(rest, last=True))
    joined = np.concatenate(parts)
    wanted = -(-count * rate // source.rate)
    if len(joined) < wanted:
        pad = [(0, wanted - len(joined))] + [(0, 0)] * (joined.ndim - 1)
        joined = np.pad(joined, pad)
    return np.clip(joined[:wanted], -1.0, 1.0).astype(np.float32, copy=False)


def write_wav(
    path: Path,
    source: Path | str,
    *,
    lead: int = 0,
    skip: int = 0,
    limit: int | None = None,
    stream: int | None = None,
) -> AudioSource:
    """Write the sound of ``source`` to a WAV file at its own rate, channels and depth, streaming.

    ``lead`` samples of silence come first, ``skip`` samples of the source are left out, and at most ``limit``
    samples are written in all. 16 bit sources stay exactly what they were.
    """
    import av

    facts = probe_audio_source(source, stream)
    codec, form = _wav_format(facts)
    with av.open(str(path), "w", format="wav", options={"rf64": "auto"}) as container:
        track = container.add_stream(codec, rate=facts.rate, layout=facts.layout)
        written = 0

        def put(block: np.ndarray) -> None:
            nonlocal written
            if limit is not None:
                block = block[: max(0, limit - written)]
            if not len(block):
                return
            frame = av.AudioFrame.from_ndarray(_stored(block, form), format=form, layout=facts.layout)
            frame.sample_rate = facts.rate
            frame.pts = written
            frame.time_base = Fraction(1, facts.rate)
            container.mux(track.encode(frame))
            written += len(block)

        for block in _silence(lead, facts.channels, facts.rate):
            put(block)
        count = 0
        for block in read_audio_blocks(source, stream):
            first = max(0, skip - count)
            count += len(block)
            if first < len(block):
                put(block[first:])
            if limit is not None and written >= limit:
                break
        if count == 0:
            raise InputError(f"{printable(source)} holds no sound samples")
        if not written:
            # Everything was cut away: one sample of silence keeps the stream valid.
            put(np.zeros((1, facts.channels), np.float32))
        container.mux(track.encode(None))
    return facts


def _wav_format(facts: AudioSource) -> tuple[str, str]:
    if facts.lossless and facts.sample_format.startswith(("u8", "s16")):
        return "pcm_s16le", "s16"
    if facts.lossless and facts.sample_format.startswith("s32"):
        return ("pcm_s24le", "s32") if facts.bits <= 24 else ("pcm_s32le", "s32")
    return "pcm_f32le", "flt"


def _stored(block: np.ndarray, form: str) -> np.ndarray:
    """(n, channels) float32 as a packed (1, n * channels) array of a sample format."""
    if form == "flt":
        return np.ascontiguousarray(block, dtype=np.float32).reshape(1, -1)
    if form == "s16":
        values = np.clip(np.rint(block * 32768.0), -32768, 32767).astype(np.int16)
    else:
        values = np.clip(np.rint(block.astype(np.float64) * 2147483648.0), -(1 << 31), (1 << 31) - 1).astype(np.int32)
    return np.ascontiguousarray(values).reshape(1, -1)
