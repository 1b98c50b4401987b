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
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import UsageError
from lipdub.faces.alignment import full_face
from lipdub.faces.compositing import composite_crop, crop_at, mix_inside
from lipdub.faces.masks import MASKS
from lipdub.stages import inference, style_lip_sync
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.frame_pass import FaceMeshes
from lipdub.stages.model_options import ModelOptions, resolve_model
from lipdub.stages.neutralize.store import drawn_full_faces
from lipdub.stages.sync.generator import Generate, GeneratorMethod, GeneratorRun, describe_mask, describe_softness
from lipdub.stages.sync.method import AUTO_MASK
from lipdub.stages.sync.plan import list_shots
from lipdub.weights import user_models, verify_shipped
from lipdub.weights.style_lip_sync_file import FAMILY
from lipdub.workspace.json_values import to_canonical_json
from lipdub.workspace.keys import digest_bytes, digest_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F32, I8, I32, Array
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job
    from lipdub.weights.style_lip_sync_file import StyleLipSyncModel
    from lipdub.workspace import ChunkedArray

LOG = logging.getLogger(__name__)

KEPT = "style-codes"
"""Name of the store of the audio style codes, which is kept beside the stages."""

AUDIO_CODES = "audio"
"""Name of the array in it."""

CHUNK = 64  # frames


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
        return user_models.find_origin(FAMILY, digest()) == "video"

    def resolve(self, options: Any, job: Job, digest: Callable[[], str]) -> Any:
        """Replace the model's name by its file."""
        return resolve_model(FAMILY, options, digest)

    def choose_mask(self, options: Any) -> str:
        """Return the mask that was asked for, or else the one that the model was trained with."""
        return style_lip_sync.read_mask(options.own.model) if options.mask == AUTO_MASK else str(options.mask)

    def notes(self, ctx: StageContext, options: Any) -> list[str]:
        """Return what a person should know of the model."""
        model = options.own.model
        return [
            FAMILY.describe(Path(model)),
            describe_softness(style_lip_sync.face_pixels(model)),
            describe_mask(self.choose_mask(options), style_lip_sync.read_mask(model)),
        ]

    def prepare(self, run: GeneratorRun) -> Generate:
        """Compute the style codes of the whole result, and load the generator."""
        ctx, plan, options = run.ctx, run.plan, run.options
        model = style_lip_sync.load_model(ctx, options.own.model)
        network = inference.prepare_network(ctx, options, model.network, self.traits, plan.dubbed)
        codes = _write_codes(run, model, network)
        pixels, draw_mask = model.network.size.decoder.pixels, MASKS.get(self.choose_mask(options)).draw
        detect, shown = DetectStore.from_context(ctx), np.unique(plan.track[plan.is_dubbed]).tolist()
        tracks = {track: detect.landmarks(track) for track in shown}
        placements = {track: drawn_full_faces(ctx.upstream["neutralize"], track).read_places() for track in shown}
        meshes = FaceMeshes(tracks)

        def draw(frames: list[int], faces: list[Array]) -> list[Array]:
            places, crops, masks = [], [], []
            for k, face in zip(frames, faces, strict=True):
                track, source = int(plan.track[k]), int(plan.source[k])
                corner = plan.box[k, :2]
                place = placements[track][source - tracks[track].first] - [*corner, 0, 0]
                mesh = full_face.map_mesh_to_crop(meshes.read(track, source) - [*corner, 0], place, pixels)
                places.append(place)
                crops.append(crop_at(face, place, pixels))
                masks.append(draw_mask(mesh, pixels, pixels))
            steering = codes.read(frames[0], frames[-1] + 1)[np.array(frames) - frames[0]]
            drawn = style_lip_sync.draw_faces(network, steering, np.stack(crops), np.stack(masks))
            return [
                composite_crop(face, crop, mix_inside(crop, new, mask), place)
                for face, crop, new, mask, place in zip(faces, crops, drawn, masks, places, strict=True)
            ]

        return draw

    def face_boxes(self, ctx: StageContext, track: TrackLandmarks, turns: I8) -> I32:
        """Return boxes around the crops that neutralize placed."""
        places = drawn_full_faces(ctx.upstream["neutralize"], track.id).read_places()
        return full_face.bound_crops(places, ctx.video.width, ctx.video.height)


METHOD = StyleLipSyncMethod()


def _write_codes(run: GeneratorRun, model: StyleLipSyncModel, network: Any) -> ChunkedArray:
    """Compute the codes that steer the decoder in each output frame, the missing chunks only."""
    from lipdub.networks.style_lip_sync import SMOOTHING_REACH

    ctx, size = run.ctx, model.network.size
    shape = (len(run.plan.source), size.codes, size.decoder.style_dim)
    codes = ctx.store.array("codes", shape=shape, dtype="float32", chunk=CHUNK)
    if not codes.missing():
        return codes
    audio = _read_audio_codes(run, model, network, shape)
    silence = style_lip_sync.encode_audio(network, model.silence())[0]
    shots, neutralize = list(list_shots(run.plan)), ctx.upstream["neutralize"]
    for chunk in codes.missing():
        start, stop = codes.span(chunk)
        out = np.zeros((stop - start, *shape[1:]), np.float32)
        for shot in shots:
            first, end = max(start, shot.start), min(stop, shot.stop)
            if first >= end:
                continue
            # The frames around make the seams between chunks what they are within them.
            low, high = max(shot.start, first - SMOOTHING_REACH), min(shot.stop, end + SMOOTHING_REACH)
            wanted = style_lip_sync.scale_motion(audio.read(low, high), silence, run.options.strength)
            reference = style_lip_sync.StyleReferenceStore(neutralize, int(run.plan.track[first])).read_code()
            if reference.shape != shape[1:]:
                raise UsageError(
                    f"neutralize made style codes of {reference.shape}, but the model takes {shape[1:]}",
                    hint="Give both stages the same --model.",
                )
            smooth = style_lip_sync.smooth_codes(network, reference, wanted)
            out[first - start : end - start] = smooth[first - low : end - low]
        codes.write(chunk, out)
    return codes


def _read_audio_codes(
    run: GeneratorRun, model: StyleLipSyncModel, network: Any, shape: tuple[int, ...]
) -> ChunkedArray:
    """Read the style codes of the sound in each output frame from the kept store; compute those that are missing."""
    store = run.ctx.keep(KEPT, _describe_codes(run, model))
    audio = store.array(AUDIO_CODES, shape=shape, dtype="float32", chunk=CHUNK)
    audio.drop_damaged()  # the engine repairs stages' stores alone
    if audio.missing():
        _hear(run, model, network, audio)
    else:
        LOG.debug("the style codes of the speech are those of an earlier run")
    return audio


def _hear(run: GeneratorRun, model: StyleLipSyncModel, network: Any, audio: ChunkedArray) -> None:
    """Compute the missing chunks of the sound's style codes."""
    windows = style_lip_sync.find_sound_windows(run.options.own.model)
    heard = windows.compute(run.features)
    for chunk in audio.missing():
        start, stop = audio.span(chunk)
        out = np.zeros((stop - start, *audio.shape[1:]), np.float32)
        frames = np.flatnonzero(run.plan.is_dubbed[start:stop]) + start
        if len(frames):
            sounds = windows.cut_around(heard, run.speech_times(frames.tolist()) + model.lead)
            out[frames - start] = style_lip_sync.encode_audio(network, sounds)
        audio.write(chunk, out)
        run.ctx.check()


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
