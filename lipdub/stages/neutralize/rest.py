"""neutralize, method `rest`: the inventory of units, the frames whose mouths may be shown elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.talker_tables import MotionColumn, MotionTable, UnitColumn, build_unit_row
from lipdub.faces.track_landmarks import LANDMARK_BLOCK
from lipdub.faces.unit_selection import MAX_UNIT_YAW
from lipdub.media.pixels import crop_padded, to_eight_bits
from lipdub.stages.neutralize.method import NeutralizeMethod

if TYPE_CHECKING:
    from lipdub.arrays import Array
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext

# A talker's inventory; a minute of speech shows every mouth shape many times over.
MAX_UNITS = 1500


# Longer videos give runs of this many successive frames: natural motion needs successors.
RUN_FRAMES = 15


CHUNK_BYTES = 12 << 20
# Their sum is the height of the mouth.
LIPS_AND_OPENING = [MotionColumn.OPENING, MotionColumn.UPPER_LIP, MotionColumn.LOWER_LIP]


def choose_unit_frames(motion: Array, first: int) -> Array:
    """Choose the source frames that become units.

    All usable frames do. Of a long track, runs of frames that spread over mouth shapes, poses and time.

    Args:
        motion: (frames, 10) float32 with the columns of `MotionColumn`.
        first: Source frame of the first row.
    """
    table = MotionTable(motion)
    usable = table.is_visible & (np.abs(table.yaw) < MAX_UNIT_YAW)
    frames = np.flatnonzero(usable)
    if len(frames) <= MAX_UNITS:
        return frames + first
    starts = np.arange(0, len(motion) - RUN_FRAMES + 1, RUN_FRAMES)
    whole = np.array([usable[s : s + RUN_FRAMES].all() for s in starts])
    starts = starts[whole] if whole.any() else starts
    block = np.stack([motion[s : s + RUN_FRAMES] for s in starts])
    spread = np.nanstd(motion[:, : MotionColumn.SCALE], axis=0) + 1e-6
    opening, width, yaw, pitch = (
        block[:, :, column]
        for column in (MotionColumn.OPENING, MotionColumn.WIDTH, MotionColumn.YAW, MotionColumn.PITCH)
    )
    parts = (opening.max(1), opening.min(1), width.mean(1), yaw.mean(1), pitch.mean(1))
    scale = (spread[0], spread[0], spread[1], spread[2], spread[3])
    feature = np.stack([p / s for p, s in zip(parts, scale, strict=True)], 1)
    feature = np.column_stack([feature, starts / len(motion) * 4])
    # Farthest-point choice: each next run is the one least like those already taken.
    taken = [int(np.argmax(opening.max(1)))]
    distance = ((feature - feature[taken[0]]) ** 2).sum(1)
    while len(taken) < min(MAX_UNITS // RUN_FRAMES, len(starts)):
        taken.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((feature - feature[taken[-1]]) ** 2).sum(1))
    return np.sort((starts[taken][:, None] + np.arange(RUN_FRAMES)).ravel()) + first


class Rest(NeutralizeMethod):
    """The talker's own rest mouth, and the inventory of units."""

    name = "rest"
    summary = "the talker's own rest mouth and mouth shapes, measured; keeps the frames whose mouths can be reused"
    gathers_units = True

    def run_tracks(
        self, ctx: StageContext, options: Any, talkers: list[dict[str, Any]], tracks: dict[int, TrackLandmarks]
    ) -> list[str]:
        """Cut the mouths of all units out of the source, in one pass over it."""
        from lipdub.media.read import read_frames_in_order

        inventories = [_Inventory(ctx, talker, tracks[talker["id"]]) for talker in talkers if talker["units"]]
        users: dict[int, list[tuple[_Inventory, int]]] = {}
        for inventory in inventories:
            for unit in inventory.todo():
                users.setdefault(inventory.frames[unit], []).append((inventory, unit))
        order = sorted(users)
        for done, frame in enumerate(read_frames_in_order(ctx.job.video, order)):
            for inventory, unit in users[frame.index]:
                inventory.add(unit, frame.picture)
            ctx.progress(done + 1, len(order))
        return []


METHOD = Rest()


class _Inventory:
    """The units of one track while they are being cut out, written chunk by chunk."""

    def __init__(self, ctx: StageContext, talker: dict[str, Any], view: Any) -> None:
        from lipdub.faces import mouth_rendering

        self.frames = talker["frames_of_units"]
        self._view = view
        motion = ctx.store.open(f"motion-{talker['id']}")
        self._motion = motion.read(0, len(motion))[np.array(self.frames) - talker["first"]]
        table = MotionTable(self._motion)
        # Room for the widest mouth seen, its margin, and the interpolation at the patch's edge.
        scale = float(np.nanpercentile(table.scale, 98))
        widest = float(np.nanpercentile(table.width, 99)) * scale * (1 + mouth_rendering.MARGIN_OF_RADIUS)
        tallest = (
            float(np.nanpercentile(self._motion[:, LIPS_AND_OPENING].sum(1), 99.5))
            * scale
            * (1 + mouth_rendering.MARGIN_OF_RADIUS)
        )
        tallest = max(
            tallest, tallest / (1 + mouth_rendering.MARGIN_OF_RADIUS) + mouth_rendering.MARGIN_OF_WIDTH * widest
        )
        side = 2 * int(np.ceil((max(widest, tallest) * 1.1 + 12) / 2))
        self._size = side
        units = len(self.frames)
        depth = ctx.video.bit_depth
        dtype = np.dtype("uint8" if depth <= 8 else "uint16")
        self._chunk = max(1, min(units, 64, CHUNK_BYTES // (side * side * 3 * dtype.itemsize)))
        shape = (units, side, side, 3)
        self._patches = ctx.store.array(f"patch-{talker['id']}", shape=shape, dtype=dtype, chunk=self._chunk)
        self._points = ctx.store.array(
            f"points-{talker['id']}", shape=(units, mouth_rendering.MOUTH_POINTS, 2), dtype="float32", chunk=self._chunk
        )
        self._table = ctx.store.array(
            f"unit-{talker['id']}", shape=(units, len(UnitColumn)), dtype="float32", chunk=self._chunk
        )
        self._buffer: dict[int, tuple[Array, Array, Array]] = {}
        self._block: tuple[int, Array] | None = None

    def todo(self) -> list[int]:
        missing = set(self._patches.missing()) | set(self._points.missing()) | set(self._table.missing())
        return [u for i in sorted(missing) for u in range(*self._patches.span(i))]

    def _landmarks(self, frame: int) -> Array:
        start = frame - frame % LANDMARK_BLOCK
        if self._block is None or self._block[0] != start:
            self._block = (start, self._view.read(start, start + LANDMARK_BLOCK))
        result: Array = self._block[1][frame - start]
        return result

    def add(self, u: int, picture: Any) -> None:
        from lipdub.faces import mouth_rendering

        points = mouth_rendering.extract_mouth_points(self._landmarks(self.frames[u]))
        origin = np.floor(points[mouth_rendering.LIPS].mean(0) - self._size / 2).astype(int)
        patch = crop_padded(picture, origin, self._size, self._size)
        local = (points - origin).astype(np.float32)
        inside = bool((local > 1).all() and (local < self._size - 2).all())
        row = build_unit_row(
            self.frames[u],
            self._motion[u],
            sharpness=measure_sharpness(patch, local),
            colour=measure_ring_colour(patch, local),
            is_whole=inside,
        )
        self._buffer[u] = (patch, local, row)
        i = u // self._chunk
        start, stop = self._patches.span(i)
        if all(k in self._buffer for k in range(start, stop)):
            parts = [self._buffer.pop(k) for k in range(start, stop)]
            self._points.write(i, np.stack([p[1] for p in parts]))
            self._table.write(i, np.stack([p[2] for p in parts]))
            self._patches.write(i, np.stack([p[0] for p in parts]))


def _to_grey(patch: Array) -> Array:
    import cv2

    result: Array = cv2.cvtColor(to_eight_bits(patch), cv2.COLOR_RGB2GRAY)
    return result


def measure_sharpness(patch: Array, points: Array) -> float:
    """Detail around the lips: mean absolute Laplacian in the box of the lips of mouth points (100, 2)."""
    import cv2

    from lipdub.faces.mouth_rendering import LIPS

    low = np.maximum(points[LIPS].min(0).astype(int), 0)
    high = points[LIPS].max(0).astype(int) + 1
    box = _to_grey(patch)[low[1] : high[1], low[0] : high[0]]
    return float(np.abs(cv2.Laplacian(box, cv2.CV_32F)).mean()) if box.size else 0.0


def measure_ring_colour(patch: Array, points: Array) -> Array:
    """Mean RGB (0..1) of the skin between the lips' edge and the margin's outer ring."""
    import cv2

    from lipdub.faces.mouth_rendering import LIPS_OUTER, MARGIN_RING

    mask = np.zeros(patch.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(points[MARGIN_RING]).astype(np.int32)], 1)
    cv2.fillPoly(mask, [np.round(points[LIPS_OUTER]).astype(np.int32)], 0)
    top = 255.0 if patch.dtype == np.uint8 else 65535.0
    return np.array(cv2.mean(patch, mask)[:3]) / top
