"""What the methods `silent-lip` and `stabilized` share: which talking-face model they take, where a face's crop lies, and how a
crop that a generator gave is laid back at the face's own size.

The generators work on small aligned crops (`faces.facecrop`). What they leave as it was keeps the detail of the source: only what
they changed is as soft as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import UsageError, printable
from lipdub.faces.compositing import composite_crop, crop_at
from lipdub.stages import inference

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.plan import FacePlan
    from lipdub.weights.talking_face_file import TalkingFaceModel

METHOD = "silent-lip"  # of neutralize
MODEL_HELP = "The talking-face model: a name or a file. Default: the one adapted to this video, or lipdub's own."
PROFILE = inference.NetworkProfile(item_bytes=64 << 20, batch=16, channels_last=True)


def resolve_model(model: str | None, digest: Callable[[], str]) -> str:
    """Return the model file to use for a video.

    Args:
        model: A name, a file, or None for the one adapted to the video, else lipdub's own.
        digest: Returns the digest of the video's content. Called only where it decides.

    Raises:
        WeightsError: There is no such model.
    """
    from lipdub.weights import user_models
    from lipdub.weights.talking_face_file import FAMILY

    return str(user_models.find(FAMILY, model, digest() if model is None else None).path)


def load_model(ctx: StageContext, model: str) -> TalkingFaceModel:
    """Load a model file on the run's device."""
    import torch

    from lipdub.weights import talking_face_file

    torch.set_num_threads(ctx.threads)
    loaded = talking_face_file.load(Path(model))
    for network in (loaded.sync, loaded.silent, loaded.talking):
        if network is not None:
            network.to(ctx.device)
    return loaded


def generator_size(model: str, generator: str) -> int:
    """Return the side in pixels of the faces that a model's generator draws.

    Args:
        model: A model file.
        generator: "silent" or "talking".

    Raises:
        UsageError: The model has no such generator.
    """
    from lipdub.weights import talking_face_file

    size = talking_face_file.read_description(Path(model)).get(generator)
    if size is None:
        raise UsageError(
            f"the model {printable(model)} has no {'silent-lip' if generator == 'silent' else 'talking-face'} generator",
            hint="lipdub train stabilized and lipdub adapt make models with both.",
        )
    return int(size["pixels"])


def read_placements(ctx: StageContext, track: int) -> np.ndarray:
    """Placements float64 (frames, 4) of a track's crops, NaN where neutralize drew none. UsageError where it drew none at all."""
    if not ctx.upstream["neutralize"].has(f"placement-{track}"):
        raise UsageError(
            f"neutralize drew no references of face {track}", hint="Run lipdub neutralize with the same --face first."
        )
    places = ctx.upstream["neutralize"].open(f"placement-{track}")
    return places.read(0, len(places))


def read_references(ctx: StageContext, plan: FacePlan, frames: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Of these output frames, the faces with shut mouths uint8 (n, P, P, 3), and their placements in the frames' boxes (n, 4)."""
    neutral = ctx.upstream["neutralize"]
    faces, places = [], []
    for k in frames:
        track, i = _of_track(ctx, plan, k)
        faces.append(neutral.open(f"reference-{track}").read(i, i + 1)[0])
        place = neutral.open(f"placement-{track}").read(i, i + 1)[0]
        places.append(place - [*plan.box[k, :2], 0, 0])
    return np.stack(faces), np.stack(places)


def _of_track(ctx: StageContext, plan: FacePlan, k: int) -> tuple[int, int]:
    """The track that an output frame shows, and which of the track's frames it is."""
    track = int(plan.track[k])
    first = next(row["first"] for row in ctx.summaries["detect"]["tracks"] if row["id"] == track)
    return track, int(plan.source[k]) - first


def closed_mouth_references(
    ctx: StageContext, plan: FacePlan, frames: list[int], faces: list[np.ndarray]
) -> list[np.ndarray]:
    """Faces (h, w, 3) of output frames with the mouths that neutralize's method `silent-lip` shut; those it did not draw as they
    are.
    """
    out = list(faces)
    known = [j for j, k in enumerate(frames) if _is_drawn(ctx, plan, k)]
    if not known:
        return out
    drawn_faces, places = read_references(ctx, plan, [frames[j] for j in known])
    for j, reference, place in zip(known, drawn_faces, places, strict=True):
        face = faces[j]
        back = composite_crop(face, crop_at(face, place, len(reference)), reference.astype(np.float32) / 255, place)
        top = np.iinfo(face.dtype).max
        out[j] = np.round(face + back[..., 3:] * (back[..., :3] * top - face)).astype(face.dtype)
    return out


def _is_drawn(ctx: StageContext, plan: FacePlan, k: int) -> bool:
    track, i = _of_track(ctx, plan, k)
    neutral = ctx.upstream["neutralize"]
    return neutral.has(f"placement-{track}") and bool(
        np.isfinite(neutral.open(f"placement-{track}").read(i, i + 1)).all()
    )
