"""Finding faces with MediaPipe: everything it needs lies in its wheel, nothing is downloaded."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from lipdub.faces import mesh

# Pictures are searched at no more than this many pixels on the longer side: the mesh network itself sees 192.
MAX_SEARCH_SIDE = 1280
# A frame without a face is searched again for a small or distant one on every so many such frames.
RETRY_INTERVAL = 3
MIN_FACE_PX = 24.0


class MediaPipeDetector:
    """Face meshes of successive frames of one shot.

    MediaPipe follows faces from frame to frame by itself; where it sees none, its full-range detector looks for small
    ones and the mesh is fitted to enlarged crops of them. Results depend only on the frames since the last `reset`.
    """

    def __init__(self, max_faces: int = 4) -> None:
        self._solutions = _solutions()
        self._max = max_faces
        self._mesh = self._solutions.face_mesh.FaceMesh(
            static_image_mode=False, max_num_faces=max_faces, refine_landmarks=True, min_detection_confidence=0.5
        )
        self._detector: Any = None
        self._still = CropMeshFitter()
        self._boxes: list[tuple[float, float, float]] = []
        self._misses = 0

    def reset(self) -> None:
        """Forgets the frames seen so far (at a cut, or before an unrelated frame)."""
        self._mesh.reset()
        self._boxes, self._misses = [], 0

    def close(self) -> None:
        for solution in (self._mesh, self._detector, self._still):
            if solution is not None:
                solution.close()

    def __enter__(self) -> MediaPipeDetector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def faces(self, rgb: np.ndarray) -> list[np.ndarray]:
        """Landmarks of the faces in an RGB uint8 picture (h, w, 3).

        Returns:
            up to `max_faces` arrays (478, 3) float32: pixels of this picture, z in the same unit, small z nearer.
        """
        found = _meshes(self._mesh, rgb)
        if found:
            self._boxes, self._misses = [], 0
            return drop_duplicates(found)
        found = self._distant(rgb)
        self._misses = 0 if found else self._misses + 1
        return drop_duplicates(found)

    def _distant(self, rgb: np.ndarray) -> list[np.ndarray]:
        boxes = self._boxes
        if not boxes:
            if self._misses % RETRY_INTERVAL:
                return []
            boxes = self._detect(rgb)
        found = []
        for cx, cy, size in boxes[: self._max]:
            r = int(round(size))
            x0, y0 = int(round(cx)) - r, int(round(cy)) - r
            for face in self._still.faces(_padded(rgb, x0, y0, 2 * r)):
                face[:, 0] += x0
                face[:, 1] += y0
                found.append(face)
        self._boxes = [measure_oval(face) for face in found]
        return found

    def _detect(self, rgb: np.ndarray) -> list[tuple[float, float, float]]:
        if self._detector is None:
            self._detector = self._solutions.face_detection.FaceDetection(
                model_selection=1, min_detection_confidence=0.5
            )
        h, w = rgb.shape[:2]
        out = []
        for detection in self._detector.process(rgb).detections or ():
            b = detection.location_data.relative_bounding_box
            out.append(((b.xmin + b.width / 2) * w, (b.ymin + b.height / 2) * h, max(b.width * w, b.height * h)))
        return out


class CropMeshFitter:
    """Meshes of the faces in crops of twice their size; nothing is remembered from one crop to the next."""

    def __init__(self, max_faces: int = 1) -> None:
        self._max = max_faces
        self._mesh: Any = None

    def close(self) -> None:
        if self._mesh is not None:
            self._mesh.close()

    def faces(self, crop: np.ndarray) -> list[np.ndarray]:
        """Meshes (478, 3) float32 in a square RGB crop uint8 (n, n, 3), in its pixels; small ones are enlarged first."""
        if self._mesh is None:
            self._mesh = _solutions().face_mesh.FaceMesh(
                static_image_mode=True, max_num_faces=self._max, refine_landmarks=True, min_detection_confidence=0.4
            )
        scale = max(1.0, 256 / crop.shape[0])
        if scale > 1:
            crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        found = _meshes(self._mesh, crop)
        for face in found:
            face /= scale
        return found


def _solutions() -> Any:
    """`mediapipe.solutions`, without the plotting library that it loads for drawings nobody here asks for: that
    takes longer than all the rest of MediaPipe.
    """
    unloaded = [] if "matplotlib" in sys.modules else ["matplotlib", "matplotlib.pyplot"]
    for name in unloaded:
        sys.modules[name] = ModuleType(name)
    try:
        import mediapipe
    finally:
        for name in unloaded:
            del sys.modules[name]
    return mediapipe.solutions


def _meshes(solution: Any, rgb: np.ndarray) -> list[np.ndarray]:
    h, w = rgb.shape[:2]
    result = solution.process(rgb).multi_face_landmarks or ()
    scale = np.array([w, h, w], np.float32)
    return [np.array([(p.x, p.y, p.z) for p in face.landmark], np.float32) * scale for face in result]


def measure_oval(face: np.ndarray) -> tuple[float, float, float]:
    """Middle (x, y) and larger side of the oval of a mesh (478, 3)."""
    oval = face[list(mesh.OVAL), :2]
    low, high = oval.min(0), oval.max(0)
    centre = (low + high) / 2
    return float(centre[0]), float(centre[1]), float((high - low).max())


def _padded(rgb: np.ndarray, x0: int, y0: int, size: int) -> np.ndarray:
    h, w = rgb.shape[:2]
    out = np.zeros((size, size, 3), np.uint8)
    ax, ay, bx, by = max(x0, 0), max(y0, 0), min(x0 + size, w), min(y0 + size, h)
    if bx > ax and by > ay:
        out[ay - y0 : by - y0, ax - x0 : bx - x0] = rgb[ay:by, ax:bx]
    return out


def drop_duplicates(faces: list[np.ndarray]) -> list[np.ndarray]:
    """Without second meshes on the same face and specks too small to be dubbed."""
    kept: list[np.ndarray] = []
    for face in faces:
        x, y, size = measure_oval(face)
        near = (np.hypot(x - a, y - b) < 0.4 * max(size, s) for a, b, s in map(measure_oval, kept))
        if size >= MIN_FACE_PX and not any(near):
            kept.append(face)
    return kept
