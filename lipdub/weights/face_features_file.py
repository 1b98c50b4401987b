"""Files of `networks.face_features`, which `lipdub train face-features` writes and perceptual losses read.

A safetensors file of the network's weights. Its one metadata entry is JSON: the channels of the maps, and `notes`, what the
network was trained on and how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError
from lipdub.weights import safetensors_file

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.networks.face_features import FaceFeatures

FORMAT = "lipdub-face-features-1"
_KIND = ("network of face features", "lipdub train face-features")


def save(path: Path, network: FaceFeatures, notes: dict[str, Any]) -> Path:
    """Writes a file (weights in float16), whole or not at all. Returns its path."""
    return safetensors_file.write(path, FORMAT, {"widths": network.widths, "notes": notes}, network.state_dict())


def read_description(path: Path) -> dict[str, Any]:
    """What a file tells of itself: widths and notes. Raises WeightsError when it is not one of these."""
    return safetensors_file.read_description(path, FORMAT, *_KIND)


def load(path: Path) -> FaceFeatures:
    """The network of a file, for evaluation, in float32 on the CPU. Raises WeightsError when it is not one of these."""
    from lipdub.networks.face_features import FaceFeatures
    from lipdub.weights.checkpoint import load_into

    told, state = safetensors_file.read(path, FORMAT, *_KIND)
    try:
        network = FaceFeatures(tuple(int(width) for width in told["widths"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WeightsError(f"{path} does not tell what its network is like: {error}") from error
    load_into(network, state, path.name)
    return network.eval()
