"""Decoding the frames of a sound stream, with the first one where it belongs."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lipdub.media.demux import codec_name, decode_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_GAP = Fraction(3600)  # seconds; a longer gap is a broken time
_MOVED_FORMAT = "mov,mp4,m4a,3gp,3g2,mj2"  # the only one whose first packet may be apart
_SAME_TIME = Fraction(1, 200)  # seconds; frames that are closer to each other abut, but for the rounding of times
# Codecs whose first frame only prepares the second: it overlaps with one before it that is not there.
_PREPARING_CODECS = {"aac", "aac_latm"}


def decode_sound_frames(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the frames of a sound stream that hold samples, as ``av.AudioFrame`` in presentation order.

    FFmpeg's muxer puts the first packet of a fragmented MP4 at time zero, however much later the others begin. So a
    first frame that is apart from the second is moved to it. If it only prepares the second, it is left out.

    Args:
        container: A freshly opened container.
        stream: Its sound stream.
    """
    frames = (frame for frame in decode_frames(container, stream) if frame.samples)
    if container.format.name != _MOVED_FORMAT:
        yield from frames
        return
    first, second = next(frames, None), next(frames, None)
    if first is not None and second is not None and (gap := _measure_gap(first, second)):
        if codec_name(stream) in _PREPARING_CODECS:
            first = None
        else:
            first.pts += round(gap / first.time_base)
    yield from (frame for frame in (first, second) if frame is not None)
    yield from frames


def _measure_gap(first: Any, second: Any) -> Fraction:
    """Return the seconds between two frames; 0 if they abut or have no usable times."""
    if None in (first.pts, second.pts) or not first.time_base or not second.time_base or not first.sample_rate:
        return Fraction(0)
    end = first.pts * first.time_base + Fraction(first.samples, first.sample_rate)
    gap = Fraction(second.pts * second.time_base - end)
    return gap if _SAME_TIME < gap < LONGEST_GAP else Fraction(0)
