"""Files of G4G models (Zhang et al., 2024).

`lipdub train g4g` and `lipdub adapt --recipe g4g` write whole models, which the method ``g4g`` reads.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError
from lipdub.weights import safetensors_file
from lipdub.weights.user_models import ModelFamily

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.networks.g4g import G4G

FORMAT = "lipdub-g4g-1"
_TITLE = "G4G model"
_MAKERS = "lipdub train g4g"


@dataclass
class G4GModel:
    """A model, for evaluation.

    Attributes:
        network: The network.
        mask: What was hidden of its frames, a name in `faces.masks.MASKS`.
        notes: Notes on the training, as plain values.
    """

    network: G4G
    mask: str = "pose"
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def lead(self) -> float:
        """Seconds by which the model must hear ahead, because the mouths that it learnt from came late."""
        return float(self.notes.get("lead", 0.0))


def save(path: Path, model: G4GModel) -> Path:
    """Write a model with weights in float16, whole or not at all, and return its path."""
    description = {"size": asdict(model.network.size), "mask": model.mask, "notes": model.notes}
    return safetensors_file.write(path, FORMAT, description, model.network.state_dict())


def read_description(path: Path) -> dict[str, Any]:
    """Return the sizes and notes of a file.

    Raises:
        WeightsError: The file holds no G4G model.
    """
    return safetensors_file.read_description(path, FORMAT, _TITLE, _MAKERS)


def load(path: Path) -> G4GModel:
    """Return the model of a file, in float32 on the CPU.

    Raises:
        WeightsError: The file holds no G4G model.
    """
    from lipdub.networks.g4g import G4G, G4GSize
    from lipdub.weights.checkpoint import load_into

    description, state = safetensors_file.read(path, FORMAT, _TITLE, _MAKERS)
    try:
        network = G4G(G4GSize(**description["size"]))
        model = G4GModel(network, str(description["mask"]), dict(description.get("notes") or {}))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} does not say what its networks are like: {error}") from error
    load_into(network, state, path.name)
    network.eval()
    return model


FAMILY = ModelFamily("g4g", _TITLE, f"{_MAKERS} or lipdub adapt", read_description, shipped="g4g.safetensors")
"""The models of the method ``g4g``."""
