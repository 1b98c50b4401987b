"""Drawn pictures have the format that their names ask for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lipdub.errors import UsageError
from lipdub.media.picture_files import check_picture_name, encode_picture

PICTURE = np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "form", "is_exact"),
    [
        ("a.png", "PNG", True),
        ("a.JPG", "JPEG", False),
        ("a.jpeg", "JPEG", False),
        ("a.webp", "WEBP", True),
        ("a.tif", "TIFF", True),
        ("a.bmp", "BMP", True),
    ],
)
def test_the_ending_decides(tmp_path: Path, name: str, form: str, is_exact: bool) -> None:
    path = tmp_path / name
    path.write_bytes(encode_picture(PICTURE, path))
    with Image.open(path) as image:
        assert image.format == form
        assert image.size == (64, 48)
        assert (np.array(image.convert("RGB")) == PICTURE).all() == is_exact


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.mp4", "a.gif"])
def test_other_endings_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be written as"):
        check_picture_name(Path(name))


def test_a_picture_too_large_for_its_format_is_refused() -> None:
    with pytest.raises(UsageError, match="WEBP holds no picture of 4x20000"):
        encode_picture(np.zeros((20_000, 4, 3), np.uint8), Path("a.webp"))
