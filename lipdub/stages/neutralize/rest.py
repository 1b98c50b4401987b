"""neutralize, method `rest`: the inventory of units, the frames whose mouths may be shown elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.talker_tables import MotionColumn, MotionTable, build_unit_row
from lipdub.faces.unit_selection import MAX_UNIT_YAW
from lipdub.media.pixels import crop_padded, to_eight_bits
from lipdub.stages.frame_pass import FaceMeshes, FrameBatch, FrameCounter, FramePass, run_frame_passes
from lipdub.stages.neutralize.method import NeutralizeMethod
from lipdub.stages.neutralize.store import NeutralizeStore

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, Array
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.media.pixels import Picture
    from lipdub.stages.base import StageContext

# A talker's inventory; a minute of speech shows every mouth shape many times over.
MAX_UNITS = 1500


# Longer videos give runs of this many successive frames: natural motion needs successors.
RUN_FRAMES = 15


# Units are written in chunks of so many bytes, or units.
CHUNK_BYTES = 12 << 20
MAX_CHUNK = 64
# Percentiles of a talker's faces and mouths that a patch has room for.
SCALE_PERCENTILE, WIDTH_PERCENTILE, HEIGHT_PERCENTILE = 98, 99, 99.5
PATCH_FACTOR, PATCH_MARGIN_PX = 1.1, 12
# Side of the square that tells the colour of the brow: a share of the distance of the outer eye corners, and its least.
BROW_SHARE, MIN_BROW_PX = 0.14, 3
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
        usable = [talker for talker in talkers if talker["units"]]
        passes = [_describe_pass(ctx, talker, tracks[talker["id"]]) for talker in usable]
        counter = FrameCounter(ctx, sum(int(item.wanted.sum()) - item.count_finished() for item in passes))
        run_frame_passes(ctx, *passes, report=lambda batch: counter.add(len(batch.items)))
        return []


METHOD = Rest()


def _describe_pass(ctx: StageContext, talker: dict[str, Any], landmarks: TrackLandmarks) -> FramePass:
    """Describe the pass that cuts out the units of one track."""
    from lipdub.faces import mouth_rendering

    store, track = NeutralizeStore(ctx.store), talker["id"]
    source = np.array(talker["frames_of_units"])
    motion = store.read_motion(track)[source - talker["first"]]
    side = _measure_patch_side(motion)
    dtype = np.dtype("uint8" if ctx.video.bit_depth <= 8 else "uint16")
    chunk = max(1, min(len(source), MAX_CHUNK, CHUNK_BYTES // (side * side * 3 * dtype.itemsize)))
    units = store.create_units(track, len(source), side, dtype, chunk)
    meshes = FaceMeshes({track: landmarks})

    def cut(batch: FrameBatch) -> None:
        patches, mouth_points, table = batch.out
        for row, unit, picture in zip(batch.rows, batch.items, batch.inputs, strict=True):
            frame = int(source[unit])
            mesh = meshes.read(track, frame)
            points = mouth_rendering.extract_mouth_points(mesh)
            origin = np.floor(points[mouth_rendering.LIPS].mean(0) - side / 2).astype(int)
            patch = crop_padded(picture, origin, side, side)
            local = (points - origin).astype(np.float32)
            patches[row], mouth_points[row] = patch, local
            table[row] = build_unit_row(
                frame,
                motion.rows[unit],
                sharpness=measure_sharpness(patch, local),
                colour=measure_ring_colour(patch, local),
                brow_colour=measure_brow_colour(picture, mesh),
                is_whole=bool((local > 1).all() and (local < side - 2).all()),
            )

    return FramePass(units.arrays, source, np.ones(len(source), bool), cut)


def _measure_patch_side(motion: MotionTable) -> int:
    """Return the side in pixels of patches that hold the widest mouth, its margin, and room for interpolation."""
    from lipdub.faces import mouth_rendering

    scale = float(np.nanpercentile(motion.scale, SCALE_PERCENTILE))
    margin = 1 + mouth_rendering.MARGIN_OF_RADIUS
    widest = float(np.nanpercentile(motion.width, WIDTH_PERCENTILE)) * scale * margin
    height = float(np.nanpercentile(motion.rows[:, LIPS_AND_OPENING].sum(1), HEIGHT_PERCENTILE)) * scale * margin
    tallest = max(height, height / margin + mouth_rendering.MARGIN_OF_WIDTH * widest)
    return 2 * int(np.ceil((max(widest, tallest) * PATCH_FACTOR + PATCH_MARGIN_PX) / 2))


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


def measure_brow_colour(picture: Picture, mesh: F32) -> F64:
    """Measure the mean RGB (0..1) of the skin between the eyebrows, of a mesh (478, 2 or more) in the picture.

    No hand or microphone before the mouth changes it, but the light does.
    """
    left, top, side = find_brow_skin(mesh)
    patch = crop_padded(picture, np.array([left, top]), side, side)
    colour: F64 = patch.reshape(-1, 3).mean(0) / float(np.iinfo(patch.dtype).max)
    return colour


def find_brow_skin(mesh: F32) -> tuple[int, int, int]:
    """Find a square of skin between the eyebrows, of a mesh (478, 2 or more): left, top and side in pixels."""
    from lipdub.faces.mesh import BROW_MIDDLE, EYE_LEFT, EYE_RIGHT

    middle = mesh[list(BROW_MIDDLE), :2].mean(0)
    distance = float(np.linalg.norm(mesh[EYE_RIGHT[1], :2] - mesh[EYE_LEFT[0], :2]))
    side = max(MIN_BROW_PX, round(BROW_SHARE * distance))
    left, top = np.floor(middle - side / 2).astype(int)
    return int(left), int(top), side
