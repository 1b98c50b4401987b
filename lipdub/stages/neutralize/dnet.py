"""neutralize, method `dnet`: every face of a track drawn again with one expression, by VideoReTalking's D-Net.

Cheng et al., "VideoReTalking: Audio-based Lip Synchronization for Talking Head Video Editing In the Wild" (SIGGRAPH
Asia 2022), section 3.1. A regressor finds the 3DMM coefficients of each frame. Their expression is replaced by a
template, and D-Net draws the face again. The regressor's crop is aligned by landmarks of FAN, smoothed by a
Savitzky-Golay filter (as the paper says; its published script does not smooth). Without FAN's weights, the tracked
mesh aligns it. Unlike in the script, the crop follows the head, the coefficients are smoothed without lag within a
track, and FAN and GPEN look where the mesh says a face is, without another detector.

Store, per track id, over the frames of its span:

- ``box-ID`` (n, 4) int32: the upright square of the frame (`faces.alignment.head`), empty where nothing was drawn;
- ``fan-ID`` (n, 68, 2) float32, with FAN: its iBUG points in pixels of the frame, not smoothed, NaN where it found
  none;
- ``coefficients-ID`` (n, 262) float32: the vectors of `faces.coefficients`, NaN where none were found;
- ``reference-ID`` (n, 256, 256, 3) uint8 RGB: the crops as D-Net draws them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces import coefficients, expression, fan_landmarks, landmarks, smoothing
from lipdub.faces.alignment import fan, five_point, head, three_dmm
from lipdub.faces.track_landmarks import LANDMARK_BLOCK
from lipdub.options import option
from lipdub.stages import inference, targets
from lipdub.stages.frame_pass import FrameBatch, FrameCounter, FramePass, count_finished, run_frame_passes
from lipdub.stages.neutralize.method import PRIOR_WEIGHTS, DrawingOptions, NeutralizeMethod
from lipdub.stages.neutralize.store import NeutralizeStore, drawn_heads, has_box
from lipdub.stages.visibility import MAX_DRAWN_YAW_DEGREES, PROFILE_DEGREES
from lipdub.weights.requirement import AllOf, Shipped
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lipdub.arrays import F32, F64, I32, I64, U8, Array, Mask
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.media.pixels import Picture
    from lipdub.media.probe import MediaFacts
    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job
    from lipdub.weights.store import VerifiedWeights
    from lipdub.workspace import ChunkedArray

NETWORKS = ("face3d", "dnet")  # entries of the manifest that it cannot do without
RESTORER, TEMPLATES = "gpen-512", "expression"  # those it takes where they are
FAN = ("2dfan4", "2dfan4-script")  # the first of them that is there
# Without a template: the expression is the mean of this share of the frames, those with the smallest mouth opening.
CLOSED_SHARE = 0.1
SMOOTH_SECONDS = 0.2  # of the coefficients, and of FAN's landmarks
BATCH = 8
TRAITS = {
    "face3d": inference.NetworkTraits(item_bytes=32 << 20, batch=BATCH, channels_last=True, exact=True),
    "dnet": inference.NetworkTraits(
        item_bytes=256 << 20, batch=1, channels_last=True, exact=True
    ),  # it moves pixels by its flow
    RESTORER: inference.NetworkTraits(item_bytes=1300 << 20, batch=1, accelerated=30),
}


@dataclass(frozen=True)
class HeadTrack:
    """A track whose heads are drawn.

    Attributes:
        landmarks: Of the track.
        boxes: (n, 4) int32 of `faces.alignment.head`, empty where nothing is to be drawn.
    """

    landmarks: TrackLandmarks
    boxes: I32

    @property
    def id(self) -> int:
        """The track's id."""
        return self.landmarks.id

    @property
    def source(self) -> I64:
        """The source frames of the track, (n,)."""
        return np.arange(self.landmarks.first, self.landmarks.last + 1)

    @property
    def wanted(self) -> Mask:
        """Frames to draw, (n,) bool."""
        return has_box(self.boxes)

    def read_points(self, start: int, stop: int) -> F32:
        """Read the mesh's iBUG landmarks of frames counted from the track's first.

        Returns:
            (stop - start, 68, 2) in pixels of the frame, NaN where the face is not seen.
        """
        first = self.landmarks.first
        return landmarks.to_ibug(self.landmarks.read(first + start, first + stop))[..., :2]

    def read_all_points(self) -> F32:
        """Read the landmarks of all frames."""
        n = len(self.boxes)
        return np.concatenate([self.read_points(a, min(a + LANDMARK_BLOCK, n)) for a in range(0, n, LANDMARK_BLOCK)])

    def crop_points(self, frames: list[int]) -> F64:
        """Return the landmarks (k, 68, 2) of frames that lie together, in pixels of their crops."""
        points = self.read_points(frames[0], frames[-1] + 1)
        return np.stack([head.align(self.boxes[i]).to_crop(points[i - frames[0]]) for i in frames])


def _verify_weights(expression_option: str) -> dict[str, VerifiedWeights]:
    """Verify the files an expression works with: those needed, and the optional ones that are in the store.

    Returns:
        Name in the manifest to file.
    """
    from lipdub.weights import manifest
    from lipdub.weights.store import WeightsStore

    store, names = WeightsStore(), list(NETWORKS)
    # The talker's own face can stand in for a neutral expression, but not for a smile.
    is_named = expression_option in expression.NAMED_EXPRESSIONS
    if is_named and (expression_option != "neutral" or store.has(manifest.find_entry(TEMPLATES))):
        names.append(TEMPLATES)
    if store.has(manifest.find_entry(RESTORER)):
        names.append(RESTORER)
    names += [name for name in FAN if store.has(manifest.find_entry(name))][:1]
    return {name: store.verify(manifest.find_entry(name)) for name in names}


@dataclass(frozen=True)
class DNetOptions(DrawingOptions):
    """The expression, and what is drawn with it."""

    expression: str = option(
        "neutral",
        "--expression",
        help="Recipe retalking: expression of the face before it speaks. "
        "neutral, smile, a picture of a face, or a file of 64 coefficients.",
        metavar="NAME|FILE",
        panel="Look",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        expression.parse_expression(self.expression)


class DNet(NeutralizeMethod):
    """Every face drawn again with one expression."""

    name = "dnet"
    summary = "faces drawn again with one expression, by D-Net of VideoReTalking (Cheng et al., 2022)"
    options = DNetOptions
    weights = AllOf(Shipped(PRIOR_WEIGHTS), *NETWORKS)
    uses_networks = True
    draws_faces = True

    def weight_files(self, options: Any) -> list[Path]:
        """Return the files of the mouth's response, of the networks needed, and of the optional ones in the store."""
        shipped = Shipped(PRIOR_WEIGHTS).paths(WeightsStore())
        return [*shipped, *(item.path for item in _verify_weights(options.own.expression).values())]

    def input_files(self, options: Any) -> list[Path]:
        """Return the file of the expression, if it is one."""
        path = expression.parse_expression(options.own.expression)
        return [path] if isinstance(path, Path) else []

    def check(self, job: Job, facts: MediaFacts, options: Any) -> None:
        """Read the expression, so that a wrong file stops the run before its heavy work."""
        expression.check_expression(options.own.expression)

    def run_tracks(
        self, ctx: StageContext, options: Any, talkers: list[dict[str, Any]], tracks: dict[int, TrackLandmarks]
    ) -> list[str]:
        """Draw the references of the tracks, missing chunks only."""
        weights = _verify_weights(options.own.expression)
        is_used = targets.frames_in_range(ctx, options.own.start, options.own.end)
        heads = [HeadTrack(track, _read_boxes(ctx, track, is_used)) for track in tracks.values()]
        landmarker = next((name for name in FAN if name in weights), None)
        arrays = [_create_arrays(ctx, track, has_fan=landmarker is not None) for track in heads]
        items = sum(int(track.wanted.sum()) for track in heads)
        counter = FrameCounter(ctx, items * (3 if landmarker else 2))
        for track, made in zip(heads, arrays, strict=True):
            counter.add(sum(count_finished([array], track.wanted) for array in made.all()))
        networks = _Networks(ctx, options, weights, items)
        template = _template(ctx, options.own.expression, weights, networks)
        for track, made in zip(heads, arrays, strict=True):
            if landmarker and made.fan is not None:
                _find_fan_points(ctx, track, lambda: networks(landmarker), made.fan, counter)
        networks.release(landmarker)
        for track, made in zip(heads, arrays, strict=True):
            _regress(ctx, track, lambda: networks("face3d"), made, counter)
        networks.release("face3d")
        for track, made in zip(heads, arrays, strict=True):
            _draw(ctx, track, template, networks, made, counter)
        return [*_weights_notes(options.own.expression, weights), _landmarks_note(landmarker, heads, arrays)]


METHOD = DNet()


def _weights_notes(expression_option: str, weights: Mapping[str, VerifiedWeights]) -> list[str]:
    """Return what a person should know of the weights that were used, and of those that were not there."""
    notes = [item.trust_note for item in weights.values() if item.trust_note]
    if RESTORER not in weights:
        notes.append(
            "GPEN's weights are not in the store, so the references are as D-Net draws them: softer than those "
            f"L-Net was trained with (lipdub weights pull {RESTORER})"
        )
    if expression_option == "neutral" and TEMPLATES not in weights:
        notes.append(
            "expression.mat is not in the store, so the references have the talker's own expression with the mouth "
            f"shut (lipdub weights pull {TEMPLATES})"
        )
    return notes


class _Networks:
    """The networks of verified files, prepared for the run's device. Each is loaded when it is first called for."""

    def __init__(self, ctx: StageContext, options: Any, kept: dict[str, Any], items: int) -> None:
        self._ctx = ctx
        self._options = options
        self._items = items
        self._kept = kept
        self._loaded: dict[str, Any] = {}

    def __call__(self, name: str) -> Any:
        if name not in self._loaded:
            network = inference.load_on_device(self._ctx, self._kept[name])
            if name in TRAITS:
                network = inference.prepare_network(self._ctx, self._options, network, TRAITS[name], self._items)
            self._loaded[name] = network
        return self._loaded[name]

    def has(self, name: str) -> bool:
        """Return whether a network's weights are there."""
        return name in self._kept

    def release(self, name: str | None) -> None:
        """Free the memory of a network that is no longer needed."""
        if name is not None and self._loaded.pop(name, None) is not None:
            inference.release_gpu_memory()


def _landmarks_note(landmarker: str | None, heads: list[HeadTrack], arrays: list[_HeadArrays]) -> str:
    """Return what a person should know of the landmarks that align the regressor's crops."""
    if landmarker is None:
        return (
            "FAN's weights are not in the store: the faces are aligned by the followed mesh's landmarks instead "
            f"(lipdub weights pull {FAN[0]})"
        )
    wanted = sum(int(track.wanted.sum()) for track in heads)
    points = [made.fan.read(0, len(made.fan)) for made in arrays if made.fan is not None]
    found = sum(int(np.isfinite(part[:, 0, 0]).sum()) for part in points)
    text = f"the faces are aligned by FAN's landmarks ({landmarker})"
    if found < wanted:
        text += f", but for {wanted - found} of {wanted} frames, in which they are not where the mesh sees the face"
    return text


@dataclass(frozen=True)
class _HeadArrays:
    """The arrays of one track, as the module's docstring lists them; ``fan`` is None without FAN's weights."""

    coefficients: ChunkedArray
    references: ChunkedArray
    fan: ChunkedArray | None

    def all(self) -> list[ChunkedArray]:
        arrays = (self.coefficients, self.references, self.fan)
        return [array for array in arrays if array is not None]


def _create_arrays(ctx: StageContext, track: HeadTrack, *, has_fan: bool) -> _HeadArrays:
    n, store, fan_points = len(track.boxes), ctx.store, None
    references = drawn_heads(store, track.id).create_faces(n, head.SIZE)
    chunk, shape = references.chunk, (n, coefficients.VECTOR_LENGTH)
    table = store.array(f"coefficients-{track.id}", shape=shape, dtype="float32", chunk=chunk)
    if has_fan:
        points_shape = n, fan_landmarks.POINT_COUNT, 2
        fan_points = store.array(f"fan-{track.id}", shape=points_shape, dtype="float32", chunk=chunk)
    return _HeadArrays(table, references, fan_points)


def _read_boxes(ctx: StageContext, track: TrackLandmarks, is_used: Mask) -> I32:
    """Read the square of each used frame of a track, or fit it: (frames, 4) int32."""
    frames = track.last - track.first + 1
    return drawn_heads(ctx.store, track.id).write_places(lambda: _fit_boxes(ctx, track, is_used), frames, "int32")


def _fit_boxes(ctx: StageContext, track: TrackLandmarks, is_used: Mask) -> I32:
    first, end = track.first, track.last + 1
    squares = [
        head.fit_squares(landmarks.to_ibug(track.read(a, min(a + LANDMARK_BLOCK, end)))[..., :2])
        for a in range(first, end, LANDMARK_BLOCK)
    ]
    boxes = head.fit_boxes(np.concatenate(squares), track.interval)
    yaw = NeutralizeStore(ctx.store).read_motion(track.id).yaw
    boxes[~(np.abs(yaw) <= MAX_DRAWN_YAW_DEGREES) | ~is_used[first:end]] = 0
    return boxes


def _find_fan_points(
    ctx: StageContext, track: HeadTrack, network: Callable[[], Any], array: ChunkedArray, counter: FrameCounter
) -> None:
    """Find FAN's landmarks of the missing chunks."""
    if not array.missing():
        return
    mesh = track.read_all_points()
    boxes = np.zeros((len(mesh), 4), np.int32)
    boxes[track.wanted] = fan.fit_boxes(mesh[track.wanted])

    def cut(picture: Picture, index: int) -> U8:
        return fan.align(boxes[index]).crop_picture(picture)

    def find(batch: FrameBatch) -> None:
        if not batch.items:
            return
        points = fan_landmarks.find_landmarks(network(), np.stack(batch.inputs))
        points = np.stack([fan.align(boxes[i]).to_frame(p) for p, i in zip(points, batch.items, strict=True)])
        is_known = fan_landmarks.match_known(points, mesh[batch.items])
        batch.out[0][np.array(batch.rows)[is_known]] = points[is_known]

    frames = FramePass([array], track.source, track.wanted, find, load=cut, batch=BATCH)
    run_frame_passes(ctx, frames, report=lambda batch: counter.add(len(batch.items)))


def select_alignment_points(found: Array, mesh: Array, wanted: Array, interval: float) -> Array:
    """Return the landmarks that a track's faces are aligned by: FAN's, smoothed without lag.

    Where FAN found none, the mesh's, shifted by what FAN's differ from them in the frames around.

    Args:
        found: (n, 68, 2), NaN where FAN found none.
        mesh: (n, 68, 2).
        wanted: (n,) bool.
        interval: Seconds between frames.

    Returns:
        (n, 68, 2), NaN where not wanted.
    """
    n = len(found)
    off = (found - mesh).reshape(n, -1).astype(np.float64)
    known = np.flatnonzero(np.isfinite(off[:, 0]))
    frames = np.arange(n)
    if len(known):
        off = np.column_stack([np.interp(frames, known, column[known]) for column in off.T])
    else:
        off = np.zeros_like(off)
    points = np.where(wanted[:, None, None], mesh + off.reshape(mesh.shape), np.nan)
    window = smoothing.count_window_frames(SMOOTH_SECONDS, interval)
    for a, b in smoothing.find_runs(wanted):
        points[a:b] = smoothing.savgol_filter(points[a:b], window)
    return points


def _regress(
    ctx: StageContext, track: HeadTrack, regressor: Callable[[], Any], arrays: _HeadArrays, counter: FrameCounter
) -> None:
    """Find the coefficients of the missing chunks, aligned by FAN's landmarks where there are any."""
    if not arrays.coefficients.missing():
        return
    smooth = None
    if arrays.fan is not None:
        found = arrays.fan.read(0, len(arrays.fan))
        smooth = select_alignment_points(found, track.read_all_points(), track.wanted, track.landmarks.interval)

    def regress(batch: FrameBatch) -> None:
        if not batch.items:
            return
        if smooth is None:
            points = track.crop_points(batch.items)
        else:
            points = np.stack([head.align(track.boxes[i]).to_crop(smooth[i]) for i in batch.items])
        batch.out[0][batch.rows] = regress_coefficients(regressor(), np.stack(batch.inputs), points)

    frames = FramePass(
        [arrays.coefficients], track.source, track.wanted, regress, load=_cut_with(track.boxes), batch=BATCH
    )
    run_frame_passes(ctx, frames, report=lambda batch: counter.add(len(batch.items)))


def _cut_with(boxes: I32) -> Callable[[Picture, int], U8]:
    """Return what cuts the crop (256, 256, 3) of a track's frame out of its picture."""
    return lambda picture, index: _cut(picture, boxes[index])


def _cut(picture: Picture, box: I32) -> U8:
    """Return the crop (256, 256, 3) uint8 RGB of a box. Beyond the picture its edge is repeated."""
    return head.align(box).crop_picture(picture)


def regress_coefficients(regressor: Any, crops: Array, points: Array) -> Array:
    """Regress the frame vectors of crops.

    Args:
        regressor: `networks.recon.FaceRegressor`.
        crops: (n, 256, 256, 3) uint8 RGB.
        points: (n, 68, 2) iBUG landmarks in the crops.

    Returns:
        (n, 262) float32.
    """
    import torch

    size = crops.shape[1]
    alignments = [three_dmm.align(five_point.select_five_points(p), size, size) for p in points]
    faces = np.stack([alignment.crop(crop) for crop, alignment in zip(crops, alignments, strict=True)])
    images = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255
    found = inference.run_network(regressor, inference.call_directly, images).numpy()
    return coefficients.join_vectors(found, np.array([alignment.row for alignment in alignments]))


def _template(ctx: StageContext, asked: str, kept: dict[str, Any], network: _Networks) -> Array | None:
    """Return the expression (64,) of all references; None for the talker's own with the mouth closed."""
    path = expression.parse_expression(asked)
    if isinstance(path, Path):
        if path.suffix.lower() in expression.ARRAY_SUFFIXES:
            return expression.read_expression_array(path)
        landmarker = next((name for name in FAN if name in kept), None)
        return _picture_expression(ctx, path, network("face3d"), network(landmarker) if landmarker else None)
    return expression.read_template(kept[TEMPLATES].path, path) if TEMPLATES in kept else None


def _picture_expression(ctx: StageContext, picture: Path, regressor: Any, landmarker: Any = None) -> Array:
    """Return the expression of the face in a picture, aligned by the landmarks of FAN where it is given.

    Raises:
        InputError: The picture shows no face.
    """
    from lipdub.stages.detect.picture import find_face_in_picture

    frame, mesh = find_face_in_picture(ctx, picture, "the picture")
    points = landmarks.to_ibug(mesh)[:, :2]
    box = head.fit_boxes(head.fit_squares(points[None]), 1.0)[0]
    if landmarker is not None:
        alignment = fan.align(fan.fit_boxes(points[None])[0])
        better = alignment.to_frame(fan_landmarks.find_landmarks(landmarker, alignment.crop_picture(frame)[None]))
        points = better[0] if fan_landmarks.match_known(better, points[None])[0] else points
    vector = regress_coefficients(regressor, _cut(frame, box)[None], head.align(box).to_crop(points)[None])[0]
    result: Array = vector[coefficients.EXPRESSION]
    return result


def _rows(ctx: StageContext, track: HeadTrack, table: ChunkedArray, template: F32 | None) -> F32:
    """Return the input of D-Net for each frame of a track, with the template's expression.

    Returns:
        (n, 73) float32, NaN where nothing is known of the frame.
    """
    rows = np.concatenate([coefficients.build_rows(table.read_chunk(i)) for i in range(table.chunks)])
    if template is None:
        motion = NeutralizeStore(ctx.store).read_motion(track.id)
        template = closed_mouth_expression(rows[:, : expression.EXPRESSION_LENGTH], motion.opening, np.abs(motion.yaw))
    window = smoothing.count_window_frames(SMOOTH_SECONDS, track.landmarks.interval)
    for a, b in smoothing.find_runs(np.isfinite(rows[:, 0])):
        rows[a:b] = coefficients.replace_expression(smoothing.savgol_filter(rows[a:b], window), template)
    return rows


def closed_mouth_expression(expressions: Array, opening: Array, yaw: Array) -> Array:
    """Return a talker's mean expression with the mouth closed.

    Args:
        expressions: (n, 64).
        opening: (n,).
        yaw: (n,) degrees.

    Returns:
        (64,); zero, the model's own rest, where nothing is known.
    """
    known = np.flatnonzero(np.isfinite(expressions[:, 0]) & np.isfinite(opening))
    if not len(known):
        return np.zeros(expression.EXPRESSION_LENGTH, np.float32)
    frontal = known[yaw[known] <= max(PROFILE_DEGREES / 2, float(yaw[known].min()))]
    order = frontal[np.argsort(opening[frontal], kind="stable")]
    result: Array = expressions[order[: max(1, round(CLOSED_SHARE * len(order)))]].mean(0)
    return result


def _draw(
    ctx: StageContext,
    track: HeadTrack,
    template: F32 | None,
    networks: _Networks,
    arrays: _HeadArrays,
    counter: FrameCounter,
) -> None:
    """Draw the missing chunks of references with D-Net and, if it is installed, GPEN."""
    if not arrays.references.missing():
        return
    rows = _rows(ctx, track, arrays.coefficients, template)
    runs = {run: rows[slice(*run)] for run in smoothing.find_runs(np.isfinite(rows[:, 0]))}

    def draw(batch: FrameBatch) -> None:
        if not batch.items:
            return
        items, crops = np.array(batch.items), np.stack(batch.inputs)
        windows = np.empty((len(items), coefficients.ROW_LENGTH, coefficients.WINDOW_FRAMES), np.float32)
        for (first, end), run in runs.items():
            inside = (items >= first) & (items < end)
            windows[inside] = coefficients.build_windows(run, items[inside] - first)
        drawn = draw_faces(networks("dnet"), crops, windows)
        if networks.has(RESTORER):
            drawn = restore_faces(networks(RESTORER), drawn, track.crop_points(batch.items))
        batch.out[0][batch.rows] = drawn

    frames = FramePass([arrays.references], track.source, track.wanted, draw, load=_cut_with(track.boxes), batch=BATCH)
    run_frame_passes(ctx, frames, report=lambda batch: counter.add(len(batch.items)))


def draw_faces(network: Any, crops: Array, windows: Array) -> Array:
    """Draw crops with D-Net.

    Args:
        network: `networks.dnet.DNet`, prepared or not.
        crops: (n, 256, 256, 3) uint8 RGB.
        windows: (n, 73, 26) float32.

    Returns:
        (n, 256, 256, 3) uint8 RGB.
    """
    import torch

    return _to_bytes(inference.run_network(network, _call_dnet, _to_centred_tensor(crops), torch.from_numpy(windows)))


def _call_dnet(network: Any, crops: Any, windows: Any) -> Any:
    return network(crops, windows).image


def restore_faces(network: Any, crops: Array, points: Array) -> Array:
    """Restore the faces of crops with GPEN.

    Args:
        network: `networks.gpen.GPEN`, prepared or not.
        crops: (n, 256, 256, 3) uint8 RGB.
        points: (n, 68, 2) iBUG landmarks in the crops.

    Returns:
        (n, 256, 256, 3) uint8 RGB.
    """
    import cv2

    size, out = crops.shape[1], crops.copy()
    alignments = [five_point.align(five_point.select_five_points(p), five_point.GPEN_TEMPLATE) for p in points]
    aligned = np.stack([alignment.crop(crop) for crop, alignment in zip(crops, alignments, strict=True)])
    made = _to_bytes(inference.run_network(network, inference.call_directly, _to_centred_tensor(aligned)))
    for i, (alignment, face) in enumerate(zip(alignments, made, strict=True)):
        back = cv2.warpAffine(
            face,
            alignment.matrix,
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        weight = draw_face_weight(points[i], size)[..., None]
        out[i] = np.round(crops[i] + weight * (back.astype(np.float32) - crops[i])).astype(np.uint8)
    return out


def draw_face_weight(points: Array, size: int) -> Array:
    """Draw a soft mask of the face with these iBUG landmarks (68, 2).

    Returns:
        (size, size) float32: 1 inside, 0 far outside.
    """
    import cv2

    mask = np.zeros((size, size), np.float32)
    cv2.fillConvexPoly(mask, np.round(cv2.convexHull(points.astype(np.float32))).astype(np.int32), 1.0)
    result: Array = cv2.GaussianBlur(mask, (0, 0), size / 50)
    return result


def _to_centred_tensor(pictures: Array) -> Any:
    """Return pictures (n, h, w, 3) uint8 as a tensor (n, 3, h, w) in -1..1."""
    import torch

    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def _to_bytes(made: Any) -> Array:
    """Return a tensor (n, 3, h, w) of about -1..1 as (n, h, w, 3) uint8."""
    pictures = made.float().cpu().permute(0, 2, 3, 1).numpy()
    result: Array = np.round((pictures.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
    return result
