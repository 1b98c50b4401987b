"""FID: how far the frames of a result are, as a crowd, from those of real video.

Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter: "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
Nash Equilibrium" (NeurIPS 2017), equation 6: Frechet's distance of two normal distributions fitted to the features
(2048) of Inception v3 as TensorFlow published it in 2015. Features by the package `torch-fidelity`, which resizes pictures
as the original did (pytorch-fid and torchmetrics do it with other pixel centres: a little other values); weights from the
weights store.

It falls with the number of frames: below some thousands it says little, and compares only at equal numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import EnvironmentFailure

if TYPE_CHECKING:
    from lipdub.weights.store import WeightsStore

WEIGHTS = "inception-fid"
FEATURES = 2048


class Moments:
    """Mean and covariance of features that come a few at a time; memory does not grow with their number."""

    def __init__(self, size: int = FEATURES) -> None:
        self.count = 0
        self._sum = np.zeros(size)
        self._products = np.zeros((size, size))
        self._origin: np.ndarray | None = None

    def add(self, features: np.ndarray) -> None:
        """Takes features (n, size)."""
        values = np.asarray(features, np.float64)
        if values.ndim != 2 or values.shape[1] != len(self._sum):
            raise ValueError(f"features (n, {len(self._sum)}) are needed, not {values.shape}")
        if not len(values):
            return
        if self._origin is None:  # products of differences from about the mean lose no digits
            self._origin = values.mean(0)
        values = values - self._origin
        self.count += len(values)
        self._sum += values.sum(0)
        self._products += values.T @ values

    @property
    def mean(self) -> np.ndarray:
        """(size,) float64. Raises ValueError before two features were taken."""
        origin = self._enough()
        return origin + self._sum / self.count

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased, (size, size) float64. Raises ValueError before two features were taken."""
        self._enough()
        return (self._products - np.outer(self._sum, self._sum) / self.count) / (self.count - 1)

    def _enough(self) -> np.ndarray:
        if self._origin is None or self.count < 2:
            raise ValueError("at least two features are needed")
        return self._origin


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Frechet distance of two normal distributions; 0 for equal ones, less is better."""
    first, second = a.covariance, b.covariance
    # sqrt(AB) has the eigenvalues of sqrt(sqrt(A) B sqrt(A)), which is symmetric
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    gap = a.mean - b.mean
    return float(max(0.0, gap @ gap + np.trace(first) + np.trace(second) - 2 * shared))


def load_inception(store: WeightsStore, device: str = "cpu") -> Any:
    """The feature network, an nn.Module for evaluation. Nothing is downloaded.

    Raises WeightsError when its weights are not in the store or are not what they should be, EnvironmentFailure when
    the package `torch-fidelity` is not installed.
    """
    from lipdub.weights import manifest

    kept = store.verify(manifest.find_entry(WEIGHTS))
    try:
        from lipdub.networks.compat import fix_torchvision

        fix_torchvision()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise EnvironmentFailure(
            "FID needs the package torch-fidelity, which is not installed",
            hint='Install it: pip install "lipdub[metrics]".',
        ) from error
    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", [str(FEATURES)], feature_extractor_weights_path=str(kept.path)
    )
    return network.eval().to(device)


def inception_features(network: Any, frames: np.ndarray) -> np.ndarray:
    """Features float32 (n, 2048) of RGB uint8 pictures (n, h, w, 3), which the network resizes to 299 pixels.

    Raises ValueError for other arrays.
    """
    import torch

    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"RGB pictures of eight bits are needed, not {frames.dtype} {frames.shape}")
    device = next(network.parameters()).device
    with torch.inference_mode():
        batch = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).to(device)
        return network(batch)[0].cpu().numpy()
