"""How pictures are turned and mirrored for display: display matrices of videos, EXIF of still pictures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lipdub.media.picture_grid import read_picture_grid

# Frames of these decoders carry the name of their colour profile as metadata of side data. PyAV frees such metadata
# twice once `side_data` is read, and the process crashes.
NAMED_PROFILE_DECODERS = ("png", "apng")
_EXIF_ORIENTATION = 0x0112  # tag of the EXIF standard (CIPA DC-008)
_QUARTER = 90.0  # degrees
_SAME_ANGLE = 0.1  # degrees; smaller differences are rounding
_MATRIX_NUMBERS = 9
# Nine numbers, row by row, as FFmpeg and MOV have them: 16.16 fixed point, in the last column 2.30.
DisplayMatrix: TypeAlias = tuple[int, ...]
_PILLOW_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF")  # formats with EXIF that Pillow is asked about


class Orientation(NamedTuple):
    """How a stored picture is brought to display orientation.

    Attributes:
        turns: Counterclockwise quarter turns, 0 to 3.
        mirrored: Whether a left to right flip follows them.
    """

    turns: int = 0
    mirrored: bool = False


class Turn(NamedTuple):
    """How a stored picture is turned for display by any angle.

    Attributes:
        degrees: Counterclockwise turn.
        mirrored: Whether a left to right flip follows it.
    """

    degrees: float = 0.0
    mirrored: bool = False

    @property
    def is_quarter(self) -> bool:
        """Whether it is a multiple of 90 degrees, but for rounding."""
        off = self.degrees % _QUARTER
        return min(off, _QUARTER - off) < _SAME_ANGLE


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
    """Return how a frame is brought to display orientation, to the nearest quarter turn.

    Args:
        frame: The ``av.VideoFrame``.
        decoder: FFmpeg's name of the decoder that made it.
    """
    turn = read_frame_turn(frame, decoder)
    return Orientation(round(turn.degrees / _QUARTER) % 4, turn.mirrored)


def read_frame_turn(frame: Any, decoder: str) -> Turn:
    """Return how a frame is turned for display, in degrees. Arguments as for :func:`read_frame_orientation`."""
    if _hides_side_data(frame, decoder):
        return Turn(float(getattr(frame, "rotation", 0)))  # its turn alone: its flip cannot be read
    matrix = read_display_matrix(frame, decoder)
    return Turn() if matrix is None else measure_turn(matrix)


def read_display_matrix(frame: Any, decoder: str) -> DisplayMatrix | None:
    """Return the display matrix of a frame; None if it has none, or one that shows nothing.

    Args:
        frame: The ``av.VideoFrame``.
        decoder: FFmpeg's name of the decoder that made it.
    """
    if _hides_side_data(frame, decoder):
        return None
    try:
        side = frame.side_data["DISPLAYMATRIX"]
    except KeyError:
        return None
    if side is None:
        return None
    matrix = tuple(np.frombuffer(bytes(side), np.int32)[:_MATRIX_NUMBERS].tolist())
    return matrix if _determinant(matrix) else None


def measure_turn(matrix: DisplayMatrix) -> Turn:
    """Return the turn of a display matrix, and whether a left to right flip follows it."""
    a, b = matrix[:2]
    is_mirrored = _determinant(matrix) < 0
    # Matrix of the turn alone: undo the flip, which comes last (x' = -x).
    return Turn(float(np.degrees(np.arctan2(float(-b), float(-a if is_mirrored else a)))), is_mirrored)


def _determinant(matrix: DisplayMatrix) -> int:
    """Return the determinant without translation and perspective."""
    a, b, _, c, d = matrix[:5]
    return a * d - b * c


def _hides_side_data(frame: Any, decoder: str) -> bool:
    """Whether the side data of a frame cannot be read: PyAV would crash, or does not know a kind of it."""
    if decoder in NAMED_PROFILE_DECODERS:
        return True
    try:
        frame.side_data["DISPLAYMATRIX"]
    except ValueError:
        return True
    except KeyError:
        pass
    return False
