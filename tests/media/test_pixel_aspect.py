"""Anamorphic pictures are shown with square pixels, and patched in their own."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

import lipdub
from lipdub.faces import mesh
from lipdub.media.colour import ColourTags
from lipdub.media.fields import InterlacedPicture, make_picture
from lipdub.media.frame_tags import BOTTOM_FIELD_FIRST
from lipdub.media.mux import mux
from lipdub.media.mux_plan import PictureInput, SourceInput
from lipdub.media.pixel_aspect import average_cells, find_square_size
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from lipdub.media.video_encoder import VideoCodec
from lipdub.media.write import write_segment
from lipdub.workspace.stage_store import StageStore
from tests.media.clips import make_video, scene
from tests.sample import SPEECH, TALKER

if TYPE_CHECKING:
    from pathlib import Path

ASPECTS = [Fraction(2), Fraction(1, 2), Fraction(9, 5), Fraction(5, 9), Fraction(4), Fraction(1, 4)]
SIDE = 320  # pixels of the drawn talker when it is shown


@pytest.mark.parametrize(
    ("aspect", "turns", "size"),
    [
        (None, 0, None),
        (Fraction(1), 0, None),
        (Fraction(64, 45), 0, None),
        (Fraction(3, 2), 0, None),
        (Fraction(2, 3), 0, None),
        (Fraction(2), 0, (128, 48)),
        (Fraction(1, 2), 0, (64, 96)),
        (Fraction(1, 2), 1, (128, 48)),
        (Fraction(100), 0, (256, 48)),
    ],
)
def test_only_pixels_far_from_square_are_stretched(
    aspect: Fraction | None, turns: int, size: tuple[int, int] | None
) -> None:
    assert find_square_size(64, 48, aspect, turns) == size


def test_cells_average_what_lies_in_them() -> None:
    values = np.arange(12, dtype=np.float32)[None]
    assert np.allclose(average_cells(values, 1, 4, (2, 6), 2.0), [[0.5, 2.5, 4.5, 6.5]])
    assert np.allclose(average_cells(values.T, 0, 0, (0, 2), 1.5), [[1 / 3], [5 / 3]])
    assert np.allclose(average_cells(values[:, :1] + 3, 1, 1, (0, 1), 4.0), [[0.75]])  # beyond its ends it is 0


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("turned", [(0, False), (90, False), (180, True)])
def test_patches_change_only_what_they_touch(tmp_path: Path, aspect: Fraction, turned: tuple[float, bool]) -> None:
    rotation, hflip = turned
    path = make_video(tmp_path / "a.mp4", size=(64, 48), pts=range(3), aspect=aspect, rotation=rotation, hflip=hflip)
    facts = probe(path)
    assert facts.video is not None
    picture = next(iter(read_frames(path))).picture
    assert (picture.width, picture.height) == (facts.video.width, facts.video.height)
    shown = 64 * aspect / 48 if rotation % 180 == 0 else 48 / (64 * aspect)
    assert picture.width / picture.height == pytest.approx(float(shown), rel=0.02)
    assert picture.rgb().shape[:2] == (picture.height, picture.width)

    box = picture.width // 4, picture.height // 4, picture.width // 2 + 1, picture.height // 2 + 3
    x0, y0, x1, y1 = box
    weight = np.zeros((y1 - y0, x1 - x0), np.float32)
    weight[2:-2, 2:-2] = 1
    base = picture.rgb(box)
    assert picture.patch(box, base, weight, base).coded[0].tobytes() == picture.coded[0].tobytes()
    patched = picture.patch(box, base.astype(np.float32) + 20, weight, base)
    assert (patched.width, patched.height) == (picture.width, picture.height)
    for plane, before, mask in zip(patched.planes, picture.planes, picture.untouched_masks(box, weight), strict=True):
        assert np.array_equal(plane[mask], before[mask])
        assert not mask.all()
    change = patched.planes[0].astype(int) - picture.planes[0]
    middle = change[change.shape[0] * 3 // 8, change.shape[1] * 3 // 8]
    assert middle == pytest.approx(20 * 219 / 255, abs=1.5)  # of limited range
    assert change.max() <= middle + 2 and change.min() >= 0
    share = float((change > 0).mean()) / float(weight.sum() / (picture.width * picture.height))
    assert 0.9 < share < 1.3


def write_squeezed(path: Path, aspect: Fraction, frames: int) -> Path:
    """The drawn talker, squeezed for pixels of this shape."""
    width, height = (SIDE, round(SIDE * aspect)) if aspect > 1 else (round(SIDE / aspect), SIDE)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "10", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for frame in read_frames(TALKER, 0, frames):
            rgb = cv2.resize(frame.picture.rgb(), (width, height), interpolation=cv2.INTER_AREA)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("aspect", ASPECTS)
def test_faces_are_found_on_square_pixels_and_the_result_keeps_the_shape(tmp_path: Path, aspect: Fraction) -> None:
    found = {}
    for ratio in (aspect, Fraction(1)):
        done = lipdub.detect(
            write_squeezed(tmp_path / f"{float(ratio)}.mp4", ratio, 4), workspace=tmp_path / f"{float(ratio)}"
        )
        points = StageStore(done.path, "detect").open("landmarks").read(0, 4)[:, 0, : mesh.SURFACE_VERTICES, :2]
        facts = probe(tmp_path / f"{float(ratio)}.mp4").video
        assert facts is not None and facts.width == facts.height
        found[ratio] = points / facts.width
    assert np.abs(found[aspect] - found[Fraction(1)]).mean() < 0.005

    source = tmp_path / f"{float(aspect)}.mp4"
    facts = probe(source)
    assert facts.video is not None
    pictures = ((frame.picture, frame.pts) for frame in read_frames(source))
    write_segment(tmp_path / "s", pictures, facts.video, VideoCodec())
    mux(PictureInput([tmp_path / "s"]), None, SourceInput(source, facts), tmp_path / "out.mp4")
    after = probe(tmp_path / "out.mp4").video
    assert after is not None
    assert (after.coded_width, after.coded_height, after.sample_aspect) == (
        facts.video.coded_width,
        facts.video.coded_height,
        aspect,
    )


@pytest.mark.slow
def test_a_squeezed_talker_is_dubbed_like_a_square_one(tmp_path: Path) -> None:
    """What changes, shown with square pixels, lies at the same place and changes about as much."""
    changes = {}
    for aspect in (Fraction(2), Fraction(1)):
        video = write_squeezed(tmp_path / f"{aspect}.mp4", aspect, 36)
        out = tmp_path / f"{aspect}.out.mp4"
        lipdub.dub(video, SPEECH, out, length="shortest", lossless=True, preset="ultrafast")
        pairs = zip(read_frames(video), read_frames(out), strict=True)
        difference = [np.abs(a.picture.rgb().astype(int) - b.picture.rgb()).sum(2).astype(np.float32) for a, b in pairs]
        changes[aspect] = cv2.resize(np.mean(difference, 0), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    one, other = changes[Fraction(2)], changes[Fraction(1)]
    assert other.max() > 5
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9
    assert one.sum() == pytest.approx(other.sum(), rel=0.3)


def test_fields_of_anamorphic_pictures_are_stretched_in_their_columns() -> None:
    """Half D1 with two fields."""
    colour = ColourTags.from_raw(1, 6, 6, 6)
    stretched = make_picture(
        scene("yuv420p", 352, 576, 1),
        colour,
        0,
        mirrored=False,
        field_order=BOTTOM_FIELD_FIRST,
        square_size=(768, 576),
    )
    assert isinstance(stretched, InterlacedPicture)
    assert stretched.rgb((100, 30, 260, 90)).shape == (60, 160, 3)
    box, weight = (100, 31, 260, 90), np.ones((59, 160), np.float32)
    base = stretched.rgb(box)
    patched = stretched.patch(box, base, weight)
    for plane, before, mask in zip(
        patched.planes, stretched.planes, stretched.untouched_masks(box, weight), strict=True
    ):
        assert np.array_equal(plane[mask], before[mask])
