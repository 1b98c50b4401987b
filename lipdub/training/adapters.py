"""The recipes whose models can be adapted to a person, by name. A new one is an `Adapter` and a line here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lipdub.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lipdub.training.trainable import Runtime
    from lipdub.weights.user_models import ModelFamily

DEFAULT_ADAPTER = "stabilized"


@dataclass(frozen=True)
class AdaptationTask:
    """What to adapt.

    Attributes:
        video: A person who talks.
        base: The model to begin with.
        out: The file to write.
        speech: Sound files of other speech.
        settings: Of the adapter's `default_settings`, changed.
        seed: Seed of all random choices.
        runtime: Threads, device and progress.
    """

    video: Path
    base: Path
    out: Path
    speech: Sequence[Path]
    settings: Any
    seed: int
    runtime: Runtime

    def options(self) -> dict[str, Any]:
        """Give what the functions that adapt take by name."""
        runtime = self.runtime
        how = {"threads": runtime.threads, "device": runtime.device, "progress": runtime.report}
        return {"speech": self.speech, "options": self.settings, "seed": self.seed, **how}


class Adapter(ABC):
    """How the model of a recipe is adapted. Heavy libraries are imported inside its functions.

    Attributes:
        name: The recipe.
    """

    name: ClassVar[str]

    @abstractmethod
    def family(self) -> ModelFamily:
        """Give the family of the models, for the weights store."""

    @abstractmethod
    def default_settings(self) -> Any:
        """Give the settings (a dataclass with `minutes`) before files and changes."""

    @abstractmethod
    def adapt(self, task: AdaptationTask) -> Any:
        """Adapt a model, write it, and give it; it has `notes`."""

    @abstractmethod
    def render_card(self, model: Any, command: str) -> str:
        """Render the card of an adapted model, as Markdown. `command` is the command line that made it."""


class StabilizedAdapter(Adapter):
    """Both generators of the recipe stabilized."""

    name = "stabilized"

    def family(self) -> ModelFamily:
        """Give the talking-face models."""
        from lipdub.weights.talking_face_file import FAMILY

        return FAMILY

    def default_settings(self) -> Any:
        """Give ten minutes at the model's largest faces."""
        from lipdub.training.adapt import AdaptationOptions

        return AdaptationOptions()

    def adapt(self, task: AdaptationTask) -> Any:
        """Fine-tune both generators."""
        from lipdub.training.adapt import adapt

        return adapt(task.video, task.base, task.out, **task.options())

    def render_card(self, model: Any, command: str) -> str:
        """Render the card from the model's notes."""
        from lipdub.training.adapt import render_card

        return render_card(model, command)


class StyleLipSyncAdapter(Adapter):
    """The decoder of the recipe stylelipsync."""

    name = "stylelipsync"

    def family(self) -> ModelFamily:
        """Give the StyleLipSync models."""
        from lipdub.weights.style_lip_sync_file import FAMILY

        return FAMILY

    def default_settings(self) -> Any:
        """Give ten minutes."""
        from lipdub.training.style_lip_sync.adaptation import StyleAdaptationOptions

        return StyleAdaptationOptions()

    def adapt(self, task: AdaptationTask) -> Any:
        """Fine-tune the decoder, with lipdub's own AVSyncNet as judge."""
        from lipdub.training.style_lip_sync.adaptation import adapt_style_lip_sync
        from lipdub.training.style_lip_sync.sync_judge import load_sync_judge

        return adapt_style_lip_sync(task.video, task.base, load_sync_judge(), task.out, **task.options())

    def render_card(self, model: Any, command: str) -> str:
        """Render the card from the model's notes."""
        from lipdub.training.style_lip_sync.adaptation import render_card

        return render_card(model, command)


class G4GAdapter(Adapter):
    """All networks of the recipe g4g."""

    name = "g4g"

    def family(self) -> ModelFamily:
        """Give the G4G models."""
        from lipdub.weights.g4g_file import FAMILY

        return FAMILY

    def default_settings(self) -> Any:
        """Give ten minutes."""
        from lipdub.training.g4g.adaptation import G4GAdaptationOptions

        return G4GAdaptationOptions()

    def adapt(self, task: AdaptationTask) -> Any:
        """Fine-tune the generator."""
        from lipdub.training.g4g.adaptation import adapt_g4g

        return adapt_g4g(task.video, task.base, task.out, **task.options())

    def render_card(self, model: Any, command: str) -> str:
        """Render the card from the model's notes."""
        from lipdub.training.g4g.adaptation import render_card

        return render_card(model, command)


STABILIZED = StabilizedAdapter()
STYLELIPSYNC = StyleLipSyncAdapter()
G4G = G4GAdapter()

ADAPTERS: Registry[Adapter] = Registry(
    "recipe with a model to adapt",
    Adapter,
    {
        "stabilized": "lipdub.training.adapters:STABILIZED",
        "stylelipsync": "lipdub.training.adapters:STYLELIPSYNC",
        "g4g": "lipdub.training.adapters:G4G",
    },
)
