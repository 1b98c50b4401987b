"""sync, method `g4g`: the talker's own pixels, moved to where the speech's lips are.

Zhang et al., "G4G: A Generic Framework for High Fidelity Talking Face Generation with Fine-grained Intra-modal
Alignment" (2024). Each frame is drawn from itself with the lower face hidden, from references of the same talker, from
the sound around it and from landmarks: those of the talker's own face with the lips that the speech asks for
(`faces.landmark_animation`). The references are chosen among the units of neutralize's `rest`, spread from shut to wide
open, near in pose to the frames that are dubbed. They are the same in all frames: in a trial, several sets for poses of
a moving head, between which the result faded, drew blurred mouths. Only mouth and chin are drawn; the cheeks stay the
frame's own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError
from lipdub.faces import mesh, unit_selection
from lipdub.faces.alignment import full_face
from lipdub.faces.alignment.tall_face import ZOOM
from lipdub.faces.compositing import composite_crop, crop_at, mix_inside
from lipdub.faces.landmark_image import draw_landmarks
from lipdub.faces.masks import MASKS
from lipdub.faces.masks.outlines import draw_hull
from lipdub.faces.reference_choice import choose_spread
from lipdub.stages import g4g, inference
from lipdub.stages.frame_pass import FaceMeshes
from lipdub.stages.model_options import ModelOptions, resolve_model
from lipdub.stages.neutralize.placements import fit_placements
from lipdub.stages.neutralize.store import NeutralizeStore, drawn_full_faces, has_placement
from lipdub.stages.sync.generator import Generate, GeneratorMethod, GeneratorRun, describe_mask
from lipdub.stages.sync.landmark_targets import (
    LandmarkTargets,
    hear_sound,
    open_targets,
    sample_speech_lips,
)
from lipdub.stages.sync.method import AUTO_MASK
from lipdub.stages.sync.plan import describe_still_talkers, find_still_talkers
from lipdub.stages.targets import select_tracks
from lipdub.weights import user_models, verify_shipped
from lipdub.weights.g4g_file import FAMILY
from lipdub.weights.requirement import Shipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F32, F64, I8, I32, I64, U8, Array, Mask
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.networks.g4g import G4GSize
    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job

LOG = logging.getLogger(__name__)

_MOST_ENLARGED = 4  # times the network's crop, at which pixels are moved; more would take much memory
_LEAST_ENLARGED = 1.2  # from which the footage's own pixels are worth moving
_POSE_DEGREES = 8.0  # of difference that count as one deviation of the opening, in the choice of references
_REACH = 0.85  # eye distances to each side of the mouth's middle, within which skin is drawn anew
_LEAST_WIDTH_SPREAD = 0.02  # eye distances
_COVERED_COST = 20.0  # of a mouth with something before it, in the same unit


class G4GMethod(GeneratorMethod):
    """The generator of Zhang et al."""

    name = "g4g"
    summary = "the talker's own pixels moved by landmarks and sound (Zhang et al., G4G, 2024)"
    options = ModelOptions
    works_after = MappingProxyType({"neutralize": ("rest",)})
    weights = Shipped("lip-motion.safetensors", "mouth-response.safetensors")
    reads_transcript = True
    sees_upright = False  # its own crops are level with the eyes
    traits = g4g.TRAITS

    def weight_files(self, options: Any) -> list[Path]:
        """Return the files of the lips' motion and of the model, and those of the audio feature that it hears."""
        model = options.own.model
        shipped = super().weight_files(options)
        if model is None:
            return shipped
        feature = g4g.find_sound_windows(model).feature
        return [*shipped, Path(model), *(verify_shipped(name) for name in feature.weights)]

    def hear(self, audio: F32, options: Any) -> Any:
        """Return the sound and what is said, a `HeardSound`."""
        return hear_sound(audio, options)

    def is_ready(self, job: Job, digest: Callable[[], str]) -> bool:
        """Return whether a model was adapted to this video."""
        return user_models.find_origin(FAMILY, digest()) == "video"

    def resolve(self, options: Any, job: Job, digest: Callable[[], str]) -> Any:
        """Replace the model's name by its file."""
        return resolve_model(FAMILY, options, digest)

    def choose_mask(self, options: Any) -> str:
        """Return the mask that was asked for, or else the one that the model was trained with."""
        return g4g.read_mask(options.own.model) if options.mask == AUTO_MASK else str(options.mask)

    def notes(self, ctx: StageContext, options: Any) -> list[str]:
        """Return what a person should know of the model."""
        model = options.own.model
        ranges = {
            track: NeutralizeStore.from_context(ctx).read_talker(track).speech_range
            for track in select_tracks(ctx, options)
        }
        return [
            FAMILY.describe(Path(model)),
            describe_mask(self.choose_mask(options), g4g.read_mask(model)),
            *describe_still_talkers(find_still_talkers(ranges)),
        ]

    def prepare(self, run: GeneratorRun) -> Generate:
        """Choose the references, compute the landmarks' targets, and load the generator."""
        ctx, plan, options = run.ctx, run.plan, run.options
        model = g4g.load_model(ctx, options.own.model)
        size = model.network.size
        network = inference.prepare_network(ctx, options, model.network, self.traits, plan.dubbed)
        windows = g4g.find_sound_windows(options.own.model)
        heard = windows.compute(run.features.audio)
        draw_mask = MASKS.get(self.choose_mask(options)).draw
        shown = np.unique(plan.track[plan.is_dubbed]).tolist()
        lips = sample_speech_lips(run)
        talkers = {track: _open_talker(run, open_targets(run, track, lips), size) for track in shown}
        meshes = FaceMeshes({track: talker.targets.landmarks for track, talker in talkers.items()})

        def draw_track(track: int, frames: list[int], faces: list[Array]) -> list[Array]:
            talker = talkers[track]
            places = talker.places[plan.source[frames] - talker.targets.landmarks.first]
            places[:, :2] -= plan.box[frames, :2]
            pairs, masks, mixes, images = [], [], [], []
            for k, face, place in zip(frames, faces, places, strict=True):
                corner = [*plan.box[k, :2], 0]
                given, wanted = meshes.read(track, int(plan.source[k])) - corner, talker.targets.read(k) - corner
                before, after = (_to_crop(points, place, talker.full) for points in (given, wanted))
                mask = draw_mask(before, talker.full, talker.full)
                pairs.append(_cut(face, place, size.height, talker.full))
                masks.append(_shrink(mask, size.height))
                mixes.append(mask & talker.draw_surroundings(before, after))
                images.append(draw_landmarks(_to_crop(wanted, place, size.height), size.height, size.height))
            sounds = windows.cut_around(heard, run.speech_times(frames) + model.lead)
            made = g4g.draw_faces(network, size, sounds, pairs, np.stack(masks), talker.references, np.stack(images))
            return [
                composite_crop(face, pair.full, mix_inside(pair.full, new, mix), place, ZOOM)
                for face, pair, new, mix, place in zip(faces, pairs, made, mixes, places, strict=True)
            ]

        def draw(frames: list[int], faces: list[Array]) -> list[Array]:
            drawn: dict[int, Array] = {}
            for track in np.unique(plan.track[frames]).tolist():
                rows = np.flatnonzero(plan.track[frames] == track).tolist()
                drawn |= zip(rows, draw_track(track, [frames[i] for i in rows], [faces[i] for i in rows]), strict=True)
            return [drawn[i] for i in range(len(frames))]

        return draw

    def face_boxes(self, ctx: StageContext, track: TrackLandmarks, turns: I8) -> I32:
        """Return boxes around the crops."""
        return full_face.bound_crops(_read_places(ctx, track), ctx.video.width, ctx.video.height, ZOOM)


METHOD = G4GMethod()


@dataclass
class _DrawnTalker:
    """A talker, with what is drawn from.

    Attributes:
        targets: The landmarks of the result.
        places: (frames, 4) placements of the crops.
        full: Side of the full crops, pixels.
        references: The references, the shut mouth first.
        near: (478,) bool, the vertices around the mouth and the chin.
    """

    targets: LandmarkTargets
    places: F64
    full: int
    references: list[g4g.CropPair]
    near: Mask

    def draw_surroundings(self, before: F64, after: F64) -> U8:
        """Draw mouth and chin, where they were and where they are to be: (h, h) uint8, 1 inside."""
        outline = np.concatenate([before[self.near, :2], after[self.near, :2]]).astype(np.float32)
        return draw_hull(outline, self.full, self.full)


def _open_talker(run: GeneratorRun, targets: LandmarkTargets, size: G4GSize) -> _DrawnTalker:
    """Choose a talker's references. `size` is the network's."""
    landmarks = targets.landmarks
    neutralize = NeutralizeStore.from_context(run.ctx)
    places = _read_places(run.ctx, landmarks)
    rows = run.plan.source[targets.frames] - landmarks.first
    full = _choose_full_side(places[rows], size)
    usual: F64 = np.median(neutralize.read_motion(landmarks.id)[rows].angles[:, :2], 0).astype(np.float64)
    units = unit_selection.Inventory.from_table(neutralize.open_units(landmarks.id).read_table())
    has_place = has_placement(places[units.frame.astype(int) - landmarks.first])
    if not has_place.any():
        raise InputError(f"no frame shows face {landmarks.id} well enough to be a reference")
    chosen = _choose_references(units, has_place, usual, size.references)
    references = _read_references(run.ctx, chosen, landmarks.first, places, size.height, full)
    return _DrawnTalker(targets, places, full, references, _find_surroundings(targets.canonical))


def _find_surroundings(canonical: F64) -> Mask:
    """Find the vertices (478,) of a canonical face around the mouth and the chin.

    A reference shows other pixels than the frame at the face's sides, if its head is turned otherwise.
    """
    is_low = canonical[:, 1] >= canonical[mesh.NOSE_BASE, 1]
    middle = canonical[list(mesh.LIPS_INNER), 0].mean()
    near: Mask = is_low & (np.abs(canonical[:, 0] - middle) < _REACH)
    return near


def _read_places(ctx: StageContext, track: TrackLandmarks) -> F64:
    """Read where the crops of a track lie, (frames, 4); they are fitted once."""
    frames = track.last - track.first + 1
    neutralize = NeutralizeStore.from_context(ctx)
    return drawn_full_faces(ctx.store, track.id).write_places(
        lambda: fit_placements(neutralize, track), frames, "float64"
    )


def _choose_full_side(places: F64, size: G4GSize) -> int:
    """Choose the side of the full crops: the footage's own size where the network can move its pixels."""
    side = full_face.SIDE * ZOOM * float(np.nanmedian(places[:, 2]))
    if not size.moves or side < _LEAST_ENLARGED * size.height:
        return size.height
    return min(round(side), _MOST_ENLARGED * size.height)


def _choose_references(units: unit_selection.Inventory, has_place: Mask, pose: F64, count: int) -> I64:
    """Choose the frames of the references: (count,) int64, the shut mouth first.

    Args:
        units: What neutralize measured.
        has_place: (u,) bool, a crop lies there.
        pose: (2,) usual yaw and pitch of the frames that are dubbed, degrees.
        count: Of the references.
    """
    apart = np.linalg.norm(units.angles[:, :2] - pose, axis=1) / _POSE_DEGREES
    opening, width = units.measures.T
    # A mouth that is shut to a kiss would make all shut mouths kiss.
    odd = np.abs(width - np.median(width)) / max(float(width.std()), _LEAST_WIDTH_SPREAD)
    costs = apart**2 + odd + np.where(units.is_covered, _COVERED_COST, 0.0)
    costs[~has_place] = np.inf
    return units.frame[choose_spread(opening, costs, count)].astype(np.int64)


def _read_references(
    ctx: StageContext, frames: I64, first: int, places: F64, small: int, full: int
) -> list[g4g.CropPair]:
    """Cut the references out of their frames, in the order of `frames`."""
    from lipdub.media.read import read_frames_in_order

    wanted = sorted(set(frames.tolist()))
    cut: dict[int, g4g.CropPair] = {}
    for number, frame in zip(wanted, read_frames_in_order(ctx.job.video, wanted), strict=True):
        place = places[number - first]
        sides = (small, full)
        cut[number] = g4g.CropPair(*(full_face.align(place, side, ZOOM).crop_picture(frame.picture) for side in sides))
    LOG.debug("references: frames %s", wanted)
    return [cut[number] for number in frames.tolist()]


def _cut(face: Array, place: F64, small: int, full: int) -> g4g.CropPair:
    pair = [crop_at(face, place, side, ZOOM) for side in ((small, full) if full != small else (small,))]
    return g4g.CropPair(pair[0], pair[-1])


def _to_crop(mesh: Array, place: F64, side: int) -> F64:
    return full_face.map_mesh_to_crop(mesh, place, side, ZOOM)


def _shrink(mask: U8, side: int) -> U8:
    """Bring a mask (h, h) to another side."""
    import cv2

    if len(mask) == side:
        return mask
    shrunk: U8 = cv2.resize(mask * 255, (side, side), interpolation=cv2.INTER_AREA) // 128
    return shrunk
