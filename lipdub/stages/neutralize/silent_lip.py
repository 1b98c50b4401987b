"""neutralize, method `silent-lip`: every face of a track with its mouth closed.

Yaman et al., "Audio-Driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024), section 3.2. An
open mouth in the reference leaks into what is generated from it. Driven with silence, the generator closes it first.

Store, per track id, over the frames of its span: ``placement-ID`` (n, 4) float64, where the crops lie
(`faces.alignment.full_face`), NaN where none was drawn; ``reference-ID`` (n, P, P, 3) uint8 RGB, faces with closed
mouths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.alignment import full_face
from lipdub.options import option
from lipdub.stages import face_selection, inference, talking_face
from lipdub.stages.neutralize.method import DrawingOptions, NeutralizeMethod
from lipdub.stages.talking_face import MODEL_HELP, resolve_model
from lipdub.stages.visibility import MAX_DRAWN_YAW_DEGREES
from lipdub.weights.talking_face_file import FAMILY

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import Array
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job
    from lipdub.workspace import ChunkedArray

CHUNK = 32


@dataclass(frozen=True)
class SilentLipOptions(DrawingOptions):
    """The model that draws, and what it draws."""

    model: str | None = option(
        None,
        "--model",
        help=MODEL_HELP,
        metavar="NAME|FILE",
        run_flags=(),
        aliases=("--talker",),
        old_names=("talker",),
    )


class SilentLip(NeutralizeMethod):
    """Every face with its mouth shut, drawn by a generator that hears silence."""

    name = "silent-lip"
    summary = "faces with their mouths shut, drawn by the silent-lip generator of Yaman et al. (ECCV 2024)"
    options = SilentLipOptions
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
        return replace(options, own=replace(options.own, model=resolve_model(options.own.model, digest)))

    def run_tracks(
        self, ctx: StageContext, options: Any, talkers: list[dict[str, Any]], tracks: dict[int, TrackLandmarks]
    ) -> list[str]:
        """Draw the references of the tracks, missing chunks only."""
        size = talking_face.generator_size(options.own.model, "silent")
        is_used = face_selection.frames_in_range(ctx, options.own.start, options.own.end)
        steps = [(t, _placements(ctx, t, is_used), _references(ctx, t, size)) for t in tracks.values()]
        total = sum(int(np.isfinite(places[:, 0]).sum()) for _, places, _ in steps)
        done = 0
        network = None
        for _, places, array in steps:
            missing = set(array.missing())
            done += sum(_count(places, array.span(i)) for i in range(array.chunks) if i not in missing)
            if missing and network is None:
                network = _network(ctx, options, total)
        for track, places, array in steps:
            for chunk, frames, crops in _crops(ctx, track, array, places):
                a, b = array.span(chunk)
                out = np.zeros((b - a, *array.shape[1:]), np.uint8)
                if frames:
                    out[np.array(frames) - a] = close_mouths(network, crops)
                array.write(chunk, out)
                done += len(frames)
                ctx.progress(done, total)
        return [FAMILY.describe(Path(options.own.model))]


METHOD = SilentLip()


def close_mouths(network: Any, crops: Array) -> Array:
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
    result: Array = np.round(made.permute(0, 2, 3, 1).numpy().clip(0, 1) * 255).astype(np.uint8)
    return result


def _network(ctx: StageContext, options: Any, items: int) -> inference.NetworkRunner:
    from lipdub.networks.talking_face import SilentLip

    model = talking_face.load_model(ctx, options.own.model)
    assert model.silent is not None
    return inference.prepare_network(
        ctx, options, SilentLip(model.silent, model.sync).eval(), talking_face.PROFILE, items
    )


def _placements(ctx: StageContext, view: TrackLandmarks, used: Array) -> Array:
    """Fit where each used frame's crop lies; stored as ``placement-ID``."""
    n = view.last - view.first + 1
    kept = ctx.store.array(f"placement-{view.id}", shape=(n, 4), dtype="float64", chunk=n)
    if kept.missing():
        places = full_face.fit_placements_blockwise(
            lambda a, b: view.read(view.first + a, view.first + b), n, view.interval
        )
        yaw = ctx.store.open(f"motion-{view.id}").read(0, n)[:, 2]
        places[~(np.abs(yaw) <= MAX_DRAWN_YAW_DEGREES) | ~used[view.first : view.last + 1]] = np.nan
        kept.write(0, places)
    return kept.read(0, n)


def _references(ctx: StageContext, view: TrackLandmarks, size: int) -> ChunkedArray:
    shape = (view.last - view.first + 1, size, size, 3)
    return ctx.store.array(f"reference-{view.id}", shape=shape, dtype="uint8", chunk=CHUNK)


def _count(places: Array, span: tuple[int, int]) -> int:
    return int(np.isfinite(places[slice(*span), 0]).sum())


def _crops(ctx: StageContext, view: TrackLandmarks, array: ChunkedArray, places: Array) -> Any:
    """Yield each missing chunk, its frames to draw, and their crops (k, P, P, 3) uint8."""
    from lipdub.media.read import read_frames_in_order

    size = array.shape[1]
    todo = {i: [k for k in range(*array.span(i)) if np.isfinite(places[k, 0])] for i in array.missing()}
    sources = read_frames_in_order(ctx.job.video, [view.first + k for frames in todo.values() for k in frames])
    for chunk, frames in todo.items():
        crops = np.zeros((len(frames), size, size, 3), np.uint8)
        for j, k in enumerate(frames):
            crops[j] = full_face.align(places[k], size).crop_picture(next(sources).picture)
        yield chunk, frames, crops
