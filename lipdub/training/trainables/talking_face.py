"""`lipdub train silent-lip` and `lipdub train stabilized`: the generators of the recipe stabilized."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 - evaluated for the command line
from typing import TYPE_CHECKING, Any

from lipdub.options import option
from lipdub.training.trainable import DatasetTrainable, Runtime, SizedArguments
from lipdub.training.trainables.kept_model import KeepArguments, KeepsModel

if TYPE_CHECKING:
    from torch import nn

    from lipdub.training.dataset import Dataset
    from lipdub.training.talking_face import GeneratorOptions
    from lipdub.weights.talking_face_file import TalkingFaceModel
    from lipdub.weights.user_models import ModelFamily

WINDOWS = 12  # of the silent-lip generator, a face each: without a synchronization loss, more people count more
SHUT_SHARE = 0.7  # of the silent-lip generator's windows of pairs, whose mouth it shuts; the others say their sound


@dataclass(frozen=True)
class SilentLipArguments(SizedArguments):
    """Arguments of the training of the silent-lip generator."""

    sync: Path | None = option(None, "--sync", metavar="FILE", help="AVSyncNet, written by lipdub train sync-scorer.")
    begin: Path | None = option(
        None, "--begin", metavar="MODEL", help="A model whose silent-lip generator is trained further, not a new one."
    )


@dataclass(frozen=True)
class StabilizedArguments(KeepArguments):
    """Arguments of the training of the talking-face generator."""

    silent: Path | None = option(
        None, "--silent", metavar="FILE", help="The silent-lip generator, written by lipdub train silent-lip."
    )
    begin: Path | None = option(
        None,
        "--begin",
        metavar="MODEL",
        help="A model whose talking-face generator is trained further. Default: it begins as the silent-lip one.",
    )


class GeneratorTrainable(DatasetTrainable["GeneratorOptions", "TalkingFaceModel"]):
    """A generator of faces."""

    overfit_setting = "sampling.overfit"

    def default_settings(self, arguments: Any) -> GeneratorOptions:
        """Give the small generator, or with --full the paper's."""
        from lipdub.networks.face_generator import FaceGeneratorSize
        from lipdub.training.talking_face import GeneratorOptions

        options = GeneratorOptions()
        return replace(options, size=FaceGeneratorSize(draws_change=True), begin="new") if arguments.full else options

    def input_networks(self, inputs: TalkingFaceModel) -> tuple[nn.Module | None, ...]:
        """Give AVSyncNet and the generators that there are."""
        return inputs.sync, inputs.silent, inputs.talking

    def train_network(
        self,
        data: Dataset,
        held_out: Dataset | None,
        inputs: TalkingFaceModel,
        folder: Path,
        settings: GeneratorOptions,
        seed: int,
        runtime: Runtime,
    ) -> nn.Module:
        """Train the generator on windows of faces."""
        from lipdub.training.talking_face import train_generator

        return train_generator(
            self.name,
            data,
            held_out,
            inputs,
            folder,
            settings,
            seed=seed,
            device=runtime.device,
            progress=runtime.report,
        )

    def save(self, out: Path, network: nn.Module, inputs: TalkingFaceModel, notes: dict[str, Any]) -> Path:
        """Write the generator with the networks that it needs."""
        from lipdub.weights import talking_face_file

        all_notes = {**inputs.notes, self.name: notes, "remark": describe_speakers(notes)}
        if notes["training"]["lead"]:
            all_notes["lead"] = notes["training"]["lead"]
        return talking_face_file.save(out, replace(self.add_generator(inputs, network), notes=all_notes))

    def find_earlier_notes(self, model: TalkingFaceModel) -> dict[str, Any]:
        """Find the notes on the trainings of this generator that a model has, and give them names as earlier ones.

        The model's lead stays what it is.
        """
        earlier = {f"{name}, earlier": notes for name, notes in model.notes.items() if name.startswith(self.name)}
        return earlier | ({"lead": model.lead} if model.lead else {})

    @abstractmethod
    def add_generator(self, model: TalkingFaceModel, generator: nn.Module) -> TalkingFaceModel:
        """Put the trained generator into the model that is written."""


class SilentLipTrainable(GeneratorTrainable):
    """The silent-lip generator."""

    name = checkpoint_name = "silent-lip"
    summary = "Train the generator that closes a face's mouth."
    arguments = SilentLipArguments
    required = ("data", "sync")

    def default_settings(self, arguments: Any) -> GeneratorOptions:
        """Give the settings of every generator, with single faces and most windows of pairs showing the mouth shut."""
        options = super().default_settings(arguments)
        sampling = replace(options.sampling, windows=WINDOWS, frames=1, shut_share=SHUT_SHARE)
        return replace(options, sampling=sampling)

    def load_inputs(self, arguments: Any) -> TalkingFaceModel:
        """Load AVSyncNet, and the generator to begin with."""
        from lipdub.errors import UsageError
        from lipdub.metrics.avsyncnet import load_avsyncnet
        from lipdub.networks.avsyncnet import AVSyncNet
        from lipdub.weights import talking_face_file
        from lipdub.weights.talking_face_file import TalkingFaceModel

        network = load_avsyncnet(arguments.sync)
        if not isinstance(network, AVSyncNet):
            raise UsageError(f"{arguments.sync} holds a SyncNet", hint="Train AVSyncNet: lipdub train sync-scorer.")
        if arguments.begin is None:
            return TalkingFaceModel(network)
        begin = talking_face_file.load(arguments.begin)
        if begin.silent is None:
            raise UsageError(f"{arguments.begin} holds no silent-lip generator", hint="Leave out --begin.")
        return TalkingFaceModel(network, begin.silent, notes=self.find_earlier_notes(begin))

    def train(self, out: Path, arguments: Any, settings: Any, runtime: Runtime) -> Path:
        """Train by reconstruction and GAN losses alone, from new weights or from those of --begin."""
        begin = "new" if arguments.begin is None else "silent"
        return super().train(out, arguments, replace(settings.for_silent_lip(), begin=begin), runtime)

    def add_generator(self, model: TalkingFaceModel, generator: nn.Module) -> TalkingFaceModel:
        """Write AVSyncNet and the silent-lip generator."""
        return replace(model, silent=generator, talking=None)


class StabilizedTrainable(KeepsModel, GeneratorTrainable):
    """The talking-face generator."""

    name = checkpoint_name = "stabilized"
    summary = "Train the talking-face generator of the recipe stabilized."
    arguments = StabilizedArguments
    required = ("data", "silent")

    def family(self) -> ModelFamily:
        """Give the talking-face models."""
        from lipdub.weights.talking_face_file import FAMILY

        return FAMILY

    def load_inputs(self, arguments: Any) -> TalkingFaceModel:
        """Load AVSyncNet, the silent-lip generator, and the generator to begin with."""
        from lipdub.errors import UsageError
        from lipdub.weights import talking_face_file

        model = talking_face_file.load(arguments.silent)
        if model.silent is None:
            raise UsageError(
                f"{arguments.silent} holds no silent-lip generator", hint="lipdub train silent-lip makes one."
            )
        if arguments.begin is None:
            return model
        begin = talking_face_file.load(arguments.begin)
        if begin.talking is None:
            raise UsageError(f"{arguments.begin} holds no talking-face generator", hint="Leave out --begin.")
        return replace(model, talking=begin.talking, notes={**model.notes, **self.find_earlier_notes(begin)})

    def train(self, out: Path, arguments: Any, settings: Any, runtime: Runtime) -> Path:
        """Train from the silent-lip generator's weights, or from those of --begin."""
        begin = settings if arguments.begin is None else replace(settings, begin="talking")
        return super().train(out, arguments, begin, runtime)

    def add_generator(self, model: TalkingFaceModel, generator: nn.Module) -> TalkingFaceModel:
        """Write all three networks."""
        return replace(model, talking=generator)


def describe_speakers(notes: dict[str, Any]) -> str:
    """Describe the limits of a model with these notes on its training, for its user."""
    speakers, rendered = notes["speakers"], notes.get("rendered_speakers", 0)
    if len(speakers) == 1:
        return f"trained on one speaker ({speakers[0]}): a demonstration, which must be adapted to other people"
    return f"trained on {len(speakers)} speakers" + (f", {rendered} of them rendered" if rendered else "")


SILENT_LIP = SilentLipTrainable()
STABILIZED = StabilizedTrainable()
