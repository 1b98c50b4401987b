"""Find the face in a picture that an option names, with the run's own detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipdub.errors import InputError
from lipdub.faces import detectors
from lipdub.media.pixels import to_eight_bits

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F32
    from lipdub.media.pixels import Picture
    from lipdub.stages.base import StageContext


def find_face_in_picture(ctx: StageContext, path: Path, what: str) -> tuple[Picture, F32]:
    """Find the face in a picture, with the detector that the detect stage used on the video.

    Args:
        ctx: of a stage that reads detect.
        path: of the picture.
        what: how a message calls it, as in "the reference picture".

    Returns:
        The picture, and the mesh (478, 3) float32 of its first face in pixels.

    Raises:
        InputError: the picture shows no face, or cannot be read.
    """
    from lipdub.media.read import read_frames

    picture = next(iter(read_frames(path, 0, 1))).picture
    faces = detectors.detect_still(
        to_eight_bits(picture.rgb()), ctx.summaries["detect"]["method"], device=ctx.device, threads=ctx.threads
    )
    if not faces:
        raise InputError(f"there is no face in {what} {path}")
    return picture, faces[0]
