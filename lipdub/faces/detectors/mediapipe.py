"""Find faces with MediaPipe, whose models lie in its wheel; nothing is downloaded.

Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs (CVPR workshops 2019).
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lipdub.faces.detectors.base import ClosingDetector, Detector, DetectorSettings
from lipdub.faces.detectors.meshes import drop_duplicates, measure_oval
from lipdub.faces.detectors.native_log import divert_native_log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lipdub.arrays import F32, U8

# A frame without a face is searched again for a small or distant one on every so many such frames.
RETRY_INTERVAL = 3
# The tracker settles within this many frames, so a chunk that begins with them does not depend on earlier ones.
WARM_UP_FRAMES = 3
MIN_CROP_SIDE = 256  # pixels; smaller crops are enlarged, the mesh network itself sees 192


class MediaPipeDetector(ClosingDetector):
    """Face meshes of successive frames, by MediaPipe's own tracker.

    Where the tracker finds no face, the full-range detector looks for small ones, and the mesh is fitted to enlarged
    crops of them.
    """

    warm_up = WARM_UP_FRAMES
    batch = 1

    def __init__(self, max_faces: int = 4) -> None:
        self._max_faces = max_faces
        self._tracker = _Graph(
            lambda solutions: solutions.face_mesh.FaceMesh(
                static_image_mode=False, max_num_faces=max_faces, refine_landmarks=True, min_detection_confidence=0.5
            )
        )
        self._small_faces = _Graph(
            lambda solutions: solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5)
        )
        self._fitter = CropMeshFitter()
        self._places: list[tuple[float, float, float]] = []
        self._misses = 0

    def reset(self) -> None:
        """Forget the frames seen so far."""
        self._tracker.reset()
        self._places, self._misses = [], 0

    def close(self) -> None:
        """Free MediaPipe's graphs."""
        for part in (self._tracker, self._small_faces, self._fitter):
            part.close()

    def detect(self, frames: Sequence[U8], is_cut: Sequence[bool]) -> list[list[F32]]:
        """Find the faces of successive frames; see `FaceDetector.detect`."""
        meshes = []
        for rgb, cut in zip(frames, is_cut, strict=True):
            if cut:
                self.reset()
            meshes.append(self._detect_one(rgb))
        return meshes

    def _detect_one(self, rgb: U8) -> list[F32]:
        faces = _find_meshes(self._tracker, rgb)
        if faces:
            self._places, self._misses = [], 0
        else:
            faces = self._find_small_faces(rgb)
            self._misses = 0 if faces else self._misses + 1
        return drop_duplicates(faces)[: self._max_faces]

    def _find_small_faces(self, rgb: U8) -> list[F32]:
        places = self._places
        if not places:
            if self._misses % RETRY_INTERVAL:
                return []
            places = self._locate_small_faces(rgb)
        faces = []
        for x, y, size in places[: self._max_faces]:
            half = round(size)
            left, top = round(x) - half, round(y) - half
            for face in self._fitter.fit(_crop_padded(rgb, left, top, 2 * half)):
                face[:, 0] += left
                face[:, 1] += top
                faces.append(face)
        self._places = [measure_oval(face) for face in faces]
        return faces

    def _locate_small_faces(self, rgb: U8) -> list[tuple[float, float, float]]:
        h, w = rgb.shape[:2]
        places = []
        for detection in self._small_faces.process(rgb).detections or ():
            b = detection.location_data.relative_bounding_box
            places.append(((b.xmin + b.width / 2) * w, (b.ymin + b.height / 2) * h, max(b.width * w, b.height * h)))
        self._small_faces.is_quiet |= bool(places)
        return places


class CropMeshFitter:
    """Meshes of the faces in crops of twice their size; nothing is remembered from one crop to the next."""

    def __init__(self, max_faces: int = 1) -> None:
        self._graph = _Graph(
            lambda solutions: solutions.face_mesh.FaceMesh(
                static_image_mode=True, max_num_faces=max_faces, refine_landmarks=True, min_detection_confidence=0.4
            )
        )

    def close(self) -> None:
        """Free MediaPipe's graph."""
        self._graph.close()

    def fit(self, crop: U8) -> list[F32]:
        """Fit meshes to the faces in a crop.

        Args:
            crop: (n, n, 3) uint8 RGB; enlarged first if it is smaller than `MIN_CROP_SIDE`.

        Returns:
            Meshes (478, 3) float32 in pixels of the crop.
        """
        scale = max(1.0, MIN_CROP_SIDE / crop.shape[0])
        if scale > 1:
            crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        return [face / scale for face in _find_meshes(self._graph, crop)]


class _Graph:
    """One of MediaPipe's solutions, started when it is first used, without its log lines on standard error.

    Native log lines appear from the start of the graph until it has seen a face, in threads of its own. A reset starts
    it again, so it is put off until the next picture.

    Attributes:
        is_quiet: whether the graph has seen a face since it was started, so that it writes no more lines.
    """

    def __init__(self, start: Callable[[Any], Any]) -> None:
        self._start = start
        self._solution: Any = None
        self._must_reset = False
        self.is_quiet = False

    def reset(self) -> None:
        """Forget the pictures seen so far."""
        self._must_reset = self._solution is not None
        self.is_quiet = False

    def process(self, rgb: U8) -> Any:
        """Run the solution on a picture (h, w, 3) uint8 RGB."""
        with nullcontext() if self.is_quiet else divert_native_log():
            if self._solution is None:
                self._solution = self._start(_load_solutions())
            if self._must_reset:
                self._solution.reset()
                self._must_reset = False
            return self._solution.process(rgb)

    def close(self) -> None:
        """Free the solution."""
        if self._solution is not None:
            self._solution.close()
            self._solution = None


def _load_solutions() -> Any:
    """Import `mediapipe.solutions` without the plotting library that its drawing module loads.

    That library takes longer to load than the rest of MediaPipe, and nothing here draws with it.
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


def _find_meshes(graph: _Graph, rgb: U8) -> list[F32]:
    h, w = rgb.shape[:2]
    result = graph.process(rgb).multi_face_landmarks or ()
    graph.is_quiet = graph.is_quiet or bool(result)
    scale = np.array([w, h, w], np.float32)
    return [np.array([(p.x, p.y, p.z) for p in face.landmark], np.float32) * scale for face in result]


def _crop_padded(rgb: U8, left: int, top: int, side: int) -> U8:
    """Cut a square out of a picture; it is black beyond the picture."""
    h, w = rgb.shape[:2]
    crop = np.zeros((side, side, 3), np.uint8)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, w), min(top + side, h)
    if x1 > x0 and y1 > y0:
        crop[y0 - top : y1 - top, x0 - left : x1 - left] = rgb[y0:y1, x0:x1]
    return crop


def _build(settings: DetectorSettings) -> MediaPipeDetector:
    return MediaPipeDetector(settings.max_faces)


DETECTOR = Detector(
    name="mediapipe",
    summary="MediaPipe's face mesh and tracker; its models come with the package",
    build=_build,
)
