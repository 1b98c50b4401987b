"""One crop laid into one frame: its colours are matched, and nothing beyond the mask's foot is touched."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.blending import feather
from lipdub.media.fields import InterlacedPicture
from lipdub.media.pixels import Picture
from lipdub.media.read import read_frames
from lipdub.options import options_of
from lipdub.stages.paste_back import paste
from lipdub.stages.paste_back.options import PasteBackOptions
from tests.sample import TALKER

BOX = np.array([150, 260, 350, 440])  # the drawn talker's lower face
CAST = (14, -10, 18)


@pytest.fixture(scope="module")
def picture() -> Picture:
    return next(iter(read_frames(TALKER, 0, 1))).picture


def cut(picture: Picture) -> np.ndarray:
    """The crop (h, w, 4) uint8 of the frame itself, with an elliptic mask."""
    rgb = picture.rgb(tuple(BOX.tolist()))
    h, w = rgb.shape[:2]
    y, x = np.mgrid[:h, :w]
    mask = np.hypot((x - w / 2) / (0.3 * w), (y - h / 2) / (0.3 * h)) < 1
    return np.dstack([rgb, np.where(mask, 255, 0)]).astype(np.uint8)


def off(before: Picture, after: Picture, crop: np.ndarray) -> np.ndarray:
    """Mean change (3,) of the colours in the middle of the mask."""
    box = tuple(BOX.tolist())
    whole = feather.crop_weight(crop, PasteBackOptions().feather) == 1
    change = after.rgb(box).astype(float) - before.rgb(box)
    return np.asarray(change[whole].mean(0))


@pytest.mark.parametrize("method", options_of(PasteBackOptions)[0].choices)
def test_a_cast_is_taken_out_unless_colour_match_is_off(picture: Picture, method: str) -> None:
    crop = cut(picture)
    crop[..., :3] = np.clip(crop[..., :3].astype(int) + CAST, 0, 255)
    matched = paste.paste_crop(picture, crop, BOX, PasteBackOptions(method=method))
    assert np.abs(off(picture, matched, crop)).max() < 2
    as_it_is = paste.paste_crop(picture, crop, BOX, PasteBackOptions(method=method, colour_match=False))
    change = off(picture, as_it_is, crop)
    assert (np.sign(change) == np.sign(CAST)).all()
    assert (np.abs(change) > 0.6 * np.abs(CAST)).all()


@pytest.mark.parametrize("method", options_of(PasteBackOptions)[0].choices)
def test_beyond_the_masks_foot_every_sample_is_the_sources(picture: Picture, method: str) -> None:
    """The crop is white all over and its colours are not matched: what a coarse octave carries out would show."""
    crop = cut(picture)
    crop[..., :3] = 255
    options = PasteBackOptions(method=method, colour_match=False)
    pasted = paste.paste_crop(picture, crop, BOX, options)
    masks = picture.untouched_masks(tuple(BOX.tolist()), feather.crop_weight(crop, options.feather))
    for before, after, untouched in zip(picture.planes, pasted.planes, masks, strict=True):
        assert np.array_equal(before[untouched], after[untouched])
        assert (before != after).any()


@pytest.mark.parametrize("method", options_of(PasteBackOptions)[0].choices)
def test_a_mouth_in_interlaced_video_has_no_combs(method: str) -> None:
    """The fields are eight pixels apart. The crop is of one moment, and so is what is pasted."""
    frame = next(iter(read_frames(TALKER, 0, 1))).picture
    planes = [plane.copy() for plane in frame.coded]
    for plane, (step, _) in zip(planes, frame.steps, strict=True):
        plane[1::2] = np.roll(plane[1::2], 8 // step, axis=1)
    woven = InterlacedPicture(tuple(planes), frame.layout, frame.colour)
    crop = cut(woven)
    pasted = paste.paste_crop(woven, crop, BOX, PasteBackOptions(method=method, colour_match=False))
    box = tuple(BOX.tolist())
    whole = feather.crop_weight(crop, PasteBackOptions().feather) == 1
    before, after = (
        Picture(picture.coded, picture.layout, picture.colour).rgb(box).astype(float) for picture in (woven, pasted)
    )

    def measure_combs(rgb: np.ndarray) -> float:
        low, high = np.minimum(rgb[:-2], rgb[2:]), np.maximum(rgb[:-2], rgb[2:])
        return float(np.abs(rgb[1:-1] - np.clip(rgb[1:-1], low, high))[whole[1:-1]].mean())

    assert measure_combs(after) < 0.3 * measure_combs(before)
