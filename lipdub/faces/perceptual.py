"""The perceptual loss: the difference of two pictures in the feature maps of a frozen network.

It follows Yaman et al., "Audio-Driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024),
section 3.3, Eq. 1. The paper's network is VGG-19, whose published weights must be downloaded. Without them a small
network that was trained here on faces takes its place (`networks.face_features`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from lipdub.errors import WeightsError
from lipdub.weights import face_features_file, manifest
from lipdub.weights.checkpoint import load_network
from lipdub.weights.shipped_files import locate_shipped, verify_shipped
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

PUBLISHED = "vgg19"  # its entry in the manifest
SHIPPED = "face-features.safetensors"

# c_i of Eq. 1 for VGG-19's maps. The paper takes them from Johnson et al. (2016), who give none for five maps. These
# are from Wang et al. ("High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", 2018).
_EPSILON = 1e-8  # of squared differences, under a root
_VGG = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


def perceptual(maps: Sequence[torch.Tensor], true: Sequence[torch.Tensor]) -> torch.Tensor:
    """Compute Eq. 1: the mean absolute differences of feature maps, averaged over the maps.

    `load_features` scales each map by c_i times the number of maps, so the average is the paper's sum; c_i is 1 for the
    small network.

    Args:
        maps: feature maps (n, c, h, w) of the generated pictures.
        true: feature maps of the true pictures.
    """
    return torch.stack([(a - b).abs().mean() for a, b in zip(maps, true, strict=True)]).mean()


def multi_scale_perceptual(
    features: nn.Module, pictures: torch.Tensor, true: torch.Tensor, levels: int = 3
) -> torch.Tensor:
    """Compute the multi-scale perceptual loss of Ki and Min, "StyleLipSync" (ICCV 2023), Eq. 6.

    The pictures are compared at full size, at half of it, and so on. Each distance is the root of the mean squared
    difference of a map, so that large maps do not count more than small ones.

    Args:
        features: of `load_features`.
        pictures: (n, 3, P, P), RGB in 0..1, that were generated.
        true: (n, 3, P, P), RGB in 0..1.
        levels: number of sizes.

    Returns:
        the sum over maps of the distances, as a mean over levels and pictures.
    """
    total = pictures.new_zeros(())
    for level in range(levels):
        if level:
            pictures, true = avg_pool2d(pictures, 2), avg_pool2d(true, 2)
        with torch.no_grad():
            wanted = features(true)
        for found, right in zip(features(pictures), wanted, strict=True):
            squares = (found.float() - right.float()).square().flatten(1).mean(1)
            total = total + (squares + _EPSILON).sqrt().mean() / levels
    return total


def find_feature_weights() -> Path:
    """Return the file of the network that `load_features` loads, verified.

    Raises:
        WeightsError: there are no weights, or damaged ones.
    """
    store, entry = WeightsStore(), manifest.find_entry(PUBLISHED)
    if store.has(entry):
        return store.verify(entry).path
    try:
        locate_shipped(SHIPPED)
    except WeightsError:
        hint = f"Fetch VGG-19: lipdub weights pull {PUBLISHED}; or train a small one: lipdub train face-features."
        raise WeightsError("there is no network for the perceptual loss", hint=hint) from None
    return verify_shipped(SHIPPED)


def load_features(report: Callable[[str], None] = lambda text: None) -> tuple[nn.Module, str]:
    """Load a frozen network for `perceptual`, in evaluation mode.

    It maps pictures (n, 3, P, P), RGB in 0..1, P 64 to 256, to a list of feature maps, the smallest last.

    Args:
        report: called with a note on the weights.

    Returns:
        the network, and its name.

    Raises:
        WeightsError: there are no weights, or damaged ones.
    """
    store, entry = WeightsStore(), manifest.find_entry(PUBLISHED)
    if store.has(entry):
        weights = store.verify(entry)
        if weights.trust_note:
            report(weights.trust_note)
        scales = [weight * len(_VGG) for weight in _VGG]
        return Scaled(load_network(weights.path, entry), scales).eval().requires_grad_(False), f"VGG-19 ({entry.file})"
    network = face_features_file.load(find_feature_weights())
    scaled = Scaled(network, [float(len(network.widths))] * len(network.widths)).eval().requires_grad_(False)
    return scaled, f"lipdub's own small network ({SHIPPED}), for VGG-19 is not in the weights store"


class Scaled(nn.Module):
    """A network that gives maps, with each map multiplied by a number."""

    def __init__(self, network: nn.Module, scales: Sequence[float]) -> None:
        super().__init__()
        self.network, self.scales = network, tuple(scales)

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Map pictures to scaled feature maps."""
        return [scale * values for scale, values in zip(self.scales, self.network(pictures), strict=True)]
