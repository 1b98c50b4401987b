"""What every frame of the result shows: which source frame, when, and which face."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from lipdub.arrays import Array
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.options import SyncOptions

LOG = logging.getLogger(__name__)


def plan_output(ctx: StageContext, options: SyncOptions, samples: int) -> tuple[Array, Array, Array]:
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
    from lipdub.media.frame_index import read_frame_pts
    from lipdub.media.timeline import plan_timeline

    line = plan_timeline(
        read_frame_pts(ctx.job.video),
        ctx.video.time_base,
        Fraction(samples, SAMPLE_RATE_HZ),
        length=options.length,
        extend=options.extend,
        offset=Fraction(options.offset).limit_denominator(10**6),
    )
    ctx.store.put_json(
        "timeline",
        {
            "speech_start": str(line.speech_start),
            "end": str(line.end),
            # Where the length asked for is the video's, the speech does not outlast it.
            "cut": options.length in ("video", "shortest"),
            "last_duration": int(line.duration[-1]),
        },
    )
    LOG.debug("%d frames are planned; the speech starts at %s s", len(line.source), line.speech_start)
    moments = np.asarray(line.time) - line.time[0]
    return np.asarray(line.source).astype(np.int32), np.asarray(line.pts, np.int64), moments


@dataclass(frozen=True)
class FacePlan:
    """What every output frame shows; arrays over output frames.

    Attributes:
        source: (n,) int32 source frame.
        pts: (n,) int64 in the source's time base.
        time: (n,) float64 seconds from the first frame.
        track: (n,) int16 track of the dubbed face.
        amount: (n,) float32 0..1, how far the frame is dubbed.
        box: (n, 4) int32 where the face lies, display pixels, empty where nothing is dubbed.
    """

    source: Array
    pts: Array
    time: Array
    track: Array
    amount: Array
    box: Array

    @property
    def dubbed(self) -> int:
        """How many frames are dubbed at all."""
        return int((self.amount > 0).sum())
