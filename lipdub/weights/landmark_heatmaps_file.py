"""Files of the landmarks' heat maps: `lipdub train landmark-heatmaps` writes them, `faces.editing` reads them.

The description of such a file holds ``size``, the fields of `HeatMapSize`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError
from lipdub.weights import safetensors_file

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.networks.landmark_heatmaps import LandmarkHeatMaps

FORMAT = "lipdub-landmark-heatmaps-1"
_TITLE = "network of landmark heat maps"
_MAKERS = "lipdub train landmark-heatmaps"


def save(path: Path, network: LandmarkHeatMaps, notes: dict[str, Any]) -> Path:
    """Write a file with weights in float16, whole or not at all, and return its path.

    Args:
        path: Where to write it.
        network: The network.
        notes: Notes on the training, as plain values.
    """
    return safetensors_file.write(path, FORMAT, {"size": asdict(network.size), "notes": notes}, network.state_dict())


def read_description(path: Path) -> dict[str, Any]:
    """Return the size of a file's network and its notes.

    Raises:
        WeightsError: The file holds no network of heat maps.
    """
    return safetensors_file.read_description(path, FORMAT, _TITLE, _MAKERS)


def load(path: Path) -> LandmarkHeatMaps:
    """Return the network of a file for evaluation, in float32 on the CPU.

    Raises:
        WeightsError: The file holds no network of heat maps.
    """
    from lipdub.networks.landmark_heatmaps import HeatMapSize, LandmarkHeatMaps
    from lipdub.weights.checkpoint import load_into

    description, state = safetensors_file.read(path, FORMAT, _TITLE, _MAKERS)
    try:
        network = LandmarkHeatMaps(HeatMapSize(**description["size"]))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} does not say what its network is like: {error}") from error
    load_into(network, state, path.name)
    network.eval()
    return network
