"""neutralize, method `silent-lip`: every face of a track with its mouth shut, by the silent-lip generator of paper 003.

Yaman et al., "Audio-driven Talking Face Generation with Stabilized Synchronization Loss" (section 3.2): a mouth that is open in the
reference leaks into what is generated after it; driven with silence, the generator shuts it first.

Store, per track id, over the frames of its span: ``placement-ID`` (n, 4) float64, where the crops lie (`faces.facecrop`), NaN where
none was drawn; ``reference-ID`` (n, P, P, 3) uint8 RGB, the faces with shut mouths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.alignment import full_face
from lipdub.stages import face_selection, inference, talking_face

if TYPE_CHECKING:
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.neutralize.options import NeutralizeOptions
    from lipdub.workspace import ChunkedArray

# Faces turned further are never dubbed (`dubbing.PROFILE_DEGREES` and what smoothing it may add), so none is drawn.
MAX_YAW_DEGREES = 60.0
CHUNK = 32


def run(ctx: StageContext, options: NeutralizeOptions, views: list[TrackLandmarks]) -> list[str]:
    """Draws the references of these tracks, chunks that are missing only. Returns what a person should know of them."""
    size = talking_face.generator_size(options, "silent")
    used = face_selection.frames_in_range(ctx, options.start, options.end)
    steps = [(view, _placements(ctx, view, used), _references(ctx, view, size)) for view in views]
    wanted = sum(int(np.isfinite(places[:, 0]).sum()) for _, places, _ in steps)
    done = 0
    network = None
    for view, places, array in steps:
        missing = set(array.missing())
        done += sum(_count(places, array.span(i)) for i in range(array.chunks) if i not in missing)
        if missing and network is None:
            network = _network(ctx, options, wanted)
    for view, places, array in steps:
        for chunk, frames, crops in _crops(ctx, view, array, places):
            a, b = array.span(chunk)
            out = np.zeros((b - a, *array.shape[1:]), np.uint8)
            if frames:
                out[np.array(frames) - a] = close_mouths(network, crops)
            array.write(chunk, out)
            done += len(frames)
            ctx.progress(done, wanted)
    return [talking_face.trust_note(options)]


def close_mouths(network: Any, crops: np.ndarray) -> np.ndarray:
    """Faces uint8 (n, P, P, 3) RGB with shut mouths: the same form. network: `networks.talking_face.SilentLip`, ready or not."""
    import torch

    made = inference.run_network(
        network, inference.call_directly, torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    )
    return np.round(made.permute(0, 2, 3, 1).numpy().clip(0, 1) * 255).astype(np.uint8)


def _network(ctx: StageContext, options: NeutralizeOptions, items: int) -> inference.NetworkRunner:
    from lipdub.networks.talking_face import SilentLip

    model = talking_face.load_model(ctx, options)
    assert model.silent is not None
    return inference.prepare_network(
        ctx, options, SilentLip(model.silent, model.sync).eval(), talking_face.PROFILE, items
    )


def _placements(ctx: StageContext, view: TrackLandmarks, used: np.ndarray) -> np.ndarray:
    """Where each frame's crop lies, of those that are used; kept as ``placement-ID``."""
    n = view.last - view.first + 1
    kept = ctx.store.array(f"placement-{view.id}", shape=(n, 4), dtype="float64", chunk=n)
    if kept.missing():
        places = full_face.fit_placements_blockwise(
            lambda a, b: view.read(view.first + a, view.first + b), n, view.interval
        )
        yaw = ctx.store.open(f"motion-{view.id}").read(0, n)[:, 2]
        places[~(np.abs(yaw) <= MAX_YAW_DEGREES) | ~used[view.first : view.last + 1]] = np.nan
        kept.write(0, places)
    return kept.read(0, n)


def _references(ctx: StageContext, view: TrackLandmarks, size: int) -> ChunkedArray:
    shape = (view.last - view.first + 1, size, size, 3)
    return ctx.store.array(f"reference-{view.id}", shape=shape, dtype="uint8", chunk=CHUNK)


def _count(places: np.ndarray, span: tuple[int, int]) -> int:
    return int(np.isfinite(places[slice(*span), 0]).sum())


def _crops(ctx: StageContext, view: TrackLandmarks, array: ChunkedArray, places: np.ndarray) -> Any:
    """The missing chunks: the chunk, its frames that are drawn, their crops uint8 (k, P, P, 3); every chunk has an item."""
    from lipdub.media.read import read_frames_in_order

    size = array.shape[1]
    todo = {i: [k for k in range(*array.span(i)) if np.isfinite(places[k, 0])] for i in array.missing()}
    sources = read_frames_in_order(ctx.job.video, [view.first + k for frames in todo.values() for k in frames])
    for chunk, frames in todo.items():
        crops = np.zeros((len(frames), size, size, 3), np.uint8)
        for j, k in enumerate(frames):
            crops[j] = full_face.align(places[k], size).crop_picture(next(sources).picture)
        yield chunk, frames, crops
