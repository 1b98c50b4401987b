"""Describe trainable networks for `lipdub train`, the tests and the manual.

A trainable network is one file with a `Trainable` object and one line in `lipdub.training.registry`. The file must
import quickly, so heavy libraries are imported inside its functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from lipdub.options import OptionGroup, option

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from lipdub.training.dataset import Dataset

_SETTINGS = "Settings"
_REQUIRED: Any = None  # a dataclass field cannot be both declared and required: `Trainable.check` checks it


def _ignore(text: str) -> None:
    pass


@dataclass(frozen=True)
class Runtime:
    """How a training computes and reports.

    Attributes:
        threads: threads of the processor.
        device: "auto", or PyTorch's name of a device.
        report: called with one line of text now and then.
    """

    threads: int = 2
    device: str = "cpu"
    report: Callable[[str], None] = _ignore


@dataclass(frozen=True)
class TrainArguments(OptionGroup):
    """Arguments of every training."""

    out: Path | None = option(
        None, "--out", "-o", metavar="FILE", help="The weights file to write.", default_text="NAME.safetensors"
    )
    workdir: Path | None = option(
        None,
        "--workdir",
        metavar="FOLDER",
        help="Folder for what is kept between runs.",
        default_text="next to the weights",
    )


@dataclass(frozen=True)
class GridArguments(TrainArguments):
    """Arguments of a training on the faces of the GRID corpus."""

    grid: Path | None = option(_REQUIRED, "--grid", metavar="FOLDER", help="Folder with the clips of the GRID corpus.")


@dataclass(frozen=True)
class SettingsOptions(OptionGroup):
    """The settings of a training that differ from the defaults."""

    config: Path | None = option(
        None, "--config", metavar="TOML", help="File with settings of the training.", panel=_SETTINGS
    )
    changes: list[str] | None = option(
        None,
        "--set",
        metavar="KEY=VALUE",
        help="One setting; overrides the file. May be given several times.",
        panel=_SETTINGS,
    )


@dataclass(frozen=True)
class DatasetArguments(TrainArguments, SettingsOptions):
    """Arguments of a training on a dataset of `lipdub prepare`."""

    data: list[Path] | None = option(
        _REQUIRED,
        "--data",
        metavar="DATASET",
        help="A dataset of lipdub prepare or render-talkers. May be given several times, for faces of one size.",
    )
    minutes: float = option(
        0.0, "--minutes", help="End the schedule after this many minutes; 0 takes all steps.", low=0
    )
    on_bad: Literal["skip", "error"] = option("skip", "--on-bad", help="Skip a damaged shard, or refuse the dataset.")
    max_minutes: float | None = option(
        None,
        "--max-minutes",
        help="Stop after this many minutes; run the same command again to resume.",
        low=0,
        panel=_SETTINGS,
    )
    show_config: bool = option(False, "--show-config", help="Print all settings as TOML, and do nothing else.")
    seed: int = option(0, "--seed", help="Random seed.")

    def __post_init__(self) -> None:
        """Check the values. A single dataset is one of one."""
        data: Any = self.data
        if isinstance(data, Path):
            object.__setattr__(self, "data", [data])
        super().__post_init__()


@dataclass(frozen=True)
class SizedArguments(DatasetArguments):
    """Arguments of the training of a network with a full and a small size."""

    full: bool = option(False, "--full", help="Train the network at the paper's size, for a GPU.")
    overfit: int = option(0, "--overfit", metavar="N", help="Overfit N examples (sanity check).", low=0)


class Trainable(ABC):
    """A network that can be trained here.

    Attributes:
        name: its name on the command line.
        summary: one sentence for the help.
        arguments: dataclass of declared options.
        required: names of the arguments that must be given.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    arguments: ClassVar[type[TrainArguments]] = TrainArguments
    required: ClassVar[tuple[str, ...]] = ()

    def settings(self, arguments: Any) -> Any:
        """Give the settings (a dataclass) to train with; None for a training without settings.

        Raises:
            UsageError: a setting is unknown or out of range.
        """
        return None

    def check(self, arguments: Any) -> None:
        """Refuse arguments that cannot work, before the training begins. Raises UsageError."""
        return

    @abstractmethod
    def train(self, out: Path, arguments: Any, settings: Any, runtime: Runtime) -> Path:
        """Train the network, or resume its training, and write its weights.

        Args:
            out: the weights file.
            arguments: the values of `arguments`.
            settings: the result of `settings`.
            runtime: threads, device and progress.

        Returns:
            the weights file.
        """

    @abstractmethod
    def render_card(self, path: Path, command: str) -> str:
        """Render the card (Markdown) of a weights file. `command` is the command line that made it."""

    def publish(self, path: Path, card: str, arguments: Any) -> None:
        """Put the weights where other commands find them, if the arguments request it."""
        return


Settings = TypeVar("Settings")
Inputs = TypeVar("Inputs")


class DatasetTrainable(Trainable, Generic[Settings, Inputs]):
    """A network that is trained on a dataset of `lipdub prepare` by the training loop.

    Attributes:
        checkpoint_name: prefix of the folder of its checkpoints.
        overfit_setting: the setting that `--overfit` changes.
    """

    arguments = DatasetArguments
    required: ClassVar[tuple[str, ...]] = ("data",)
    checkpoint_name: ClassVar[str]
    overfit_setting: ClassVar[str] = "overfit"

    @abstractmethod
    def default_settings(self, arguments: Any) -> Settings:
        """Give the settings before files and changes."""

    @abstractmethod
    def load_inputs(self, arguments: Any) -> Inputs:
        """Load the trained networks that the training needs."""

    def input_networks(self, inputs: Inputs) -> tuple[nn.Module | None, ...]:
        """Give the networks that are part of the checkpoints' key."""
        return ()

    @abstractmethod
    def train_network(
        self,
        data: Dataset,
        held_out: Dataset | None,
        inputs: Inputs,
        folder: Path,
        settings: Settings,
        seed: int,
        runtime: Runtime,
    ) -> nn.Module:
        """Build network and objective and train, or resume, with checkpoints in a folder."""

    def evaluate(
        self, network: nn.Module, held_out: Dataset | None, settings: Settings, runtime: Runtime
    ) -> dict[str, float]:
        """Measure the trained network on held-out clips. Returns figures for the card."""
        return {}

    @abstractmethod
    def save(self, out: Path, network: nn.Module, inputs: Inputs, notes: dict[str, Any]) -> Path:
        """Write the weights file."""

    def settings(self, arguments: Any) -> Settings:
        """Apply the file, the changes and then the command's own options to the default settings."""
        from lipdub.training.config import apply_settings

        changes = list(arguments.changes or ())
        if getattr(arguments, "overfit", 0):
            changes.append(f"{self.overfit_setting}={arguments.overfit}")
        if arguments.minutes:
            changes.append(f"loop.minutes={arguments.minutes}")
        if arguments.max_minutes is not None:
            changes.append(f"loop.max_minutes={arguments.max_minutes}")
        return apply_settings(self.default_settings(arguments), arguments.config, changes)

    def train(self, out: Path, arguments: Any, settings: Any, runtime: Runtime) -> Path:
        """Train on the clips that are not held out, evaluate on those that are, and write the weights."""
        import torch

        from lipdub.training.card import checkpoint_folder, collect_notes
        from lipdub.training.dataset import open_datasets, open_held_out

        torch.set_num_threads(max(runtime.threads, 1))
        inputs, seed, report = self.load_inputs(arguments), arguments.seed, runtime.report
        networks = self.input_networks(inputs)
        folder = checkpoint_folder(arguments.workdir, out, self.checkpoint_name, settings, seed, *networks)
        data = open_datasets(arguments.data, split="train", on_bad=arguments.on_bad, report=report)
        held_out = open_held_out(arguments.data, on_bad=arguments.on_bad, report=report)
        network = self.train_network(data, held_out, inputs, folder, settings, seed, runtime)
        figures = self.evaluate(network, held_out, settings, runtime)
        return self.save(out, network, inputs, collect_notes(data, settings, seed, figures))

    def render_card(self, path: Path, command: str) -> str:
        """Render the card from the notes in the file."""
        from lipdub.training.card import render_training_card

        return render_training_card(path, command)
