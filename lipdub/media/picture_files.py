"""Pictures that lipdub draws, as files in the format that their names ask for."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from lipdub.errors import UsageError, printable

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import U8

# Pillow's names of the formats.
_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
_OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 92, "subsampling": 0}, "WEBP": {"lossless": True}}
_MAX_SIDE = {"JPEG": 65_535, "WEBP": 16_383}  # columns or rows that a format holds


def check_picture_name(path: Path) -> None:
    """Check that a picture can be written in the format that its name asks for.

    Raises:
        UsageError: No format has this ending.
    """
    if path.suffix.lower() not in _FORMATS:
        ending = printable(path.suffix) or "no ending"
        raise UsageError(
            f"the picture {printable(path)} cannot be written as {ending}",
            hint=f"Name it with one of {', '.join(_FORMATS)}.",
        )


def encode_picture(picture: U8, path: Path) -> bytes:
    """Encode a picture in the format that a file's name asks for.

    Args:
        picture: (h, w, 3) uint8 RGB.
        path: The file that it is for.

    Raises:
        UsageError: No format has this ending, or the format holds no picture of this size.
    """
    from PIL import Image

    check_picture_name(path)
    form = _FORMATS[path.suffix.lower()]
    if max(picture.shape[:2]) > _MAX_SIDE.get(form, max(picture.shape[:2])):
        raise UsageError(f"{form} holds no picture of {picture.shape[1]}x{picture.shape[0]}", hint="Name it with .png.")
    file = io.BytesIO()
    Image.fromarray(picture).save(file, form, **_OPTIONS.get(form, {}))
    return file.getvalue()
