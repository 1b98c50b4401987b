"""Files of StyleLipSync models (Ki and Min, "StyleLipSync", ICCV 2023).

`lipdub train stylelipsync` writes whole models. `lipdub adapt --recipe stylelipsync` fine-tunes the decoder alone, so
it writes a small difference: what was added to the weights of the decoder, and the digest of the whole model that it
belongs to. The method ``stylelipsync`` reads both.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import WeightsError, printable
from lipdub.weights import safetensors_file
from lipdub.weights.shipped_files import sha256
from lipdub.weights.user_models import ModelFamily, find_file

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from lipdub.arrays import F32
    from lipdub.networks.style_lip_sync import StyleLipSync

FORMAT = "lipdub-stylelipsync-1"
_TITLE = "StyleLipSync model"
_MAKERS = "lipdub train stylelipsync"
_DECODER = "decoder."


@dataclass
class StyleLipSyncModel:
    """A model, for evaluation.

    Attributes:
        network: The network.
        mask: What was hidden of its frames, a name in `faces.masks.MASKS`.
        notes: Notes on the training, as plain values.
    """

    network: StyleLipSync
    mask: str = "pose"
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def lead(self) -> float:
        """Seconds by which the model must hear ahead, because the mouths that it learnt from came late."""
        return float(self.notes.get("lead", 0.0))

    def silence(self) -> F32:
        """Return a window of digital silence, (1, audio_rows, audio_columns) float32."""
        from lipdub.networks.avsyncnet import SILENCE

        size = self.network.size
        return np.full((1, size.audio_rows, size.audio_columns), SILENCE[size.audio], np.float32)


def save(path: Path, model: StyleLipSyncModel) -> Path:
    """Write a whole model with weights in float16, whole or not at all, and return its path."""
    description = {"size": asdict(model.network.size), "mask": model.mask, "notes": model.notes}
    return safetensors_file.write(path, FORMAT, description, model.network.state_dict())


def save_adapted(path: Path, base: Path, model: StyleLipSyncModel) -> Path:
    """Write what an adapted model's decoder has that its base's has not, and return the path.

    The whole model is written where the base is neither shipped nor stored, since nobody could find it again.

    Args:
        path: Where to write it.
        base: The file of the model that was adapted.
        model: The adapted model.

    Raises:
        WeightsError: The base holds no model.
    """
    base = find_whole(base)
    if find_file(FAMILY, sha256(base)) is None:
        return save(path, model)
    old = load(base).network.decoder.state_dict()
    new = model.network.decoder.state_dict()
    state = {f"{_DECODER}{key}": new[key] - old[key] for key in old if not new[key].equal(old[key])}
    description = {"base": sha256(base), "notes": model.notes}
    return safetensors_file.write(path, FORMAT, description, state)


def read_description(path: Path) -> dict[str, Any]:
    """Return the sizes and notes of a file; of a difference, with the sizes of its base.

    Raises:
        WeightsError: The file holds no StyleLipSync model, or its base is gone.
    """
    description = _read_own_description(path)
    if "base" not in description:
        return description
    return {**_read_own_description(_find_base(path, description)), **description}


def find_whole(path: Path) -> Path:
    """Return the file of the whole model that a file is, or is a difference to.

    Raises:
        WeightsError: The file holds no StyleLipSync model, or its base is gone.
    """
    description = _read_own_description(path)
    return _find_base(path, description) if "base" in description else path


def read_audio(path: Path) -> tuple[str, int, int]:
    """Return the audio feature that a file's networks hear, and the rows and columns of its windows.

    Raises:
        WeightsError: The file holds no StyleLipSync model.
    """
    try:
        size = read_description(path)["size"]
        return str(size["audio"]), int(size["audio_rows"]), int(size["audio_columns"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} does not say what its networks are like: {error}") from error


def load(path: Path) -> StyleLipSyncModel:
    """Return the model of a file, in float32 on the CPU.

    Raises:
        WeightsError: The file holds no StyleLipSync model, or its base is gone.
    """
    from lipdub.networks.style_lip_sync import StyleLipSync
    from lipdub.weights.checkpoint import load_into

    description, state = safetensors_file.read(path, FORMAT, _TITLE, _MAKERS)
    if "base" in description:
        return _load_difference(path, description, state)
    try:
        network = StyleLipSync(_parse_size(description["size"]))
        model = StyleLipSyncModel(network, str(description["mask"]), dict(description.get("notes") or {}))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} does not say what its networks are like: {error}") from error
    load_into(network, state, path.name)
    network.eval()
    return model


def _load_difference(path: Path, description: dict[str, Any], state: dict[str, torch.Tensor]) -> StyleLipSyncModel:
    model = load(_find_base(path, description))
    own = model.network.state_dict()
    for key, value in state.items():
        if not key.startswith(_DECODER) or key not in own or own[key].shape != value.shape:
            raise WeightsError(f"{path} does not fit its model: {key}")
        own[key] += value
    return StyleLipSyncModel(model.network, model.mask, {**model.notes, **dict(description.get("notes") or {})})


def _find_base(path: Path, description: dict[str, Any]) -> Path:
    found = find_file(FAMILY, str(description["base"]))
    if found is None:
        raise WeightsError(
            f"{printable(path)} is a difference to a model that is no longer here: SHA-256 "
            f"{str(description['base'])[:12]}…",
            hint="Adapt again, or bring that model back into the weights store.",
        )
    return found


def _read_own_description(path: Path) -> dict[str, Any]:
    return safetensors_file.read_description(path, FORMAT, _TITLE, _MAKERS)


def _parse_size(values: dict[str, Any]) -> Any:
    from lipdub.networks.style_lip_sync import StyleLipSyncSize
    from lipdub.networks.stylegan2 import StyleGAN2Size

    return StyleLipSyncSize(**{**values, "decoder": StyleGAN2Size(**values["decoder"])})


FAMILY = ModelFamily(
    "stylelipsync", _TITLE, f"{_MAKERS} or lipdub adapt", read_description, shipped="stylelipsync.safetensors"
)
"""The models of the method ``stylelipsync``."""
