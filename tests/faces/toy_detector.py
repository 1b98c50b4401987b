"""A detector in one file, as a stranger would add it: it sees a face in the middle of every picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces.detectors.base import ClosingDetector, Detector, DetectorSettings
from lipdub.faces.landmarks import load_neutral_face

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32, U8


class ToyDetector(ClosingDetector):
    """The neutral face in the middle of every picture that is not black, half as wide as the picture."""

    warm_up = 0
    batch = 5

    def reset(self) -> None:
        """Forget nothing: the frames do not depend on each other."""

    def detect(self, frames: Sequence[U8], is_cut: Sequence[bool]) -> list[list[F32]]:
        """Find the face of each frame."""
        return [[self._place(rgb)] if rgb.any() else [] for rgb, _ in zip(frames, is_cut, strict=True)]

    @staticmethod
    def _place(rgb: U8) -> F32:
        height, width = rgb.shape[:2]
        face = load_neutral_face()
        face = face - face.mean(0)
        scale = min(width, height) / 2 / np.ptp(face[:, 0])
        return (face * scale + [width / 2, height / 2, 0]).astype(np.float32)


def _build(settings: DetectorSettings) -> ToyDetector:
    return ToyDetector()


DETECTOR = Detector(name="toy", summary="a face in the middle of every picture", build=_build)
PATH = f"{__name__}:DETECTOR"
