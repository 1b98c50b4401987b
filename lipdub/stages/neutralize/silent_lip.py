"""neutralize, method `silent-lip`: every face of a track with its mouth closed.

Yaman et al., "Audio-Driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024), section 3.2. An
open mouth in the reference leaks into what is generated from it. Driven with silence, the generator closes it first.

Store, per track id, over the frames of its span: ``placement-ID`` (n, 4) float64, where the crops lie
(`faces.alignment.full_face`), NaN where none was drawn; ``reference-ID`` (n, P, P, 3) uint8 RGB, faces with closed
mouths.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.alignment import full_face
from lipdub.stages import inference, talking_face, targets
from lipdub.stages.frame_pass import FrameBatch, FrameCounter, FramePass, run_frame_passes
from lipdub.stages.model_options import DrawingModelOptions, resolve_model
from lipdub.stages.neutralize.method import NeutralizeMethod
from lipdub.stages.neutralize.placements import read_placements
from lipdub.stages.neutralize.store import drawn_full_faces, has_placement
from lipdub.weights.talking_face_file import FAMILY

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F64, U8
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.media.pixels import Picture
    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job


class SilentLip(NeutralizeMethod):
    """Every face with its mouth shut, drawn by a generator that hears silence."""

    name = "silent-lip"
    summary = "faces with their mouths shut, drawn by the silent-lip generator of Yaman et al. (ECCV 2024)"
    options = DrawingModelOptions
    uses_networks = True
    draws_faces = True

    def weight_files(self, options: Any) -> list[Path]:
        """Return the files of the mouth's response and of the model."""
        return [*super().weight_files(options), *([Path(options.own.model)] if options.own.model is not None else [])]

    def is_ready(self, job: Job, digest: Callable[[], str]) -> bool:
        """Return True: there is always a model, if only the shipped one."""
        return True

    def resolve(self, options: Any, job: Job, digest: Callable[[], str]) -> Any:
        """Replace the model's name by its file."""
        return resolve_model(FAMILY, options, digest)

    def run_tracks(
        self, ctx: StageContext, options: Any, talkers: list[dict[str, Any]], tracks: dict[int, TrackLandmarks]
    ) -> list[str]:
        """Draw the references of the tracks, missing chunks only."""
        size = talking_face.generator_size(options.own.model, "silent")
        is_used = targets.frames_in_range(ctx, options.own.start, options.own.end)
        places = {track.id: read_placements(ctx, track, is_used) for track in tracks.values()}
        total = sum(int(has_placement(placed).sum()) for placed in places.values())
        network = cache(lambda: _network(ctx, options, total))
        passes = [_describe_pass(ctx, track, places[track.id], size, network) for track in tracks.values()]
        counter = FrameCounter(ctx, total)
        counter.add(sum(item.count_finished() for item in passes))
        for item in passes:
            run_frame_passes(ctx, item, report=lambda batch: counter.add(len(batch.items)))
        return [FAMILY.describe(Path(options.own.model))]


METHOD = SilentLip()


def close_mouths(network: Any, crops: U8) -> U8:
    """Close the mouths of faces (n, P, P, 3) uint8 RGB.

    Args:
        network: `networks.talking_face.SilentLip`, prepared or not.
        crops: (n, P, P, 3) uint8 RGB.

    Returns:
        (n, P, P, 3) uint8 RGB.
    """
    import torch

    made = inference.run_network(
        network, inference.call_directly, torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    )
    result: U8 = np.round(made.permute(0, 2, 3, 1).numpy().clip(0, 1) * 255).astype(np.uint8)
    return result


def _network(ctx: StageContext, options: Any, items: int) -> inference.NetworkRunner:
    from lipdub.networks.talking_face import SilentLip

    model = talking_face.load_model(ctx, options.own.model)
    assert model.silent is not None
    return inference.prepare_network(
        ctx, options, SilentLip(model.silent, model.sync).eval(), talking_face.TRAITS, items
    )


def _describe_pass(
    ctx: StageContext, track: TrackLandmarks, places: F64, size: int, load_network: Callable[[], Any]
) -> FramePass:
    """Describe the pass that closes the mouths of a track's faces."""

    def cut(picture: Picture, index: int) -> U8:
        return full_face.align(places[index], size).crop_picture(picture)

    def draw(batch: FrameBatch) -> None:
        if batch.items:
            batch.out[0][batch.rows] = close_mouths(load_network(), np.stack(batch.inputs))

    faces = drawn_full_faces(ctx.store, track.id).create_faces(len(places), size)
    source = np.arange(track.first, track.last + 1)
    return FramePass([faces], source, has_placement(places), draw, load=cut, batch=faces.chunk)
