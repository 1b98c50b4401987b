"""LPIPS: how different two pictures look, by the features of a network trained on photographs.

Zhang, Isola, Efros, Shechtman, Wang: "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (CVPR
2018), equation 1, version 0.1 of the authors' package `lpips`, which brings the weights of its linear layers. Those of
the backbone, AlexNet (what the papers report) or VGG16, come from the weights store.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import EnvironmentFailure, WeightsError

if TYPE_CHECKING:
    from lipdub.weights.store import WeightsStore

#: Backbone by the package's name for it: its entry in the weights store.
BACKBONES = {"alex": "alexnet", "vgg": "vgg16"}
SMALLEST = 64  # pixels: a smaller picture leaves the deepest features nothing to see


def load_lpips(store: WeightsStore, backbone: str = "alex", device: str = "cpu") -> Any:
    """The network, an nn.Module for evaluation. Nothing is downloaded.

    backbone: one of `BACKBONES`; KeyError for another. Raises WeightsError when the backbone's weights are not in the
    store or are not what they should be, EnvironmentFailure when the package `lpips` is not installed.
    """
    from lipdub.weights.checkpoint import read_checkpoint

    kept = store.verify(_entry(backbone))
    network = build_lpips(backbone)
    _fill(network, read_checkpoint(kept.path, kept.entry), kept.path.name)
    return network.to(device)


def build_lpips(backbone: str = "alex") -> Any:
    """The network with its linear layers' weights and a backbone of random ones."""
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
        warnings.simplefilter("ignore")  # of torchvision, about how the package calls it
        return lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False).eval()


def lpips_distance(network: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distances of pictures, float64 (n,): 0 for equal ones, less is better.

    a, b: RGB uint8 (n, h, w, 3) of at least `SMALLEST` pixels a side. Raises ValueError for others and for different
    shapes.
    """
    import torch

    if a.shape != b.shape or a.ndim != 4 or a.shape[-1] != 3 or a.dtype != np.uint8 or b.dtype != np.uint8:
        raise ValueError(f"two batches of RGB pictures of eight bits are needed, not {a.shape} and {b.shape}")
    if min(a.shape[1:3]) < SMALLEST:
        raise ValueError(f"pictures of {a.shape[1]}x{a.shape[2]} are smaller than {SMALLEST} pixels")
    device = next(network.parameters()).device
    with torch.inference_mode():
        x, y = (torch.from_numpy(np.ascontiguousarray(v)).to(device).permute(0, 3, 1, 2) / 127.5 - 1 for v in (a, b))
        return network(x, y).flatten().double().cpu().numpy()


def _entry(backbone: str) -> Any:
    from lipdub.weights import manifest

    return manifest.find_entry(BACKBONES[backbone])


def _fill(network: Any, state: dict[str, Any], name: str) -> None:
    """Gives the backbone torchvision's weights. Its slices keep the numbers of torchvision's layers."""
    own = network.net.state_dict()
    filled = {}
    for key, value in own.items():
        given = state.get("features." + key.partition(".")[2])
        if given is None or given.shape != value.shape:
            raise WeightsError(f"{name} is not a checkpoint of torchvision's {network.pnet_type}: it lacks {key}")
        filled[key] = given
    network.net.load_state_dict(filled)
