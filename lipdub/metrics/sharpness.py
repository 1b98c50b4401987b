"""How sharp the mouth is beside the rest of the face. A measure of lipdub's own.

Blur takes fine detail and leaves coarse. So of each part of the face the energies of two octaves of detail are compared,
by differences of Gaussians as wide as the face is large; in natural pictures their ratio hardly depends on what is
shown. Dubs are blurred about the mouth, the eyes are the source's own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from lipdub.faces import mesh
from lipdub.metrics import regions

# Sigmas of the Gaussians between which the fine and the coarse octave lie, in hundredths of the eyes' distance...
_SIGMAS = (0.6, 1.2, 2.4)
# ...which is taken as this many pixels where it is less or more: finer detail is not sampled, or only noise.
_SCALE = (0.8, 1.5)
_MOUTH_GROWN, _EYES_GROWN = 1.25, 1.3
_FLOOR = 1e-3  # squared grey levels: less energy is rounding
#: Below these the mouth is blurred. Measured on real clips: -1.0 to -0.1 against the eyes; blurred by a sigma of 2.2
#: hundredths of the eyes' distance -2.5 to -1.6, which is 1.2 to 1.6 less than their source.
BLURRED, BLURRED_AGAINST_SOURCE = -1.2, -0.6


class Sharpness(NamedTuple):
    """log2 of the energy of fine over that of coarse detail; higher is sharper, NaN where a part is not in the frame or no
    face was seen (landmarks of NaN).
    """

    mouth: float
    cheeks: float
    eyes: float

    @property
    def against_eyes(self) -> float:
        """The mouth's less the eyes': the measure to trust, as both are full of edges."""
        return self.mouth - self.eyes

    @property
    def against_cheeks(self) -> float:
        """The mouth's less the cheeks', which show pores in good light and noise in bad: to be compared with the
        source's. Blind to a mask that blurs the cheeks as well.
        """
        return self.mouth - self.cheeks


def sharpness(rgb: np.ndarray, landmarks: np.ndarray) -> Sharpness:
    """Of one face in a frame. rgb: (h, w, 3), uint8 or uint16; landmarks: (478, 2 or 3) pixels."""
    if not np.isfinite(landmarks).all():
        return Sharpness(*(math.nan,) * 3)
    part = regions.crop_face(rgb, landmarks)
    height, width = part.rgb.shape[:2]
    if min(height, width) < 8:
        return Sharpness(*(math.nan,) * 3)
    scale = float(np.clip(regions.measure_eye_distance(part.landmarks) / 100, *_SCALE))
    grey = regions.to_luma(part.rgb)
    smooth = [cv2.GaussianBlur(grey, (0, 0), sigma * scale) for sigma in _SIGMAS]
    fine, coarse = (np.square(a - b) for a, b in zip(smooth, smooth[1:], strict=False))

    def ratio(*parts: tuple[tuple[int, ...], float]) -> float:
        mask = np.zeros((height, width), bool)
        for vertices, grown in parts:
            mask |= regions.fill_hull(part.landmarks[list(vertices)], height, width, grown)
        if not mask.any():
            return math.nan
        return math.log2((float(fine[mask].mean()) + _FLOOR) / (float(coarse[mask].mean()) + _FLOOR))

    return Sharpness(
        ratio((mesh.LIPS_OUTER, _MOUTH_GROWN)),
        ratio((regions.LEFT_CHEEK, 1.0), (regions.RIGHT_CHEEK, 1.0)),
        ratio((regions.LEFT_EYE, _EYES_GROWN), (regions.RIGHT_EYE, _EYES_GROWN)),
    )
