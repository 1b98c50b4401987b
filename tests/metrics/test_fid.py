"""FID against torchmetrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.errors import WeightsError
from lipdub.metrics import fid
from lipdub.networks.compat import fix_torchvision
from lipdub.weights import manifest
from lipdub.weights.store import WeightsStore
from tests.metrics.made_pictures import make_pictures
from tests.networks import parity

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
fix_torchvision()  # the libraries compared with import it


def _taken(features: np.ndarray, sizes: tuple[int, ...]) -> fid.FeatureStatistics:
    moments = fid.FeatureStatistics(features.shape[1])
    for part in np.split(features, np.cumsum(sizes)):
        moments.add(part)
    return moments


def test_moments_are_the_same_however_they_come() -> None:
    features = np.random.default_rng(0).normal(1000, 2, (50, 6))  # a mean far off must cost no digits
    for sizes in ((), (1, 20), (0, 49)):
        moments = _taken(features, sizes)
        np.testing.assert_allclose(moments.mean, features.mean(0), rtol=1e-12)
        np.testing.assert_allclose(moments.covariance, np.cov(features.T), rtol=1e-9)
    with pytest.raises(ValueError, match="are needed"):
        fid.FeatureStatistics(6).add(features[:, :5])
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


@pytest.mark.slow
@pytest.mark.parametrize("count", [40, 8])  # fewer than features: covariances of less than full rank
def test_frechet_distance_is_that_of_torchmetrics(count: int) -> None:
    image = pytest.importorskip("torchmetrics.image.fid")
    extractor = _Pixels()
    reference = image.FrechetInceptionDistance(feature=extractor, input_img_size=(3, 72, 80))
    reference.set_dtype(torch.float64)
    sides = []
    for seed, real in ((6, True), (7, False)):
        frames = (make_pictures(count, seed) * (0.5 if real else 0.7)).astype(np.uint8)
        batch = torch.from_numpy(frames).permute(0, 3, 1, 2)
        reference.update(batch, real=real)
        sides.append(_taken(extractor(batch).double().numpy(), (3, 5)))
    assert fid.frechet_distance(*sides) == pytest.approx(float(reference.compute()), rel=1e-4)


@pytest.mark.slow
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
    frames = make_pictures(3, 6, 299)[:, :, :299]  # as large as it sees them: torchmetrics resizes in another way
    found = fid.inception_features(network, frames)
    expected = reference(torch.from_numpy(frames).permute(0, 3, 1, 2)).numpy()
    assert found.shape == (3, fid.FEATURES) and np.ptp(found, axis=0).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="eight bits"):
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
    with pytest.raises(WeightsError, match=r"pt_inception-2015-12-05-6726825d\.pth are not in the store"):
        fid.load_inception(WeightsStore(tmp_path))
