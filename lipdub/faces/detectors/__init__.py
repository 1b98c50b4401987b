"""Detectors: objects that find the faces of successive frames, in a registry by name.

A detector is one module with an object `DETECTOR`, and one line in `DETECTORS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipdub.faces.detectors.base import Detector, DetectorSettings, FaceDetector
from lipdub.registry import Registry

if TYPE_CHECKING:
    from lipdub.arrays import F32, U8
    from lipdub.weights.store import VerifiedWeights

DETECTORS = Registry(
    "detector",
    Detector,
    {
        "mediapipe": "lipdub.faces.detectors.mediapipe:DETECTOR",
        "retinaface": "lipdub.faces.detectors.retinaface:DETECTOR",
    },
)
DEFAULT_DETECTOR = "mediapipe"


def create(
    name: str = DEFAULT_DETECTOR,
    *,
    max_faces: int = 4,
    device: str = "cpu",
    threads: int = 0,
    weights: tuple[VerifiedWeights, ...] | None = None,
) -> FaceDetector:
    """Create a detector; use it in a `with` statement, which frees it.

    Args:
        name: one of `DETECTORS`.
        max_faces: most faces of a frame.
        device: where its network runs: "cpu", "cuda" or "mps".
        threads: processor threads for its network; 0 leaves the library's own choice.
        weights: the verified files of its networks; by default those in the weights store.

    Raises:
        UsageError: no detector has this name.
        WeightsError: its weights are not installed, or damaged.
    """
    detector = DETECTORS.get(name)
    weights = detector.verify_weights() if weights is None else weights
    return detector.build(DetectorSettings(max_faces=max_faces, device=device, threads=threads, weights=weights))


def detect_still(
    rgb: U8, name: str = DEFAULT_DETECTOR, *, max_faces: int = 1, device: str = "cpu", threads: int = 0
) -> list[F32]:
    """Find the faces of one picture.

    Args:
        rgb: (h, w, 3) uint8 RGB.
        name: one of `DETECTORS`.
        max_faces: most faces of the picture.
        device: where its network runs.
        threads: processor threads for its network; 0 leaves the library's own choice.

    Returns:
        At most `max_faces` meshes (478, 3) float32 in pixels of the picture.
    """
    with create(name, max_faces=max_faces, device=device, threads=threads) as detector:
        return detector.detect([rgb], [False])[0]
