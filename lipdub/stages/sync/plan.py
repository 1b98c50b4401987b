"""What every frame of the result shows: which source frame, when, which face, and with which lips."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces.mouth_shapes import WEAK_TRUST
from lipdub.stages.sync.store import OutputPlan, SyncArrays
from lipdub.words import name_faces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lipdub.arrays import F64, I8, I32, I64
    from lipdub.faces.mouth_shapes import SpeechRange
    from lipdub.media.probe import MediaFacts
    from lipdub.speech.lip_motion import LipMotion
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.options import SyncOptions

_NOTED_DELAY = Fraction(1, 50)  # seconds

LOG = logging.getLogger(__name__)


def speech_delay(facts: MediaFacts, options: SyncOptions) -> float:
    """Return the seconds from the first picture to the first sample of the speech.

    The speech begins where the source's own sound begins, since it usually replaces that; with the first picture if the
    source is silent. The offset counts from there.
    """
    return options.offset + float(facts.sound_delay) if facts.sound_delay else options.offset


def describe_delay(facts: MediaFacts) -> list[str]:
    """Return a note where the source's sound and its first picture do not begin together."""
    delay = facts.sound_delay
    if abs(delay) <= _NOTED_DELAY:
        return []
    place = f"{abs(float(delay)):.3f} s {'after' if delay > 0 else 'before'} the first picture"
    return [f"the speech begins where the source's sound begins, {place}; --offset counts from there"]


def plan_output(ctx: StageContext, options: SyncOptions, samples: int) -> tuple[I32, I64, F64]:
    """Plan the frames of the result. Writes the JSON ``timeline``.

    Args:
        ctx: The stage's context.
        options: The stage's options.
        samples: Length of the speech, samples at 16 kHz.

    Returns:
        source: (n,) int32 frame shown.
        pts: (n,) int64.
        times: (n,) float64 seconds from the first frame.
    """
    from lipdub.media.frame_index import read_frame_index
    from lipdub.media.timeline import plan_timeline

    index = read_frame_index(ctx.job.video)
    line = plan_timeline(
        index.pts,
        ctx.video.time_base,
        Fraction(samples, SAMPLE_RATE_HZ),
        length=options.length,
        extend=options.extend,
        offset=Fraction(options.offset).limit_denominator(10**6) + ctx.facts.sound_delay,
        last_duration=index.last_duration,
    )
    SyncArrays(ctx).write_timeline(
        {
            "speech_start": str(line.speech_start),
            "end": str(line.end),
            # Where the length asked for is the video's, the speech does not outlast it.
            "cut": options.length in ("video", "shortest"),
            "last_duration": int(line.duration[-1]),
        }
    )
    LOG.debug("%d frames are planned; the speech starts at %s s", len(line.source), line.speech_start)
    moments = np.asarray(line.time) - line.time[0]
    return np.asarray(line.source).astype(np.int32), np.asarray(line.pts, np.int64), moments


def sample_lips(motion: LipMotion, times: F64, seconds: float, strength: float) -> F64:
    """Sample the opening and the width of the speech's lips.

    Args:
        motion: What the lips do.
        times: (n,) seconds of the speech.
        seconds: Length of the speech.
        strength: How far the mouth moves; 1 is as spoken.

    Returns:
        (n, 2).
    """
    from lipdub.faces import mouth_shapes
    from lipdub.speech.lip_motion import sample_motion

    lips = sample_motion(motion, times)
    opening, width = (lips[:, motion.names.index(name)] for name in ("opening", "width"))
    opening = opening * mouth_shapes.estimate_motion_gain(opening, seconds, mouth_shapes.OPENING_GAIN_LIMITS)
    width = width * mouth_shapes.estimate_motion_gain(width, seconds, mouth_shapes.WIDTH_GAIN_LIMITS)
    return np.column_stack([opening * strength, np.clip(width * strength, -1, 1)])


@dataclass(frozen=True)
class FacePlan(OutputPlan):
    """What every output frame shows, and where its face lies.

    Attributes:
        box: (n, 4) int32 where the face lies, display pixels, empty where nothing is dubbed.
        turns: (n,) int8 counter-clockwise quarter turns that bring the face upright.
    """

    box: I32
    turns: I8


def list_shots(plan: FacePlan) -> Iterator[slice]:
    """Yield the runs of output frames that belong together: one track each, without a gap."""
    track = np.where(plan.is_dubbed, plan.track.astype(int), -1)
    ends = np.flatnonzero(np.diff(track, append=-2)) + 1
    start = 0
    for stop in ends.tolist():
        if track[start] >= 0:
            yield slice(start, stop)
        start = stop


def find_still_talkers(ranges: Mapping[int, SpeechRange]) -> list[int]:
    """Find the tracks whose talkers hardly move their mouths, by what neutralize measured of each."""
    return [track for track, found in ranges.items() if found.trust < WEAK_TRUST]


def describe_still_talkers(still: Sequence[int]) -> list[str]:
    """Return a note for a person on tracks whose talkers hardly move their mouths, if there are any."""
    if not still:
        return []
    verb, mouths = ("moves its", "mouth") if len(still) == 1 else ("move their", "mouths")
    note = (
        f"{name_faces(still)} hardly {verb} {mouths} in this footage: openings are borrowed from general knowledge and "
        "the mouth's inside is painted where the footage shows none, so expect a weaker result"
    )
    return [note]
