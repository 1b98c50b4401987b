"""The model that `silent-lip` and `stabilized` share, and the closed-mouth references that `silent-lip` drew.

The generators work on small aligned crops (`faces.alignment.full_face`). Pixels they leave alone keep the source's
detail, which moves along with what they move (`faces.detail`); pixels that are new are as soft as the crops.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import UsageError, printable
from lipdub.faces.compositing import composite_crop, crop_at
from lipdub.speech.sound_windows import SoundWindows, sound_windows
from lipdub.stages import inference
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.neutralize.store import DrawnFaces, drawn_full_faces

if TYPE_CHECKING:
    from lipdub.arrays import Array
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.plan import FacePlan
    from lipdub.weights.talking_face_file import TalkingFaceModel

METHOD = "silent-lip"  # of neutralize
TRAITS = inference.NetworkTraits(item_bytes=64 << 20, batch=16, channels_last=True)


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
        title = "silent-lip" if generator == "silent" else "talking-face"
        raise UsageError(
            f"the model {printable(model)} has no {title} generator",
            hint="lipdub train stabilized and lipdub adapt make models with both.",
        )
    return int(size["pixels"])


def find_sound_windows(model: Path) -> SoundWindows:
    """Return the windows of sound that a model file hears.

    Raises:
        WeightsError: The file holds no talking-face model.
        UsageError: This version of lipdub does not have these windows.
    """
    from lipdub.weights import talking_face_file

    audio, rows, columns = talking_face_file.read_audio(model)
    return sound_windows(audio, columns, rows)


def read_placements(ctx: StageContext, track: int) -> Array:
    """Read where a track's crops lie.

    Returns:
        (frames, 4) float64 placements, NaN where neutralize drew no crop.

    Raises:
        UsageError: It drew none of this track.
    """
    return drawn_full_faces(ctx.upstream["neutralize"], track).read_places()


def read_references(ctx: StageContext, plan: FacePlan, frames: list[int]) -> tuple[Array, Array]:
    """Read the closed-mouth faces of output frames.

    Returns:
        faces: (n, P, P, 3) uint8 RGB.
        placements: (n, 4) float64 in the boxes of the plan.
    """
    faces, places = [], []
    for k in frames:
        drawn, index = _drawn_face(ctx, plan, k)
        faces.append(drawn.read_face(index))
        places.append(drawn.read_place(index) - [*plan.box[k, :2], 0, 0])
    return np.stack(faces), np.stack(places)


def _drawn_face(ctx: StageContext, plan: FacePlan, k: int) -> tuple[DrawnFaces, int]:
    """Return the drawn faces of the track that an output frame shows, and the index of its source frame in them."""
    track = int(plan.track[k])
    first = DetectStore.from_context(ctx).track(track)["first"]
    return drawn_full_faces(ctx.upstream["neutralize"], track), int(plan.source[k]) - first


def closed_mouth_references(ctx: StageContext, plan: FacePlan, frames: list[int], faces: list[Array]) -> list[Array]:
    """Close the mouths of faces with what `silent-lip` drew. A face without such a reference stays as it is.

    Args:
        ctx: The stage's context.
        plan: What every output frame shows.
        frames: Output frames.
        faces: (h, w, 3) uint8 or uint16 RGB each, cut with the plan's boxes.

    Returns:
        The faces, of the same sizes and dtype.
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
    drawn, index = _drawn_face(ctx, plan, k)
    return drawn.exists() and bool(np.isfinite(drawn.read_place(index)).all())
