"""The option of methods that draw with a model of the user's or of lipdub's: which one, and how it is found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lipdub.options import OptionGroup, option, redeclare
from lipdub.stages.neutralize.method import DrawingOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.weights.user_models import ModelFamily


@dataclass(frozen=True)
class ModelOptions(OptionGroup):
    """The model that draws the talker."""

    model: str | None = option(
        None,
        "--model",
        help="The model that draws the talker: a name or a file. Default: the one adapted to this video, or lipdub's "
        "own. For the recipes stabilized, stylelipsync and g4g.",
        metavar="NAME|FILE",
        panel="Look",
        aliases=("--talker",),
        old_names=("talker",),
    )


@dataclass(frozen=True)
class DrawingModelOptions(DrawingOptions):
    """The model that draws references, and what it draws."""

    model: str | None = redeclare(ModelOptions, "model", run_flags=())


def resolve_model(family: ModelFamily, options: Any, digest: Callable[[], str]) -> Any:
    """Return a stage's options with the model's file in place of its name.

    Args:
        family: The models that the method can use.
        options: The stage's options, with `ModelOptions` as the method's own. Their model is a name, a file, or None
            for the one adapted to the video, else lipdub's own.
        digest: Returns the digest of the video's content. Called only where it decides.

    Raises:
        WeightsError: There is no such model.
    """
    from lipdub.weights import user_models

    model = options.own.model
    found = user_models.find(family, model, digest() if model is None else None)
    return replace(options, own=replace(options.own, model=str(found.path)))
