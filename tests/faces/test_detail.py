"""Fine detail goes along with what a small crop moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces import compositing
from lipdub.faces.alignment import full_face
from lipdub.faces.detail import find_motion

if TYPE_CHECKING:
    import pytest

SIZE, SIDE = 64, 400
PLACEMENT = np.array([200.0, 200.0, 110.0, 0.1])


def _draw_skin(rng: np.random.Generator) -> np.ndarray:
    """A picture with coarse shapes that flow can follow and with fine texture, (SIDE, SIDE, 3) uint8."""
    noise = rng.normal(0, 1, (SIDE, SIDE, 3)).astype(np.float32)
    coarse, fine = (cv2.GaussianBlur(noise, (0, 0), sigma) for sigma in (14, 1.2))
    picture = 128 + 30 * coarse / coarse.std() + 8 * fine / fine.std()
    return picture.clip(0, 255).round().astype(np.uint8)


def _high_pass(picture: np.ndarray) -> np.ndarray:
    return (picture - cv2.GaussianBlur(picture, (0, 0), 4))[210:280, 150:250].ravel()


def _move_down(picture: np.ndarray, pixels: float) -> np.ndarray:
    return cv2.warpAffine(picture, np.float64([[1, 0, 0], [0, 1, pixels]]), (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)


def test_texture_follows_what_moved() -> None:
    picture = _draw_skin(np.random.default_rng(0))
    moved = _move_down(picture, 12)
    before = compositing.crop_at(picture, PLACEMENT, SIZE)
    generated = compositing.crop_at(moved, PLACEMENT, SIZE).astype(np.float32) / 255
    back = compositing.composite_crop(picture, before, generated, PLACEMENT)[..., :3] * 255
    wanted, own = _high_pass(moved.astype(np.float32)), _high_pass(picture.astype(np.float32))
    found = _high_pass(back)
    assert np.corrcoef(found, wanted)[0, 1] > 0.7
    assert abs(np.corrcoef(found, own)[0, 1]) < 0.3
    assert found.std() > 0.7 * wanted.std()


def test_what_is_new_has_no_detail_of_the_old() -> None:
    picture = _draw_skin(np.random.default_rng(1))
    before = compositing.crop_at(picture, PLACEMENT, SIZE)
    generated = before.astype(np.float32) / 255
    generated[SIZE // 2 :] = (0.2, 0.05, 0.05)
    back = compositing.composite_crop(picture, before, generated, PLACEMENT)[..., :3] * 255
    assert _high_pass(back).std() < 0.25 * _high_pass(picture.astype(np.float32)).std()


def test_nothing_moves_where_nothing_changed() -> None:
    crop = np.random.default_rng(2).random((SIZE, SIZE, 3)).astype(np.float32)
    motion = find_motion(crop, crop)
    assert not motion.flow.any()
    assert (motion.share == 1).all()


def test_what_moves_at_the_lower_edge_comes_to_rest_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chin's outline that leaves the crop bends; it is not shown twice."""
    picture = cv2.GaussianBlur(_draw_skin(np.random.default_rng(3)) // 2 + 110, (0, 0), 3)
    placement = np.array([200.0, 200.0, 110.0, 0.0])
    bottom = 200 + round(float(full_face.measure_reach(placement)))
    for x in range(SIDE):  # lines that fall to the right, across the lower edge
        picture[bottom - 60 + x // 4 : bottom - 52 + x // 4, x] = 20
    before = compositing.crop_at(picture, placement, SIZE)
    moved = compositing.crop_at(_move_down(picture, -4), placement, SIZE).astype(np.float32) / 255

    def count_lines() -> int:
        back = compositing.composite_crop(picture, before, moved, placement)
        shown = picture + back[..., 3:] * (255 * back[..., :3] - picture)
        columns = shown[bottom - 40 : bottom + 10, 100:300].mean(2)
        is_dark = columns < 120
        return int((is_dark[1:] & ~is_dark[:-1]).sum(0).max())

    assert count_lines() == 1
    monkeypatch.setattr(compositing, "REST_SHARE", 1e-6)
    assert count_lines() == 2
