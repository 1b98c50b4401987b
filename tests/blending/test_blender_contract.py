"""What holds of every blender in the registry."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.blending import BLENDERS
from lipdub.blending.blender import Blender
from lipdub.blending.feather import feather_mask

HEIGHT, WIDTH = 96, 80


@pytest.fixture(params=list(BLENDERS))
def blender(request: pytest.FixtureRequest) -> Blender:
    """Each registered blender."""
    return BLENDERS.get(request.param)


@pytest.fixture(params=[np.uint8, np.uint16, np.float32])
def pictures(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Background and foreground in 0..255."""
    rng = np.random.default_rng(1)
    background, foreground = rng.uniform(0, 255, (2, HEIGHT, WIDTH, 3)).astype(request.param)
    return background, foreground


def disc(radius: float = 24, feather: float = 8) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = np.hypot(x - WIDTH / 2, y - HEIGHT / 2) < radius
    return feather_mask(inside.astype(np.float32), feather)


def test_it_says_its_name_and_one_line(blender: Blender) -> None:
    assert BLENDERS.get(blender.name) is blender
    assert blender.summary
    assert "\n" not in blender.summary


def test_outside_the_mask_nothing_changes(blender: Blender, pictures: tuple[np.ndarray, np.ndarray]) -> None:
    background, foreground = pictures
    mask = disc()
    out = blender.composite(background, foreground, mask)
    assert (mask == 0).any()
    assert np.array_equal(out[mask == 0], background[mask == 0].astype(np.float32))
    assert (blender.blend(background, foreground, mask).weight[mask == 0] == 0).all()


def test_an_empty_mask_gives_the_background(blender: Blender, pictures: tuple[np.ndarray, np.ndarray]) -> None:
    background, foreground = pictures
    out = blender.composite(background, foreground, np.zeros((HEIGHT, WIDTH), np.float32))
    assert np.array_equal(out, background.astype(np.float32))


def test_a_full_mask_gives_the_crop(blender: Blender, pictures: tuple[np.ndarray, np.ndarray]) -> None:
    background, foreground = pictures
    out = blender.composite(background, foreground, np.ones((HEIGHT, WIDTH), np.float32))
    assert np.allclose(out, foreground, atol=1e-2)


def test_equal_pictures_come_back_exactly(blender: Blender, pictures: tuple[np.ndarray, np.ndarray]) -> None:
    background, _ = pictures
    out = blender.composite(background, background.copy(), disc())
    assert np.array_equal(out, background.astype(np.float32))


def test_results_are_float32_and_inputs_stay_as_they_are(
    blender: Blender, pictures: tuple[np.ndarray, np.ndarray]
) -> None:
    background, foreground = pictures
    mask = disc()
    before = [array.copy() for array in (background, foreground, mask)]
    patch = blender.blend(background, foreground, mask)
    assert patch.rgb.dtype == patch.weight.dtype == np.float32
    assert patch.rgb.shape == background.shape
    assert patch.weight.shape == mask.shape
    assert patch.weight.min() >= 0
    assert patch.weight.max() <= 1
    for array, copy in zip((background, foreground, mask), before, strict=True):
        assert np.array_equal(array, copy)


def test_in_the_middle_of_the_mask_the_crop_shows(blender: Blender) -> None:
    background = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    foreground = np.full_like(background, 60)
    out = blender.composite(background, foreground, disc(36, 4))
    assert out[HEIGHT // 2, WIDTH // 2].min() > 45


def _paint_it_black(background: np.ndarray, foreground: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(foreground.shape, np.float32), mask


TOY = Blender("toy", "a blender of the tests", _paint_it_black)  # type: ignore[arg-type]


def test_a_blender_is_added_by_one_line() -> None:
    with BLENDERS.added("toy", "tests.blending.test_blender_contract:TOY"):
        assert "toy" in BLENDERS
        assert BLENDERS.get("toy").summary == TOY.summary
    assert "toy" not in BLENDERS
