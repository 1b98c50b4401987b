"""Restores crops by published networks: the network restores the whole dubbed face, and the crop takes the mouth of it.

The network sees the source's frame with sync's crop in it, aligned as it was trained: five points of the mesh on its
own template, by least squares, since a robust fit would jump between frames. Its picture is warped back to the crop,
and the mouth of it is blended in softly. If ParseNet's weights are installed, it finds mouth and lips on the restored
face, as in VideoReTalking (see `parse_faces`). Otherwise the tracked mesh does. The mesh is the source's and does not
know how far a dubbed mouth is open, so its outline reaches down to where the lower lip of an open one would be.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lipdub.faces.alignment.five_point import SIZE
from lipdub.options import OptionGroup, option
from lipdub.stages import inference
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.enhance.method import EnhanceMethod
from lipdub.stages.enhance.mouth_mask import draw_mouth_mask, parsed_mouth_mask
from lipdub.stages.frame_pass import FaceMeshes, FrameBatch, FramePass, run_frame_passes
from lipdub.stages.sync.store import CropStore, SyncStore, has_crop
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F64, Array
    from lipdub.media.pixels import Picture
    from lipdub.stages.base import StageContext
    from lipdub.stages.enhance.options import EnhanceOptions
    from lipdub.stages.sync.store import OutputPlan
    from lipdub.weights.store import VerifiedWeights

PARSERS = ("parsenet", "parsenet-facexlib")  # of one architecture, the preferred one first
RESTORE_BATCH = 4  # faces a device restores at once; a CPU is no faster with more than one
NOSE_TIP = 4  # its tip, in the mesh
FADE_PX = 32  # pixels over which a restored picture fades at its own edge
PARSED, OUTLINED = 1, 2  # in the store's ``parsed``
# Pictures seen smaller than by this factor are averaged instead of sampled.
COARSE = 1.5


@dataclass(frozen=True)
class RestorerOptions(OptionGroup):
    """How the network is shown the crop in the frame."""

    feather: float = option(
        0.04,
        "--feather",
        help="Width of the mask's soft edge, as a share of the crop. In a run it is the one of paste-back.",
        low=0,
        high=0.5,
        panel="Look",
        run_flags=(),
    )


class Restorer(EnhanceMethod):
    """A published network that restores whole faces; the crop takes the mouth of what it returns.

    Attributes:
        template: (5, 2) float64 where the network has eyes, nose tip and corners of the mouth, pixels of ``SIZE``.
        border: RGB of what lies beyond the frame.
        traits: How the network runs best.
    """

    options: ClassVar[type] = RestorerOptions
    uses_networks: ClassVar[bool] = True
    template: ClassVar[F64]
    border: ClassVar[tuple[int, int, int]]
    traits: ClassVar[inference.NetworkTraits]

    @abstractmethod
    def restore(self, network: Any, faces: Any) -> Any:
        """Restore faces (n, 3, SIZE, SIZE) RGB -1..1, a torch tensor."""

    def weight_files(self, options: EnhanceOptions) -> list[Path]:
        """Return the restorer's checkpoint and, where the options use one, the face parser's."""
        parser = find_parser(options)
        return [*super().weight_files(options), *([parser.path] if parser is not None else [])]

    def run(self, ctx: StageContext, options: EnhanceOptions) -> dict[str, Any]:
        """Restore the chunks that are missing."""
        (weights,), parser = self.weights.verify_files(WeightsStore()), find_parser(options)
        sync = SyncStore.from_context(ctx)
        crops, boxes = CropStore(ctx.store).create(sync.crops.shape, sync.crops.dtype, sync.crops.chunk)
        parsed = None
        if parser is not None:
            parsed = ctx.store.array("parsed", shape=(len(sync),), dtype="uint8", chunk=crops.chunk)
        wanted = has_crop(sync.read_boxes()) & sync.plan.is_dubbed
        restoration = _Restoration(ctx, options, self, sync)
        frames = FramePass(
            [crops, boxes] if parsed is None else [crops, boxes, parsed],
            sync.plan.source,
            wanted,
            restoration.restore,
            batch=RESTORE_BATCH if ctx.device != "cpu" else 1,
        )
        if frames.missing():
            network = inference.load_on_device(ctx, weights)
            restoration.network = inference.prepare_network(ctx, options, network, self.traits, int(wanted.sum()))
            restoration.parser = inference.load_on_device(ctx, parser) if parser is not None else None
            run_frame_passes(ctx, frames)
        return {
            "method": self.name,
            "crops": "enhance",
            "frames": len(sync),
            "mask": None if options.region != "mouth" else "parsing" if parser else "mesh",
            "notes": [
                *(item.trust_note for item in (weights, parser) if item and item.trust_note),
                *_mask_notes(options, parser, parsed),
            ],
        }


def _mask_notes(options: EnhanceOptions, parser: VerifiedWeights | None, how: Any) -> list[str]:
    """Return what a person should know of how the mouth was found."""
    if options.region != "mouth":
        return []
    if parser is None:
        if options.mask == "mesh":
            return []
        return [
            (
                "ParseNet's weights are not in the store, so the tracked mesh says where the mouth is "
                f"(lipdub weights pull {PARSERS[1]})"
            )
        ]
    found = how.read(0, len(how))
    missed, of = int((found == OUTLINED).sum()), int((found > 0).sum())
    text = f"what is restored is the mouth as ParseNet sees it ({parser.entry.name})"
    if missed:
        text += f", but for {missed} of {of} frames, in which it sees none: there the outline of the followed mesh"
    return [text]


class _Restoration:
    """Restores the batches of one run.

    Args:
        ctx: The stage's context.
        options: The stage's options, the restorer's own under ``own``.
        restorer: The method.
        sync: The crops to restore.

    Attributes:
        network: The restorer's network, prepared.
        parser: `networks.parsenet.ParseNet`, or None.
    """

    def __init__(self, ctx: StageContext, options: EnhanceOptions, restorer: Restorer, sync: SyncStore) -> None:
        detect = DetectStore.from_context(ctx)
        self._options, self._restorer, self._sync = options, restorer, sync
        self._meshes = FaceMeshes({track: detect.landmarks(track) for track in sync.tracks})
        self._boxes = sync.read_boxes()
        self._waiting: list[_ParsedFrame] = []
        self.network: Any = None
        self.parser: Any = None

    def restore(self, batch: FrameBatch) -> None:
        """Restore a batch into the chunk's content. Parsed faces wait for the chunk's last batch."""
        pixels, boxes = batch.out[:2]
        if batch.is_first:
            start, stop = batch.span
            pixels[...], boxes[...] = self._sync.crops.read_chunk(batch.chunk), self._boxes[start:stop]
            self._waiting = []
        if batch.items:
            self._restore_items(batch, pixels)
        if batch.is_last and self.parser is not None:
            _mix_parsed(self._waiting, self._sync.plan)
            for item in self._waiting:
                batch.out[2][item.k - batch.span[0]] = PARSED if item.known else OUTLINED

    def _restore_items(self, batch: FrameBatch, pixels: Array) -> None:
        plan, options = self._sync.plan, self._options
        places = [tuple(int(v) for v in self._boxes[k]) for k in batch.items]
        crops = [pixels[row, : y1 - y0, : x1 - x0] for row, (x0, y0, x1, y1) in zip(batch.rows, places, strict=True)]
        meshes = [self._meshes.read(int(plan.track[k]), int(plan.source[k]))[:, :2] for k in batch.items]
        restored = restore_faces(
            self._restorer, self.network, batch.inputs, crops, places, meshes, self.parser, options.own.feather
        )
        for k, crop, place, mesh, (face, known, mouth) in zip(
            batch.items, crops, places, meshes, restored, strict=True
        ):
            weight = known * np.float32(options.strength * plan.amount[k])
            if mouth is not None:
                self._waiting.append(_ParsedFrame(k, crop, place, face, weight, *mouth))
                continue
            if options.region == "mouth":
                weight *= draw_mouth_mask(mesh - place[:2], *crop.shape[:2])
            crop[..., :3] = blend_restored(crop, face, weight)


@dataclass(frozen=True)
class _ParsedFrame:
    """An output frame whose restored face waits for the mouths of its neighbours.

    It holds the frame's number, its crop (which is changed) and box, the face and its weight there, and of
    `restore_faces` the matrix, the mouth, and whether the parser saw it.
    """

    k: int
    crop: Array
    place: tuple[int, ...]
    face: Array
    weight: Array
    matrix: Array
    mouth: Array
    known: bool


def _mix_parsed(waiting: list[_ParsedFrame], plan: OutputPlan) -> None:
    """Blend the restored faces of a chunk into its crops, with mouths averaged over neighbouring frames.

    The average is 1, 2, 1 within the chunk alone, so that a chunk comes out the same whenever it is made.
    """
    for i, item in enumerate(waiting):
        total, weight = 2 * item.mouth.astype(np.float32), 2
        for other in waiting[max(0, i - 1) : i] + waiting[i + 1 : i + 2]:
            if follows_in_source(plan, min(item.k, other.k), max(item.k, other.k)):
                total, weight = total + other.mouth, weight + 1
        x0, y0, x1, y1 = item.place
        mask = warp_to_crop(
            total[..., None] / (255 * weight), shift_origin(item.matrix, x0, y0), x1 - x0, y1 - y0, (0.0,)
        )
        mask = np.clip(mask.reshape(y1 - y0, x1 - x0), 0, 1)
        item.crop[..., :3] = blend_restored(item.crop, item.face, item.weight * mask)


def follows_in_source(plan: OutputPlan, k: int, after: int) -> bool:
    """Return whether two output frames show one face at successive moments, forwards or backwards."""
    return bool(
        after == k + 1
        and plan.track[k] == plan.track[after]
        and abs(int(plan.source[k]) - int(plan.source[after])) <= 1
    )


def restore_faces(
    restorer: Restorer,
    network: Any,
    pictures: list[Picture],
    crops: list[Array],
    boxes: list[tuple[int, ...]],
    meshes: list[Array],
    parser: Any = None,
    feather: float = 0.04,
) -> list[tuple[Array, Array, tuple[Array, Array, bool] | None]]:
    """Restore dubbed faces, at the places of their crops.

    Args:
        restorer: The method.
        network: Its network, prepared.
        pictures: The source's frames.
        crops: (h, w, 4) each.
        boxes: (x0, y0, x1, y1) of each crop.
        meshes: (478, 2) each, display pixels.
        parser: `networks.parsenet.ParseNet`, or None.
        feather: Width of the mask's soft edge, as a share of the crop.

    Returns:
        For each face: (h, w, 3) float32 RGB 0..1; (h, w) float32 0..1, how far it is known there; and with a parser
        the matrix (2, 3) from frame to the network's square, the mouth there (SIZE, SIZE) uint8, and whether the
        parser saw it.
    """
    from lipdub.faces.alignment.five_point import fit_similarity

    matrices = [fit_similarity(average_five_points(mesh), restorer.template) for mesh in meshes]
    faces = [
        align_frame(*composite_frame(picture, crop, box, matrix, feather), matrix, restorer.border)
        for picture, crop, box, matrix in zip(pictures, crops, boxes, matrices, strict=True)
    ]
    ramp = np.minimum((np.arange(SIZE, dtype=np.float32) + 0.5) / FADE_PX, 1)
    ramp = np.minimum(ramp, ramp[::-1])
    known = np.minimum(ramp[:, None], ramp)[..., None]
    out = []
    made = _run_restorer(restorer, network, faces)
    mouths: Any = parse_faces(parser, made) if parser is not None else [None] * len(made)
    for face, mouth, matrix, mesh, (x0, y0, x1, y1) in zip(made, mouths, matrices, meshes, boxes, strict=True):
        back = warp_to_crop(
            np.concatenate([face, known], 2), shift_origin(matrix, x0, y0), x1 - x0, y1 - y0, (0, 0, 0, 0)
        )
        where = None
        if mouth is not None:
            mask, own = parsed_mouth_mask(mouth, np.asarray(mesh, np.float64) @ matrix[:, :2].T + matrix[:, 2])
            where = matrix, np.round(mask * 255).astype(np.uint8), own
        out.append((np.clip(back[..., :3], 0, 1), np.clip(back[..., 3], 0, 1), where))
    return out


def parse_faces(network: Any, faces: Array) -> Array:
    """Return how surely each pixel is mouth or lip.

    It returns probabilities rather than the likeliest class, which at an edge changes from frame to frame.

    Args:
        network: `networks.parsenet.ParseNet`.
        faces: (n, SIZE, SIZE, 3) RGB 0..1.

    Returns:
        (n, SIZE, SIZE) float32 0..1.
    """
    import torch

    from lipdub.networks.parsenet import CLASSES

    like = next(network.parameters())
    classes = [CLASSES.index(name) for name in ("mouth", "upper lip", "lower lip")]
    images = torch.from_numpy(faces).permute(0, 3, 1, 2).contiguous() * 2 - 1
    with torch.inference_mode():
        logits = network(images.to(like))[0].float()
        return np.asarray(logits.softmax(1)[:, classes].sum(1).cpu().numpy())


def _run_restorer(restorer: Restorer, network: Any, faces: list[Array]) -> Array:
    """Run faces (SIZE, SIZE, 3) RGB 0..1 through the network: (n, SIZE, SIZE, 3) 0..1."""
    import torch

    images = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).contiguous() * 2 - 1
    made = inference.run_network(network, restorer.restore, images).clamp(-1, 1)
    result: Array = ((made + 1) / 2).permute(0, 2, 3, 1).numpy()
    return result


def average_five_points(mesh: Array) -> Array:
    """Return eyes, nose and mouth corners of a mesh (478, 2), the picture's left ones first: (5, 2) float64."""
    from lipdub.faces.mesh import EYE_LEFT, EYE_RIGHT, LIPS_OUTER

    points = np.asarray(mesh, np.float64)
    eyes = [points[list(eye)].mean(0) for eye in (EYE_LEFT, EYE_RIGHT)]
    return np.stack([*eyes, points[NOSE_TIP], points[LIPS_OUTER[0]], points[LIPS_OUTER[10]]])


def composite_frame(
    picture: Picture, crop: Array, box: tuple[int, ...], matrix: Array, feather: float
) -> tuple[Array, tuple[int, int]]:
    """Return the part of a frame that the network's square shows, with the crop in it.

    The crop is pasted with paste-back's mask, but without matching its colour, which is still to come. What the
    network sees and returns is in the crop's own colours.

    Args:
        picture: The source's frame.
        crop: (h, w, 4).
        box: (x0, y0, x1, y1) of the crop.
        matrix: (2, 3) from frame to square.
        feather: Width of the mask's soft edge, as a share of the crop.

    Returns:
        (h, w, 3) float32 RGB 0..1, and where it begins in the frame.
    """
    from lipdub.blending.feather import crop_weight

    corners = np.array([[0, 0], [0, SIZE], [SIZE, SIZE], [SIZE, 0]]) - 0.5 - matrix[:, 2]
    corners = np.concatenate([np.linalg.solve(matrix[:, :2], corners.T).T, [box[:2], box[2:]]])
    limits = [picture.width, picture.height]
    x0, y0 = (int(v) for v in np.clip(np.floor(corners.min(0)), 0, limits))
    x1, y1 = (int(v) for v in np.clip(np.ceil(corners.max(0)) + 1, 0, limits))
    top = np.float32(np.iinfo(crop.dtype).max)
    shown = picture.rgb((x0, y0, x1, y1)).astype(np.float32) / top
    part = shown[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0]
    part += crop_weight(crop, feather)[..., None] * (crop[..., :3] / top - part)
    return shown, (x0, y0)


def align_frame(shown: Array, origin: tuple[int, int], matrix: Array, border: tuple[int, int, int]) -> Array:
    """Return the network's square (SIZE, SIZE, 3) float32 of a part of a frame that begins at `origin`."""
    import cv2

    back = cv2.invertAffineTransform(shift_origin(matrix, *origin))
    return np.clip(warp_to_crop(shown, back, SIZE, SIZE, tuple(v / 255 for v in border)), 0, 1)


def shift_origin(matrix: Array, x: int, y: int) -> Array:
    """Return a transform (2, 3) of points of the frame, for points counted from (x, y)."""
    return np.column_stack([matrix[:, :2], matrix @ [x, y, 1]])


def warp_to_crop(image: Array, matrix: Array, width: int, height: int, border: tuple[float, ...]) -> Array:
    """Warp an image to a crop.

    Args:
        image: (h, w, c) float32.
        matrix: (2, 3) similarity from pixels of the result to pixels of the image.
        width: Of the result.
        height: Of the result.
        border: Colour beyond the image.

    Returns:
        (height, width, c) float32.
    """
    import cv2

    step = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if step > COARSE:
        h, w = image.shape[:2]
        size = max(1, round(w / step)), max(1, round(h / step))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        ratio = np.array(size) / [w, h]
        # whole numbers are the middles of pixels
        matrix = matrix * ratio[:, None]
        matrix[:, 2] += (ratio - 1) / 2
    flags = (cv2.INTER_CUBIC if step < 1 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    result: Array = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderValue=border)
    return result


def blend_restored(crop: Array, face: Array, weight: Array) -> Array:
    """Blend a restored face into a crop, as far as a weight and the crop's own mask say.

    Args:
        crop: (h, w, 4).
        face: (h, w, 3) 0..1.
        weight: (h, w) 0..1.

    Returns:
        (h, w, 3) RGB of the crop's dtype.
    """
    top = np.float32(np.iinfo(crop.dtype).max)
    before = crop[..., :3].astype(np.float32)
    much = (weight * (crop[..., 3] / top))[..., None]
    result: Array = np.round(before + much * (face * top - before)).astype(crop.dtype)
    return result


def find_parser(options: EnhanceOptions) -> VerifiedWeights | None:
    """Return the weights of the face parser for these options; None where the mesh says where the mouth is.

    Raises:
        WeightsError: The options ask for a parser that is not in the store.
    """
    from lipdub.weights import manifest

    if options.region != "mouth" or options.mask == "mesh":
        return None
    store = WeightsStore()
    if options.mask == "auto" and not any(store.has(manifest.find_entry(name)) for name in PARSERS):
        return None
    return store.first(PARSERS)
