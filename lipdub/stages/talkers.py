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

from lipdub.errors import UsageError, shown
from lipdub.stages import compute

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.stages.base import StageContext
    from lipdub.stages.sync_faces import Plan
    from lipdub.weights.talker import TalkerModel

METHOD = "silent-lip"  # of neutralize
TRAITS = compute.Traits(item_bytes=64 << 20, batch=16, channels_last=True)
# Differences, as shares of white, from which on a pixel counts as changed, and as wholly changed.
_CHANGED, _WHOLLY = 0.02, 0.08
_SPREAD = 1 / 64  # blur of what was changed, as a share of the crop
_EDGE = 1 / 24  # over which the lower half comes in, and a crop goes out at its sides

Options = TypeVar("Options")


def settled(options: Options, digest: Callable[[], str]) -> Options:
    """A stage's options with its field ``talker``, a name, a file or None, as the file that is taken for this video. digest: gives
    the video's, and is asked only where it decides. Raises WeightsError when there is none.
    """
    from lipdub.weights import trained

    asked: str | None = options.talker  # type: ignore[attr-defined]
    found = trained.find(asked, digest() if asked is None else None)
    return replace(options, talker=str(found.path))  # type: ignore[type-var]


def remark(options: Any) -> str:
    """What a person should know of the model."""
    from lipdub.weights import trained

    return trained.remark(Path(options.talker))


def load(ctx: StageContext, options: Any) -> TalkerModel:
    """The model, on the run's device."""
    import torch

    from lipdub.weights import talker

    torch.set_num_threads(ctx.threads)
    model = talker.load(Path(options.talker))
    for network in (model.sync, model.silent, model.talking):
        if network is not None:
            network.to(ctx.device)
    return model


def pixels(options: Any, generator: str) -> int:
    """Of the faces of a model's generator, "silent" or "talking". Raises UsageError when the model has none such."""
    from lipdub.weights import talker

    size = talker.about(Path(options.talker)).get(generator)
    if size is None:
        raise UsageError(
            f"the model {shown(options.talker)} has no {'silent-lip' if generator == 'silent' else 'talking-face'} generator",
            hint="lipdub train stabilized and lipdub adapt make models with both.",
        )
    return int(size["pixels"])


def drawn(ctx: StageContext, track: int) -> np.ndarray:
    """Placements float64 (frames, 4) of a track's crops, NaN where neutralize drew none. UsageError where it drew none at all."""
    if not ctx.upstream["neutralize"].has(f"placement-{track}"):
        raise UsageError(
            f"neutralize drew no references of face {track}", hint="Run lipdub neutralize with the same --face first."
        )
    places = ctx.upstream["neutralize"].open(f"placement-{track}")
    return places.read(0, len(places))


def references(ctx: StageContext, plan: Plan, frames: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Of these output frames, the faces with shut mouths uint8 (n, P, P, 3), and their placements in the frames' boxes (n, 4)."""
    neutral = ctx.upstream["neutralize"]
    faces, places = [], []
    for k in frames:
        track, i = _of_track(ctx, plan, k)
        faces.append(neutral.open(f"reference-{track}").read(i, i + 1)[0])
        place = neutral.open(f"placement-{track}").read(i, i + 1)[0]
        places.append(place - [*plan.box[k, :2], 0, 0])
    return np.stack(faces), np.stack(places)


def _of_track(ctx: StageContext, plan: Plan, k: int) -> tuple[int, int]:
    """The track that an output frame shows, and which of the track's frames it is."""
    track = int(plan.track[k])
    first = next(row["first"] for row in ctx.summaries["detect"]["tracks"] if row["id"] == track)
    return track, int(plan.source[k]) - first


def seen(picture: np.ndarray, placement: np.ndarray, size: int) -> np.ndarray:
    """The crop uint8 (size, size, 3) at a placement in a picture (h, w, 3), uint8 or uint16."""
    from lipdub.faces import facecrop

    return facecrop.crop(facecrop.eight_bits(picture), placement, size)


def laid_back(picture: np.ndarray, before: np.ndarray, made: np.ndarray, placement: np.ndarray) -> np.ndarray:
    """What was made of a crop, at the place and size it was cut out, float32 (h, w, 4): RGB 0..1, and how far it is to be taken.

    Args:
        picture: (h, w, 3) RGB, uint8 or uint16. before: its crop, uint8 (P, P, 3). made: float32 (P, P, 3), 0..1, of which the
            lower half is new. placement: (4,) in the picture.
    """
    import cv2

    from lipdub.faces import facecrop

    high, wide = picture.shape[:2]
    size = len(made)
    old = before.astype(np.float32) / 255
    apart = cv2.GaussianBlur(np.abs(made - old).max(2), (0, 0), _SPREAD * size)
    changed = np.clip((apart - _CHANGED) / (_WHOLLY - _CHANGED), 0, 1)
    taken = _window(size)
    planes = np.concatenate([old, made, changed[..., None], taken[..., None]], 2)
    back = [facecrop.from_crop(planes[..., a:b], placement, high, wide) for a, b in ((0, 3), (3, 6), (6, 8))]
    coarse, new, shares = back
    shares = shares.clip(0, 1)
    detail = picture.astype(np.float32) / np.iinfo(picture.dtype).max - coarse
    full = (new + (1 - shares[..., :1]) * detail).clip(0, 1)
    return np.concatenate([full, shares[..., 1:]], 2)


def _window(size: int) -> np.ndarray:
    """How far each pixel of a crop is taken, float32 (size, size): 1 in the lower half, 0 at its edges."""
    edge = max(2.0, _EDGE * size)
    at = np.arange(size, dtype=np.float32)
    down = np.minimum((at - size // 2 + 1) / edge, (size - 1 - at) / edge)
    across = np.minimum(at, size - 1 - at) / edge
    return down.clip(0, 1)[:, None] * across.clip(0, 1)


def shut_faces(ctx: StageContext, plan: Plan, frames: list[int], faces: list[np.ndarray]) -> list[np.ndarray]:
    """Faces (h, w, 3) of output frames with the mouths that neutralize's method `silent-lip` shut; those it did not draw as they
    are.
    """
    out = list(faces)
    known = [j for j, k in enumerate(frames) if _is_drawn(ctx, plan, k)]
    if not known:
        return out
    drawn_faces, places = references(ctx, plan, [frames[j] for j in known])
    for j, reference, place in zip(known, drawn_faces, places, strict=True):
        face = faces[j]
        back = laid_back(face, seen(face, place, len(reference)), reference.astype(np.float32) / 255, place)
        top = np.iinfo(face.dtype).max
        out[j] = np.round(face + back[..., 3:] * (back[..., :3] * top - face)).astype(face.dtype)
    return out


def _is_drawn(ctx: StageContext, plan: Plan, k: int) -> bool:
    track, i = _of_track(ctx, plan, k)
    neutral = ctx.upstream["neutralize"]
    return neutral.has(f"placement-{track}") and bool(
        np.isfinite(neutral.open(f"placement-{track}").read(i, i + 1)).all()
    )
