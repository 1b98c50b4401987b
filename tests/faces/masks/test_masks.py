"""What every mask must do, and where each of them lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from lipdub.faces import landmarks, mesh, mouth_shapes
from lipdub.faces.detectors.mediapipe import CropMeshFitter
from lipdub.faces.masks import DEFAULT_MASK, MASKS, pose
from lipdub.faces.masks.outlines import draw_hull
from lipdub.faces.mouth_shapes import MouthResponse
from lipdub.media.read import read_frames
from tests.faces.made_faces import rotation
from tests.sample import TALKER

if TYPE_CHECKING:
    from lipdub.arrays import F64, U8

EYES_PX = 60.0  # distance of the eyes in pixels
PLACE = (150.0, 120.0)  # between the eyes
SIDE = 300
OPENINGS = (0.0, 0.1, 0.2, 0.35, 0.5)
CHIN = (152, 148, 176, 377, 400)  # the lowest points of the oval


def neutral() -> F64:
    """The shipped face, canonical, with its mouth shut."""
    return landmarks.load_neutral_face()


def speaking(opening: float, width: float | None = None) -> F64:
    """The shipped face, canonical, with its mouth as open and as wide as the shipped response moves it."""
    face, prior = neutral(), mouth_shapes.load_prior()
    response = MouthResponse(face, mouth_shapes.measure(face[None])[0], prior.gain)
    wanted = [opening, prior.rest[mouth_shapes.WIDTH] if width is None else width]
    moved: F64 = response.shape(np.array([wanted]))[0]
    return moved


def placed(face: F64, dx: float = 0, dy: float = 0, angles: tuple[float, float, float] = (0, 0, 0)) -> F64:
    """A canonical face in pixels, turned by yaw, pitch and roll, and shifted."""
    points: F64 = EYES_PX * face @ rotation(*angles).T + np.array([*PLACE, 0]) + np.array([dx, dy, 0])
    return points


def draw(name: str, points: F64, height: int = SIDE, width: int = SIDE) -> U8:
    return MASKS.get(name).draw(points, height, width)


def overlap(a: U8, b: U8) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())


def covers(mask: U8, points: F64, vertices: tuple[int, ...]) -> bool:
    columns, rows = np.rint(points[list(vertices), :2]).astype(int).T
    return bool(mask[rows, columns].all())


# The contract


@pytest.mark.parametrize("name", MASKS.names())
@pytest.mark.parametrize("angles", [(0, 0, 0), (40, 0, 0), (-25, 10, 30), (0, -20, 160)])
def test_a_mask_is_1_in_a_part_of_the_face_and_0_elsewhere(name: str, angles: tuple[float, float, float]) -> None:
    points = placed(neutral(), angles=angles)
    before = points.copy()
    mask = draw(name, points, 260, 310)
    assert mask.shape == (260, 310) and mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 1}
    assert 0.1 < mask.sum() / np.prod(np.ptp(points[:, :2], axis=0)) < 1
    assert np.array_equal(points, before)
    assert overlap(draw(name, points.astype(np.float32), 260, 310), mask) > 0.999


@pytest.mark.parametrize("name", MASKS.names())
def test_a_mask_covers_the_lips_and_not_the_eyes(name: str) -> None:
    for opening in OPENINGS[:4]:
        points = placed(speaking(opening))
        mask = draw(name, points)
        assert covers(mask, points, mesh.LIPS)
        assert not any(covers(mask, points, (eye,)) for eye in (*mesh.LIDS_LEFT, *mesh.LIDS_RIGHT))


@pytest.mark.parametrize("name", MASKS.names())
def test_a_face_beyond_the_edge_of_the_picture(name: str) -> None:
    face, whole = neutral(), draw(name, placed(neutral()))
    cut = draw(name, placed(face, -150, -170), 60, 40)
    assert overlap(cut, whole[170:230, 150:190]) > 0.99
    assert not draw(name, placed(face, 1000)).any()
    assert not draw(name, placed(face, 0, -1000)).any()


@pytest.mark.parametrize("name", MASKS.names())
def test_a_mask_moves_and_grows_with_the_face(name: str) -> None:
    still = draw(name, placed(neutral()))
    for dx, dy in ((17, -31), (-40, 25)):
        moved = draw(name, placed(neutral(), dx, dy))
        assert overlap(moved, np.roll(still, (dy, dx), (0, 1))) > 0.995
    larger = draw(name, 2 * placed(neutral()), 2 * SIDE, 2 * SIDE)
    assert overlap(larger, still.repeat(2, 0).repeat(2, 1)) > 0.97


def test_masks_of_the_samples_face_hide_its_mouth() -> None:
    frame = next(iter(read_frames(TALKER, 0, 1))).picture.rgb()
    fitter = CropMeshFitter()
    points = np.asarray(fitter.fit(frame)[0], np.float64)
    fitter.close()
    for name in MASKS.names():
        mask = draw(name, points, *frame.shape[:2])
        assert covers(mask, points, mesh.LIPS) and 0.01 < mask.mean() < 0.5


@pytest.mark.parametrize("name", MASKS.names())
def test_masks_say_what_they_are(name: str) -> None:
    shape = MASKS.get(name)
    assert shape.name == name and shape.summary.endswith((".", ").")) and "\n" not in shape.summary


def test_the_default_is_the_jaw_as_it_is() -> None:
    assert DEFAULT_MASK == "jaw"


# The mask of the head's pose


def test_it_does_not_tell_how_far_the_mouth_is_open_and_the_jaw_does() -> None:
    masks = {name: [draw(name, placed(speaking(opening))) for opening in OPENINGS] for name in ("pose", "jaw")}
    for opened, jaw in zip(masks["pose"][1:], masks["jaw"][1:], strict=True):
        changed, told = (int((a != b).sum()) for a, b in ((opened, masks["pose"][0]), (jaw, masks["jaw"][0])))
        assert changed < 0.02 * opened.sum() and changed < 0.4 * told
    assert (masks["jaw"][-1] != masks["jaw"][0]).sum() > 5 * (masks["pose"][-1] != masks["pose"][0]).sum()


def test_it_does_not_tell_how_wide_the_mouth_is() -> None:
    usual = draw("pose", placed(speaking(0.1)))
    for width in (0.75, 0.95):
        assert (draw("pose", placed(speaking(0.1, width))) != usual).sum() < 0.02 * usual.sum()


def test_it_covers_lips_and_chin_from_the_shut_to_the_wide_open_mouth() -> None:
    mask = draw("pose", placed(neutral()))
    for opening in (*OPENINGS[:4], 0.45):
        assert covers(mask, placed(speaking(opening)), (*mesh.LIPS, *CHIN)), opening
    jaw = draw("jaw", placed(neutral()))
    assert not covers(jaw, placed(speaking(0.35)), CHIN), "which the shut jaw does not"


def test_both_shapes_have_the_mouths_that_are_asked_for() -> None:
    shapes = pose.make_shut_and_open(speaking(0.2), mouth_shapes.load_prior())
    shut, wide = mouth_shapes.measure(shapes)
    assert abs(shut[mouth_shapes.OPENING]) < 0.03
    assert wide[mouth_shapes.OPENING] == pytest.approx(pose.WIDE_OPENING, abs=0.05)
    assert shut[mouth_shapes.WIDTH] == pytest.approx(wide[mouth_shapes.WIDTH], abs=0.01)


def test_it_keeps_the_lower_front_of_the_face() -> None:
    kept = np.flatnonzero(pose.find_lower_front(neutral()))
    assert set(mesh.LIPS) | set(CHIN) <= set(kept)
    assert not set(kept) & {58, 172, 288, 397}, "the corners of the jaw"
    assert not set(kept) & {
        *mesh.EYE_LEFT,
        *mesh.EYE_RIGHT,
        *mesh.FOREHEAD,
        *mesh.NOSE_LINE,
        mesh.EAR_LEFT,
        mesh.EAR_RIGHT,
    }


@pytest.mark.parametrize("roll", [-35.0, 20.0, 90.0, 180.0])
def test_it_turns_in_the_picture_with_the_head(roll: float) -> None:
    still = draw("pose", placed(neutral()))
    # The points turn clockwise on the screen, since y points down.
    turned = draw("pose", placed(neutral(), angles=(0, 0, roll)))
    view = cv2.getRotationMatrix2D(PLACE, -roll, 1.0)
    assert overlap(turned, cv2.warpAffine(still, view, (SIDE, SIDE), flags=cv2.INTER_NEAREST)) > 0.97


@pytest.mark.parametrize(
    "angles", [(0.0, 0.0, 0.0), (35.0, 0.0, 0.0), (-50.0, 5.0, 0.0), (0.0, 25.0, 0.0), (20.0, -15.0, 40.0)]
)
def test_it_is_the_union_of_both_shapes_lower_fronts_in_the_heads_true_pose(
    angles: tuple[float, float, float],
) -> None:
    """Worked out from the canonical face, whose pose nobody has to estimate."""
    face, prior = neutral(), mouth_shapes.load_prior()
    response = MouthResponse(face, mouth_shapes.measure(face[None])[0], prior.gain)
    width = prior.rest[mouth_shapes.WIDTH]
    shut, wide = response.shape(np.array([[0.0, width], [0.5, width]]))
    kept = (shut[:, 1] >= shut[mesh.NOSE_BASE, 1]) & (shut[:, 2] <= shut[mesh.CHIN, 2] + 0.5)
    expected = np.zeros((SIDE, SIDE), np.uint8)
    for shape in (shut, wide):
        seen = placed(shape[kept], angles=angles)[:, :2]
        grown = seen.mean(0) + 1.06 * (seen - seen.mean(0))
        expected |= draw_hull(grown.astype(np.float32), SIDE, SIDE)
    assert overlap(draw("pose", placed(face, angles=angles)), expected) > 0.99


def test_a_head_that_turns_away_shows_less_of_the_mask() -> None:
    widths = [np.ptp(np.flatnonzero(draw("pose", placed(neutral(), angles=(yaw, 0, 0))).any(0))) for yaw in (0, 30, 60)]
    assert widths[0] > widths[1] > widths[2] > 0.3 * widths[0]


# The box


def test_the_box_is_the_lower_half_of_the_faces_bounding_box() -> None:
    points = np.zeros((mesh.VERTICES, 3))
    angle = np.linspace(0, 2 * np.pi, len(mesh.OVAL), endpoint=False)
    points[list(mesh.OVAL), :2] = np.stack([40 + 20 * np.cos(angle), 30 + 20 * np.sin(angle)], 1)
    mask = draw("box", points, 80, 90)
    expected = np.zeros((80, 90), np.uint8)
    expected[30:51, 20:61] = 1
    assert np.array_equal(mask, expected)


def test_the_box_does_not_turn() -> None:
    mask = draw("box", placed(neutral(), angles=(0, 0, 30)))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
