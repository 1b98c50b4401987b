"""neutralize, method `style-reference`: the style code of each talker, from one frame.

Ki and Min, "StyleLipSync: Style-based Personalized Lip-sync Video Generation" (ICCV 2023), section 3.3: the reference
encoder maps one frame, the first, to the code that holds who is seen and in which light. All frames of a track share
it, so it carries nothing of the speech's motion.

Store, per track id: ``placement-ID`` (frames, 4) float64, where the crops lie (`faces.alignment.full_face`), NaN where
nothing is drawn; ``reference-ID`` (1, P, P, 3) uint8 RGB, the frame that was encoded; ``code-ID`` (1, 2L, D) float32,
w_ref.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError
from lipdub.faces.alignment import full_face
from lipdub.stages import inference, style_lip_sync, targets
from lipdub.stages.model_options import DrawingModelOptions, resolve_model
from lipdub.stages.neutralize.method import NeutralizeMethod
from lipdub.stages.neutralize.placements import read_placements
from lipdub.stages.neutralize.store import has_placement
from lipdub.weights import user_models
from lipdub.weights.style_lip_sync_file import FAMILY

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F64, U8
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job


class StyleReference(NeutralizeMethod):
    """The style code of each talker's first frame."""

    name = style_lip_sync.REFERENCE_METHOD
    summary = "the style code of the talker's first frame, by the reference encoder of StyleLipSync (Ki and Min, 2023)"
    options = DrawingModelOptions
    uses_networks = True
    draws_faces = True

    def weight_files(self, options: Any) -> list[Path]:
        """Return the files of the mouth's response and of the model."""
        model = options.own.model
        return [*super().weight_files(options), *(style_lip_sync.model_files(model) if model is not None else [])]

    def is_ready(self, job: Job, digest: Callable[[], str]) -> bool:
        """Return whether there is a model."""
        return user_models.find_origin(FAMILY, digest()) is not None

    def resolve(self, options: Any, job: Job, digest: Callable[[], str]) -> Any:
        """Replace the model's name by its file."""
        return resolve_model(FAMILY, options, digest)

    def run_tracks(
        self, ctx: StageContext, options: Any, talkers: list[dict[str, Any]], tracks: dict[int, TrackLandmarks]
    ) -> list[str]:
        """Place the crops of each track, and encode its first one."""
        model = options.own.model
        is_used = targets.frames_in_range(ctx, options.own.start, options.own.end)
        pixels = style_lip_sync.face_pixels(model)
        network = None
        for done, track in enumerate(tracks.values()):
            places = read_placements(ctx, track, is_used)
            store = style_lip_sync.StyleReferenceStore(ctx.store, track.id)
            if has_placement(places).any() and not store.is_complete():
                network = network or _load(ctx, options, model)
                face = _cut_first_face(ctx, track, places, pixels)
                store.write(face, style_lip_sync.encode_reference(network, face))
            ctx.progress(done + 1, len(tracks), "faces")
        inference.release_gpu_memory()
        return [FAMILY.describe(Path(model))]


METHOD = StyleReference()


def _load(ctx: StageContext, options: Any, model: str) -> inference.NetworkRunner:
    network = style_lip_sync.load_model(ctx, model).network
    return inference.prepare_network(ctx, options, network, style_lip_sync.TRAITS, 1)


def _cut_first_face(ctx: StageContext, track: TrackLandmarks, places: F64, pixels: int) -> U8:
    """Cut the first crop of a track that has a place: (P, P, 3) uint8 RGB."""
    from lipdub.media.read import read_frames_in_order

    first = int(np.flatnonzero(has_placement(places))[0])
    for frame in read_frames_in_order(ctx.job.video, [track.first + first]):
        return full_face.align(places[first], pixels).crop_picture(frame.picture)
    raise InputError(f"frame {track.first + first} of {ctx.job.video} cannot be read")
