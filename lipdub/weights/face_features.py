"""Files of `networks.face_features`, which `lipdub train face-features` writes and perceptual losses read.

A safetensors file of the network's weights. Its one metadata entry is JSON: the channels of the maps, and `notes`, what the
network was trained on and how.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError

if TYPE_CHECKING:
    from lipdub.networks.face_features import FaceFeatures

FORMAT = "lipdub-face-features-1"


def save(path: Path, network: FaceFeatures, notes: dict[str, Any]) -> Path:
    """Writes a file (weights in float16), whole or not at all. Returns its path."""
    from safetensors.torch import save

    from lipdub.workspace.files import write_atomically

    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous() for name, value in network.state_dict().items()
    }
    told = {"widths": network.widths, "notes": notes}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(state, {FORMAT: json.dumps(told, sort_keys=True)}))
    return path


def about(path: Path) -> dict[str, Any]:
    """What a file tells of itself: widths and notes. Raises WeightsError when it is not one of these."""
    return _opened(path, weights=False)[0]


def load(path: Path) -> FaceFeatures:
    """The network of a file, for evaluation, in float32 on the CPU. Raises WeightsError when it is not one of these."""
    from lipdub.networks.face_features import FaceFeatures
    from lipdub.weights.checkpoint import load_into

    told, state = _opened(path, weights=True)
    try:
        network = FaceFeatures(tuple(int(width) for width in told["widths"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WeightsError(f"{path} does not tell what its network is like: {error}") from error
    state = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    load_into(network, state, path.name)
    return network.eval()


def _opened(path: Path, weights: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()} if weights else {}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"the weights {path} cannot be read: {error}") from error
    if FORMAT not in metadata:
        raise WeightsError(f"{path} holds no network of face features", hint="lipdub train face-features makes one.")
    try:
        told = json.loads(metadata[FORMAT])
        if not isinstance(told, dict):
            raise ValueError("no object")
    except ValueError as error:
        raise WeightsError(f"{path} does not tell what its network is like: {error}") from error
    return told, state
