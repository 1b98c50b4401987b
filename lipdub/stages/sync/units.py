"""sync, method `units`: the talker's own mouth, frame by frame, in the shapes the speech asks for.

`unit_plan` chooses the units, `unit_renderer` draws the frames. Besides what every method writes (`sync.store`), the
store holds JSON ``words``: [word, start s, end s, fit] of the transcript, as they lie in the speech.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.memory import release_free_memory
from lipdub.stages import visibility
from lipdub.stages.frame_pass import FramePass, run_frame_passes
from lipdub.stages.sync.method import SyncMethod
from lipdub.stages.sync.plan import describe_delay, describe_still_talkers, find_still_talkers, speech_delay
from lipdub.stages.sync.store import SyncArrays
from lipdub.stages.sync.unit_plan import open_talkers, plan_units
from lipdub.stages.sync.unit_renderer import UnitRenderer
from lipdub.weights.requirement import Shipped
from lipdub.words import name_faces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lipdub.arrays import F32
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.unit_plan import UnitPlan, UnitTalker

LOG = logging.getLogger(__name__)

MIN_CROP_PX = 16
ROLL_PERCENTILES = (0, 25, 50, 75, 100)
# A crop is larger than the talker's largest lower face by this factor and so many pixels.
CROP_FACTOR, CROP_MARGIN_PX = 1.22, 24
# A mouth's inside counts as painted where the opening wanted is so many times the units' own, and at least so large.
PAINTED_FACTOR, PAINTED_OPENING, MIN_OWN_OPENING = 2.5, 0.04, 0.004
SELDOM_OPEN_SHARE = 0.1  # of a talker's frames that are painted, from which a note tells


class Units(SyncMethod):
    """Visual unit selection: the talker's own mouth pixels."""

    name = "units"
    summary = "the talker's own mouth pixels, chosen and warped to the shapes the speech asks for"
    weights = Shipped("lip-motion.safetensors", "mouth-response.safetensors")
    reads_transcript = True

    def hear(self, audio: F32, options: Any) -> Any:
        """Return what is said, a ``speech.recognition.Recognition``."""
        from lipdub.speech.recognition import recognize
        from lipdub.speech.transcript import read_transcript

        transcript = read_transcript(options.transcript) if options.transcript is not None else None
        return recognize(audio, transcript=transcript, language=options.language)

    def run(self, ctx: StageContext, options: Any) -> dict[str, Any]:
        """Plan the whole result from the speech and the tracks' tables, then render the chunks that are missing."""
        talkers = open_talkers(ctx, options)
        LOG.debug("tracks to dub: %s", sorted(talkers) or "none")
        plan, speech_summary = plan_units(ctx, options, talkers)
        arrays = SyncArrays(ctx)
        crops = arrays.create_crops(len(plan.source), *_measure_crops(talkers))
        arrays.write_plan(plan, plan.wanted)
        release_free_memory()  # planning takes arrays as long as the speech, rendering pictures
        renderer = UnitRenderer(talkers, plan, crops[0].shape, self.choose_mask(options))
        frames = FramePass(crops, plan.source, plan.is_dubbed, renderer.look_up, renderer.draw)
        run_frame_passes(ctx, frames, threads=ctx.threads)
        painted = {track: _count_painted(plan, track, talker) for track, talker in talkers.items()}
        return {
            "method": self.name,
            "frames": len(plan.source),
            "dubbed": plan.dubbed,
            "tracks": sorted(talkers),
            "painted_frames": sum(painted.values()),
            "untouched": visibility.passthrough_spans(plan.time, plan.amount),
            "notes": [*describe_delay(ctx.facts), *_describe_weak_talkers(plan, talkers, painted)],
            "offset": speech_delay(ctx.facts, options),
            **speech_summary,
        }


METHOD = Units()


def _measure_crops(talkers: Mapping[int, UnitTalker]) -> tuple[int, int]:
    """Return the width and height in pixels that hold the largest lower face of the talkers."""
    from lipdub.faces import geometry

    width = height = MIN_CROP_PX
    for talker in talkers.values():
        skin = talker.skin
        points = np.concatenate([talker.canonical[skin.vertices], skin.anchors[: len(skin.anchors) // 2]])
        visible = talker.motion[talker.motion.is_visible]
        # The largest scale with a few rolls bounds every frame's extent; angles only shrink it otherwise.
        for roll in np.unique(np.round(np.percentile(visible.roll, ROLL_PERCENTILES))):
            c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
            pose = geometry.Pose(
                np.array([visible.scale.max()]), np.array([[[c, -s, 0], [s, c, 0], [0, 0, 1]]]), np.zeros((1, 3))
            )
            flat = pose.apply(points[None])[0, :, :2]
            extent = (flat.max(0) - flat.min(0)) * CROP_FACTOR + CROP_MARGIN_PX
            width, height = max(width, int(extent[0])), max(height, int(extent[1]))
    return width, height


def _count_painted(plan: UnitPlan, track: int, talker: UnitTalker) -> int:
    """Return in how many frames the talker's own mouths are too little open, so that the inside is painted."""
    frames = np.flatnonzero(plan.track == track)
    own = np.array([sum(share * talker.units.measures[unit, 0] for unit, share in plan.mixture[k]) for k in frames])
    wanted = plan.wanted[frames, 0]
    is_painted = (wanted > PAINTED_FACTOR * np.maximum(own, MIN_OWN_OPENING)) & (wanted > PAINTED_OPENING)
    return int(is_painted.sum())


def _describe_weak_talkers(plan: UnitPlan, talkers: Mapping[int, UnitTalker], painted: Mapping[int, int]) -> list[str]:
    """Return a note for each way in which talkers' own mouths do not suffice."""
    still = find_still_talkers({track: talker.speech_range for track, talker in talkers.items()})
    seldom_open = [
        track
        for track in talkers
        if track not in still and painted[track] > SELDOM_OPEN_SHARE * int((plan.track == track).sum())
    ]
    notes = describe_still_talkers(still)
    if len(seldom_open) == 1:
        notes.append(
            f"{name_faces(seldom_open)} is seldom seen with its mouth as open as the speech asks: "
            "its inside is painted there"
        )
    elif seldom_open:
        notes.append(
            f"{name_faces(seldom_open)} are seldom seen with their mouths as open as the speech asks: "
            "their inside is painted there"
        )
    return notes
