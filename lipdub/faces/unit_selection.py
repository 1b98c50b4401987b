"""Choosing, for each output frame, the frame of the source whose mouth it shows.

Dynamic programming over a short list of candidates per frame: a target cost (mouth shape, head pose, time, sharpness)
and a join cost that is nothing where a unit is followed by its natural successor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CANDIDATES = 24
# Difference of the skin's colour around the lips from its usual one, 0..1, from which a unit is not shown elsewhere.
OCCLUSION_COLOUR_DISTANCE = 0.08
# Difference of lip height, in eye distances, that costs as much as a unit of the other terms.
LIP_SPREAD = 0.035
JUMP_COST = 1.3
HOLD_COST = 0.5
# Openings under this, in eye distances, count as shut.
CLOSED_MOUTH_OPENING = 0.03
# A unit's own opening is stretched to at most this many times its height before its inside has to be painted, and what
# that costs.
MAX_STRETCH = 2.2
PAINT_COST = 6.0
# Wanted change per frame, as a share of the talker's range, under which a mouth counts as standing still; and what a
# unit's own motion costs then.
STILL_MOTION = 0.03
STILL_COST = 20.0
# Share of the neighbour's continuation in the two frames around a jump.
CROSSFADE = 0.33


@dataclass(frozen=True)
class Inventory:
    """Columns of a talker's units: source frame (u,), measures (u, 2), angles (u, 3) degrees, scale (u,), lip
    heights (u, 2), sharpness (u,), colour (u, 3) of the skin around the lips 0..1, usable (u,), covered (u,): something lies before the mouth.
    """

    frame: np.ndarray
    measures: np.ndarray
    angles: np.ndarray
    scale: np.ndarray
    heights: np.ndarray
    sharpness: np.ndarray
    colour: np.ndarray
    usable: np.ndarray
    covered: np.ndarray

    @classmethod
    def from_table(cls, table: np.ndarray) -> Inventory:
        """From the rows of the neutralize stage's ``unit`` table (u, 14)."""
        colour = table[:, 10:13].astype(np.float64)
        # A hand or a microphone before the mouth changes the skin's colour around it.
        away = np.abs(colour - np.median(colour, 0)).max(1)
        usual = float(np.median(away))
        usable = (table[:, 13] > 0) & (away < max(6 * usual, OCCLUSION_COLOUR_DISTANCE))
        covered = away > max(8 * usual, 1.5 * OCCLUSION_COLOUR_DISTANCE)
        if not usable.any():
            usable = np.ones(len(table), bool)
        return cls(
            table[:, 0].astype(int),
            table[:, 1:3],
            table[:, 3:6],
            table[:, 6],
            table[:, 7:9],
            table[:, 9],
            colour,
            usable,
            covered,
        )


def target_costs(
    units: Inventory,
    measures: np.ndarray,
    heights: np.ndarray,
    angles: np.ndarray,
    scale: np.ndarray,
    position: np.ndarray,
    spread: np.ndarray,
) -> np.ndarray:
    """Cost (n, u) of showing unit u at frame n.

    Args:
        measures (n, 2) wanted; heights (n, 2) of the lips in the wanted shape; angles (n, 3); scale (n,); position (n,) the frames' own source frame
        numbers; spread (2,) the talker's range of each measure.
    """
    out = np.empty((len(measures), len(units.frame)), np.float32)
    for i in range(0, len(measures), _BLOCK_FRAMES):
        at = slice(i, i + _BLOCK_FRAMES)
        out[at] = _costs(units, measures[at], heights[at], angles[at], scale[at], position[at], spread)
    return out


# Frames whose costs are worked out together; bounds the memory of a long video's plan.
_BLOCK_FRAMES = 64


def _costs(
    units: Inventory,
    measures: np.ndarray,
    heights: np.ndarray,
    angles: np.ndarray,
    scale: np.ndarray,
    position: np.ndarray,
    spread: np.ndarray,
) -> np.ndarray:
    d = measures[:, None] - units.measures[None]
    opening = d[..., 0] / (0.22 * spread[0])
    # A mouth opened further by the warp stretches teeth and shadow, one that is closed hides them.
    cost = opening**2 * np.where(opening > 0, 1.6, 1.0)
    # A shut mouth is shown by shut ones: lips closed by the warp alone keep a line of teeth between them.
    shut = np.clip(1 - measures[:, 0] / CLOSED_MOUTH_OPENING, 0, 1)[:, None]
    cost += (
        shut * 6 * np.clip((units.measures[None, :, 0] + CLOSED_MOUTH_OPENING / 6) / CLOSED_MOUTH_OPENING, 0, 2) ** 2
    )
    # A shut mouth has no inside to show: opened by the warp, it is painted.
    stretch = measures[:, None, 0] / np.maximum(units.measures[None, :, 0], CLOSED_MOUTH_OPENING / 8)
    gaping = np.clip(measures[:, 0] / (CLOSED_MOUTH_OPENING / 2) - 1, 0, 1)[:, None]
    cost += PAINT_COST * gaping * np.clip(stretch / MAX_STRETCH - 1, 0, 1)
    # A wide smile's teeth do not belong in a rounded mouth: width counts more the further the mouth is open.
    open_share = np.clip(measures[:, None, 0] / 0.15, 0, 1)
    cost += (d[..., 1] / (0.35 * spread[1])) ** 2 * (1 + open_share)
    # Lips that are bitten or rolled in look wrong stretched to their usual height.
    cost += (((heights[:, None] - units.heights[None]) / LIP_SPREAD) ** 2).sum(-1)
    turn = angles[:, None] - units.angles[None]
    cost += (turn[..., 0] / 9) ** 2 + 0.8 * (turn[..., 1] / 9) ** 2 + 0.3 * (turn[..., 2] / 15) ** 2
    cost += (np.log(scale[:, None] / units.scale[None]) / 0.15) ** 2
    cost += 0.5 * (1 - np.exp(-np.abs(position[:, None] - units.frame[None]) / 250))
    blur = units.sharpness / max(float(np.median(units.sharpness[units.usable])), 1e-6)
    cost += 3 * np.maximum(0.7 - blur, 0)[None]
    return np.where(units.usable[None], cost, 1e6).astype(np.float32)


def select_units(units: Inventory, costs: np.ndarray, measures: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Best unit of each frame, (n,) int, for the target costs (n, u) of successive frames that want measures (n, 2)."""
    motion = np.abs(np.diff(measures, axis=0, prepend=measures[:1]) / spread).max(1)
    # A mouth that is to stand still is best held; one that is to move looks frozen when it is.
    hold = HOLD_COST * np.clip(motion / STILL_MOTION, 0, 1)
    drift = STILL_COST * np.clip(1 - motion / STILL_MOTION, 0, 1)
    n, count = costs.shape
    k = min(CANDIDATES, count)
    follows = np.full(count, -1)
    same = np.flatnonzero(np.diff(units.frame) == 1)
    follows[same] = same + 1
    best_list: list[np.ndarray] = []
    back_list: list[np.ndarray] = []
    total = np.zeros(0)
    for t in range(n):
        top = np.argpartition(costs[t], k - 1)[:k] if k < count else np.arange(count)
        if t == 0:
            states = np.unique(top)
            total = costs[0, states].astype(float)
            back_list.append(np.zeros(len(states), int))
        else:
            before = best_list[-1]
            nexts = follows[before]
            # Besides what fits now: where the best paths so far would go on, or stay.
            best = np.argsort(total, kind="stable")[:CANDIDATES]
            states = np.unique(np.concatenate([top, nexts[best][nexts[best] >= 0], before[best]]))
            # Compare with where each earlier unit would naturally have gone.
            went = np.where(nexts >= 0, nexts, before)
            gap = (units.measures[went][:, None] - units.measures[states][None]) / spread
            look = np.abs(units.colour[went][:, None] - units.colour[states][None]).max(-1)
            join = JUMP_COST + 2.0 * (gap**2).sum(-1) + 12.0 * look
            follow = drift[t] * (((units.measures[before] - units.measures[went]) / spread) ** 2).sum(-1)
            join = np.where(before[:, None] == states[None], hold[t], join)
            join = np.where(nexts[:, None] == states[None], follow[:, None], join)
            paths = total[:, None] + join
            back = paths.argmin(0)
            total = paths[back, np.arange(len(states))] + costs[t, states]
            back_list.append(back)
        best_list.append(states)
    out = np.empty(n, int)
    at = int(total.argmin())
    for t in range(n - 1, -1, -1):
        out[t] = best_list[t][at]
        at = int(back_list[t][at])
    return out


def crossfade_weights(units: Inventory, chosen: np.ndarray) -> list[list[tuple[int, float]]]:
    """Units and weights shown at each frame: one, or two around a jump, so that textures fade and do not pop. An open
    mouth and a shut one do not fade into each other: the shut one's inside would have to be painted.
    """
    count = len(units.frame)
    gaps = np.maximum(units.measures[:, 0], 2 * CLOSED_MOUTH_OPENING / 3)

    def step(u: int, by: int) -> int:
        v = u + by
        return v if 0 <= v < count and units.frame[v] - units.frame[u] == by and units.usable[v] else u

    out: list[list[tuple[int, float]]] = []
    for t, u in enumerate(chosen):
        parts = {int(u): 1.0}
        before = int(chosen[t - 1]) if t else int(u)
        after = int(chosen[t + 1]) if t + 1 < len(chosen) else int(u)
        others = []
        if step(before, 1) != u and before != u:
            others.append(step(before, 1))
        if step(int(u), 1) != after and after != u:
            others.append(step(after, -1))
        others = [v for v in others if max(gaps[v], gaps[u]) <= MAX_STRETCH * min(gaps[v], gaps[u])]
        for other in others:
            share = CROSSFADE / len(others)
            parts[int(u)] -= share
            parts[other] = parts.get(other, 0.0) + share
        out.append([(v, w) for v, w in parts.items() if w > 0.02])
    return out


# A unit's lips are narrowed or widened by the warp up to this much, in eye distances, when its teeth show and when not.
WIDTH_REACH = (0.05, 0.16)


def clamp_to_reach(units: Inventory, shown: list[list[tuple[int, float]]], measures: np.ndarray) -> np.ndarray:
    """What successive frames that want measures (n, 2) and show the units `shown` can have of them, (n, 2).

    The width is no further from the units' own than a warp can go before the teeth look squeezed: a smiling talker's
    rounded vowels are rounded less. A mouth that is to be shut is pressed as its units are, not warped open to nought.
    """
    from lipdub.faces.smoothing import savgol_filter

    own = np.array([sum(w * units.measures[u] for u, w in parts) for parts in shown])
    opened = np.clip(measures[:, 0] / 0.1, 0, 1)
    reach = WIDTH_REACH[1] + opened * (WIDTH_REACH[0] - WIDTH_REACH[1])
    width = savgol_filter(np.clip(measures[:, 1], own[:, 1] - reach, own[:, 1] + reach), 5)
    shut = np.clip(1 - measures[:, 0] / (CLOSED_MOUTH_OPENING / 3), 0, 1)
    pressed = np.minimum(savgol_filter(shut * np.minimum(own[:, 0] - measures[:, 0], 0), 5), 0)
    return np.stack([measures[:, 0] + pressed, width], 1)
