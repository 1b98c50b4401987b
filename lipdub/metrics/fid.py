"""FID: how far the frames of a result are, as a distribution, from those of real video.

Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter: "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
Nash Equilibrium" (NeurIPS 2017), equation 6: Frechet's distance of two normal distributions fitted to the features
(2048) of Inception v3 as TensorFlow published it in 2015. The package `torch-fidelity` computes the features. It
resizes pictures as the original did; pytorch-fid and torchmetrics use other pixel centres and give slightly other
values. The weights come from the weights store.

FID falls with the number of frames. Below some thousand frames it says little. Values are comparable only at equal
numbers of frames.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import EnvironmentFailure
from lipdub.media.pixels import to_eight_bits
from lipdub.metrics.evidence import Evidence, Feed, FramePair, PassSetup
from lipdub.metrics.metric import Measurement, Metric, MetricWeights, Need

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, U8, Array
    from lipdub.weights.store import WeightsStore

WEIGHTS = "inception-fid"
FEATURES = 2048
BATCH = 8  # pictures the network sees at once
MIN_FEATURES = 2  # fewest features of a distribution


class FeatureStatistics:
    """Mean and covariance of features that come a few at a time; memory does not grow with their number.

    Args:
        size: of a feature vector.
    """

    def __init__(self, size: int = FEATURES) -> None:
        self.count = 0
        self._sum = np.zeros(size)
        self._products = np.zeros((size, size))
        self._origin: F64 | None = None

    def add(self, features: Array) -> None:
        """Add features (n, size).

        Raises:
            ValueError: the features have another size.
        """
        values = np.asarray(features, np.float64)
        if values.ndim != 2 or values.shape[1] != len(self._sum):
            raise ValueError(f"features (n, {len(self._sum)}) are needed, not {values.shape}")
        if not len(values):
            return
        if self._origin is None:  # differences from a value near the mean lose no digits
            self._origin = values.mean(0)
        values = values - self._origin
        self.count += len(values)
        self._sum += values.sum(0)
        self._products += values.T @ values

    @property
    def mean(self) -> F64:
        """Mean of the features: (size,) float64.

        Raises:
            ValueError: fewer than two features were added.
        """
        mean: F64 = self._check() + self._sum / self.count
        return mean

    @property
    def covariance(self) -> F64:
        """Unbiased covariance: (size, size) float64.

        Raises:
            ValueError: fewer than two features were added.
        """
        self._check()
        return (self._products - np.outer(self._sum, self._sum) / self.count) / (self.count - 1)

    def _check(self) -> F64:
        if self._origin is None or self.count < MIN_FEATURES:
            raise ValueError("at least two features are needed")
        return self._origin


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Return the squared Frechet distance of two normal distributions; 0 for equal ones, less is better."""
    first, second = a.covariance, b.covariance
    # sqrt(AB) has the eigenvalues of sqrt(sqrt(A) B sqrt(A)), which is symmetric
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    gap = a.mean - b.mean
    return float(max(0.0, gap @ gap + np.trace(first) + np.trace(second) - 2 * shared))


def load_inception(store: WeightsStore, device: str = "cpu") -> Any:
    """Load the feature network, an nn.Module for evaluation. Nothing is downloaded.

    Raises:
        WeightsError: its weights are not in the store, or have the wrong digest.
        EnvironmentFailure: the package `torch-fidelity` is not installed.
    """
    from lipdub.weights import manifest

    verified = store.verify(manifest.find_entry(WEIGHTS))
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
        "inception-v3-compat", [str(FEATURES)], feature_extractor_weights_path=str(verified.path)
    )
    return network.eval().to(device)


def inception_features(network: Any, frames: U8) -> F32:
    """Compute the features of pictures, which the network resizes to 299 pixels.

    Args:
        network: of `load_inception`.
        frames: (n, h, w, 3) uint8 RGB.

    Returns:
        (n, 2048) float32.

    Raises:
        ValueError: the array has another shape or type.
    """
    import torch

    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"RGB pictures of eight bits are needed, not {frames.dtype} {frames.shape}")
    device = next(network.parameters()).device
    with torch.inference_mode():
        batch = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).to(device)
        features: F32 = network(batch)[0].cpu().numpy()
    return features


class FaceStatistics:
    """Observer that keeps the distributions of the aligned faces of result and ground truth.

    Args:
        setup: of the pass.
    """

    def __init__(self, setup: PassSetup) -> None:
        self.result, self.truth = FeatureStatistics(), FeatureStatistics()
        self._batch: list[tuple[U8, U8]] = []
        self._network = setup.networks[WEIGHTS]

    def add(self, pair: FramePair, /) -> None:
        """Add a pair, if it shows a face."""
        faces = pair.faces
        if faces is None:
            return
        self._batch.append((to_eight_bits(faces.result), to_eight_bits(faces.truth)))
        if len(self._batch) == BATCH:
            self.flush()

    def flush(self) -> None:
        """Add the pairs that wait for a full batch."""
        if self._batch:
            result, truth = (np.stack(side) for side in zip(*self._batch, strict=True))
            self.result.add(inception_features(self._network, result))
            self.truth.add(inception_features(self._network, truth))
            self._batch = []


def _measure(evidence: Evidence) -> Measurement:
    moments = evidence.get_observer(Feed.GROUND_TRUTH, FaceStatistics)
    moments.flush()
    count = moments.result.count
    value = frechet_distance(moments.result, moments.truth) if count >= MIN_FEATURES else math.nan
    return Measurement(value, note=f"of {count} frames; papers take tens of thousands")


METRIC = Metric(
    id="fid_crop",
    title="FID of the aligned face",
    region="crop",
    unit="",
    better="lower",
    measure=_measure,
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: FaceStatistics},
    weights=MetricWeights(WEIGHTS, load_inception),
    ideal=0.0,
)
