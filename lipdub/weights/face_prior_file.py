"""Files of face priors: `lipdub train face-prior` writes them, `lipdub train stylelipsync` begins with one.

A file holds a StyleGAN2 generator (``generator.``), the mean of its style codes (``average_code``) and the
discriminator it was trained against (``discriminator.``). A published StyleGAN2 for 256 pixels serves too, from the
weights store.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError
from lipdub.weights import safetensors_file

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from lipdub.networks.stylegan2 import StyleGAN2, StyleGAN2Size
    from lipdub.networks.stylegan2_discriminator import StyleDiscriminator

FORMAT = "lipdub-face-prior-1"
PUBLISHED = "stylegan2-256"
"""The entry of the manifest that serves as a prior."""

_TITLE = "face prior"
_MAKERS = "lipdub train face-prior"


@dataclass
class FacePrior:
    """A face prior, for evaluation.

    Attributes:
        size: Of the generator.
        generator: StyleGAN2.
        average_code: (style_dim,) mean of its style codes.
        discriminator: What it was trained against; None for a published generator.
        notes: Notes on the training, as plain values.
    """

    size: StyleGAN2Size
    generator: StyleGAN2
    average_code: torch.Tensor
    discriminator: StyleDiscriminator | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def save(path: Path, prior: FacePrior) -> Path:
    """Write a file with weights in float16, whole or not at all, and return its path."""
    parts = {"generator": prior.generator, "discriminator": prior.discriminator}
    state = {
        f"{name}.{key}": value
        for name, part in parts.items()
        if part is not None
        for key, value in part.state_dict().items()
    }
    description = {"size": asdict(prior.size), "notes": prior.notes}
    return safetensors_file.write(path, FORMAT, description, {**state, "average_code": prior.average_code})


def read_description(path: Path) -> dict[str, Any]:
    """Return the size of a file's generator and its notes.

    Raises:
        WeightsError: The file holds no face prior.
    """
    return safetensors_file.read_description(path, FORMAT, _TITLE, _MAKERS)


def load(path: Path) -> FacePrior:
    """Return the networks of a file, in float32 on the CPU.

    Raises:
        WeightsError: The file holds no face prior.
    """
    from lipdub.networks.stylegan2 import StyleGAN2Size
    from lipdub.networks.stylegan2_discriminator import StyleDiscriminator
    from lipdub.weights.checkpoint import load_into

    description, state = safetensors_file.read(path, FORMAT, _TITLE, _MAKERS)
    try:
        size = StyleGAN2Size(**description["size"])
        generator, average = size.build(), state["average_code"]
        notes = dict(description.get("notes") or {})
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} does not say what its networks are like: {error}") from error
    if average.shape != (size.style_dim,):
        raise WeightsError(f"the average code of {path} has {len(average)} values, not {size.style_dim}")
    load_into(generator, safetensors_file.select(state, "generator"), f"{path.name} (generator)")
    discriminator = None
    judged = safetensors_file.select(state, "discriminator")
    if judged:
        discriminator = StyleDiscriminator(size.pixels, size.multiplier, size.narrow)
        load_into(discriminator, judged, f"{path.name} (discriminator)").eval()
    return FacePrior(size, generator.eval(), average, discriminator, notes)


def load_published() -> FacePrior:
    """Return the published StyleGAN2 of the weights store as a prior.

    Raises:
        WeightsError: It is not in the store, or not the published file.
    """
    from lipdub.networks.stylegan2 import StyleGAN2, StyleGAN2Size
    from lipdub.weights import manifest
    from lipdub.weights.checkpoint import load_network
    from lipdub.weights.store import WeightsStore

    verified = WeightsStore().verify(manifest.find_entry(PUBLISHED))
    generator = load_network(verified.path, verified.entry)
    assert isinstance(generator, StyleGAN2)
    return FacePrior(StyleGAN2Size(), generator, generator.average_code(), notes={"published": verified.path.name})
