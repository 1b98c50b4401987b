"""sync, method `stylelipsync`: a StyleGAN2 decoder steered by style codes of the talker and of the speech.

Ki and Min, "StyleLipSync: Style-based Personalized Lip-sync Video Generation" (ICCV 2023). Each frame is drawn from
itself with the lower face hidden by a mask that follows the head's pose, and from a style code: that of the talker's
first frame (neutralize's `style-reference`) plus that of the sound around the frame, smoothed over the shot. Only what
the mask hides changes, at the face's own size, and skin that the generator keeps has the source's detail.

Latents in the workspace: w_ref lies with neutralize; ``audio`` (n, 2L, D), a_t, is kept beside the stages, so a change
of `--strength` or of the mask needs no new hearing; ``codes`` (n, 2L, D) of this stage are the smoothed codes. All are
float32 over output frames, 0 where nothing is dubbed.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lipdub.errors import CorruptChunk
from lipdub.faces.alignment import full_face
from lipdub.faces.compositing import composite_crop, crop_at
from lipdub.faces.masks import MASKS
from lipdub.stages import inference, style_lip_sync
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.frame_pass import FaceMeshes
from lipdub.stages.model_options import ModelOptions, resolve_model
from lipdub.stages.neutralize.store import drawn_full_faces
from lipdub.stages.sync.generator import Generate, GeneratorMethod, GeneratorRun
from lipdub.stages.sync.method import AUTO_MASK
from lipdub.stages.sync.stabilized import crop_boxes
from lipdub.weights import verify_shipped
from lipdub.weights.style_lip_sync_file import FAMILY
from lipdub.weights.user_models import find
from lipdub.workspace.json_values import to_canonical_json
from lipdub.workspace.keys import digest_bytes, digest_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lipdub.arrays import F32, F64, I8, I32, U8, Array
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job
    from lipdub.stages.sync.plan import FacePlan
    from lipdub.weights.style_lip_sync_file import StyleLipSyncModel
    from lipdub.workspace import ChunkedArray

LOG = logging.getLogger(__name__)

KEPT = "style-codes"
"""Name of the store of the audio style codes, which is kept beside the stages."""

_CHUNK = 64  # frames
_EDGE_SHARE = 1 / 48  # of the crop's side: the width over which drawn and given pixels mix, inside the mask


class StyleLipSyncMethod(GeneratorMethod):
    """The generator of Ki and Min."""

    name = "stylelipsync"
    summary = "style-based lip-sync generation with pose-aware masks (Ki and Min, 2023)"
    options = ModelOptions
    works_after = MappingProxyType({"neutralize": (style_lip_sync.REFERENCE_METHOD,)})
    sees_upright = False  # its own crops are level with the eyes
    traits = style_lip_sync.TRAITS

    def weight_files(self, options: Any) -> list[Path]:
        """Return the model's files, and those of the audio feature that it hears."""
        model = options.own.model
        if model is None:
            return []
        feature = style_lip_sync.find_sound_windows(model).feature
        return [*style_lip_sync.model_files(model), *(verify_shipped(name) for name in feature.weights)]

    def hear(self, audio: F32, options: Any) -> F32:
        """Return the sound itself: it is heard only where its style codes are not kept from an earlier run."""
        return audio

    def is_ready(self, job: Job, digest: Callable[[], str]) -> bool:
        """Return whether a model was adapted to this video."""
        return style_lip_sync.has_model(digest) and find(FAMILY, None, digest()).origin == "video"

    def resolve(self, options: Any, job: Job, digest: Callable[[], str]) -> Any:
        """Replace the model's name by its file."""
        return replace(options, own=replace(options.own, model=resolve_model(FAMILY, options.own.model, digest)))

    def choose_mask(self, options: Any) -> str:
        """Return the mask that was asked for, or else the one that the model was trained with."""
        return style_lip_sync.read_mask(options.own.model) if options.mask == AUTO_MASK else str(options.mask)

    def notes(self, ctx: StageContext, options: Any) -> list[str]:
        """Return what a person should know of the model."""
        pixels = style_lip_sync.face_pixels(options.own.model)
        soft = (
            f"the mouths are drawn at {pixels} pixels a face, so those of larger faces are soft unless they are "
            "restored (--enhance vqfr or gfpgan, with published weights)"
        )
        return [FAMILY.describe(Path(options.own.model)), soft]

    def prepare(self, run: GeneratorRun) -> Generate:
        """Compute the style codes of the whole result, and load the generator."""
        ctx, plan, options = run.ctx, run.plan, run.options
        model = style_lip_sync.load_model(ctx, options.own.model)
        network = inference.prepare_network(ctx, options, model.network, self.traits, plan.dubbed)
        codes = _write_codes(run, model, network)
        pixels, mask = model.network.size.decoder.pixels, MASKS.get(self.choose_mask(options))
        detect = DetectStore.from_context(ctx)
        meshes = FaceMeshes(
            {int(track): detect.landmarks(int(track)) for track in np.unique(plan.track[plan.is_dubbed])}
        )

        def draw(frames: list[int], faces: list[Array]) -> list[Array]:
            places = [_read_place(ctx, plan, k) for k in frames]
            crops = np.stack([crop_at(face, place, pixels) for face, place in zip(faces, places, strict=True)])
            masks = []
            for k, place in zip(frames, places, strict=True):
                mesh = meshes.read(int(plan.track[k]), int(plan.source[k])) - np.array([*plan.box[k, :2], 0])
                masks.append(mask.draw(full_face.map_mesh_to_crop(mesh, place, pixels), pixels, pixels))
            steering = np.stack([codes.read(k, k + 1)[0] for k in frames])
            drawn = style_lip_sync.draw_faces(network, steering, crops, np.stack(masks))
            return [
                composite_crop(face, crop, mix_inside(crop, new, hidden), place)
                for face, crop, new, hidden, place in zip(faces, crops, drawn, masks, places, strict=True)
            ]

        return draw

    def face_boxes(self, ctx: StageContext, track: TrackLandmarks, turns: I8) -> I32:
        """Return boxes around the crops that neutralize placed."""
        places = drawn_full_faces(ctx.upstream["neutralize"], track.id).read_places()
        return crop_boxes(places, ctx.video.width, ctx.video.height)


METHOD = StyleLipSyncMethod()


def mix_inside(crop: U8, drawn: F32, mask: U8) -> F32:
    """Take the drawn pixels inside the mask and the given ones outside, which the generator only imitates.

    Args:
        crop: (P, P, 3) uint8 RGB.
        drawn: (P, P, 3) float32 RGB 0..1.
        mask: (P, P) uint8, 1 inside. Drawn pixels fade in from its edge inwards.

    Returns:
        (P, P, 3) float32 RGB 0..1.
    """
    edge = max(2.0, _EDGE_SHARE * len(crop))
    # The border of the crop is an edge, too: nothing is known beyond it.
    depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    share = (depth / edge).clip(0, 1)[..., None].astype(np.float32)
    given = crop.astype(np.float32) / 255
    mixed: F32 = given + share * (drawn - given)
    return mixed


def list_shots(plan: FacePlan) -> Iterator[slice]:
    """Yield the runs of output frames over which codes are smoothed: one track each, without a gap."""
    track = np.where(plan.is_dubbed, plan.track.astype(int), -1)
    ends = np.flatnonzero(np.diff(track, append=-2)) + 1
    start = 0
    for stop in ends.tolist():
        if track[start] >= 0:
            yield slice(start, stop)
        start = stop


def _write_codes(run: GeneratorRun, model: StyleLipSyncModel, network: Any) -> ChunkedArray:
    """Compute the codes that steer the decoder in each output frame, unless an interrupted run has."""
    ctx, plan, size = run.ctx, run.plan, model.network.size
    shape = (len(plan.source), size.codes, size.decoder.style_dim)
    codes = ctx.store.array("codes", shape=shape, dtype="float32", chunk=_CHUNK)
    if not codes.missing():
        return codes
    audio = _read_audio_codes(run, model, network, shape)
    silence = style_lip_sync.encode_audio(network, model.silence())[0]
    wanted = style_lip_sync.scale_motion(audio, silence, run.options.strength)
    smooth = np.zeros(shape, np.float32)
    for shot in list_shots(plan):
        track = int(plan.track[shot.start])
        reference = style_lip_sync.StyleReferenceStore(ctx.upstream["neutralize"], track).read_code()
        smooth[shot] = style_lip_sync.smooth_codes(network, reference, wanted[shot])
    for chunk in codes.missing():
        codes.write(chunk, smooth[slice(*codes.span(chunk))])
    return codes


def _read_audio_codes(run: GeneratorRun, model: StyleLipSyncModel, network: Any, shape: tuple[int, ...]) -> F32:
    """Read the style codes of the sound in each output frame from the kept store, or compute and keep them."""
    store = run.ctx.keep(KEPT, _describe_codes(run, model))
    try:
        audio = store.array("audio", shape=shape, dtype="float32", chunk=_CHUNK)
        if not audio.missing():
            LOG.debug("the style codes of the speech are those of an earlier run")
            kept: F32 = audio.read(0, len(audio))
            return kept
    except CorruptChunk:
        store.remove("audio")
        audio = store.array("audio", shape=shape, dtype="float32", chunk=_CHUNK)
    codes = _hear(run, model, network, shape)
    for chunk in range(-(-len(codes) // _CHUNK)):
        audio.write(chunk, codes[slice(*audio.span(chunk))])
    return codes


def _hear(run: GeneratorRun, model: StyleLipSyncModel, network: Any, shape: tuple[int, ...]) -> F32:
    windows = style_lip_sync.find_sound_windows(run.options.own.model)
    codes = np.zeros(shape, np.float32)
    frames = np.flatnonzero(run.plan.is_dubbed)
    heard = windows.compute(run.features)
    for start in range(0, len(frames), _CHUNK):
        part = frames[start : start + _CHUNK]
        sounds = windows.cut_around(heard, run.speech_times(part.tolist()) + model.lead)
        codes[part] = style_lip_sync.encode_audio(network, sounds)
        run.ctx.check()
    return codes


def _describe_codes(run: GeneratorRun, model: StyleLipSyncModel) -> str:
    """Describe what the style codes of the sound depend on, as a key: model, speech and times, arithmetic."""
    plan, options = run.plan, run.options
    moments = np.where(plan.is_dubbed, run.speech_times(list(range(len(plan.time)))), -1.0)
    values = {
        "models": [digest_file(path) for path in style_lip_sync.model_files(options.own.model)],
        "speech": digest_bytes(np.ascontiguousarray(run.features).tobytes()),
        "moments": digest_bytes(moments.tobytes()),
        "lead": model.lead,
        "precision": options.precision,
        "device": run.ctx.device,
    }
    return digest_bytes(to_canonical_json(values))


def _read_place(ctx: StageContext, plan: FacePlan, k: int) -> F64:
    """Read where the crop of an output frame lies in the frame's box: (4,) float64."""
    track = int(plan.track[k])
    first = DetectStore.from_context(ctx).track(track)["first"]
    place = drawn_full_faces(ctx.upstream["neutralize"], track).read_place(int(plan.source[k]) - first)
    moved: F64 = place - [*plan.box[k, :2], 0, 0]
    return moved
