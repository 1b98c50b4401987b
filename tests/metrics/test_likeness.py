"""Measures against a ground truth: MSE, LPIPS, FID, IFC, landmark distances, identity."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.errors import WeightsError
from lipdub.faces.landmarks import IBUG, to_ibug
from lipdub.metrics import csim, fid, ifc, lmd, lpips
from lipdub.metrics.psnr import psnr, squared_error
from lipdub.metrics.ssim import ssim
from lipdub.networks.compat import fix_torchvision
from lipdub.weights import manifest
from lipdub.weights.store import WeightsStore
from tests.networks import parity

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
fix_torchvision()  # the libraries compared with import it


def _pictures(count: int, seed: int, size: int = 72) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size + 8, 3), dtype=np.uint8)


def _face(seed: int = 0) -> np.ndarray:
    """A mesh (478, 3) of points anywhere, but eyes."""
    points = np.random.default_rng(seed).uniform(50, 150, (478, 3))
    for vertices, x in (((33, 160, 158, 133, 153, 144), 80.0), ((362, 385, 387, 263, 373, 380), 120.0)):
        points[list(vertices), :2] = (x, 90.0)
    return points


# -- a clip against itself


def test_a_clip_against_itself_is_perfect() -> None:
    frames, faces = _pictures(3, 0), np.stack([_face(k) for k in range(3)])
    error, count = squared_error(frames, frames)
    assert psnr(error, count) == math.inf
    assert ssim(frames[0, ..., 0], frames[0, ..., 0]) == pytest.approx(1, abs=1e-6)
    steps = np.array([ifc.frame_distance(a, b) for a, b in zip(frames, frames[1:])])
    assert ifc.ifc(steps, steps) == 0 and (steps > 50).all()
    assert not lmd.lmd(faces, faces).pixels.any() and not lmd.f_lmd(faces, faces).eyes.any()
    assert lpips.lpips_distance(lpips_network(), frames, frames) == pytest.approx(np.zeros(3), abs=1e-9)
    assert csim.csim(np.eye(4)[:2], np.eye(4)[:2]) == pytest.approx(np.ones(2))


# -- pixels


def test_mse_and_psnr_are_those_of_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.image")
    regression = pytest.importorskip("torchmetrics.regression")
    a, b = _pictures(2, 1), _pictures(2, 2)
    error, count = squared_error(a, b)
    x, y = (torch.from_numpy(v).double() for v in (a, b))
    assert error / count == pytest.approx(float(regression.MeanSquaredError()(x, y)), rel=1e-6)
    expected = image.PeakSignalNoiseRatio(data_range=255.0)(x, y)
    assert psnr(error, count) == pytest.approx(float(expected), rel=1e-6)


def lpips_network(seed: int = 0, backbone: str = "alex") -> torch.nn.Module:
    pytest.importorskip("lpips")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = lpips.build_lpips(backbone)
        for parameter in network.net.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return network


def test_lpips_is_that_of_its_package_with_the_backbone_of_the_store(tmp_path: Path) -> None:
    package = pytest.importorskip("lpips")
    import torchvision

    torch.manual_seed(3)
    published = torchvision.models.alexnet(weights=None)  # what torchvision publishes, in other numbers
    torch.save(published.state_dict(), tmp_path / "own.pth")
    store = WeightsStore(tmp_path / "store")
    store.add(manifest.find_entry("alexnet"), tmp_path / "own.pth", own=True)
    network = lpips.load_lpips(store)
    a, b = _pictures(5, 4), _pictures(5, 5)
    found = lpips.lpips_distance(network, a, b)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = package.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    features = iter(layer for layer in published.features if isinstance(layer, torch.nn.Conv2d))
    for layer in (m for m in reference.net.modules() if isinstance(m, torch.nn.Conv2d)):
        layer.load_state_dict(next(features).state_dict())
    x, y = (torch.from_numpy(v).permute(0, 3, 1, 2).float() / 255 for v in (a, b))
    with torch.inference_mode():
        expected = reference(x, y, normalize=True).flatten().numpy()
    assert found == pytest.approx(expected, rel=1e-4) and (found > 1e-4).all()


def test_lpips_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="alexnet-owt-7be5be79.pth are not in the store"):
        lpips.load_lpips(WeightsStore(tmp_path))
    store = WeightsStore(tmp_path)
    torch.save({"features.0.weight": torch.zeros(2, 2)}, tmp_path / "wrong.pth")
    store.add(manifest.find_entry("vgg16"), tmp_path / "wrong.pth", own=True)
    pytest.importorskip("lpips")
    with pytest.raises(WeightsError, match="is not a checkpoint of torchvision's vgg"):
        lpips.load_lpips(store, "vgg")


def test_lpips_refuses_what_it_cannot_compare() -> None:
    network = lpips_network()
    for a, b in ((_pictures(1, 0), _pictures(2, 0)), (_pictures(1, 0, 32),) * 2, (_pictures(1, 0) / 255.0,) * 2):
        with pytest.raises(ValueError):
            lpips.lpips_distance(network, a, b)


# -- FID


def _taken(features: np.ndarray, sizes: tuple[int, ...]) -> fid.Moments:
    moments = fid.Moments(features.shape[1])
    for part in np.split(features, np.cumsum(sizes)):
        moments.add(part)
    return moments


def test_moments_are_the_same_however_they_come() -> None:
    features = np.random.default_rng(0).normal(1000, 2, (50, 6))  # a mean far off must cost no digits
    for sizes in ((), (1, 20), (0, 49)):
        moments = _taken(features, sizes)
        np.testing.assert_allclose(moments.mean, features.mean(0), rtol=1e-12)
        np.testing.assert_allclose(moments.covariance, np.cov(features.T), rtol=1e-9)
    with pytest.raises(ValueError):
        fid.Moments(6).add(features[:, :5])
    with pytest.raises(ValueError, match="two"):
        _ = _taken(features[:1], ()).mean


def test_frechet_distance_by_hand() -> None:
    # independent normals: squared distance of means plus squared differences of deviations
    corners = np.array([[-1.0, -1], [1, -1], [-1, 1], [1, 1]])
    a, b = _taken(corners * [2, 6], ()), _taken(corners * [4, 3] + [1, 5], ())
    deviation = math.sqrt(4 / 3)
    assert fid.frechet_distance(a, b) == pytest.approx(1 + 25 + (2 * deviation) ** 2 + (3 * deviation) ** 2)
    assert fid.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


class _Pixels(torch.nn.Module):
    """Features that need no weights."""

    num_features = 12

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pictures.float(), 2).flatten(1)


@pytest.mark.parametrize("count", [40, 8])  # fewer than features: covariances of less than full rank
def test_frechet_distance_is_that_of_torchmetrics(count: int) -> None:
    image = pytest.importorskip("torchmetrics.image.fid")
    extractor = _Pixels()
    reference = image.FrechetInceptionDistance(feature=extractor, input_img_size=(3, 72, 80))
    reference.set_dtype(torch.float64)
    sides = []
    for seed, real in ((6, True), (7, False)):
        frames = (_pictures(count, seed) * (0.5 if real else 0.7)).astype(np.uint8)
        batch = torch.from_numpy(frames).permute(0, 3, 1, 2)
        reference.update(batch, real=real)
        sides.append(_taken(extractor(batch).double().numpy(), (3, 5)))
    assert fid.frechet_distance(*sides) == pytest.approx(float(reference.compute()), rel=1e-4)


def test_features_are_those_that_torchmetrics_takes(tmp_path: Path) -> None:
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    image = pytest.importorskip("torchmetrics.image.fid")
    import torch_fidelity.feature_extractor_inceptionv3 as module

    torch.save(_inception_state(module), tmp_path / "own.pth")
    store = WeightsStore(tmp_path / "store")
    store.add(manifest.find_entry("inception-fid"), tmp_path / "own.pth", own=True)
    network = fid.load_inception(store)
    assert isinstance(network, fidelity.FeatureExtractorInceptionV3)
    weights = str(tmp_path / "own.pth")
    reference = image.FrechetInceptionDistance(feature=2048, feature_extractor_weights_path=weights).inception
    frames = _pictures(3, 6, 299)[:, :, :299]  # as large as it sees them: torchmetrics resizes in another way
    found = fid.inception_features(network, frames)
    expected = reference(torch.from_numpy(frames).permute(0, 3, 1, 2)).numpy()
    assert found.shape == (3, fid.FEATURES) and np.ptp(found, axis=0).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError):
        fid.inception_features(network, frames[0])


def _inception_state(module: object) -> dict[str, torch.Tensor]:
    """A state of the right names and shapes, without fetching the published one."""
    kept: dict[str, torch.Tensor] = {}

    def take(self: torch.nn.Module, state: object, *args: object, **kwargs: object) -> None:
        kept.update(self.state_dict())

    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr(torch, "load", lambda *args, **kwargs: {})
        context.setattr(torch.nn.Module, "load_state_dict", take)
        module.FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path="none")  # type: ignore[attr-defined]
    return parity.filled(kept, {"gain": math.sqrt(2)})


def test_fid_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="pt_inception-2015-12-05-6726825d.pth are not in the store"):
        fid.load_inception(WeightsStore(tmp_path))


# -- consistency from frame to frame


def test_ifc_by_hand() -> None:
    still, changed = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 6, np.uint8)
    assert ifc.frame_distance(still, changed) == 6
    half = still.copy()
    half[0] = 6
    assert ifc.frame_distance(still, half) == pytest.approx(6 / math.sqrt(2))
    # the second pair is a cut
    assert ifc.ifc(np.array([1.0, np.nan, 4.0]), np.array([2.0, 5.0, 1.0])) == pytest.approx(2.0)
    assert math.isnan(ifc.ifc(np.zeros(0), np.zeros(0)))
    with pytest.raises(ValueError):
        ifc.ifc(np.zeros(2), np.zeros(3))


# -- landmarks


def test_mouth_distance_is_free_of_the_faces_place_and_face_distance_is_not() -> None:
    truth = _face()
    moved = truth + [3, 4, 0]
    assert lmd.lmd(moved, truth).pixels == pytest.approx(0, abs=1e-12)
    assert lmd.f_lmd(moved, truth) == (pytest.approx(5), pytest.approx(5 / 40))


def test_mouth_distance_by_hand() -> None:
    truth = _face()
    result = truth.copy()
    lips = [IBUG[48], IBUG[60]]
    result[lips[0], 0] += 10
    result[lips[1], 0] -= 10  # the mean stays
    found = lmd.lmd(result, truth)
    assert found.pixels == pytest.approx(1) and found.eyes == pytest.approx(1 / 40)
    assert lmd.f_lmd(result, truth).pixels == pytest.approx(20 / 68)
    result[IBUG[0], 1] += 34  # the jaw is no part of the mouth
    assert lmd.lmd(result, truth).pixels == pytest.approx(1)
    assert lmd.f_lmd(result, truth).pixels == pytest.approx(54 / 68)


def test_landmarks_may_be_of_ibug_of_many_frames_and_missing() -> None:
    truth = np.stack([_face(k) for k in range(4)])
    result = truth + np.random.default_rng(0).normal(0, 1, truth.shape)
    whole, few = lmd.lmd(result, truth), lmd.lmd(to_ibug(result)[..., :2], to_ibug(truth)[..., :2])
    np.testing.assert_allclose(whole.pixels, few.pixels)
    assert whole.pixels.shape == (4,)
    result[2] = np.nan
    assert np.isnan(lmd.lmd(result, truth).eyes).tolist() == [False, False, True, False]
    with pytest.raises(ValueError):
        lmd.lmd(result[0], truth)
    with pytest.raises(ValueError):
        lmd.f_lmd(np.zeros((5, 2)), np.zeros((5, 2)))


# -- identity


def test_the_crop_of_a_face_lies_by_arcfaces_template() -> None:
    # the published template for 112 pixels, rounded
    expected = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    np.testing.assert_allclose(csim.TEMPLATE, expected, atol=1e-4)
    points = np.zeros((68, 2))
    eye_left, eye_right, nose, left, right = csim.TEMPLATE * 2 + [30, 20]
    points[[36, 39]], points[[42, 45]], points[30], points[48], points[54] = eye_left, eye_right, nose, left, right
    picture = np.zeros((300, 300, 3), np.uint8)
    picture[20:244, 30:254] = np.kron(_pictures(1, 8, 112)[0, :, :112], np.ones((2, 2, 1), np.uint8))
    crop = csim.crop_arcface(picture, points)
    assert crop.shape == (112, 112, 3)
    # every other pixel of the doubled picture, but where the smallest rounding moves it to the next one
    assert (crop == picture[20:244:2, 30:254:2]).mean() > 0.95


def test_csim_is_the_cosine_of_the_networks_embeddings(tmp_path: Path) -> None:
    from lipdub.networks.arcface import ArcFace

    torch.manual_seed(0)
    network = ArcFace(16).eval()
    crops = _pictures(3, 9, 112)[:, :, :112]
    found = csim.embed_faces(network, crops)
    with torch.inference_mode():
        expected = network(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(csim.csim(found, found[0]), expected @ expected[0], atol=1e-5)
    assert csim.csim(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]])) == pytest.approx([24 / 25])
    with pytest.raises(WeightsError, match="model_ir_se50.pth are not in the store"):
        csim.load_arcface(WeightsStore(tmp_path))
