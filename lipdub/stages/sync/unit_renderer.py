"""Draws the crops of method `units`: the source's lower face warped to the wanted shape, with the units' mouths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lipdub.arrays import F32, F64, I32, U8, Array
    from lipdub.faces.mouth_rendering import MouthUnit
    from lipdub.media.pixels import Picture
    from lipdub.stages.frame_pass import FrameBatch
    from lipdub.stages.sync.unit_plan import UnitPlan, UnitTalker

MIN_SIDE_PX = 16  # no smaller face is drawn
# A crop reaches beyond its points by so many pixels, and by so much of their width.
BOX_MARGIN_PX = 4
BOX_MARGIN_SHARE = 0.06
# A pixel that was moved by this share of a pixel begins to count as changed, and counts fully after a further share.
MOVED_FROM, MOVED_RAMP = 0.05, 0.3
# Of the mouth's own mask, less than this is nothing.
MIN_MOUTH_WEIGHT = 0.004
MASK_GROWTH = 0.02  # of the crop's width
# Units kept in memory; where there are more, the oldest give way, since neighbours in time come next.
CACHED_UNITS = 192
DROPPED_UNITS = 64
NEIGHBOURS = 16  # units before and after one that is read, which are kept, too


@dataclass(frozen=True)
class FaceGeometry:
    """The landmarks of one output frame, display pixels.

    Attributes:
        source: (478, 2) as the source shows the face.
        target: (478, 3) as the speech asks for it, with its depth.
        anchors: (a, 2) points around the lower face that keep their places.
        scale: Pixels per eye distance.
    """

    source: Array
    target: Array
    anchors: Array
    scale: float


class UnitRenderer:
    """Draws the dubbed crops of all talkers.

    Args:
        talkers: The tracks to dub, by id.
        plan: What every output frame shows.
        shape: Of the crops' array, (n, height, width, 4).
        mask: Which part of the face may change, a name in `faces.masks.MASKS`.
    """

    def __init__(self, talkers: Mapping[int, UnitTalker], plan: UnitPlan, shape: tuple[int, ...], mask: str) -> None:
        self._plan = plan
        size = shape[2], shape[1]
        self._talkers = {track: _TalkerRenderer(talker, plan, size, mask) for track, talker in talkers.items()}

    def look_up(self, batch: FrameBatch) -> tuple[FaceGeometry | None, list[MouthUnit]]:
        """Return the landmarks and the mouths of the batch's only frame. The caches are not made for threads."""
        if batch.is_first:
            for track, talker in self._talkers.items():
                talker.prepare([k for k in batch.chunk_items if self._plan.track[k] == track])
        if not batch.items:
            return None, []
        (k,) = batch.items
        return self._talkers[int(self._plan.track[k])].look_up(k)

    def draw(self, batch: FrameBatch, face: tuple[FaceGeometry | None, list[MouthUnit]]) -> None:
        """Draw the batch's only frame into its crop. Threads may call it at once."""
        geometry, units = face
        if geometry is None:
            return
        (k,), (row,) = batch.items, batch.rows
        pixels, boxes = batch.out
        talker = self._talkers[int(self._plan.track[k])]
        boxes[row] = talker.draw(batch.inputs[0], geometry, units, float(self._plan.amount[k]), pixels[row])


class _TalkerRenderer:
    """Draws the dubbed crops of one talker."""

    def __init__(self, talker: UnitTalker, plan: UnitPlan, max_size: tuple[int, int], mask: str) -> None:
        from lipdub.faces import landmark_animation

        self._talker, self._plan = talker, plan
        self._max_size, self._mask = max_size, mask
        self._skin = talker.skin
        self._follow = landmark_animation.compute_follow_weights(self._skin)
        self._near = len(self._skin.anchors) // 2
        self._geometry: dict[int, FaceGeometry] = {}
        self._units: dict[int, tuple[Array, F64]] = {}

    def prepare(self, frames: list[int]) -> None:
        """Compute the landmarks of the output frames of a chunk."""
        from lipdub.faces import landmark_animation, mouth_rendering

        self._geometry = {}
        if not frames:
            return
        talker, response = self._talker, self._talker.response
        sources = self._plan.source[frames]
        # Frames of a chunk lie together in the source, except across a loop's seam.
        for low, high in _spans(sources, 4 * landmark_animation.count_residual_margin(talker.landmarks)):
            posed = landmark_animation.pose_frames(talker.landmarks, talker.canonical, response, low, high)
            if posed is None:
                continue
            outputs = np.array(frames)[(sources >= low) & (sources <= high)]
            rows = posed.rows(self._plan.source[outputs])
            outputs, rows = outputs[rows >= 0], rows[rows >= 0]
            if not len(outputs):
                continue
            shapes = mouth_rendering.build_target_shapes(
                response, posed.residual[rows], self._plan.wanted[outputs], posed.shape[rows], self._follow
            )
            poses = posed.pose[rows]
            targets = poses.apply(shapes)
            anchors = poses.apply(np.broadcast_to(self._skin.anchors, (len(rows), *self._skin.anchors.shape)))[..., :2]
            for i, k in enumerate(outputs.tolist()):
                self._geometry[k] = FaceGeometry(
                    posed.points[rows[i], :, :2], targets[i], anchors[i], float(poses.scale[i])
                )

    def look_up(self, k: int) -> tuple[FaceGeometry | None, list[MouthUnit]]:
        """Return the landmarks of an output frame, None where its face is not seen, and the mouths it shows."""
        from lipdub.faces.mouth_rendering import MouthUnit

        geometry = self._geometry.get(k)
        if geometry is None:
            return None, []
        scales = self._talker.units.scale
        return geometry, [
            MouthUnit(*self._read_unit(unit), share, float(scales[unit]) / geometry.scale)
            for unit, share in self._plan.mixture[k]
        ]

    def draw(
        self, picture: Picture, geometry: FaceGeometry, units: list[MouthUnit], amount: float, out: Array
    ) -> tuple[int, int, int, int]:
        """Draw a frame.

        Args:
            picture: The source's frame.
            geometry: Its landmarks.
            units: The mouths it shows.
            amount: How far it is dubbed, 0..1.
            out: (h, w, 4), the crop to draw into.

        Returns:
            The crop's box, empty if the face is too small to be drawn.
        """
        import cv2

        from lipdub.faces import mouth_rendering

        skin = self._skin
        points = [geometry.source[skin.vertices], geometry.target[skin.vertices, :2], geometry.anchors[: self._near]]
        box = self._fit_box(np.concatenate(points), picture.width, picture.height)
        x0, y0, x1, y1 = box
        if x1 - x0 < MIN_SIDE_PX or y1 - y0 < MIN_SIDE_PX:
            return 0, 0, 0, 0
        origin = np.array([x0, y0])
        target = geometry.target[:, :2] - origin
        image = picture.rgb(box)
        crop, moved = mouth_rendering.warp_skin(
            image, skin, geometry.source - origin, target, geometry.anchors - origin
        )
        mouth = mouth_rendering.extract_mouth_points(np.concatenate([target, np.zeros((len(target), 1))], 1))
        crop = crop if crop is not image else image.copy()
        mask, _ = mouth_rendering.composite_mouth(crop, mouth, units, amount)
        # Nothing outside the lower face and the ring of anchors round its jaw is ever changed.
        h, w = crop.shape[:2]
        face = self._draw_mask(geometry.target - np.array([x0, y0, 0.0]), h, w)
        changed = np.clip((moved - MOVED_FROM) / MOVED_RAMP, 0, 1) * face
        left, top, right, bottom = mouth_rendering.compute_mouth_box(mouth, h, w)
        part = changed[top:bottom, left:right]
        part[...] = np.maximum(part, (mask > MIN_MOUTH_WEIGHT).astype(np.float32))
        opacity = (_grow_mask(changed, MASK_GROWTH * w) * np.iinfo(crop.dtype).max).astype(crop.dtype)
        cv2.mixChannels([crop, opacity], [out[:h, :w]], [0, 0, 1, 1, 2, 2, 3, 3])
        return box

    def _draw_mask(self, target: Array, height: int, width: int) -> U8:
        """Draw where the crop may change: inside the ring of anchors, and inside the mask that was asked for."""
        from lipdub.faces.masks import DEFAULT_MASK, MASKS, outlines
        from lipdub.faces.mouth_rendering import ANCHOR_REACH

        reach = outlines.draw_lower_face(target, height, width, ANCHOR_REACH)
        return reach if self._mask == DEFAULT_MASK else reach & MASKS.get(self._mask).draw(target, height, width)

    def _fit_box(self, points: Array, width: int, height: int) -> tuple[int, int, int, int]:
        """Return a box with even corners around the points, inside the picture and no larger than the crop array."""
        margin = BOX_MARGIN_PX + BOX_MARGIN_SHARE * np.ptp(points[:, 0])
        low = np.maximum(np.floor(points.min(0) - margin), 0).astype(int)
        high = np.minimum(np.ceil(points.max(0) + margin), [width, height]).astype(int)
        low -= low % 2
        size = np.minimum(high - low, self._max_size)
        return int(low[0]), int(low[1]), int(low[0] + size[0]), int(low[1] + size[1])

    def _read_unit(self, unit: int) -> tuple[Array, F64]:
        """Read the patch and the mouth points of a unit."""
        if unit not in self._units:
            if len(self._units) >= CACHED_UNITS:
                for oldest in list(self._units)[:DROPPED_UNITS]:
                    del self._units[oldest]
            arrays = self._talker.arrays
            start, stop = arrays.patches.span(unit // arrays.patches.chunk)
            patches, points = arrays.patches.read(start, stop), arrays.points.read(start, stop)
            for i in range(max(start, unit - NEIGHBOURS), min(stop, unit + NEIGHBOURS + 1)):
                if i not in self._units:
                    self._units[i] = patches[i - start].copy(), points[i - start].astype(np.float64)
        return self._units[unit]


def _grow_mask(changed: Array, reach: float) -> F32:
    """Return the mask of what was changed, grown by about `reach` pixels.

    So its soft edge lies where both pictures are alike. It is 0 along the crop's border. Computed at half the size.

    Args:
        changed: (h, w).
        reach: Pixels.

    Returns:
        (h, w) float32 0..1.
    """
    import cv2

    h, w = changed.shape
    small = cv2.resize(changed, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA)
    side = 2 * max(1, round(reach / 2)) + 1
    grown: U8 = cv2.dilate((small * 255).astype(np.uint8), np.ones((side, side), np.uint8))
    edge = side + 1
    grown[:edge], grown[-edge:], grown[:, :edge], grown[:, -edge:] = 0, 0, 0, 0
    mask = cv2.resize(cv2.blur(grown, (side, side)), (w, h), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    result: F32 = mask / 255
    return result


def _spans(frames: I32, gap: int) -> list[tuple[int, int]]:
    """Return inclusive spans that hold the frames, joined where they are at most `gap` apart."""
    ordered = np.unique(frames)
    cut = np.flatnonzero(np.diff(ordered) > gap) + 1
    return [(int(part[0]), int(part[-1])) for part in np.split(ordered, cut)]
