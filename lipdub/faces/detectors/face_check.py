"""Check that a mesh lies on a face, and the right way up, by a second look at the picture around it.

The mesh network fits a face to whatever it is shown: an upside-down head gets a mouth on its forehead. BlazeFace
(Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, 2019) tells such meshes apart. It
is shown the picture around a mesh, turned so that the mesh is upright, and the same upside down. On a face it scores
higher in the first, and its own eyes and mouth lie where those of the mesh do.

BlazeFace also sees faces under masks. So the edges that lips make are measured, and compared with those of the eyes. A
bar or a microphone before the lips makes edges too. So the colours of the lips are compared with that of the skin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from lipdub.faces import mesh
from lipdub.faces.detectors.meshes import is_forehead_inside, is_mouth_inside, measure_mesh_tilt, measure_oval
from lipdub.faces.geometry import estimate_angles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lipdub.arrays import F32, F64, U8

CROP_SIDE = 256  # pixels of the crop that BlazeFace is shown; the network itself sees 128
# A face in a crop of twice its size lies in the middle and fills about half. Shares of the crop's side.
MAX_OFF_CENTRE = 0.3
MIN_WIDTH, MAX_WIDTH = 0.25, 0.9
NO_SHIFT, NOWHERE = 0.0, 9.0  # shifts of a trusted mesh, and where BlazeFace finds no face
# Measured on 11 clips as they are, dark, bright, grey, small and noisy, and on 420 pictures of 42 rendered people who
# turn by up to 60 degrees. Faces score 0.82 and more, at least 0.09 more than upside down, and are shifted by at
# most 0.14, frontal ones by 0.06. Nearly all upside-down ones score 0.80 and less, at least 0.1 less than upside down.
# Edges of their mouths are 0.043 and more, and 0.4 of those of their eyes and more; of mouths under a mask, or painted
# over with skin, 0.033 and less, and 0.25 and less, in the median.
MIN_MOUTH, MIN_MOUTH_SHARE = 0.03, 0.25  # of a mouth that shows, one of both
# Measured on 125 frames of 30 people, and on 630 pictures of 42 rendered people in soft, hard, dim and cold light. The
# red of a lower lip is 0.7 to 1.1 of the skin's, of an upper lip 0.5 to 1.1 (natural logarithms -0.35 to 0.12 and -0.71
# to 0.05). Lips are redder than skin; those of dark skin are less so by at most 0.06 and 0.13 (difference of the shares
# that red has before green). Lipstick is dark and red; in pictures without colour it is dark.
MAX_BRIGHT = 0.3
MAX_DARK_LOWER, MAX_DARK_UPPER, MAX_DARK_LIPSTICK = 0.6, 1.1, 1.3
MAX_PALE_LOWER, MAX_PALE_UPPER = 0.08, 0.16
LIPSTICK_REDNESS, COLOURED_SKIN = 0.15, 0.03
MAX_COVER_YAW = 35.0  # degrees from which half of the lips is hidden, and their colours are not judged
DARK_LEVEL = 2.0  # of 255: added to channels, so that noise in the dark is no colour
EDGE_BLUR = 1.5  # sigma in pixels of the crop: noise makes no edges
EDGE_PERCENTILE = 90
MOUTH_BOX = (0.8, 1.2)  # of the lips' width and height: without the corners, with the lower lip's shadow
MIN_SCORE, MAX_SHIFT = 0.5, 0.25  # of a face; in between, faces are trusted
SURE_SCORE, SURE_SHIFT = 0.8, 0.1  # of a face that is the right way up for sure
# The upper half of a face looks like a face upside down, with a mouth on its hair. Measured on 60 frames of 15 people,
# cut at 15 places and turned: where such meshes score more than 0.8, they score at most 0.08 more than upside down if
# the forehead is in the picture. If it is not, those that score 0.86 do so by 0.11 more. Turned people score 0.86 and
# more, by 0.09 and 0.19.
SURE_TURNED_SCORE = 0.86
# Least differences of the scores: with the forehead in the picture, with it beyond, and beyond with a lower score.
MIN_TURNED_LEAD, MIN_CUT_LEAD, SURE_CUT_LEAD = 0.09, 0.15, 0.25


class FaceScores(NamedTuple):
    """How well BlazeFace agrees with a mesh.

    Attributes:
        upright: How sure it is of a face that is the way up of the mesh, 0 to 1.
        turned: How sure it is of a face that is upside down to the mesh, 0 to 1.
        shift: How far its eyes or its mouth lie from those of the mesh, in sizes of the face.
        mouth: Contrast of level edges where the mesh has its mouth, in shares of the brightness.
        eyes: The same of the eyes.
        cover: How far the colours of its lips are from those of lips, from 1 on something covers them.
    """

    upright: float
    turned: float
    shift: float
    mouth: float
    eyes: float
    cover: float

    @property
    def is_face(self) -> bool:
        """Whether the mesh lies on a face the right way up, and its mouth shows."""
        is_placed = self.upright >= MIN_SCORE and self.shift <= MAX_SHIFT
        # A beard under a bald head also looks like a head upside down, but then eyes and mouth agree.
        is_upright = self.upright > self.turned or self.shift <= SURE_SHIFT
        return is_placed and is_upright and self.has_mouth

    @property
    def is_face_without_forehead(self) -> bool:
        """Whether the mesh lies on a face, where the border of the picture cuts off its forehead."""
        return self.is_face and (self.upright >= SURE_TURNED_SCORE or self.upright - self.turned >= SURE_CUT_LEAD)

    @property
    def has_mouth(self) -> bool:
        """Whether there are lips where the mesh has its mouth."""
        return self.cover < 1 and self.has_lip_edges

    @property
    def has_lip_edges(self) -> bool:
        """Whether there are edges as of lips where the mesh has its mouth."""
        return self.mouth >= MIN_MOUTH or self.mouth >= MIN_MOUTH_SHARE * self.eyes

    @property
    def is_sure(self) -> bool:
        """Whether the mesh lies on a face the right way up for sure."""
        return self.upright >= SURE_SCORE and self.upright > self.turned and self.shift <= SURE_SHIFT


def is_surely_turned(scores: FaceScores, face: F32, shape: tuple[int, ...]) -> bool:
    """Whether a mesh (478, 3) in a turned picture (h, w, ...) lies on a turned face for sure, whose mouth shows."""
    height, width = shape[:2]
    lead = scores.upright - scores.turned
    if not scores.is_sure or not is_mouth_inside(face, width, height):
        return False
    if is_forehead_inside(face, width, height):
        return lead >= MIN_TURNED_LEAD
    return scores.upright >= SURE_TURNED_SCORE and lead >= MIN_CUT_LEAD


TRUSTED = FaceScores(1.0, 0.0, NO_SHIFT, 1.0, 1.0, 0.0)  # of meshes of a detector without a check


def median_scores(scores: Sequence[FaceScores] | F32) -> FaceScores:
    """Return the median (6,) of the scores (n, 6) of one face in several frames."""
    return FaceScores(*np.median(np.asarray(scores), 0).tolist())


class FaceCheck:
    """Scores meshes.

    Args:
        find: Runs BlazeFace on a picture (h, w, 3) uint8 RGB and returns its detections, of MediaPipe.
    """

    def __init__(self, find: Callable[[U8], Any]) -> None:
        self._find = find

    def score(self, rgb: U8, face: F32) -> FaceScores:
        """Score a mesh.

        Args:
            rgb: (h, w, 3) uint8 RGB, the picture.
            face: (478, 3) float32, the mesh in pixels of the picture.
        """
        to_crop, crop = crop_around(rgb, face)
        points = face[:, :2] @ to_crop[:, :2].T + to_crop[:, 2]
        upright, found = self._find_face(crop)
        turned, _ = self._find_face(np.ascontiguousarray(crop[::-1, ::-1]))
        is_frontal = abs(estimate_angles(face)[0]) < MAX_COVER_YAW
        measures = *measure_edges(crop, points), measure_cover(crop, points) if is_frontal else 0.0
        if found is None:
            return FaceScores(upright, turned, NOWHERE, *measures)
        own = np.stack([points[[*mesh.EYE_LEFT, *mesh.EYE_RIGHT]].mean(0), points[list(mesh.LIPS_OUTER)].mean(0)])
        shift = np.hypot(*(found * CROP_SIDE - own).T).max() / (CROP_SIDE / 2)
        return FaceScores(upright, turned, float(shift), *measures)

    def _find_face(self, crop: U8) -> tuple[float, F64 | None]:
        """Find the surest face in the crop's middle with the eyes above the mouth.

        Returns:
            Its score, 0 if there is none, and the middle of its eyes and its mouth (2, 2), shares of the crop's side.
        """
        best: tuple[float, F64 | None] = 0.0, None
        for detection in self._find(crop) or ():
            data = detection.location_data
            box, (right_eye, left_eye, _, mouth, *_) = data.relative_bounding_box, data.relative_keypoints
            eyes = np.array([right_eye.x + left_eye.x, right_eye.y + left_eye.y]) / 2
            off = max(abs(box.xmin + box.width / 2 - 0.5), abs(box.ymin + box.height / 2 - 0.5))
            is_face = off < MAX_OFF_CENTRE and MIN_WIDTH < box.width < MAX_WIDTH and mouth.y > eyes[1]
            if is_face and detection.score[0] > best[0]:
                best = float(detection.score[0]), np.array([eyes, (mouth.x, mouth.y)])
        return best


def measure_edges(crop: U8, points: F64) -> tuple[float, float]:
    """Measure the contrast of level edges of a face's mouth and eyes.

    Args:
        crop: (n, n, 3) uint8 RGB, the upright face.
        points: (478, 2) its mesh in pixels of the crop.

    Returns:
        Of the mouth, and the mean of the eyes, in shares of the brightness.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), EDGE_BLUR)
    edges = np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)) / (grey.mean() + 1)

    def measure(vertices: tuple[int, ...], grow: tuple[float, float]) -> float:
        low, high = points[list(vertices)].min(0), points[list(vertices)].max(0)
        half = (high - low) / 2 * grow
        low, high = (np.clip((low + high) / 2 + sign * half, 0, len(crop) - 2).astype(int) for sign in (-1, 1))
        return float(np.percentile(edges[low[1] : high[1] + 2, low[0] : high[0] + 2], EDGE_PERCENTILE))

    eyes = [measure(eye, (1.0, 1.0)) for eye in (mesh.LIDS_LEFT, mesh.LIDS_RIGHT)]
    return measure(mesh.LIPS_OUTER, MOUTH_BOX), sum(eyes) / 2


def measure_cover(crop: U8, points: F64) -> float:
    """Measure how far the colours of a face's lips are from what lips have, compared with its skin.

    Args:
        crop: (n, n, 3) uint8 RGB, the upright face.
        points: (478, 2) its mesh in pixels of the crop.

    Returns:
        From 1 on, the colours are those of something else.
    """
    blurred = cv2.GaussianBlur(crop, (0, 0), EDGE_BLUR)

    def sample(vertices: tuple[int, ...]) -> tuple[float, float]:
        """Return the logarithm of the red, and how far it is before the green."""
        columns, rows = np.clip(np.round(points[list(vertices)]).astype(int), 0, len(crop) - 1).T
        red, green, blue = np.median(blurred[rows, columns].astype(np.float64), 0) + DARK_LEVEL
        return float(np.log(red)), float((red - green) / (red + green + blue))

    skin_red, skin_lead = sample(mesh.BARE_SKIN)
    worst = 0.0
    for lip, max_dark, max_pale in (
        (mesh.UPPER_LIP, MAX_DARK_UPPER, MAX_PALE_UPPER),
        (mesh.LOWER_LIP, MAX_DARK_LOWER, MAX_PALE_LOWER),
    ):
        red, lead = sample(mesh.LIPS_MID[lip][1:-1] + mesh.LIPS_NEAR[lip][1:-1])
        may_be_lipstick = lead - skin_lead >= LIPSTICK_REDNESS or abs(skin_lead) < COLOURED_SKIN
        darkness = (skin_red - red) / (MAX_DARK_LIPSTICK if may_be_lipstick else max_dark)
        worst = max(worst, darkness, (red - skin_red) / MAX_BRIGHT, (skin_lead - lead) / max_pale)
    return worst


def crop_around(rgb: U8, face: F32) -> tuple[F64, U8]:
    """Cut a square of twice a mesh's size, turned so that the mesh is upright.

    Returns:
        The transform (2, 3) float64 from points of the picture to those of the crop, and the crop (CROP_SIDE,
        CROP_SIDE, 3) uint8.
    """
    x, y, size = measure_oval(face)
    half = max(round(size), 8)
    angle = np.radians(measure_mesh_tilt(face))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([x, y])
    to_frame = np.column_stack([turn, middle - 0.5 - turn @ np.full(2, half - 0.5)])
    crop = cv2.warpAffine(rgb, to_frame, (2 * half, 2 * half), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    resized: U8 = cv2.resize(crop, (CROP_SIDE, CROP_SIDE), interpolation=cv2.INTER_AREA)
    scaled = turn.T * (CROP_SIDE / 2 / half)
    return np.column_stack([scaled, CROP_SIDE / 2 - scaled @ middle]), resized
