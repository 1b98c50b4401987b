"""sync, method `stylegan`: faces are edited in the latent space of a StyleGAN2 until their landmarks say the speech.

Su et al., "Audio-driven High-resolution Seamless Talking Head Video Editing via StyleGAN" (2024). The generator is
tuned on the video's own faces, the latents are optimised towards landmarks, and the generator is tuned once more to
meet the frame around the mask (`stages.stylegan`). The landmarks are the talker's own with the lips that the speech
asks for (`landmark_targets`), where the paper predicts them from sound and aligns their pose. Only what the mask covers
changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lipdub.faces import landmarks
from lipdub.faces.alignment import full_face
from lipdub.faces.compositing import composite_crop, crop_at, mix_inside
from lipdub.faces.masks import MASKS
from lipdub.options import option
from lipdub.stages import inference, stylegan
from lipdub.stages.frame_pass import FaceMeshes
from lipdub.stages.model_options import ModelOptions, resolve_model
from lipdub.stages.neutralize.placements import fit_placements
from lipdub.stages.neutralize.store import NeutralizeStore, drawn_full_faces
from lipdub.stages.sync.generator import Generate, GeneratorMethod, GeneratorRun, describe_softness
from lipdub.stages.sync.landmark_targets import hear_sound, open_targets, sample_speech_lips
from lipdub.stages.sync.plan import list_shots
from lipdub.weights import stylegan_file
from lipdub.weights.requirement import Shipped
from lipdub.weights.stylegan_file import FAMILY

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F32, F64, I8, I32, I64, U8, Array
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.networks.stylegan2 import StyleGAN2
    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job
    from lipdub.stages.sync.landmark_targets import LandmarkTargets
    from lipdub.workspace import ChunkedArray

_LOOK = "Look"


@dataclass(frozen=True)
class StyleGANOptions(ModelOptions):
    """How the talker's faces are edited."""

    edit: Literal["fast", "published"] = option(
        "fast",
        "--edit",
        help="How latents are optimised: fast, or published: 300 steps for each frame. For the recipe stylegan.",
        panel=_LOOK,
    )
    edit_steps: int | None = option(
        None,
        "--edit-steps",
        help="Steps of the latents' optimisation at most. By default 40 for eight frames if fast, and 300 for each "
        "frame if published. For the recipe stylegan.",
        low=0,
        high=100_000,
        panel=_LOOK,
    )
    tuning_steps: int = option(
        150,
        "--tuning-steps",
        help="Steps of the generator's tuning on the video. For the recipe stylegan.",
        low=0,
        high=100_000,
        panel=_LOOK,
    )
    stitching_steps: int = option(
        60,
        "--stitching-steps",
        help="Steps of the generator's tuning around the mask; 0: none. For the recipe stylegan.",
        low=0,
        high=100_000,
        panel=_LOOK,
    )


class StyleGANMethod(GeneratorMethod):
    """The editing of Su et al."""

    name = "stylegan"
    summary = "landmark-driven editing in a StyleGAN2's latent space (Su et al., 2024)"
    options = StyleGANOptions
    works_after = MappingProxyType({"neutralize": ("rest",)})
    weights = Shipped("lip-motion.safetensors", "mouth-response.safetensors")
    default_mask = "pose"
    reads_transcript = True
    sees_upright = False  # its own crops are level with the eyes
    traits = inference.NetworkTraits(item_bytes=64 << 20, batch=8)

    def weight_files(self, options: Any) -> list[Path]:
        """Return the files of the lips' motion, of the model, and of the networks that judge it."""
        shipped = super().weight_files(options)
        return shipped if options.own.model is None else [*shipped, *stylegan.weight_files(options.own.model)]

    def hear(self, audio: F32, options: Any) -> Any:
        """Return the sound and what is said, a `HeardSound`."""
        return hear_sound(audio, options)

    def is_ready(self, job: Job, digest: Callable[[], str]) -> bool:
        """Return False: the recipe is a demonstration, which `auto` never takes."""
        return False

    def resolve(self, options: Any, job: Job, digest: Callable[[], str]) -> Any:
        """Replace the model's name by its file."""
        return resolve_model(FAMILY, options, digest)

    def notes(self, ctx: StageContext, options: Any) -> list[str]:
        """Return what a person should know of the model."""
        model = Path(options.own.model)
        pixels = int(stylegan_file.read_description(model)["size"]["pixels"])
        return [FAMILY.describe(model), describe_softness(pixels)]

    def prepare(self, run: GeneratorRun) -> Generate:
        """Tune the generator, optimise the latents of the whole result, and return what draws them."""
        plan, mask = run.plan, self.choose_mask(run.options)
        tools = stylegan.open_tools(run.ctx, run.options.own.model)
        lips = sample_speech_lips(run)
        shown = np.unique(plan.track[plan.is_dubbed]).tolist()
        talkers = {track: _edit_talker(run, tools, open_targets(run, track, lips), mask) for track in shown}
        meshes = FaceMeshes({track: talker.targets.landmarks for track, talker in talkers.items()})
        draw_mask, pixels = MASKS.get(mask).draw, tools.pixels

        def draw(frames: list[int], faces: list[Array]) -> list[Array]:
            drawn: dict[int, F32] = {}
            for track in np.unique(plan.track[frames]).tolist():
                shown = [k for k in frames if plan.track[k] == track]
                drawn |= zip(shown, talkers[track].draw(shown), strict=True)
            out = []
            for k, face in zip(frames, faces, strict=True):
                talker = talkers[int(plan.track[k])]
                place = talker.read_place(int(plan.source[k])) - [*plan.box[k, :2], 0, 0]
                mesh = meshes.read(int(plan.track[k]), int(plan.source[k])) - [*plan.box[k, :2], 0]
                crop = crop_at(face, place, pixels)
                inside = draw_mask(full_face.map_mesh_to_crop(mesh, place, pixels), pixels, pixels)
                out.append(composite_crop(face, crop, mix_inside(crop, drawn[k], inside), place))
            return out

        return draw

    def face_boxes(self, ctx: StageContext, track: TrackLandmarks, turns: I8) -> I32:
        """Return boxes around the crops."""
        return full_face.bound_crops(_read_places(ctx, track), ctx.video.width, ctx.video.height)


METHOD = StyleGANMethod()


@dataclass(frozen=True)
class _EditedTalker:
    """A talker whose latents are edited.

    Attributes:
        targets: The landmarks of the result.
        places: (frames, 4) placements of the track's crops.
        plan: Its output frames.
        latents: (m, L, D), a row for each.
        generator: Draws them.
    """

    targets: LandmarkTargets
    places: F64
    plan: stylegan.EditPlan
    latents: ChunkedArray
    generator: StyleGAN2

    def draw(self, frames: list[int]) -> F32:
        """Draw the faces of output frames: (n, P, P, 3) float32 RGB 0..1."""
        rows = np.searchsorted(self.plan.frames, frames)
        return stylegan.draw_faces(self.generator, stylegan.read_rows(self.latents, rows))

    def read_place(self, frame: int) -> F64:
        """Return the placement (4,) of a source frame's crop."""
        place: F64 = self.places[frame - self.targets.landmarks.first]
        return place


def _edit_talker(run: GeneratorRun, tools: stylegan.Tools, targets: LandmarkTargets, mask: str) -> _EditedTalker:
    """Invert a talker's faces, edit them, and stitch them."""
    from lipdub.faces.editing.optimisation import EditOptions
    from lipdub.faces.editing.pivotal_tuning import PivotalTuningOptions
    from lipdub.faces.editing.stitching import StitchingOptions

    ctx, own, track = run.ctx, run.options.own, targets.landmarks.id
    places = _read_places(ctx, targets.landmarks)
    source = run.plan.source[targets.frames].astype(np.int64)
    frames, faces = np.unique(source, return_inverse=True)
    talker = stylegan.Talker(track, frames, places[frames - targets.landmarks.first])
    tuning = PivotalTuningOptions()
    tuning = replace(tuning, loop=replace(tuning.loop, steps=own.tuning_steps))
    inversion = stylegan.invert(ctx, tools, talker, tuning, _report(ctx, "frames tuned on", len(frames)))
    points = _find_points(targets, places[source - targets.landmarks.first])
    plan = stylegan.EditPlan(targets.frames, faces.astype(np.int64), points, _list_runs(run, targets.frames))
    options = EditOptions.published() if own.edit == "published" else EditOptions.fast()
    if own.edit_steps is not None:
        options = replace(options, steps=own.edit_steps)
    latents = stylegan.edit(ctx, tools, inversion, track, plan, options, _report(ctx, "frames edited", len(source)))
    stitching = StitchingOptions()
    stitching = replace(stitching, loop=replace(stitching.loop, steps=own.stitching_steps))
    generator = stylegan.stitch(
        ctx,
        inversion,
        track,
        plan,
        latents,
        _MaskReader(targets, source, places, mask, tools.pixels),
        stitching,
        {"latents": stylegan.edit_key(inversion, plan, options), "mask": mask},
        _report(ctx, "frames stitched", len(source)),
    )
    return _EditedTalker(targets, places, plan, latents, generator)


def _report(ctx: StageContext, unit: str, frames: int) -> Callable[[float], None]:
    """Return what reports the share of a step that is done. Each step counts the frames from none again."""
    return lambda share: ctx.progress(round(share * frames), frames, unit)


@dataclass(frozen=True)
class _MaskReader:
    """Draws the masks of a talker's output frames.

    Attributes:
        targets: The landmarks of the result.
        source: (m,) source frame of each output frame of the talker.
        places: (frames, 4) placements of the track's crops.
        mask: Name of the mask.
        pixels: Side of the crops.
    """

    targets: LandmarkTargets
    source: I64
    places: F64
    mask: str
    pixels: int

    def __call__(self, rows: I64) -> U8:
        """Draw masks (k, P, P) uint8, 1 where the face is drawn, for output frames by their rows."""
        track, draw = self.targets.landmarks, MASKS.get(self.mask).draw
        masks = []
        for frame in self.source[rows].tolist():
            place = self.places[frame - track.first]
            mesh = full_face.map_mesh_to_crop(track.read(frame, frame + 1)[0], place, self.pixels)
            masks.append(draw(mesh, self.pixels, self.pixels))
        return np.stack(masks)


def _find_points(targets: LandmarkTargets, places: F64) -> F32:
    """Find the landmarks that are wanted in every output frame of a talker: (m, 68, 2) float32, shares of the crop."""
    unit = 1024  # pixels of a crop, of which shares are taken
    points = [
        full_face.align(place, unit).to_crop(landmarks.to_ibug(targets.read(k))[:, :2])
        for k, place in zip(targets.frames.tolist(), places, strict=True)
    ]
    out: F32 = ((np.stack(points) + 0.5) / unit).astype(np.float32)
    return out


def _list_runs(run: GeneratorRun, frames: I64) -> tuple[slice, ...]:
    """List the runs of successive output frames of one talker within a shot, as slices of `frames`."""
    runs = []
    for shot in list_shots(run.plan):
        first, end = np.searchsorted(frames, [shot.start, shot.stop]).tolist()
        if end > first and frames[first] == shot.start:
            runs.append(slice(first, end))
    return tuple(runs)


def _read_places(ctx: StageContext, track: TrackLandmarks) -> F64:
    """Read where the crops of a track lie, (frames, 4); they are fitted once."""
    neutralize = NeutralizeStore.from_context(ctx)
    return drawn_full_faces(ctx.store, track.id).write_places(
        lambda: fit_placements(neutralize, track), track.last - track.first + 1, "float64"
    )
