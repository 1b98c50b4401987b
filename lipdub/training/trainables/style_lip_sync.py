"""`lipdub train face-prior` and `lipdub train stylelipsync`: the networks of the recipe stylelipsync."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 - evaluated for the command line
from typing import TYPE_CHECKING, Any

from lipdub.options import option
from lipdub.training.trainable import DatasetTrainable, Runtime, SizedArguments
from lipdub.training.trainables.kept_model import KeepArguments, KeepsMask
from lipdub.training.trainables.talking_face import describe_speakers

if TYPE_CHECKING:
    from torch import nn

    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.training.dataset import Dataset
    from lipdub.training.style_lip_sync.face_prior import PriorOptions
    from lipdub.training.style_lip_sync.generator import GeneratorTrainingOptions
    from lipdub.weights.face_prior_file import FacePrior
    from lipdub.weights.style_lip_sync_file import StyleLipSyncModel
    from lipdub.weights.user_models import ModelFamily

_SHEET_ROWS, _SHEET_COLUMNS = 4, 8


@dataclass(frozen=True)
class FacePriorArguments(SizedArguments):
    """Arguments of the training of the face prior."""

    begin: Path | None = option(None, "--begin", metavar="PRIOR", help="A face prior to train further, not a new one.")


@dataclass(frozen=True)
class StyleLipSyncArguments(KeepArguments):
    """Arguments of the training of StyleLipSync."""

    prior: Path | None = option(
        None,
        "--prior",
        metavar="FILE",
        help="The face prior, written by lipdub train face-prior; or stylegan2-256, the published one of the store.",
    )
    sync: Path | None = option(
        None,
        "--sync",
        metavar="FILE",
        help="AVSyncNet, written by lipdub train sync-scorer.",
        default_text="that of lipdub's own talking-face model",
    )
    begin: Path | None = option(
        None, "--begin", metavar="MODEL", help="A StyleLipSync model to train further, not a new one."
    )


class FacePriorTrainable(DatasetTrainable["PriorOptions", "FacePrior | None"]):
    """StyleGAN2 on faces."""

    name = checkpoint_name = "face-prior"
    summary = "Train StyleGAN2 on faces, the prior that stylelipsync begins with."
    arguments = FacePriorArguments
    overfit_setting = "overfit"

    def default_settings(self, arguments: Any) -> PriorOptions:
        """Give the small generator for CPUs, or with --full the paper's."""
        from lipdub.training.style_lip_sync.face_prior import PriorOptions, full_options

        return full_options() if arguments.full else PriorOptions()

    def load_inputs(self, arguments: Any) -> FacePrior | None:
        """Load the prior to begin with."""
        from lipdub.weights import face_prior_file

        return face_prior_file.load(arguments.begin) if arguments.begin is not None else None

    def input_networks(self, inputs: FacePrior | None) -> tuple[nn.Module | None, ...]:
        """Give the networks to begin with."""
        return (inputs.generator, inputs.discriminator) if inputs is not None else ()

    def train_network(
        self,
        data: Dataset,
        held_out: Dataset | None,
        inputs: FacePrior | None,
        folder: Path,
        settings: PriorOptions,
        seed: int,
        runtime: Runtime,
    ) -> Any:
        """Train generator and discriminator on single faces."""
        from lipdub.training.style_lip_sync.face_prior import train_face_prior

        return train_face_prior(
            data,
            held_out,
            folder,
            settings,
            begin=inputs,
            seed=seed,
            device=runtime.device,
            progress=runtime.report,
        )

    def evaluate(
        self, network: Any, held_out: Dataset | None, settings: PriorOptions, runtime: Runtime
    ) -> dict[str, float]:
        """Measure FID on held-out faces, whole and truncated."""
        from lipdub.training.style_lip_sync.face_prior import evaluate_prior

        if held_out is None:
            runtime.report("face-prior: the dataset has no held-out clips, so nothing is evaluated")
            return {}
        figures: dict[str, float] = evaluate_prior(network, held_out, settings)
        runtime.report("face-prior: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
        return figures

    def save(self, out: Path, network: Any, inputs: FacePrior | None, notes: dict[str, Any]) -> Path:
        """Write both networks, and a sheet of generated faces next to them."""
        from lipdub.training.style_lip_sync.face_prior import write_sheet
        from lipdub.weights import face_prior_file

        earlier = {"earlier": inputs.notes} if inputs is not None else {}
        prior = replace(network, notes={**notes, **earlier, "remark": describe_speakers(notes)})
        write_sheet(out.with_suffix(".png"), prior.generator, _SHEET_ROWS, _SHEET_COLUMNS)
        return face_prior_file.save(out, prior)


@dataclass(frozen=True)
class StyleLipSyncInputs:
    """What the training needs.

    Attributes:
        sync: AVSyncNet.
        prior: The face prior.
        begin: The model to begin with, instead of a prior.
    """

    sync: AVSyncNet
    prior: FacePrior | None = None
    begin: StyleLipSyncModel | None = None


class StyleLipSyncTrainable(KeepsMask["GeneratorTrainingOptions", StyleLipSyncInputs]):
    """StyleLipSync's encoders and fusions."""

    name = checkpoint_name = "stylelipsync"
    summary = "Train the encoders and fusions of the recipe stylelipsync."
    arguments = StyleLipSyncArguments
    overfit_setting = "sampling.overfit"

    def default_settings(self, arguments: Any) -> GeneratorTrainingOptions:
        """Give the small size for CPUs, or with --full the paper's."""
        from lipdub.training.style_lip_sync.generator import GeneratorTrainingOptions, full_options

        return full_options() if arguments.full else GeneratorTrainingOptions()

    def check(self, arguments: Any) -> None:
        """Refuse a training without a prior or a model to begin with, and a name that no file can have."""
        from lipdub.errors import UsageError

        if (arguments.prior is None) == (arguments.begin is None):
            raise UsageError("lipdub train stylelipsync needs one of --prior and --begin")
        super().check(arguments)

    def family(self) -> ModelFamily:
        """Give the StyleLipSync models."""
        from lipdub.weights.style_lip_sync_file import FAMILY

        return FAMILY

    def load_inputs(self, arguments: Any) -> StyleLipSyncInputs:
        """Load AVSyncNet, and the prior or the model to begin with."""
        from lipdub.training.style_lip_sync.sync_judge import load_sync_judge
        from lipdub.weights import face_prior_file, style_lip_sync_file

        sync = load_sync_judge(arguments.sync)
        if arguments.begin is not None:
            return StyleLipSyncInputs(sync, begin=style_lip_sync_file.load(arguments.begin))
        if str(arguments.prior) == face_prior_file.PUBLISHED:
            return StyleLipSyncInputs(sync, face_prior_file.load_published())
        return StyleLipSyncInputs(sync, face_prior_file.load(arguments.prior))

    def input_networks(self, inputs: StyleLipSyncInputs) -> tuple[nn.Module | None, ...]:
        """Give all networks that there are."""
        prior, begin = inputs.prior, inputs.begin
        return (
            inputs.sync,
            prior.generator if prior is not None else None,
            begin.network if begin is not None else None,
        )

    def train_network(
        self,
        data: Dataset,
        held_out: Dataset | None,
        inputs: StyleLipSyncInputs,
        folder: Path,
        settings: GeneratorTrainingOptions,
        seed: int,
        runtime: Runtime,
    ) -> nn.Module:
        """Train around the prior, or the model to begin with further."""
        from lipdub.training.style_lip_sync.generator import make_network, train_style_lip_sync

        prior, begin = inputs.prior, inputs.begin
        if begin is not None:
            network = begin.network
        else:
            assert prior is not None
            network = make_network(prior, inputs.sync, settings, seed)
        return train_style_lip_sync(
            self.name,
            data,
            held_out,
            network,
            inputs.sync,
            folder,
            settings,
            lead=begin.lead if begin is not None and not settings.lead else 0.0,
            seed=seed,
            device=runtime.device,
            progress=runtime.report,
        )

    def save(self, out: Path, network: Any, inputs: StyleLipSyncInputs, notes: dict[str, Any]) -> Path:
        """Write the whole model, with the notes of its prior."""
        from lipdub.weights import style_lip_sync_file
        from lipdub.weights.style_lip_sync_file import StyleLipSyncModel

        settings = notes["training"]
        all_notes = {"stylelipsync": notes, "remark": describe_speakers(notes)}
        if inputs.prior is not None:
            all_notes["face-prior"] = inputs.prior.notes
        if inputs.begin is not None:
            earlier = inputs.begin.notes.items()
            renamed = {f"{key}, earlier" if key.startswith(self.name) else key: value for key, value in earlier}
            all_notes = renamed | all_notes
        if settings["lead"]:
            all_notes["lead"] = settings["lead"]
        return style_lip_sync_file.save(out, StyleLipSyncModel(network, settings["mask"], all_notes))


FACE_PRIOR = FacePriorTrainable()
STYLELIPSYNC = StyleLipSyncTrainable()
