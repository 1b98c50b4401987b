"""What every frame of the result shows in method `units`: how far the mouth opens, and which units it is made of."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.stages import visibility
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.neutralize.store import NeutralizeStore, Talker
from lipdub.stages.sync.plan import plan_output, sample_lips, speech_delay
from lipdub.stages.sync.store import OutputPlan
from lipdub.stages.targets import select_tracks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lipdub.arrays import F64, I64, Mask
    from lipdub.faces.mouth_rendering import SkinMesh
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.faces.unit_selection import Inventory
    from lipdub.speech.lip_motion import LipMotion
    from lipdub.speech.recognition import Recognition
    from lipdub.stages.base import StageContext
    from lipdub.stages.detect.store import TrackRecord
    from lipdub.stages.neutralize.store import UnitArrays
    from lipdub.stages.sync.method import HeardSpeech
    from lipdub.stages.sync.options import SyncOptions

Mixture = list[tuple[int, float]]
"""The units that a frame shows, by number, and their weights."""

# Frames planned together: bounds the cost table. The seams between pieces cost one unit change each.
PIECE_FRAMES = 1500
# Least spread of opening and width that differences are measured by, eye distances.
MIN_SPREAD = 0.02


@dataclass(frozen=True)
class UnitPlan(OutputPlan):
    """What every output frame shows, and the units it is made of.

    Attributes:
        wanted: (n, 2) float64 mouth opening and width in eye distances.
        mixture: For each frame, the units it shows and their weights.
    """

    wanted: F64
    mixture: list[Mixture]


@dataclass(frozen=True)
class UnitTalker(Talker):
    """A talker as measured, with the track to dub and its units. The motion table is in float64.

    Attributes:
        record: The track's record.
        landmarks: Of the track.
        units: What unit selection chooses from.
        arrays: The units' patches and points.
        skin: The mesh of the lower face.
    """

    record: TrackRecord
    landmarks: TrackLandmarks
    units: Inventory
    arrays: UnitArrays
    skin: SkinMesh

    @property
    def is_covered(self) -> Mask:
        """(frames,) bool: something lies before the mouth."""
        covered = np.zeros(len(self.motion), bool)
        covered[self.units.frame[self.units.is_covered] - self.record["first"]] = True
        return covered


def open_talkers(ctx: StageContext, options: SyncOptions) -> dict[int, UnitTalker]:
    """Open the tracks to dub, by id."""
    from lipdub.faces import mouth_rendering, mouth_shapes, unit_selection
    from lipdub.faces.talker_tables import MotionTable

    detect, neutralize = DetectStore.from_context(ctx), NeutralizeStore.from_context(ctx)
    selected = select_tracks(ctx, options)
    prior = mouth_shapes.load_prior()
    talkers = {}
    for record in detect.tracks:
        track = record["id"]
        if track not in selected:
            continue
        talker, units = neutralize.read_talker(track), neutralize.open_units(track)
        talkers[track] = UnitTalker(
            talker.canonical,
            talker.response,
            talker.speech_range,
            MotionTable(talker.motion.rows.astype(np.float64)),
            record,
            detect.landmarks(track),
            unit_selection.Inventory.from_table(units.read_table()),
            units,
            mouth_rendering.build_skin_mesh(talker.canonical, prior),
        )
    return talkers


def plan_units(
    ctx: StageContext, options: SyncOptions, talkers: Mapping[int, UnitTalker]
) -> tuple[UnitPlan, dict[str, Any]]:
    """Plan the whole result from the speech and the tracks' tables. Writes the JSON ``timeline`` and ``words``.

    Returns:
        The plan, and what the stage's summary says of the speech.
    """
    from lipdub.speech.lip_motion import predict_lip_motion

    heard: HeardSpeech = ctx.prefetched()
    speech: Recognition = heard.features
    for note in (*heard.notes, *_describe_recognition(speech)):
        ctx.warn(note)
    source, pts, times = plan_output(ctx, options, heard.samples)
    ctx.store.put_json("words", [[word.text, word.start, word.end, round(word.fit, 3)] for word in speech.words])
    seconds = heard.samples / SAMPLE_RATE_HZ
    motion = predict_lip_motion(recognition=speech)
    lips = sample_lips(motion, times - speech_delay(ctx.facts, options), seconds, options.strength)
    n = len(source)
    plan = UnitPlan(
        source,
        pts,
        times,
        np.zeros(n, np.int16),
        np.zeros(n, np.float32),
        np.full((n, 2), np.nan),
        [[] for _ in source],
    )
    in_range = visibility.range_weights(times, options)
    shots = DetectStore.from_context(ctx).shots
    for track, talker in talkers.items():
        _plan_track(plan, track, talker, lips, in_range, shots)
    return plan, _summarize_speech(speech, motion, seconds)


def _describe_recognition(speech: Recognition) -> list[str]:
    """Return what a person should know of what was recognized."""
    from lipdub.speech.phones import SILENCE
    from lipdub.speech.text_alignment import describe_text_fit

    notes = describe_text_fit(speech.text) if speech.text is not None else []
    if all(phone.label == SILENCE for phone in speech.phones):
        notes = [*notes, "no speech sound was recognized, so the mouth stays shut"]
    return list(notes)


def _plan_track(
    plan: UnitPlan, track: int, talker: UnitTalker, lips: F64, in_range: F64, shots: list[tuple[int, int]]
) -> None:
    """Write what the frames that show a track are made of into the plan.

    Args:
        plan: Changed in place.
        track: The track's id.
        talker: The track.
        lips: (n, 2) opening and width of the speech's lips.
        in_range: (n,) 0..1, whether the time of a frame is to be dubbed.
        shots: First and last frame of each shot.
    """
    from lipdub.faces import mouth_shapes, unit_selection

    first, last = talker.record["first"], talker.record["last"]
    speech_range, units = talker.speech_range, talker.units
    visible = visibility.visibility_weights(
        talker.motion, talker.record, shots, talker.landmarks.interval, talker.is_covered
    )
    frames = np.flatnonzero((plan.source >= first) & (plan.source <= last))
    frames = frames[visible[plan.source[frames] - first] * in_range[frames] > 0]
    if len(frames) == 0:
        return
    motion = talker.motion[plan.source[frames] - first]
    amount = visible[plan.source[frames] - first] * in_range[frames]
    spoken = mouth_shapes.map_motion_to_range(lips[frames, 0], lips[frames, 1], speech_range)
    wanted = motion.measures + amount[:, None] * (spoken - motion.measures)
    wanted[:, 0] = np.maximum(wanted[:, 0], 0)
    plan.track[frames], plan.amount[frames] = track, amount
    spread = np.maximum(speech_range.high - speech_range.low, MIN_SPREAD)
    heights = mouth_shapes.predict_lip_heights(talker.response, wanted)
    for start, stop in _split_pieces(frames):
        piece = slice(start, stop)
        targets = unit_selection.FrameTargets(
            measures=wanted[piece],
            heights=heights[piece],
            angles=motion[piece].angles,
            scale=motion[piece].scale,
            frame=plan.source[frames[piece]].astype(float),
            light=np.interp(plan.source[frames[piece]], units.frame, units.light),
        )
        costs = unit_selection.compute_target_costs(units, targets, spread)
        selected = unit_selection.select_units(units, costs, wanted[piece], spread)
        mixtures = unit_selection.compute_crossfade_weights(units, selected)
        wanted[piece] = unit_selection.clamp_to_reach(units, mixtures, wanted[piece])
        for k, mixture in zip(frames[piece].tolist(), mixtures, strict=True):
            plan.mixture[k] = mixture
    plan.wanted[frames] = wanted


def _split_pieces(frames: I64) -> Iterator[tuple[int, int]]:
    """Yield spans of the list of output frames that are successive, at most `PIECE_FRAMES` long."""
    breaks = np.flatnonzero(np.diff(frames) != 1) + 1
    edges = [0, *breaks.tolist(), len(frames)]
    for start, stop in itertools.pairwise(edges):
        for i in range(start, stop, PIECE_FRAMES):
            yield i, min(i + PIECE_FRAMES, stop)


def _summarize_speech(speech: Recognition, motion: LipMotion, seconds: float) -> dict[str, Any]:
    summary = {
        "phones": len(motion.phones),
        "speech_seconds": seconds,
        "heard": speech.source,
        "words": len(speech.words),
        "share_of_words": round(speech.text_coverage, 3),
    }
    if speech.text is not None:
        summary["text"] = {"words": speech.text.total, "found": speech.text.found, "language": speech.language}
    return summary
