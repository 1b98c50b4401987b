"""Files of the network of face features: `lipdub train face-features` writes them, perceptual losses read them.

The description of such a file holds ``widths``, the channels of the network's maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError
from lipdub.weights import safetensors_file

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.networks.face_features import FaceFeatures

FORMAT = "lipdub-face-features-1"
_TITLE = "network of face features"
_MAKERS = "lipdub train face-features"


def save(path: Path, network: FaceFeatures, notes: dict[str, Any]) -> Path:
    """Write a file with weights in float16, whole or not at all, and return its path.

    Args:
        path: Where to write it.
        network: The network.
        notes: Notes on the training, as plain values.
    """
    return safetensors_file.write(path, FORMAT, {"widths": network.widths, "notes": notes}, network.state_dict())


def read_description(path: Path) -> dict[str, Any]:
    """Return the widths of a file's network and its notes.

    Raises:
        WeightsError: The file holds no network of face features.
    """
    return safetensors_file.read_description(path, FORMAT, _TITLE, _MAKERS)


def load(path: Path) -> FaceFeatures:
    """Return the network of a file for evaluation, in float32 on the CPU.

    Raises:
        WeightsError: The file holds no network of face features.
    """
    from lipdub.networks.face_features import FaceFeatures
    from lipdub.weights.checkpoint import load_into

    description, state = safetensors_file.read(path, FORMAT, _TITLE, _MAKERS)
    try:
        network = FaceFeatures(tuple(int(width) for width in description["widths"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WeightsError(f"{path} does not say what its network is like: {error}") from error
    load_into(network, state, path.name)
    network.eval()
    return network
