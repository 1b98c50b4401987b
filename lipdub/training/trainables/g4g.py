"""`lipdub train g4g`: the network of the recipe g4g."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - evaluated for the command line
from typing import TYPE_CHECKING, Any

from lipdub.options import option
from lipdub.training.trainables.kept_model import KeepArguments, KeepsMask
from lipdub.training.trainables.talking_face import describe_speakers

if TYPE_CHECKING:
    from torch import nn

    from lipdub.training.dataset import Dataset
    from lipdub.training.g4g.generator import G4GOptions
    from lipdub.training.trainable import Runtime
    from lipdub.weights.g4g_file import G4GModel
    from lipdub.weights.user_models import ModelFamily

_AUDIO = "phonetic"  # what a new model hears: no voice changes it


@dataclass(frozen=True)
class G4GArguments(KeepArguments):
    """Arguments of the training of G4G."""

    begin: Path | None = option(None, "--begin", metavar="MODEL", help="A G4G model to train further, not a new one.")


class G4GTrainable(KeepsMask["G4GOptions", "G4GModel | None"]):
    """G4G's networks."""

    name = checkpoint_name = "g4g"
    summary = "Train the network of the recipe g4g."
    arguments = G4GArguments
    overfit_setting = "sampling.overfit"

    def default_settings(self, arguments: Any) -> G4GOptions:
        """Give the small size for CPUs, or with --full the paper's."""
        from lipdub.training.g4g.generator import G4GOptions, full_options

        return full_options() if arguments.full else G4GOptions()

    def family(self) -> ModelFamily:
        """Give the G4G models."""
        from lipdub.weights.g4g_file import FAMILY

        return FAMILY

    def load_inputs(self, arguments: Any) -> G4GModel | None:
        """Load the model to begin with."""
        from lipdub.weights import g4g_file

        return g4g_file.load(arguments.begin) if arguments.begin is not None else None

    def input_networks(self, inputs: G4GModel | None) -> tuple[nn.Module | None, ...]:
        """Give the model to begin with."""
        return (inputs.network,) if inputs is not None else ()

    def train_network(
        self,
        data: Dataset,
        held_out: Dataset | None,
        inputs: G4GModel | None,
        folder: Path,
        settings: G4GOptions,
        seed: int,
        runtime: Runtime,
    ) -> nn.Module:
        """Train a new network, or that of --begin further."""
        from lipdub.training.g4g.generator import make_network, train_g4g

        network = make_network(settings, _AUDIO, seed) if inputs is None else inputs.network
        return train_g4g(
            self.name,
            data,
            held_out,
            network,
            folder,
            settings,
            lead=inputs.lead if inputs is not None and not settings.lead else 0.0,
            seed=seed,
            device=runtime.device,
            progress=runtime.report,
        )

    def save(self, out: Path, network: Any, inputs: G4GModel | None, notes: dict[str, Any]) -> Path:
        """Write the model, with the notes of the trainings before."""
        from lipdub.weights import g4g_file
        from lipdub.weights.g4g_file import G4GModel

        settings = notes["training"]
        earlier = inputs.notes if inputs is not None else {}
        kept = {f"{key}, earlier" if key.startswith(self.name) else key: value for key, value in earlier.items()}
        all_notes = {**kept, self.name: notes, "remark": describe_speakers(notes)}
        if settings["lead"]:
            all_notes["lead"] = settings["lead"]
        return g4g_file.save(out, G4GModel(network, settings["mask"], all_notes))


G4G = G4GTrainable()
