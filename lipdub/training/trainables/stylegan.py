"""`lipdub train stylegan`: the encoder that the recipe stylegan needs for a generator of faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - evaluated for the command line
from typing import TYPE_CHECKING, Any, ClassVar

from lipdub.options import option
from lipdub.training.trainable import DatasetTrainable, Runtime
from lipdub.training.trainables.kept_model import KeepArguments, KeepsModel
from lipdub.training.trainables.talking_face import describe_speakers

if TYPE_CHECKING:
    from torch import nn

    from lipdub.networks.latent_encoder import StyleAutoencoder
    from lipdub.training.dataset import Dataset
    from lipdub.training.stylegan.encoder import EncoderOptions
    from lipdub.weights.face_prior_file import FacePrior
    from lipdub.weights.user_models import ModelFamily


@dataclass(frozen=True)
class StyleGANArguments(KeepArguments):
    """Arguments of the training of a StyleGAN model."""

    prior: Path | None = option(
        None, "--prior", metavar="FILE", help="The generator: a face prior of lipdub train face-prior. Required."
    )


class StyleGANTrainable(KeepsModel, DatasetTrainable["EncoderOptions", "FacePrior"]):
    """A generator and its encoder."""

    name = checkpoint_name = "stylegan"
    summary = "Train the latent encoder of the recipe stylegan, for a face prior."
    arguments = StyleGANArguments
    required: ClassVar[tuple[str, ...]] = ("data", "prior")

    def default_settings(self, arguments: Any) -> EncoderOptions:
        """Give the encoder for CPUs, or with --full the one for a GPU."""
        from lipdub.training.stylegan.encoder import EncoderOptions, full_options

        return full_options() if arguments.full else EncoderOptions()

    def family(self) -> ModelFamily:
        """Give the StyleGAN models."""
        from lipdub.weights.stylegan_file import FAMILY

        return FAMILY

    def load_inputs(self, arguments: Any) -> FacePrior:
        """Load the generator."""
        from lipdub.weights import face_prior_file

        return face_prior_file.load(arguments.prior)

    def input_networks(self, inputs: FacePrior) -> tuple[nn.Module | None, ...]:
        """Give the generator."""
        return (inputs.generator,)

    def train_network(
        self,
        data: Dataset,
        held_out: Dataset | None,
        inputs: FacePrior,
        folder: Path,
        settings: EncoderOptions,
        seed: int,
        runtime: Runtime,
    ) -> StyleAutoencoder:
        """Train the encoder on single faces, and with it the generator of a small prior."""
        from lipdub.training.stylegan.encoder import train_encoder

        return train_encoder(
            data,
            held_out,
            inputs,
            folder,
            settings,
            seed=seed,
            device=runtime.device,
            progress=runtime.report,
        )

    def save(self, out: Path, network: Any, inputs: FacePrior, notes: dict[str, Any]) -> Path:
        """Write generator and encoder, with the notes on both trainings."""
        from lipdub.weights import stylegan_file
        from lipdub.weights.stylegan_file import StyleGANModel

        all_notes = {"generator": inputs.notes, self.name: notes, "remark": describe_speakers(notes)}
        return stylegan_file.save(out, StyleGANModel(inputs.size, network.generator, network.encoder, all_notes))


STYLEGAN = StyleGANTrainable()
