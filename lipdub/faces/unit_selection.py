"""Unit selection: choose, for each output frame, the source frame whose mouth it shows.

A unit is a source frame of the talker whose mouth may be shown elsewhere. The choice is a Viterbi search over a short
list of candidates per frame. It minimises the sum of target costs (how badly a unit fits a frame) and join costs (how
visible the change between two units is). A unit that is followed by its natural successor joins for free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces.mouth_shapes import CLOSED_MOUTH_OPENING
from lipdub.faces.smoothing import savgol_filter

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I64, Array, Mask
    from lipdub.faces.talker_tables import UnitTable

# Units that compete for one frame, and paths that are extended to the next frame.
CANDIDATES = 24
# Degrees of yaw from which a mouth hides too much of itself to be shown elsewhere.
MAX_UNIT_YAW = 40.0
# Pixels between the corners of the mouth below which a face is not worth a dub.
MIN_MOUTH_PX = 10.0
# Colour of the skin around the lips, by its distance from the talker's median colour (largest channel, 0..1). A unit
# is not shown elsewhere when the distance exceeds both this number and this multiple of the talker's median distance.
OCCLUSION_COLOUR_DISTANCE = 0.08
UNUSABLE_COLOUR_RATIO = 6
# The mouth counts as covered (by a hand, a microphone) when the distance exceeds both this multiple of the number above
# and this multiple of the talker's median distance.
COVERED_COLOUR_FACTOR = 1.5
COVERED_COLOUR_RATIO = 8
# Of the light that the brow shows: least value, 0..1, and least factor of the limit above.
MIN_LIGHT = 0.01
MIN_LIGHT_FACTOR = 0.15
# The warp opens a unit to at most this multiple of its own opening. Beyond it the interior has to be painted.
MAX_STRETCH = 2.2
# Openings in eye distances. Lips that are pressed this far below 0 are wholly closed.
PRESSED_OPENING = CLOSED_MOUTH_OPENING / 6
# A unit counts as at least this far open when its stretch is computed.
MIN_UNIT_OPENING = CLOSED_MOUTH_OPENING / 8
# A target begins to show the interior at this opening, and shows it fully at twice this.
INTERIOR_OPENING = CLOSED_MOUTH_OPENING / 2
# Units count as at least this far open when their openings are compared for a crossfade.
MIN_FADE_OPENING = 2 * CLOSED_MOUTH_OPENING / 3
# A target below this opening keeps the pressed lips of its units.
PRESSED_TARGET_OPENING = CLOSED_MOUTH_OPENING / 3
# Target motion per frame, as a share of the talker's range, below which a mouth counts as standing still.
STILL_MOTION = 0.03
# Share of the neighbour's continuation in the two frames around a jump.
CROSSFADE_SHARE = 0.33
# Units with a smaller weight are left out of a crossfade.
MIN_CROSSFADE_WEIGHT = 0.02
# How far the warp may narrow or widen a unit's lips, in eye distances: of an open mouth, whose teeth show, and of a
# closed one.
OPEN_WIDTH_REACH = 0.05
CLOSED_WIDTH_REACH = 0.16
# Opening in eye distances from which a mouth counts as open for these reaches.
OPEN_REACH_OPENING = 0.1
# Frames of the Savitzky-Golay window that smooths the clamped trajectory.
REACH_WINDOW = 5
# Frames whose costs are computed together: bounds the memory of a long video.
_BLOCK_FRAMES = 64


@dataclass(frozen=True)
class UnitCosts:
    """Weights and scales of the cost terms.

    Costs have no unit. A term costs its weight where the difference equals its scale. The numbers were tuned on real
    clips, so that no visible fault is cheaper than a less visible one.
    """

    # Difference in opening, as a share of the talker's range.
    opening_scale: float = 0.22
    # Factor for units that the warp has to open further: it stretches teeth and shadow, while closing hides them.
    opening_further_weight: float = 1.6
    # A closed mouth is shown by closed units: lips that only the warp closes keep a line of teeth between them.
    closed_weight: float = 6.0
    # A closed unit has no interior. When the warp opens it, the interior is painted.
    paint_weight: float = 6.0
    # Difference in width, as a share of the talker's range.
    width_scale: float = 0.35
    # Opening in eye distances at which the width counts twice: a wide smile's teeth do not belong in a rounded mouth.
    width_open_scale: float = 0.15
    # Difference in lip height, in eye distances: lips that are bitten or rolled in look wrong at their usual height.
    lip_height_scale: float = 0.035
    # Differences in head pose, in degrees. Yaw hides one side of the mouth, so it counts most; roll is undone by the
    # warp, so it counts least.
    yaw_scale: float = 9.0
    pitch_scale: float = 9.0
    pitch_weight: float = 0.8
    roll_scale: float = 15.0
    roll_weight: float = 0.3
    # Difference in face size, as a natural logarithm of the ratio: enlarged pixels are blurred.
    size_scale: float = 0.15
    # Light and beard drift. The cost approaches the weight over this many frames.
    time_weight: float = 0.5
    time_scale: float = 250.0
    # Difference in light (`measure_light`). What differs less than the tolerance is matched when the unit is shown;
    # beyond it, a unit's lost shadows or lights cannot come back.
    light_weight: float = 12.0
    light_tolerance: float = 0.5
    light_scale: float = 0.5
    # Sharpness below this share of the median is motion blur, and costs the weight for each missing share of 1.
    sharpness_weight: float = 3.0
    sharpness_share: float = 0.7
    # Cost of a unit that must not be shown: larger than any path over units that may be.
    unusable: float = 1e6
    # Join costs: of any jump, for each squared share of the talker's range, and for each unit of colour (0..1).
    jump: float = 1.3
    shape_join_weight: float = 2.0
    colour_join_weight: float = 12.0
    # Cost of showing the same unit again while the target moves: the mouth looks frozen.
    hold: float = 0.5
    # Cost of a unit's own motion, per squared share of the talker's range, while the target stands still.
    still_motion_weight: float = 20.0


DEFAULT_COSTS = UnitCosts()


@dataclass(frozen=True)
class Inventory:
    """A talker's units.

    Attributes:
        frame: (u,) int source frame.
        measures: (u, 2) opening and width in eye distances.
        angles: (u, 3) yaw, pitch and roll in degrees.
        scale: (u,) pixels per eye distance.
        heights: (u, 2) heights of the upper and the lower lip in eye distances.
        sharpness: (u,) mean absolute Laplacian around the lips.
        colour: (u, 3) float64 RGB 0..1 of the skin around the lips.
        light: (u,) of `measure_light`.
        is_usable: (u,) bool, the unit may be shown elsewhere.
        is_covered: (u,) bool, something lies before the mouth.
    """

    frame: I64
    measures: Array
    angles: Array
    scale: Array
    heights: Array
    sharpness: Array
    colour: F64
    light: F64
    is_usable: Mask
    is_covered: Mask

    @classmethod
    def from_table(cls, table: UnitTable) -> Inventory:
        """Read a unit table, and find which units may be shown elsewhere and in which the mouth is covered.

        Where colours rule all units out, none is better than another, so all may be shown.

        Args:
            table: (u, 17) unit table of the neutralize stage.
        """
        colour, brow_colour = table.colour.astype(np.float64), table.brow_colour.astype(np.float64)
        distance, usual = _measure_colour_distance(colour)
        limit = max(UNUSABLE_COLOUR_RATIO * usual, OCCLUSION_COLOUR_DISTANCE)
        is_usable = table.is_whole & ((distance < limit) | _is_explained_by_light(colour, brow_colour, limit))
        if not is_usable.any():
            is_usable = np.ones(len(table), bool)
        return cls(
            frame=table.frame,
            measures=table.measures,
            angles=table.angles,
            scale=table.scale,
            heights=table.lip_heights,
            sharpness=table.sharpness,
            colour=colour,
            light=measure_light(brow_colour),
            is_usable=is_usable,
            is_covered=find_covered(colour, brow_colour),
        )


def measure_light(brow_colour: F64) -> F64:
    """Measure the light of frames on a scale that grows evenly with exposure, and faster where skin nears white.

    Args:
        brow_colour: (n, 3) RGB 0..1 of the skin between the eyebrows.

    Returns:
        (n,) logarithm of the brightness, less half that of what is missing to white.
    """
    brightness = brow_colour.mean(1)
    light: F64 = np.log(np.maximum(brightness, MIN_LIGHT)) - np.log(np.maximum(1 - brightness, MIN_LIGHT)) / 2
    return light


def find_covered(colour: F64, brow_colour: F64) -> Mask:
    """Find the frames in which something lies before the mouth: it changes the colour of the skin around the lips.

    Another light changes it as well, but in the same way as the brow: by a factor (a fade to black, a lamp) or
    towards white (a fade to white). Such a frame is not covered.

    Args:
        colour: (n, 3) RGB 0..1 of the skin around the lips.
        brow_colour: (n, 3) RGB 0..1 of the skin between the eyebrows.

    Returns:
        (n,) bool.
    """
    distance, usual = _measure_colour_distance(colour)
    limit = max(COVERED_COLOUR_RATIO * usual, COVERED_COLOUR_FACTOR * OCCLUSION_COLOUR_DISTANCE)
    result: Mask = (distance > limit) & ~_is_explained_by_light(colour, brow_colour, limit)
    return result


def _is_explained_by_light(colour: F64, brow_colour: F64, limit: float) -> Mask:
    """Tell where colours around the lips (n, 3) differ from the usual as the brow's (n, 3) do, up to a limit."""
    usual_colour, usual_brow = np.median(colour, 0), np.median(brow_colour, 0)
    explained = np.zeros(len(colour), bool)
    for skin, brow, usual_skin, reference in (
        (colour, brow_colour, usual_colour, usual_brow),
        (1 - colour, 1 - brow_colour, 1 - usual_colour, 1 - usual_brow),
    ):
        factor = np.maximum(brow, MIN_LIGHT) / np.maximum(reference, MIN_LIGHT)
        difference = np.abs(skin - factor * usual_skin).max(1)
        explained |= difference <= limit * np.clip(factor.max(1), MIN_LIGHT_FACTOR, 1)
    return explained


def _measure_colour_distance(colour: F64) -> tuple[F64, float]:
    """Measure the distance (n,) of colours (n, 3) from their median, and its median."""
    distance = np.abs(colour - np.median(colour, 0)).max(1)
    return distance, float(np.median(distance))


@dataclass(frozen=True)
class FrameTargets:
    """The targets of successive output frames.

    Attributes:
        measures: (n, 2) target opening and width in eye distances.
        heights: (n, 2) heights of the lips in the target shape, in eye distances.
        angles: (n, 3) yaw, pitch and roll of the frame in degrees.
        scale: (n,) pixels per eye distance of the frame.
        frame: (n,) source frame that is shown.
        light: (n,) of `measure_light` in the frame.
    """

    measures: F64
    heights: F64
    angles: Array
    scale: Array
    frame: Array
    light: Array

    def __getitem__(self, item: slice) -> FrameTargets:
        return FrameTargets(
            self.measures[item],
            self.heights[item],
            self.angles[item],
            self.scale[item],
            self.frame[item],
            self.light[item],
        )


def compute_target_costs(units: Inventory, targets: FrameTargets, spread: F64, costs: UnitCosts = DEFAULT_COSTS) -> F32:
    """Compute the cost of showing each unit at each frame.

    Args:
        units: u units.
        targets: n frames.
        spread: (2,) the talker's range of each measure, in eye distances.
        costs: weights of the terms.

    Returns:
        (n, u) float32 costs.
    """
    out = np.empty((len(targets.measures), len(units.frame)), np.float32)
    for start in range(0, len(out), _BLOCK_FRAMES):
        block = slice(start, start + _BLOCK_FRAMES)
        out[block] = _compute_cost_block(units, targets[block], spread, costs)
    return out


def _compute_cost_block(units: Inventory, targets: FrameTargets, spread: F64, costs: UnitCosts) -> F32:
    total = _compute_opening_cost(units, targets, spread, costs)
    total += _compute_closure_cost(units, targets, costs)
    total += _compute_paint_cost(units, targets, costs)
    total += _compute_width_cost(units, targets, spread, costs)
    total += _compute_lip_height_cost(units, targets, costs)
    total += _compute_pose_cost(units, targets, costs)
    total += _compute_size_cost(units, targets, costs)
    total += _compute_time_cost(units, targets, costs)
    total += _compute_light_cost(units, targets, costs)
    total += _compute_blur_cost(units, costs)
    return np.where(units.is_usable[None], total, costs.unusable).astype(np.float32)


def _compute_opening_cost(units: Inventory, targets: FrameTargets, spread: F64, costs: UnitCosts) -> F64:
    difference = (targets.measures[:, None, 0] - units.measures[None, :, 0]) / (costs.opening_scale * spread[0])
    cost: F64 = difference**2 * np.where(difference > 0, costs.opening_further_weight, 1.0)
    return cost


def _compute_closure_cost(units: Inventory, targets: FrameTargets, costs: UnitCosts) -> F64:
    """Compute the cost of open units at frames whose target is a closed mouth."""
    closedness = np.clip(1 - targets.measures[:, 0] / CLOSED_MOUTH_OPENING, 0, 1)[:, None]
    opening = np.clip((units.measures[None, :, 0] + PRESSED_OPENING) / CLOSED_MOUTH_OPENING, 0, 2)
    return closedness * costs.closed_weight * opening**2


def _compute_paint_cost(units: Inventory, targets: FrameTargets, costs: UnitCosts) -> F64:
    """Compute the cost of units that are too closed to show the interior of the target mouth."""
    stretch = targets.measures[:, None, 0] / np.maximum(units.measures[None, :, 0], MIN_UNIT_OPENING)
    is_open = np.clip(targets.measures[:, 0] / INTERIOR_OPENING - 1, 0, 1)[:, None]
    cost: F64 = costs.paint_weight * is_open * np.clip(stretch / MAX_STRETCH - 1, 0, 1)
    return cost


def _compute_width_cost(units: Inventory, targets: FrameTargets, spread: F64, costs: UnitCosts) -> F64:
    difference = targets.measures[:, None, 1] - units.measures[None, :, 1]
    open_share = np.clip(targets.measures[:, None, 0] / costs.width_open_scale, 0, 1)
    cost: F64 = (difference / (costs.width_scale * spread[1])) ** 2 * (1 + open_share)
    return cost


def _compute_lip_height_cost(units: Inventory, targets: FrameTargets, costs: UnitCosts) -> F64:
    cost: F64 = (((targets.heights[:, None] - units.heights[None]) / costs.lip_height_scale) ** 2).sum(-1)
    return cost


def _compute_pose_cost(units: Inventory, targets: FrameTargets, costs: UnitCosts) -> F64:
    yaw, pitch, roll = np.moveaxis(targets.angles[:, None] - units.angles[None], -1, 0)
    roll = np.where(
        np.abs(roll) > 180, roll - np.copysign(360, roll), roll
    )  # of upside-down heads, 179 and -179 are near
    cost: F64 = (
        (yaw / costs.yaw_scale) ** 2
        + costs.pitch_weight * (pitch / costs.pitch_scale) ** 2
        + costs.roll_weight * (roll / costs.roll_scale) ** 2
    )
    return cost


def _compute_size_cost(units: Inventory, targets: FrameTargets, costs: UnitCosts) -> F64:
    cost: F64 = (np.log(targets.scale[:, None] / units.scale[None]) / costs.size_scale) ** 2
    return cost


def _compute_time_cost(units: Inventory, targets: FrameTargets, costs: UnitCosts) -> F64:
    distance = np.abs(targets.frame[:, None] - units.frame[None])
    cost: F64 = costs.time_weight * (1 - np.exp(-distance / costs.time_scale))
    return cost


def _compute_light_cost(units: Inventory, targets: FrameTargets, costs: UnitCosts) -> F64:
    """Compute the cost of units of another light (a flash, a fade); an ordinary talker's light has none."""
    excess = np.maximum(np.abs(targets.light[:, None] - units.light[None]) - costs.light_tolerance, 0)
    cost: F64 = costs.light_weight * np.minimum(excess / costs.light_scale, 1)
    return cost


def _compute_blur_cost(units: Inventory, costs: UnitCosts) -> Array:
    sharpness = units.sharpness / max(float(np.median(units.sharpness[units.is_usable])), 1e-6)
    return costs.sharpness_weight * np.maximum(costs.sharpness_share - sharpness, 0)[None]


def select_units(
    units: Inventory, target_costs: F32, measures: F64, spread: F64, costs: UnitCosts = DEFAULT_COSTS
) -> I64:
    """Find the cheapest sequence of units for successive frames.

    Args:
        units: u units.
        target_costs: (n, u) costs of `compute_target_costs`.
        measures: (n, 2) target opening and width in eye distances.
        spread: (2,) the talker's range of each measure, in eye distances.
        costs: weights of the join terms.

    Returns:
        (n,) int unit of each frame.
    """
    motion = np.abs(np.diff(measures, axis=0, prepend=measures[:1]) / spread).max(1)
    # A target that stands still is best held; one that moves looks frozen when it is held.
    hold = costs.hold * np.clip(motion / STILL_MOTION, 0, 1)
    drift = costs.still_motion_weight * np.clip(1 - motion / STILL_MOTION, 0, 1)
    successor = _find_successors(units)
    states: list[I64] = []
    best_previous: list[I64] = []
    total = np.zeros(0)
    for t, cost in enumerate(target_costs):
        cheapest = _find_cheapest(cost)
        if t == 0:
            candidates = np.unique(cheapest)
            total = cost[candidates].astype(float)
            back = np.zeros(len(candidates), int)
        else:
            candidates = _extend_candidates(cheapest, states[-1], successor, total)
            joins = _compute_join_costs(
                units, states[-1], candidates, successor, spread, costs, hold=hold[t], drift=drift[t]
            )
            paths = total[:, None] + joins
            back = paths.argmin(0)
            total = paths[back, np.arange(len(candidates))] + cost[candidates]
        states.append(candidates)
        best_previous.append(back)
    return _trace_back(states, best_previous, total)


def _find_successors(units: Inventory) -> I64:
    """Find the unit of each unit's next source frame, (u,) int; -1 where it is no unit."""
    successor = np.full(len(units.frame), -1)
    has_next = np.flatnonzero(np.diff(units.frame) == 1)
    successor[has_next] = has_next + 1
    return successor


def _find_cheapest(cost: F32) -> I64:
    """Find the `CANDIDATES` units of least target cost (u,), in any order."""
    count = min(CANDIDATES, len(cost))
    return np.argpartition(cost, count - 1)[:count] if count < len(cost) else np.arange(count)


def _extend_candidates(cheapest: I64, previous: I64, successor: I64, total: F64) -> I64:
    """Add, to the units that fit the frame, those with which the best paths so far go on or stay."""
    best = np.argsort(total, kind="stable")[:CANDIDATES]
    next_units = successor[previous][best]
    candidates: I64 = np.unique(np.concatenate([cheapest, next_units[next_units >= 0], previous[best]]))
    return candidates


def _compute_join_costs(
    units: Inventory,
    previous: I64,
    candidates: I64,
    successor: I64,
    spread: F64,
    costs: UnitCosts,
    *,
    hold: float,
    drift: float,
) -> F64:
    """Compute the cost (p, c) of showing candidate c after previous unit p.

    hold: cost of staying. drift: weight of the units' own motion.
    """
    next_units = successor[previous]
    # A jump costs by its distance from the natural successor of the previous unit.
    natural = np.where(next_units >= 0, next_units, previous)
    gap = (units.measures[natural][:, None] - units.measures[candidates][None]) / spread
    colour = np.abs(units.colour[natural][:, None] - units.colour[candidates][None]).max(-1)
    joins = costs.jump + costs.shape_join_weight * (gap**2).sum(-1) + costs.colour_join_weight * colour
    own_motion = drift * (((units.measures[previous] - units.measures[natural]) / spread) ** 2).sum(-1)
    joins = np.where(previous[:, None] == candidates[None], hold, joins)
    return np.where(next_units[:, None] == candidates[None], own_motion[:, None], joins)


def _trace_back(states: list[I64], best_previous: list[I64], total: F64) -> I64:
    """Follow the cheapest path back from the last frame."""
    out = np.empty(len(states), int)
    if not states:
        return out
    row = int(total.argmin())
    for t in range(len(states) - 1, -1, -1):
        out[t] = states[t][row]
        row = int(best_previous[t][row])
    return out


def compute_crossfade_weights(
    units: Inventory, path: I64, costs: UnitCosts = DEFAULT_COSTS
) -> list[list[tuple[int, float]]]:
    """Compute which units each frame shows, and with which weights.

    A frame shows one unit, or two around a jump, so that textures fade instead of popping. Open and closed mouths do
    not fade into each other: the interior of the closed one would have to be painted. Nor do units of another light.

    Args:
        units: u units.
        path: (n,) unit of each frame.
        costs: weights of the terms, of which the tolerance of light counts.

    Returns:
        per frame, pairs of unit and weight; the weights of a frame sum to 1.
    """
    openings = np.maximum(units.measures[:, 0], MIN_FADE_OPENING)

    def fits(first: int, second: int) -> bool:
        low, high = sorted((openings[first], openings[second]))
        is_same_light = abs(units.light[first] - units.light[second]) <= costs.light_tolerance
        return bool(high <= MAX_STRETCH * low and is_same_light)

    out: list[list[tuple[int, float]]] = []
    for t, path_unit in enumerate(path):
        unit = int(path_unit)
        before = int(path[t - 1]) if t else unit
        after = int(path[t + 1]) if t + 1 < len(path) else unit
        neighbours = []
        if before != unit and _find_neighbour(units, before, 1) != unit:
            neighbours.append(_find_neighbour(units, before, 1))
        if after != unit and _find_neighbour(units, unit, 1) != after:
            neighbours.append(_find_neighbour(units, after, -1))
        neighbours = [other for other in neighbours if fits(other, unit)]
        weights = {unit: 1.0}
        for other in neighbours:
            share = CROSSFADE_SHARE / len(neighbours)
            weights[unit] -= share
            weights[other] = weights.get(other, 0.0) + share
        out.append([(u, weight) for u, weight in weights.items() if weight > MIN_CROSSFADE_WEIGHT])
    return out


def _find_neighbour(units: Inventory, unit: int, offset: int) -> int:
    """Find the unit `by` source frames away; the unit itself where that frame is no usable unit."""
    neighbour = unit + offset
    if not 0 <= neighbour < len(units.frame) or units.frame[neighbour] - units.frame[unit] != offset:
        return unit
    return neighbour if units.is_usable[neighbour] else unit


def clamp_to_reach(units: Inventory, mixtures: list[list[tuple[int, float]]], measures: F64) -> F64:
    """Clamp target measures to the reach of the warp from the units of each frame.

    The width stays within reach of the units' own, or their teeth look squeezed: a smiling talker's rounded vowels are
    rounded less. A closed mouth keeps its units' pressed lips: warping them open to 0 would show.

    Args:
        units: u units.
        mixtures: n results of `compute_crossfade_weights`.
        measures: (n, 2) target opening and width in eye distances.

    Returns:
        (n, 2) measures.
    """
    unit_measures = np.array([sum(weight * units.measures[u] for u, weight in parts) for parts in mixtures])
    open_share = np.clip(measures[:, 0] / OPEN_REACH_OPENING, 0, 1)
    reach = CLOSED_WIDTH_REACH + open_share * (OPEN_WIDTH_REACH - CLOSED_WIDTH_REACH)
    width = savgol_filter(
        np.clip(measures[:, 1], unit_measures[:, 1] - reach, unit_measures[:, 1] + reach), REACH_WINDOW
    )
    closedness = np.clip(1 - measures[:, 0] / PRESSED_TARGET_OPENING, 0, 1)
    pressure = np.minimum(
        savgol_filter(closedness * np.minimum(unit_measures[:, 0] - measures[:, 0], 0), REACH_WINDOW), 0
    )
    return np.stack([measures[:, 0] + pressure, width], 1)
