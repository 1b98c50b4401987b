"""Find faces with MediaPipe, whose models lie in its wheel; nothing is downloaded.

Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs (CVPR workshops 2019).
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from importlib.abc import MetaPathFinder
from importlib.util import LazyLoader, find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lipdub.faces.detectors.base import ClosingDetector, Detector, DetectorSettings
from lipdub.faces.detectors.face_check import FaceCheck, FaceScores, is_surely_turned
from lipdub.faces.detectors.meshes import drop_duplicates, measure_mesh_tilt, measure_oval
from lipdub.faces.detectors.native_log import divert_native_log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec

    from lipdub.arrays import F32, U8

# A frame without a face is searched again for a small or distant one on every so many such frames.
RETRY_INTERVAL = 3
# A shot without a face is searched for turned ones on the first and every so many of its frames.
TURN_INTERVAL = 24
# Frames after a cut at which a face is checked for being turned, unless a check finds it the right way up.
CHECKED_FRAMES = (0, 4, 16)
OTHER_TURNS = (2, 1, 3)  # counterclockwise quarter turns of the picture, upside down first
# The tracker settles within this many frames, so a chunk that begins with them does not depend on earlier ones.
WARM_UP_FRAMES = 3
MIN_PICTURE_SIDE = 16  # pixels; a thinner picture shows no face, and MediaPipe ends the process at extreme shapes
MIN_CROP_SIDE = 256  # pixels; smaller crops are enlarged, the mesh network itself sees 192


# A point of a serialised list, by the wire format of protocol buffers: each value after the tag of its field.
_POINT = np.dtype(
    [("point", "<u2"), ("tag_x", "u1"), ("x", "<f4"), ("tag_y", "u1"), ("y", "<f4"), ("tag_z", "u1"), ("z", "<f4")]
)
_POINT_TAGS = {"point": 0x0F0A, "tag_x": 0x0D, "tag_y": 0x15, "tag_z": 0x1D}


class MediaPipeDetector(ClosingDetector):
    """Face meshes of successive frames, by MediaPipe's own tracker, which is shown the picture the right way up.

    MediaPipe finds faces that are tilted by up to about a quarter turn, and takes upside-down ones for upright ones. So
    the first faces of a shot are checked, and the pictures of the shot are turned by the quarter turns that suit them.
    """

    warm_up = WARM_UP_FRAMES
    batch = 1

    def __init__(self, max_faces: int = 4) -> None:
        self._upright = _UprightDetector(max_faces)
        self._finder = _UprightDetector(max_faces)  # looks at one turned picture; the tracker of the shot goes on
        self._checker = FaceChecker()
        self._turns = 0
        self._is_settled = False
        self._frames = 0  # of the shot
        self._misses = 0  # frames of the shot without a face

    def reset(self) -> None:
        """Forget the frames seen so far."""
        self._upright.reset()
        self._turns, self._is_settled, self._frames, self._misses = 0, False, 0, 0

    def close(self) -> None:
        """Free MediaPipe's graphs."""
        for part in (self._upright, self._finder, self._checker):
            part.close()

    def detect(self, frames: Sequence[U8], is_cut: Sequence[bool]) -> list[list[F32]]:
        """Find the faces of successive frames; see `FaceDetector.detect`."""
        meshes = []
        for rgb, cut in zip(frames, is_cut, strict=True):
            if cut:
                self.reset()
            meshes.append(self._detect_one(rgb) if min(rgb.shape[:2]) >= MIN_PICTURE_SIDE else [])
        return meshes

    def check(self, rgb: U8, face: F32) -> FaceScores:
        """Score how surely a mesh lies on a face; see `FaceDetector.check`."""
        return self._checker.score(rgb, face)

    def _detect_one(self, rgb: U8) -> list[F32]:
        faces = self._detect_turned(rgb)
        if not self._is_settled and self._must_turn(rgb, faces):
            turns = self._find_turns(rgb)
            if turns is not None:
                self._upright.reset()
                self._turns, self._is_settled = turns, True
                faces = self._detect_turned(rgb)
        self._frames += 1
        self._misses = 0 if faces else self._misses + 1
        return faces

    def _detect_turned(self, rgb: U8) -> list[F32]:
        faces = self._upright.detect(turn_picture(rgb, self._turns))
        return [turn_mesh_back(face, self._turns, rgb.shape) for face in faces]

    def _must_turn(self, rgb: U8, faces: list[F32]) -> bool:
        """Whether the picture may show a turned face. Settles the turns where the largest face is the right way up."""
        if not faces:
            return self._misses % TURN_INTERVAL == 0
        if self._frames not in CHECKED_FRAMES and self._misses == 0:
            return False
        largest = max(faces, key=lambda face: measure_oval(face)[2])
        self._is_settled = self._checker.score(rgb, largest).is_sure
        return not self._is_settled

    def _find_turns(self, rgb: U8) -> int | None:
        """Return the quarter turns that bring a face about upright; None if no turned face is sure."""
        tilts = {}
        for turns in OTHER_TURNS:
            turned = turn_picture(rgb, turns)
            self._finder.reset()
            for face in self._finder.detect(turned)[:1]:
                if is_surely_turned(self._checker.score(turned, face), face, turned.shape):
                    tilts[turns] = abs(measure_mesh_tilt(face))
        return min(tilts, key=tilts.__getitem__, default=None)


def turn_picture(rgb: U8, turns: int) -> U8:
    """Turn a picture (h, w, 3) by counterclockwise quarter turns."""
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


def turn_mesh_back(face: F32, turns: int, shape: tuple[int, ...]) -> F32:
    """Return a mesh of a turned picture in pixels of the picture before its turn.

    Args:
        face: (478, 3) float32 in pixels of the turned picture.
        turns: Its counterclockwise quarter turns.
        shape: (h, w, ...) of the picture before.
    """
    if not turns:
        return face
    height, width = shape[:2]
    x, y, z = face.T
    across, down = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[turns]
    return np.stack([across, down, z], 1)


class FaceChecker:
    """Scores meshes by MediaPipe's BlazeFace; see `face_check`."""

    def __init__(self) -> None:
        self._graph = _Graph(
            lambda solutions: solutions.face_detection.FaceDetection(model_selection=0, min_detection_confidence=0.05)
        )
        self._check = FaceCheck(self._find)

    def close(self) -> None:
        """Free MediaPipe's graph."""
        self._graph.close()

    def score(self, rgb: U8, face: F32) -> FaceScores:
        """Score a mesh (478, 3) in a picture (h, w, 3) uint8 RGB."""
        return self._check.score(rgb, face)

    def _find(self, crop: U8) -> Any:
        detections = self._graph.process(crop).detections
        self._graph.is_quiet |= bool(detections)
        return detections


class _UprightDetector:
    """Face meshes of successive pictures that show faces about upright.

    Where the tracker finds no face, the full-range detector looks for small ones, and the mesh is fitted to enlarged
    crops of them.
    """

    def __init__(self, max_faces: int) -> None:
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

    def detect(self, rgb: U8) -> list[F32]:
        """Find the faces of the next picture (h, w, 3) uint8 RGB."""
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
    """Import `mediapipe.solutions` without the packages that only its drawing and its microphone need.

    The plotting library takes longer to load than the rest of MediaPipe, and the sound library starts a compiler to
    find its own parts. Nothing here draws or listens with them. MediaPipe's tasks are loaded when they are first used.
    """
    absent: dict[str, ModuleType | None] = {
        "matplotlib": ModuleType("matplotlib"),
        "matplotlib.pyplot": ModuleType("matplotlib.pyplot"),
        "sounddevice": None,  # MediaPipe goes on where it cannot be imported
    }
    hidden = {name: module for name, module in absent.items() if name.partition(".")[0] not in sys.modules}
    modules: dict[str, Any] = sys.modules
    modules.update(hidden)
    lazy = _LazyTasks()
    sys.meta_path.insert(0, lazy)
    try:
        import mediapipe
    finally:
        lazy.remove()
        for name in hidden:
            del modules[name]
    return mediapipe.solutions


class _LazyTasks(MetaPathFinder):
    """Finds MediaPipe's tasks, half of its modules, so that they are loaded when they are first used."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "mediapipe.tasks.python":
            return None
        self.remove()
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec

    def remove(self) -> None:
        """Find nothing any more."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)


def _find_meshes(graph: _Graph, rgb: U8) -> list[F32]:
    h, w = rgb.shape[:2]
    result = graph.process(rgb).multi_face_landmarks or ()
    graph.is_quiet = graph.is_quiet or bool(result)
    scale = np.array([w, h, w], np.float32)
    return [read_landmarks(face) * scale for face in result]


def read_landmarks(face: Any) -> F32:
    """Read the points of a `NormalizedLandmarkList`, (n, 3) float32, in shares of the picture's width and height.

    Fields are read one by one only where a point has others than x, y and z: it takes ten times as long.
    """
    count = len(face.landmark)
    content = np.frombuffer(face.SerializeToString(), np.uint8)
    if len(content) == count * _POINT.itemsize:
        points = content.view(_POINT)
        if all((points[name] == tag).all() for name, tag in _POINT_TAGS.items()):
            return np.stack([points["x"], points["y"], points["z"]], 1)
    return np.array([(p.x, p.y, p.z) for p in face.landmark], np.float32).reshape(count, 3)


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
