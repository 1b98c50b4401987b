"""Finding faces with RetinaFace: small ones, many of them, and heads tilted further than MediaPipe finds them.

Deng et al., "RetinaFace: Single-Shot Multi-Level Face Localisation in the Wild" (CVPR 2020), by the `facexlib`
package. MediaPipe's mesh is then fitted to an enlarged, upright crop of each face, so what comes of it is the same
as of `faces.detect`; a face the mesh cannot be fitted to is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from lipdub.faces import mesh
from lipdub.faces.detectors.mediapipe import CropMeshFitter, drop_duplicates, measure_oval

if TYPE_CHECKING:
    from collections.abc import Sequence

# Pictures are searched at no more than this many pixels on the longer side: its smallest anchors are of 16 pixels.
MAX_SEARCH_SIDE = 960
# Every so many frames, and the first after a cut, are searched; between them the mesh is fitted where it was.
SEARCH_INTERVAL = 3
GPU_BATCH = 4  # pictures a device searches at once; a CPU is no faster with more than one
CONFIDENCE, OVERLAP = 0.8, 0.4  # facexlib's
# Crops are turned by whole multiples of this many degrees: the mesh is fitted to heads tilted less.
TILT_STEP_DEGREES = 30.0


class FaceLocation(NamedTuple):
    """A face: middle and larger side of its box in pixels, and how far the head is tilted, degrees clockwise."""

    x: float
    y: float
    size: float
    tilt: float


class RetinaFaceDetector:
    """Face meshes of successive frames. Results depend only on the frames since the last `reset`.

    network: `networks.retinaface.retinaface`, with its weights, on its device.
    """

    def __init__(self, network: Any, max_faces: int = 4) -> None:
        device = next(network.parameters()).device
        network.device, network.mean_tensor = device, network.mean_tensor.to(device)
        self._network = network
        self._batch = GPU_BATCH if device.type != "cpu" else 1
        self._max = max_faces
        self._mesh = CropMeshFitter(2)
        self.reset()

    def reset(self) -> None:
        """Forgets the frames seen so far."""
        self._last: list[FaceLocation] = []
        self._since = SEARCH_INTERVAL

    def close(self) -> None:
        self._mesh.close()

    def __enter__(self) -> RetinaFaceDetector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def faces(self, pictures: Sequence[np.ndarray], cuts: Sequence[bool]) -> list[list[np.ndarray]]:
        """Landmarks of the faces in successive RGB uint8 pictures (h, w, 3) of one size; cuts: which begin a shot.

        Returns:
            for each up to `max_faces` arrays (478, 3) float32 as of `FaceFinder.faces`.
        """
        wanted = []
        for i, cut in enumerate(cuts):
            if cut or self._since >= SEARCH_INTERVAL:
                wanted.append(i)
                self._since = 0
            self._since += 1
        parts = [wanted[j : j + self._batch] for j in range(0, len(wanted), self._batch)]
        found: dict[int, list[FaceLocation]] = {}
        for part in parts:
            found.update(zip(part, self._search([pictures[i] for i in part]), strict=True))
        shown = enumerate(zip(pictures, cuts, strict=True))
        return [self._fitted(rgb, found.get(i), cut) for i, (rgb, cut) in shown]

    def _search(self, pictures: Sequence[np.ndarray]) -> list[list[FaceLocation]]:
        import torch

        h, w = pictures[0].shape[:2]
        scale = min(1.0, MAX_SEARCH_SIDE / max(h, w))
        size = (round(w * scale), round(h * scale))
        small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) if scale < 1 else p for p in pictures]
        with torch.inference_mode():
            boxes, points = self._network.batched_detect_faces(
                torch.from_numpy(np.stack(small)[..., ::-1].astype(np.float32)), CONFIDENCE, OVERLAP
            )
        ratio = np.array([w, h]) / size
        return [
            sorted((_found(b, p, ratio) for b, p in zip(bs, ps, strict=True)), key=lambda f: -f.size)
            for bs, ps in zip(boxes, points, strict=True)
        ]

    def _fitted(self, rgb: np.ndarray, found: list[FaceLocation] | None, cut: bool) -> list[np.ndarray]:
        places = [] if cut else self._last
        if found is not None:
            places = [*found, *(old for old in places if not any(_same(old, new) for new in found))]
        out, last = [], []
        for place in places[: self._max]:
            face = self._fit(rgb, place)
            if face is not None:
                out.append(face)
                last.append(_of_mesh(face))
            elif found is None or place in found:
                last.append(place)  # it may turn back before the next search
        self._last = last
        return drop_duplicates(out)

    def _fit(self, rgb: np.ndarray, place: FaceLocation) -> np.ndarray | None:
        """The mesh of the face at a place; None where none fits."""
        back, crop = crop_upright(rgb, place)
        faces = []
        for face in self._mesh.faces(crop):
            face[:, :2] = face[:, :2] @ back[:, :2].T + back[:, 2]
            faces.append(face)
        fitting = [face for face in faces if _same(_of_mesh(face), place)]
        return min(fitting, key=lambda f: np.hypot(*(np.array(measure_oval(f)[:2]) - place[:2])), default=None)


def crop_upright(rgb: np.ndarray, place: FaceLocation) -> tuple[np.ndarray, np.ndarray]:
    """A square crop of twice a face's size, turned so that the head is about upright; beyond the picture it is black.

    Returns:
        the transform float64 (2, 3) from points of the crop to those of the picture; the crop uint8 (n, n, 3).
    """
    half = max(int(round(place.size)), 8)
    # the middles of the four middle pixels of the crop lie around a corner of the picture's pixels
    centre = np.round([place.x, place.y]) - 0.5
    angle = np.radians(round(place.tilt / TILT_STEP_DEGREES) * TILT_STEP_DEGREES)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    back = np.column_stack([turn, centre - turn @ np.full(2, half - 0.5)])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return back, cv2.warpAffine(rgb, back, (2 * half, 2 * half), flags=flags)


def measure_tilt(eyes: np.ndarray, mouth: np.ndarray) -> float:
    """Degrees clockwise by which a head is tilted whose eyes' and mouth's middles (2,) are these pixels.

    Not by the line of the eyes, which a profile makes a point.
    """
    down = np.asarray(mouth, np.float64) - eyes
    return float(np.degrees(np.arctan2(-down[0], down[1])))


def _found(row: np.ndarray, points: np.ndarray, ratio: np.ndarray) -> FaceLocation:
    """A face of the network's box (5,) and points (10,): eyes, nose, corners of the mouth."""
    low, high = row[:2] * ratio, row[2:4] * ratio
    five = points.reshape(5, 2) * ratio
    middle = (low + high) / 2
    size = float((high - low).max())
    return FaceLocation(float(middle[0]), float(middle[1]), size, measure_tilt(five[:2].mean(0), five[3:].mean(0)))


def _of_mesh(face: np.ndarray) -> FaceLocation:
    eyes = face[[*mesh.EYE_LEFT, *mesh.EYE_RIGHT], :2].mean(0)
    return FaceLocation(*measure_oval(face), measure_tilt(eyes, face[list(mesh.LIPS_OUTER), :2].mean(0)))


def _same(one: FaceLocation, other: FaceLocation) -> bool:
    """Whether two places are of one face."""
    large = max(one.size, other.size)
    near = np.hypot(one.x - other.x, one.y - other.y) < 0.4 * large
    return bool(near and min(one.size, other.size) > 0.4 * large)
