"""What trainings have in common whose model can be kept in the weights store."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lipdub.options import option
from lipdub.training.trainable import DatasetTrainable, Inputs, Runtime, Settings, SizedArguments, Trainable

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.weights.user_models import ModelFamily


@dataclass(frozen=True)
class KeepArguments(SizedArguments):
    """Arguments of a training whose model can be kept."""

    keep: str | None = option(
        None,
        "--keep",
        metavar="NAME",
        help="Also keep the model in the weights store under this name, for lipdub run --model NAME.",
    )


class KeepsModel(Trainable):
    """A training whose arguments are `KeepArguments`."""

    @abstractmethod
    def family(self) -> ModelFamily:
        """Give the family of the models."""

    def check(self, arguments: Any) -> None:
        """Refuse a name that no file can have, and a weights store that cannot be written."""
        if arguments.keep is not None:
            from lipdub.weights import user_models

            user_models.check_name(arguments.keep)
            user_models.make_folder(self.family())

    def publish(self, path: Path, card: str, arguments: Any) -> None:
        """Add the model to the weights store, under the name of --keep."""
        if arguments.keep is not None:
            from lipdub.weights import user_models

            user_models.add_model(self.family(), path, arguments.keep, card=card)


class KeepsMask(KeepsModel, DatasetTrainable[Settings, Inputs]):
    """A training that goes on with a model's mask, where it begins with a model (`arguments.begin`)."""

    def train(self, out: Path, arguments: Any, settings: Any, runtime: Runtime) -> Path:
        """Train a new model, or that of --begin further, with the mask that it was trained with."""
        if arguments.begin is not None:
            settings = replace(settings, mask=str(self.family().read_description(arguments.begin)["mask"]))
        return super().train(out, arguments, settings, runtime)
