"""A detector for tests: the neutral face in each picture, turned by as many degrees as the picture is grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces.detectors.base import ClosingDetector, Detector, DetectorSettings
from lipdub.faces.landmarks import load_neutral_face

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32, U8


class TurningDetector(ClosingDetector):
    """Sees a face in every picture, whose yaw in degrees is the picture's mean grey."""

    warm_up = 0
    batch = 1

    def reset(self) -> None:
        """Forget nothing: the frames do not depend on each other."""

    def detect(self, frames: Sequence[U8], is_cut: Sequence[bool]) -> list[list[F32]]:
        """Find the face of each frame."""
        return [[self._turn(rgb)] for rgb, _ in zip(frames, is_cut, strict=True)]

    @staticmethod
    def _turn(rgb: U8) -> F32:
        height, width = rgb.shape[:2]
        yaw = np.radians(rgb.mean())
        face = load_neutral_face()
        face = face - face.mean(0)
        turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
        scale = min(width, height) / 2 / np.ptp(face[:, 0])
        return (face @ turn.T * scale + [width / 2, height / 2, 0]).astype(np.float32)


def _build(settings: DetectorSettings) -> TurningDetector:
    return TurningDetector()


DETECTOR = Detector(name="turning", summary="a face turned as the picture is grey", build=_build)
PATH = f"{__name__}:DETECTOR"
