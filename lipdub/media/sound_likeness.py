"""Which other sound streams of a source hold the same voice as the first: dual mono, spare tracks of cameras."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.media.audio import read_audio_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F32
    from lipdub.media.probe import AudioFacts, MediaFacts

_RATE = 8000  # Hz at which sounds are compared
_EXCERPT_SECONDS = 30  # compared, from the first sound on
_LONGEST_SILENCE = 600  # seconds at the beginning; a sound that is silent for longer is not compared
_AUDIBLE = 1e-3  # root mean square of a block in which something is heard
_LONGEST_LAG = 0.25  # seconds by which one may be later than the other
_ALIKE = 0.8  # correlation; music under a voice, or another microphone, stays below
_MOST_CHANNELS = 8


def describe_old_voice(facts: MediaFacts) -> list[str]:
    """Return a note on the sound streams that stay in a result and are like the one the speech replaces."""
    alike = find_same_sound(facts)
    if not alike:
        return []
    numbers = ", ".join(str(stream.index) for stream in alike)
    subject = f"sound stream {numbers} is" if len(alike) == 1 else f"sound streams {numbers} are"
    return [f"{subject} like the first: the old voice stays there, unless --keep-audio none is given"]


def find_same_sound(facts: MediaFacts) -> list[AudioFacts]:
    """Return the sound streams that are like the first one, whatever their level, polarity, delay or coding."""
    if len(facts.audio) < 2:
        return []
    first, *others = facts.audio
    start = _find_sound(facts.path, first)
    if start is None:
        return []
    reference = _read_excerpt(facts.path, first, start)
    return [
        stream
        for stream in others
        if stream.start_time is not None and correlate(reference, _read_excerpt(facts.path, stream, start)) > _ALIKE
    ]


def _find_sound(path: Path, stream: AudioFacts) -> float | None:
    """Return when something is first heard, in seconds on the container's clock; None if nothing is."""
    if stream.start_time is None:
        return None
    count = 0
    for block in read_audio_blocks(path, stream.index):
        if float(np.sqrt(np.mean(block * block))) > _AUDIBLE:
            return float(stream.start_time) + count / stream.rate
        count += len(block)
        if count > _LONGEST_SILENCE * stream.rate:
            break
    return None


def _read_excerpt(path: Path, stream: AudioFacts, start: float) -> F32:
    """Read what is heard from a time on, (n, channels) float32 at :data:`_RATE`."""
    import soxr

    assert stream.start_time is not None
    skip = max(0, round((start - float(stream.start_time)) * stream.rate))
    wanted = _EXCERPT_SECONDS * stream.rate
    parts: list[F32] = []
    count = 0
    for block in read_audio_blocks(path, stream.index):
        part = block[max(0, skip - count) : max(0, skip + wanted - count), :_MOST_CHANNELS]
        parts.append(part)
        count += len(block)
        if count >= skip + wanted:
            break
    samples = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    return np.ascontiguousarray(soxr.resample(samples, stream.rate, _RATE), dtype=np.float32)


def correlate(one: F32, other: F32) -> float:
    """Return the largest correlation of a channel of one sound with one of another, 0..1.

    Args:
        one: (n, channels) float32 at :data:`_RATE`.
        other: (m, channels) float32 at :data:`_RATE`.
    """
    length = min(len(one), len(other))
    if length < 2:
        return 0.0
    reach = round(_LONGEST_LAG * _RATE)
    size = 1 << (length + reach).bit_length()
    ours, theirs = (np.fft.rfft(sound[:length], size, axis=0) for sound in (one, other))
    powers = [np.square(sound[:length], dtype=np.float64).sum(axis=0) for sound in (one, other)]
    largest = 0.0
    for i, j in np.ndindex(ours.shape[1], theirs.shape[1]):
        scale = float(np.sqrt(powers[0][i] * powers[1][j]))
        if scale > _AUDIBLE**2 * length:
            products = np.abs(np.fft.irfft(ours[:, i] * theirs[:, j].conj(), size))
            largest = max(largest, float(max(products[: reach + 1].max(), products[-reach:].max())) / scale)
    return largest
