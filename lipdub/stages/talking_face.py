"""What the methods `silent-lip` and `stabilized` share: which talking-face model they take, where a face's crop lies, and how a
crop that a generator gave is laid back at the face's own size.

The generators work on small aligned crops (`faces.facecrop`). What they leave as it was keeps the detail of the source: only what
they changed is as soft as they are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

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
PROFILE = inference.NetworkProfile(item_bytes=64 << 20, batch=16, channels_last=True)

Options = TypeVar("Options")


def resolve_model(options: Options, digest: Callable[[], str]) -> Options:
    """A stage's options with its field ``talker``, a name, a file or None, as the file that is taken for this video. digest: gives
    the video's, and is asked only where it decides. Raises WeightsError when there is none.
    """
    from lipdub.weights import user_models
    from lipdub.weights.talking_face_file import FAMILY

    name: str | None = options.talker  # type: ignore[attr-defined]
    model = user_models.find(FAMILY, name, digest() if name is None else None)
    return replace(options, talker=str(model.path))  # type: ignore[type-var]


def trust_note(options: Any) -> str:
    """What a person should know of the model."""
    from lipdub.weights.talking_face_file import FAMILY

    return FAMILY.describe(Path(options.talker))


def load_model(ctx: StageContext, options: Any) -> TalkingFaceModel:
    """The model, on the run's device."""
    import torch

    from lipdub.weights import talking_face_file

    torch.set_num_threads(ctx.threads)
    model = talking_face_file.load(Path(options.talker))
    for network in (model.sync, model.silent, model.talking):
        if network is not None:
            network.to(ctx.device)
    return model


def generator_size(options: Any, generator: str) -> int:
    """Of the faces of a model's generator, "silent" or "talking". Raises UsageError when the model has none such."""
    from lipdub.weights import talking_face_file

    size = talking_face_file.read_description(Path(options.talker)).get(generator)
    if size is None:
        raise UsageError(
            f"the model {printable(options.talker)} has no {'silent-lip' if generator == 'silent' else 'talking-face'} generator",
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
