"""Files of StyleGAN models: a generator of faces and the encoder that finds its latents.

`lipdub train stylegan` writes them, the method ``stylegan`` reads them. The description of such a file holds ``size``,
the fields of `StyleGAN2Size`, and ``widen``, that of `LatentEncoder`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError
from lipdub.weights import safetensors_file
from lipdub.weights.user_models import ModelFamily

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from lipdub.networks.latent_encoder import LatentEncoder
    from lipdub.networks.stylegan2 import StyleGAN2, StyleGAN2Size

FORMAT = "lipdub-stylegan-1"
_TITLE = "StyleGAN model"
_MAKERS = "lipdub train stylegan"


@dataclass
class StyleGANModel:
    """A model, for evaluation.

    Attributes:
        size: Of the generator.
        generator: Draws faces.
        encoder: Finds their latents.
        notes: Notes on the training, as plain values.
    """

    size: StyleGAN2Size
    generator: StyleGAN2
    encoder: LatentEncoder
    notes: dict[str, Any] = field(default_factory=dict)


def save(path: Path, model: StyleGANModel) -> Path:
    """Write a model with weights in float16, whole or not at all, and return its path."""
    parts: dict[str, nn.Module] = {"generator": model.generator, "encoder": model.encoder}
    state = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    description = {"size": asdict(model.size), "widen": model.encoder.widen, "notes": model.notes}
    return safetensors_file.write(path, FORMAT, description, state)


def read_description(path: Path) -> dict[str, Any]:
    """Return the sizes of a file's networks and its notes.

    Raises:
        WeightsError: The file holds no StyleGAN model.
    """
    return safetensors_file.read_description(path, FORMAT, _TITLE, _MAKERS)


def load(path: Path) -> StyleGANModel:
    """Return the model of a file, in float32 on the CPU.

    Raises:
        WeightsError: The file holds no StyleGAN model.
    """
    import torch

    from lipdub.networks.latent_encoder import LatentEncoder
    from lipdub.networks.stylegan2 import StyleGAN2Size
    from lipdub.weights.checkpoint import load_into

    description, state = safetensors_file.read(path, FORMAT, _TITLE, _MAKERS)
    try:
        size = StyleGAN2Size(**description["size"])
        generator = size.build()
        encoder = LatentEncoder(size, torch.zeros(size.style_dim), float(description["widen"]))
        notes = dict(description.get("notes") or {})
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} does not say what its networks are like: {error}") from error
    for name, network in (("generator", generator), ("encoder", encoder)):
        load_into(network, safetensors_file.select(state, name), f"{path.name} ({name})")
    return StyleGANModel(size, generator.eval(), encoder.eval(), notes)


FAMILY = ModelFamily("stylegan", _TITLE, _MAKERS, read_description, "stylegan.safetensors")
