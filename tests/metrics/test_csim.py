"""Identity by ArcFace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.errors import WeightsError
from lipdub.metrics import csim
from lipdub.networks.compat import fix_torchvision
from lipdub.weights.store import WeightsStore
from tests.metrics.made_pictures import make_pictures

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
fix_torchvision()  # the libraries compared with import it


def test_the_crop_of_a_face_lies_by_arcfaces_template() -> None:
    # the published template for 112 pixels, rounded
    expected = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    np.testing.assert_allclose(csim.TEMPLATE, expected, atol=1e-4)
    points = np.zeros((68, 2))
    eye_left, eye_right, nose, left, right = csim.TEMPLATE * 2 + [30, 20]
    points[[36, 39]], points[[42, 45]], points[30], points[48], points[54] = eye_left, eye_right, nose, left, right
    picture = np.zeros((300, 300, 3), np.uint8)
    picture[20:244, 30:254] = np.kron(make_pictures(1, 8, 112)[0, :, :112], np.ones((2, 2, 1), np.uint8))
    crop = csim.crop_arcface(picture, points)
    assert crop.shape == (112, 112, 3)
    # every other pixel of the doubled picture, but where the smallest rounding moves it to the next one
    assert (crop == picture[20:244:2, 30:254:2]).mean() > 0.95


def test_csim_is_the_cosine_of_the_networks_embeddings(tmp_path: Path) -> None:
    from lipdub.networks.arcface import ArcFace

    torch.manual_seed(0)
    network = ArcFace(16).eval()
    crops = make_pictures(3, 9, 112)[:, :, :112]
    found = csim.embed_faces(network, crops)
    with torch.inference_mode():
        expected = network(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(csim.csim(found, found[0]), expected @ expected[0], atol=1e-5)
    assert csim.csim(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]])) == pytest.approx([24 / 25])
    with pytest.raises(WeightsError, match=r"model_ir_se50\.pth are not in the store"):
        csim.load_arcface(WeightsStore(tmp_path))
