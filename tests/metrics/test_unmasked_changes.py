"""Equality of samples outside a mask."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.media.colour import ColourTags
from lipdub.media.pixel_formats import plane_layout
from lipdub.media.pixels import Picture
from lipdub.metrics.unmasked_changes import SampleDifference, compare_outside_mask


def _noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _picture(seed: int = 5) -> Picture:
    layout = plane_layout("yuv420p")
    assert layout is not None
    planes = (_noise((32, 48), seed), _noise((16, 24), seed + 1), _noise((16, 24), seed + 2))
    return Picture(planes, layout, ColourTags())


def _patched(picture: Picture, box: tuple[int, int, int, int]) -> tuple[Picture, np.ndarray]:
    weight = np.zeros((box[3] - box[1], box[2] - box[0]), np.float32)
    weight[3:-3, 3:-3] = 0.7
    return picture.patch(box, np.full((*weight.shape, 3), 200, np.uint8), weight), weight


def test_a_patch_changes_nothing_outside_its_mask() -> None:
    source, box = _picture(), (8, 6, 30, 25)
    result, weight = _patched(source, box)
    found = compare_outside_mask(source, result, box, weight)
    assert found.changed == 0 and found.worst == 0
    assert 0 < found.compared < 32 * 48 * 3 // 2
    assert compare_outside_mask(source, result, None, None).changed > 100


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_one_changed_sample_outside_is_noticed(plane: int) -> None:
    source, box = _picture(), (8, 6, 30, 25)
    result, weight = _patched(source, box)
    planes = [p.copy() for p in result.coded]
    planes[plane][0, 0] ^= 4
    found = compare_outside_mask(source, Picture(tuple(planes), source.layout, source.colour), box, weight)
    assert (found.changed, found.worst, found.squared) == (1, 4, 16.0)


def test_different_formats_cannot_be_compared() -> None:
    layout = plane_layout("yuv444p")
    assert layout is not None
    other = Picture(tuple(_noise((32, 48), s) for s in range(3)), layout, ColourTags())
    with pytest.raises(ValueError, match="yuv444p"):
        compare_outside_mask(_picture(), other, None, None)


def test_differences_add_up() -> None:
    assert SampleDifference(10, 1, 4.0, 2) + SampleDifference(5, 2, 9.0, 3) == SampleDifference(15, 3, 13.0, 3)
