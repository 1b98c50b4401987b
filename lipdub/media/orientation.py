"""How pictures are turned and mirrored for display: display matrices of videos, EXIF of still pictures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lipdub.media.picture_grid import read_picture_grid

# Frames of these decoders carry the name of their colour profile as metadata of side data. PyAV frees such metadata
# twice once `side_data` is read, and the process crashes.
NAMED_PROFILE_DECODERS = ("png", "apng")
_EXIF_ORIENTATION = 0x0112  # tag of the EXIF standard (CIPA DC-008)
_PILLOW_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF")  # formats with EXIF that Pillow is asked about


class Orientation(NamedTuple):
    """How a stored picture is brought to display orientation.

    Attributes:
        turns: Counterclockwise quarter turns, 0 to 3.
        mirrored: Whether a left to right flip follows them.
    """

    turns: int = 0
    mirrored: bool = False


UPRIGHT = Orientation()
# What the numbers of EXIF mean.
_EXIF_ORIENTATIONS = {
    1: UPRIGHT,
    2: Orientation(0, mirrored=True),
    3: Orientation(2),
    4: Orientation(2, mirrored=True),
    5: Orientation(3, mirrored=True),
    6: Orientation(3),
    7: Orientation(1, mirrored=True),
    8: Orientation(1),
}


def read_orientation(path: Path | str, frame: Any, decoder: str, *, is_still: bool) -> Orientation:
    """Return how the frames of a file are brought to display orientation.

    Args:
        path: The file.
        frame: Its first frame, an ``av.VideoFrame``.
        decoder: FFmpeg's name of the decoder that made it.
        is_still: Whether the file is a still picture.
    """
    if is_still:
        grid = read_picture_grid(Path(path))
        if grid is not None:  # the frame is joined from tiles, and says nothing
            return Orientation(grid.turns, grid.mirrored)
        exif = read_exif_orientation(path)
        if exif is not None:
            return exif
    return read_frame_orientation(frame, decoder)


def read_exif_orientation(path: Path | str) -> Orientation | None:
    """Return the orientation that a still picture's EXIF asks for.

    FFmpeg tells it for some formats and files only, and PyAV does not tell flips.

    Returns:
        The orientation; None if the file is of another kind or says nothing.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # very large pictures, odd EXIF: FFmpeg reads the picture
        try:
            with Image.open(path, formats=_PILLOW_FORMATS) as image:
                number = image.getexif().get(_EXIF_ORIENTATION)
        except Exception:  # Pillow raises nearly anything on damaged files, which FFmpeg may still read
            return None
    return _EXIF_ORIENTATIONS.get(number) if isinstance(number, int) else None


def read_frame_orientation(frame: Any, decoder: str) -> Orientation:
    """Return how a frame is brought to display orientation, from its display matrix.

    Args:
        frame: The ``av.VideoFrame``.
        decoder: FFmpeg's name of the decoder that made it.
    """
    if decoder in NAMED_PROFILE_DECODERS:
        return _read_turn(frame)
    try:
        side = frame.side_data["DISPLAYMATRIX"]
    except KeyError:
        return UPRIGHT
    except ValueError:
        return _read_turn(frame)  # side data of a type that PyAV does not know hides all the others
    if side is None:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(side), np.int32)[:5].tolist()
    is_mirrored = a * d - b * c < 0
    if is_mirrored:
        # Matrix of the turn alone: undo the flip, which comes last (x' = -x).
        a, c = -a, -c
    angle = np.degrees(np.arctan2(float(-b), float(a)))
    return Orientation(round(angle / 90.0) % 4, is_mirrored)


def _read_turn(frame: Any) -> Orientation:
    """Return a frame's turn alone, where its flip cannot be read."""
    return Orientation(round(getattr(frame, "rotation", 0) / 90.0) % 4)
