"""Meshes of faces that RetinaFace finds: small, tilted, several; and the package's own boxes, with made-up weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from lipdub.faces import mesh
from lipdub.faces.detectors import retinaface
from lipdub.faces.detectors.mediapipe import MediaPipeDetector
from lipdub.faces.detectors.meshes import measure_oval
from lipdub.faces.detectors.retinaface import FaceLocation, RetinaFaceDetector, crop_upright, measure_tilt
from lipdub.media.read import read_frames
from tests.sample import TALKER
from tests.weights import small

if TYPE_CHECKING:
    from collections.abc import Callable

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    small.offline(monkeypatch)


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return [frame.picture.rgb() for frame in read_frames(TALKER, 0, 8)]


@pytest.fixture(scope="module")
def faces(frames: list[np.ndarray]) -> list[np.ndarray]:
    """The mesh of the drawn talker in each."""
    with MediaPipeDetector(1) as finder:
        return [finder.detect([frame], [False])[0][0] for frame in frames]


class Knowing(torch.nn.Module):
    """Stands in for RetinaFace and knows where the faces are: `where` tells it for each picture it is shown."""

    def __init__(self, where: Callable[[int], list[np.ndarray]]) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.mean_tensor = torch.zeros(1)
        self.where = where
        self.shown: list[Any] = []

    def batched_detect_faces(self, pictures: Any, confidence: float, overlap: float) -> tuple[list[Any], list[Any]]:
        assert (confidence, overlap) == (0.8, 0.4) and pictures.dtype == torch.float32
        boxes, points = [], []
        for picture in pictures:
            found = self.where(len(self.shown))
            self.shown.append(picture)
            rows = [np.concatenate([f.min(0), f.max(0), [0.99]]) for f in (f[list(mesh.OVAL), :2] for f in found)]
            boxes.append(np.array(rows, np.float32))
            points.append(np.array([five(f).ravel() for f in found], np.float32))
        return boxes, points


def five(face: np.ndarray) -> np.ndarray:
    eyes = [face[list(eye), :2].mean(0) for eye in (mesh.EYE_LEFT, mesh.EYE_RIGHT)]
    return np.stack([*eyes, face[4, :2], face[61, :2], face[291, :2]])


def laid(
    frame: np.ndarray, face: np.ndarray, *spots: tuple[float, float, float, float]
) -> tuple[Any, list[np.ndarray]]:
    """A grey picture of 1280 x 720 with faces at (x, y, size, tilt), and their meshes there."""
    out, meshes = np.full((720, 1280, 3), 100, np.uint8), []
    x, y, size = measure_oval(face)
    for u, v, wanted, angle in spots:
        k, a = wanted / size, np.radians(angle)
        turn = k * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        way = np.column_stack([turn, np.array([u, v]) - turn @ [x, y]])
        fine = cv2.GaussianBlur(frame, (0, 0), 0.5 / k) if k < 1 else frame
        head = np.zeros(frame.shape[:2], np.uint8)
        cv2.circle(head, (int(x), int(y)), int(0.8 * size), 255, -1)
        shown = cv2.warpAffine(fine, way, (1280, 720), flags=cv2.INTER_LINEAR)
        where = cv2.warpAffine(head, way, (1280, 720)) > 128
        out[where] = shown[where]
        there = face.copy()
        there[:, :2] = face[:, :2] @ turn.T + way[:, 2]
        meshes.append(there)
    return out, meshes


def off(found: np.ndarray, wanted: np.ndarray) -> float:
    """Mean distance of two meshes, in sizes of the face."""
    return float(np.linalg.norm(found[:468, :2] - wanted[:468, :2], axis=1).mean() / measure_oval(wanted)[2])


def test_the_same_faces_as_mediapipe_finds(frames: list[np.ndarray], faces: list[np.ndarray]) -> None:
    network = Knowing(lambda i: [faces[0]])
    with RetinaFaceDetector(network) as finder:
        found = finder.detect(frames, [False] * len(frames))
        finder.reset()
        again = finder.detect(frames, [False] * len(frames))
    assert [len(f) for f in found] == [1] * 8 and all(
        f[0].shape == (478, 3) and f[0].dtype == np.float32 for f in found
    )
    assert max(off(f[0], face) for f, face in zip(found, faces, strict=True)) < 0.02
    depth = np.std([f[0][:468, 2] for f in found]) / np.std([face[:468, 2] for face in faces])
    assert 0.9 < depth < 1.1  # z in the same unit
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(found, again, strict=True))
    assert len(network.shown) == 2 * 3  # frames 0, 3 and 6


@pytest.mark.parametrize(("size", "angle"), [(36, 0), (120, 90), (120, -65), (60, 40), (200, 170)])
def test_small_and_tilted_faces(frames: list[np.ndarray], faces: list[np.ndarray], size: float, angle: float) -> None:
    picture, meshes = laid(frames[0], faces[0], (900.0, 300.0, size, angle))
    scaled = [m * [0.75, 0.75, 1] for m in meshes]  # as it is searched
    network = Knowing(lambda i: scaled)
    with RetinaFaceDetector(network) as finder:
        ((found,),) = finder.detect([picture], [False])
    assert network.shown[0].shape == (540, 960, 3)
    assert off(found, meshes[0]) < 0.04


def test_several_faces_and_no_more_than_asked_for(frames: list[np.ndarray], faces: list[np.ndarray]) -> None:
    spots = [
        (200.0, 200.0, 60.0, 0.0),
        (400.0, 500.0, 150.0, 20.0),
        (700.0, 200.0, 50.0, -50.0),
        (1000.0, 400.0, 100.0, 80.0),
    ]
    picture, meshes = laid(frames[0], faces[0], *spots)
    network = Knowing(lambda i: [m * [0.75, 0.75, 1] for m in meshes])
    with RetinaFaceDetector(network, 4) as finder:
        (found,) = finder.detect([picture], [False])
    assert len(found) == 4 and all(min(off(f, m) for f in found) < 0.04 for m in meshes)
    with RetinaFaceDetector(network, 2) as finder:
        (found,) = finder.detect([picture], [False])
    assert [round(measure_oval(f)[2] / 50) for f in found] == [3, 2]  # the largest


def test_cuts_and_faces_that_come_and_go(frames: list[np.ndarray], faces: list[np.ndarray]) -> None:
    here, at = laid(frames[0], faces[0], (300.0, 300.0, 120.0, 0.0))
    there, then = laid(frames[0], faces[0], (900.0, 400.0, 120.0, 0.0))
    order = [here, here, there, there, np.zeros_like(here), here]
    known = iter([at, then, []])
    network = Knowing(lambda i: [m * [0.75, 0.75, 1] for m in next(known)])
    with RetinaFaceDetector(network) as finder:
        found = finder.detect(order, [False, False, True, False, False, False])
    # searched: the first, the cut, and three after it, where RetinaFace is said to see none
    assert len(network.shown) == 3 and [len(f) for f in found] == [1, 1, 1, 1, 0, 0]
    assert off(found[3][0], then[0]) < 0.04


def test_where_it_finds_nothing(frames: list[np.ndarray]) -> None:
    with RetinaFaceDetector(Knowing(lambda i: [])) as finder:
        assert finder.detect(frames[:2], [False, False]) == [[], []]
    empty = np.full((1, 478, 3), 100.0) + np.random.default_rng(0).uniform(0, 60, (1, 478, 3))
    with RetinaFaceDetector(Knowing(lambda i: list(empty))) as finder:  # a face that is none
        assert finder.detect([np.zeros((360, 640, 3), np.uint8)] * 2, [False, False]) == [[], []]


def test_crops_are_upright_and_go_back() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (80, 100, 3)).astype(np.uint8)
    back, crop = crop_upright(picture, FaceLocation(50.2, 39.8, 20.0, 14.0))
    assert np.array_equal(crop, picture[20:60, 30:70]) and np.allclose(back, [[1, 0, 30], [0, 1, 20]])
    back, crop = crop_upright(picture, FaceLocation(50.0, 40.0, 20.0, 88.0))
    assert np.array_equal(crop, np.rot90(picture[20:60, 30:70]))  # a head that lies to the right
    eyes, mouth = np.array([70.0, 39.5]), np.array([40.0, 39.5])
    assert measure_tilt(eyes, mouth) == pytest.approx(90)
    up, low = (np.linalg.solve(back[:, :2], p - back[:, 2]) for p in (eyes, mouth))
    assert up[1] < low[1] and up[0] == pytest.approx(low[0])
    _, crop = crop_upright(picture, FaceLocation(0.0, 0.0, 20.0, 0.0))
    assert not crop[:20].any() and np.array_equal(crop[20:, 20:], picture[:20, :20])


@pytest.mark.slow
def test_the_package_finds_what_its_network_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes and points of one anchor in the picture's own pixels; RGB goes in as BGR, less the means."""
    from lipdub.networks.retinaface import retinaface as build

    monkeypatch.setattr(retinaface, "MAX_SEARCH_SIDE", 96)
    network = build()
    seen: list[Any] = []
    network.body.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        for heads in (network.ClassHead, network.BboxHead, network.LandmarkHead):
            for head in heads:
                head.conv1x1.weight.zero_()
                head.conv1x1.bias.zero_()
        network.ClassHead[2].conv1x1.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 5.0]))  # the larger anchor, of 512 pixels
        points = torch.tensor([-1.0, -1, 1, -1, 0, 0, -1, 1, 1, 1])
        network.LandmarkHead[2].conv1x1.bias.copy_(torch.cat([points, points]))
    picture = np.zeros((64, 192, 3), np.uint8)
    picture[..., 0] = 255
    finder = RetinaFaceDetector(network)
    ((found,),) = finder._search([picture])
    assert seen[0].shape == (1, 3, 32, 96)
    assert seen[0][0, :, 0, 0].tolist() == [-104, -117, 255 - 123]
    # of anchors that overlap one is left; the search is of half the size
    assert found.size == pytest.approx(2 * 512) and found.tilt == pytest.approx(0)
    assert found.y == pytest.approx(2 * 16) and found.x in (32.0, 96.0, 160.0)
    with torch.no_grad():
        network.ClassHead[2].conv1x1.bias.zero_()
    assert finder._search([picture, picture]) == [[], []]
