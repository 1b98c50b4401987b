"""LPIPS: how different two pictures look, by the features of a network that was trained on photographs.

Zhang, Isola, Efros, Shechtman, Wang: "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (CVPR
2018), equation 1, version 0.1 of the authors' package `lpips`, which brings the weights of its linear layers. Those of
the backbone, AlexNet (what the papers report) or VGG16, come from the weights store.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import EnvironmentFailure, WeightsError
from lipdub.media.pixels import to_eight_bits
from lipdub.metrics.evidence import Evidence, Feed, FramePair, PassSetup
from lipdub.metrics.metric import Measurement, Metric, MetricWeights, Need, measure_series

if TYPE_CHECKING:
    from lipdub.arrays import F64, U8
    from lipdub.weights.store import WeightsStore

#: Entry of the weights store by the package's name of the backbone.
BACKBONES = {"alex": "alexnet", "vgg": "vgg16"}
WEIGHTS = BACKBONES["alex"]
SMALLEST = 64  # pixels: a smaller picture is too small for the deepest features
BATCH = 8  # pairs the network sees at once


def load_lpips(store: WeightsStore, backbone: str = "alex", device: str = "cpu") -> Any:
    """Load the network, an nn.Module for evaluation. Nothing is downloaded.

    Args:
        store: holds the backbone's weights.
        backbone: one of `BACKBONES`.
        device: of PyTorch.

    Raises:
        KeyError: there is no such backbone.
        WeightsError: its weights are not in the store, or have the wrong digest.
        EnvironmentFailure: the package `lpips` is not installed.
    """
    from lipdub.weights.checkpoint import read_checkpoint

    verified = store.verify(_find_entry(backbone))
    network = build_lpips(backbone)
    _fill(network, read_checkpoint(verified.path, verified.entry), verified.path.name)
    return network.to(device)


def build_lpips(backbone: str = "alex") -> Any:
    """Build the network with its linear layers' weights and a random backbone.

    Raises:
        EnvironmentFailure: the package `lpips` is not installed.
    """
    import torch

    from lipdub.networks.compat import fix_torchvision

    fix_torchvision()
    try:
        import lpips
    except ImportError as error:
        raise EnvironmentFailure(
            "LPIPS needs the package lpips, which is not installed", hint='Install it: pip install "lipdub[metrics]".'
        ) from error
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision warns of the package's call
        return lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False).eval()


def lpips_distance(network: Any, a: U8, b: U8) -> F64:
    """Compute the distances of pictures: 0 for equal ones, less is better.

    Args:
        network: of `load_lpips`.
        a: (n, h, w, 3) uint8 RGB, at least `SMALLEST` pixels a side.
        b: the same shape.

    Returns:
        (n,) float64.

    Raises:
        ValueError: the pictures have a wrong type, or differ in shape.
    """
    import torch

    if a.shape != b.shape or a.ndim != 4 or a.shape[-1] != 3 or a.dtype != np.uint8 or b.dtype != np.uint8:
        raise ValueError(f"two batches of RGB pictures of eight bits are needed, not {a.shape} and {b.shape}")
    if min(a.shape[1:3]) < SMALLEST:
        raise ValueError(f"pictures of {a.shape[1]}x{a.shape[2]} are smaller than {SMALLEST} pixels")
    device = next(network.parameters()).device
    with torch.inference_mode():
        x, y = (torch.from_numpy(np.ascontiguousarray(v)).to(device).permute(0, 3, 1, 2) / 127.5 - 1 for v in (a, b))
        distances: F64 = network(x, y).flatten().double().cpu().numpy()
    return distances


def _find_entry(backbone: str) -> Any:
    from lipdub.weights import manifest

    return manifest.find_entry(BACKBONES[backbone])


def _fill(network: Any, state: dict[str, Any], name: str) -> None:
    """Give the backbone torchvision's weights. Its slices keep the numbers of torchvision's layers."""
    own_state = network.net.state_dict()
    new_state = {}
    for key, value in own_state.items():
        weight = state.get("features." + key.partition(".")[2])
        if weight is None or weight.shape != value.shape:
            raise WeightsError(f"{name} is not a checkpoint of torchvision's {network.pnet_type}: it lacks {key}")
        new_state[key] = weight
    network.net.load_state_dict(new_state)


class LpipsSeries:
    """Observer that keeps the distance of each pair of aligned faces.

    Args:
        setup: of the pass.
    """

    def __init__(self, setup: PassSetup) -> None:
        self.times: list[float] = []
        self.frame_count = setup.frame_count
        self._values: list[float] = []
        self._batch: list[tuple[U8, U8]] = []
        self._network = setup.networks[WEIGHTS]

    def add(self, pair: FramePair, /) -> None:
        """Add a pair, if it shows a face."""
        faces = pair.faces
        if faces is None:
            return
        self.times.append(pair.time)
        self._batch.append((to_eight_bits(faces.result), to_eight_bits(faces.truth)))
        if len(self._batch) == BATCH:
            self._flush()

    def finish(self) -> list[float]:
        """Return the distances of all pairs."""
        self._flush()
        return self._values

    def _flush(self) -> None:
        if self._batch:
            result, truth = (np.stack(side) for side in zip(*self._batch, strict=True))
            self._values += lpips_distance(self._network, result, truth).tolist()
            self._batch = []


def _measure(evidence: Evidence) -> Measurement:
    series = evidence.get_observer(Feed.GROUND_TRUTH, LpipsSeries)
    note = f"{len(series.times)} of {series.frame_count} faces"
    return measure_series(series.times, series.finish(), evidence.windows, note)


METRIC = Metric(
    id="lpips_crop",
    title="LPIPS of the aligned face (AlexNet)",
    region="crop",
    unit="",
    better="lower",
    measure=_measure,
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: LpipsSeries},
    weights=MetricWeights(WEIGHTS, load_lpips),
    ideal=0.0,
)
