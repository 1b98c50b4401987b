"""Find faces with RetinaFace: small ones, many of them, and heads tilted further than MediaPipe finds them.

Deng et al., RetinaFace: Single-Shot Multi-Level Face Localisation in the Wild (CVPR 2020), by the `facexlib` package.
MediaPipe's mesh is then fitted to an enlarged, upright crop of each face, so the meshes are of the same kind as those
of `detectors.mediapipe`. A face that the mesh cannot be fitted to is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from lipdub.faces.detectors.base import ClosingDetector, Detector, DetectorSettings
from lipdub.faces.detectors.mediapipe import CropMeshFitter, FaceChecker
from lipdub.faces.detectors.meshes import drop_duplicates, measure_mesh_tilt, measure_oval, measure_tilt
from lipdub.weights.requirement import AllOf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32, F64, U8
    from lipdub.faces.detectors.face_check import FaceScores

# Pictures are searched at no more than this many pixels on the longer side; the smallest anchors are of 16 pixels.
MAX_SEARCH_SIDE = 960
# Every so many frames, and the first after a cut, are searched; between them the mesh is fitted where it was.
SEARCH_INTERVAL = 3
GPU_BATCH = 4  # pictures searched at once on a GPU; a processor is no faster with more than one
CONFIDENCE, OVERLAP = 0.8, 0.4  # thresholds of facexlib
# Crops are turned by whole multiples of this many degrees: the mesh fits heads that are tilted less.
TILT_STEP_DEGREES = 30.0
MIN_HALF_SIDE = 8  # pixels of half a crop
FRAMES_AT_ONCE = 24  # frames that `detect` takes best: eight searches
FITTED_FACES = 2  # meshes fitted to a crop, of which the one nearest to its middle counts
_SAME_PLACE = 0.4  # share of the larger face: distance below, and size of the smaller one above it, for one face


class FaceLocation(NamedTuple):
    """Where a face lies: middle and larger side of its box in pixels, and the head's tilt in degrees clockwise."""

    x: float
    y: float
    size: float
    tilt: float


class RetinaFaceDetector(ClosingDetector):
    """Face meshes of successive frames, found by RetinaFace and fitted by MediaPipe.

    Args:
        network: `networks.retinaface.retinaface` with its weights, on its device.
        max_faces: most faces of a frame.
    """

    warm_up = 0
    batch = FRAMES_AT_ONCE

    def __init__(self, network: Any, max_faces: int = 4) -> None:
        device = next(network.parameters()).device
        network.device, network.mean_tensor = device, network.mean_tensor.to(device)
        self._network = network
        self._search_batch = GPU_BATCH if device.type != "cpu" else 1
        self._max_faces = max_faces
        self._fitter = CropMeshFitter(FITTED_FACES)
        self._checker = FaceChecker()
        self.reset()

    def reset(self) -> None:
        """Forget the frames seen so far."""
        self._places: list[FaceLocation] = []
        self._frames_since_search = SEARCH_INTERVAL

    def close(self) -> None:
        """Free MediaPipe's graphs."""
        self._fitter.close()
        self._checker.close()

    def check(self, rgb: U8, face: F32) -> FaceScores:
        """Score how surely a mesh lies on a face; see `FaceDetector.check`."""
        return self._checker.score(rgb, face)

    def detect(self, frames: Sequence[U8], is_cut: Sequence[bool]) -> list[list[F32]]:
        """Find the faces of successive frames; see `FaceDetector.detect`."""
        searched = []
        for i, cut in enumerate(is_cut):
            if cut or self._frames_since_search >= SEARCH_INTERVAL:
                searched.append(i)
                self._frames_since_search = 0
            self._frames_since_search += 1
        found: dict[int, list[FaceLocation]] = {}
        for start in range(0, len(searched), self._search_batch):
            part = searched[start : start + self._search_batch]
            found.update(zip(part, self._search([frames[i] for i in part]), strict=True))
        pairs = enumerate(zip(frames, is_cut, strict=True))
        return [self._fit_frame(rgb, found.get(i), is_cut=cut) for i, (rgb, cut) in pairs]

    def _search(self, frames: Sequence[U8]) -> list[list[FaceLocation]]:
        """Search frames of one size with the network; the faces of each, the largest first."""
        import torch

        h, w = frames[0].shape[:2]
        scale = min(1.0, MAX_SEARCH_SIDE / max(h, w))
        size = (round(w * scale), round(h * scale))
        small = [cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb for rgb in frames]
        with torch.inference_mode():
            boxes, points = self._network.batched_detect_faces(
                torch.from_numpy(np.stack(small)[..., ::-1].astype(np.float32)), CONFIDENCE, OVERLAP
            )
        ratio = np.array([w, h]) / size
        return [
            sorted((_locate_box(b, p, ratio) for b, p in zip(bs, ps, strict=True)), key=lambda place: -place.size)
            for bs, ps in zip(boxes, points, strict=True)
        ]

    def _fit_frame(self, rgb: U8, locations: list[FaceLocation] | None, *, is_cut: bool) -> list[F32]:
        """Fit meshes where faces were found in this frame, and where they were in the frame before.

        Args:
            rgb: the frame.
            locations: faces that the network found in the frame; None if it was not searched.
            is_cut: the frame has nothing to do with the one before.
        """
        places = [] if is_cut else self._places
        if locations is not None:
            places = [*locations, *(old for old in places if not any(_is_same_face(old, new) for new in locations))]
        faces, next_places = [], []
        for place in places[: self._max_faces]:
            face = self._fit(rgb, place)
            if face is not None:
                faces.append(face)
                next_places.append(_locate_mesh(face))
            elif locations is None or place in locations:
                next_places.append(place)  # the head may turn back before the next search
        self._places = next_places
        return drop_duplicates(faces)

    def _fit(self, rgb: U8, place: FaceLocation) -> F32 | None:
        """Fit the mesh to the face at a place; None if it does not fit."""
        to_frame, crop = crop_upright(rgb, place)
        faces = []
        for face in self._fitter.fit(crop):
            face[:, :2] = face[:, :2] @ to_frame[:, :2].T + to_frame[:, 2]
            faces.append(face)
        fitting = [face for face in faces if _is_same_face(_locate_mesh(face), place)]
        return min(fitting, key=lambda f: np.hypot(*(np.array(measure_oval(f)[:2]) - place[:2])), default=None)


def crop_upright(rgb: U8, place: FaceLocation) -> tuple[F64, U8]:
    """Cut a square of twice a face's size, turned so that the head is about upright; it is black beyond the picture.

    Returns:
        The transform (2, 3) float64 from points of the crop to those of the picture, and the crop (n, n, 3) uint8.
    """
    half = max(round(place.size), MIN_HALF_SIDE)
    # The centres of the crop's four middle pixels lie around a corner of the picture's pixels.
    centre = np.round([place.x, place.y]) - 0.5
    angle = np.radians(round(place.tilt / TILT_STEP_DEGREES) * TILT_STEP_DEGREES)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    to_frame = np.column_stack([turn, centre - turn @ np.full(2, half - 0.5)])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return to_frame, cv2.warpAffine(rgb, to_frame, (2 * half, 2 * half), flags=flags)


def _locate_box(row: F32, points: F32, ratio: F64) -> FaceLocation:
    """Locate a face by the network's box (5,) and its points (10,): eyes, nose, corners of the mouth."""
    low, high = row[:2] * ratio, row[2:4] * ratio
    five = points.reshape(5, 2) * ratio
    middle = (low + high) / 2
    size = float((high - low).max())
    return FaceLocation(float(middle[0]), float(middle[1]), size, measure_tilt(five[:2].mean(0), five[3:].mean(0)))


def _locate_mesh(face: F32) -> FaceLocation:
    return FaceLocation(*measure_oval(face), measure_mesh_tilt(face))


def _is_same_face(one: FaceLocation, other: FaceLocation) -> bool:
    large = max(one.size, other.size)
    is_near = np.hypot(one.x - other.x, one.y - other.y) < _SAME_PLACE * large
    return bool(is_near and min(one.size, other.size) > _SAME_PLACE * large)


def _build(settings: DetectorSettings) -> RetinaFaceDetector:
    import torch

    from lipdub.weights.checkpoint import load_network

    (weights,) = settings.weights
    if settings.threads:
        torch.set_num_threads(settings.threads)
    network = load_network(weights.path, weights.entry).to(settings.device)
    return RetinaFaceDetector(network, settings.max_faces)


DETECTOR = Detector(
    name="retinaface",
    summary="RetinaFace, for small, tilted or many faces; needs its published weights",
    build=_build,
    weights=AllOf("retinaface"),
)
