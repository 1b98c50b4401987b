"""The option of methods that draw with a model of the user's or of lipdub's: which one, and how it is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        "own. For the recipes stabilized and stylelipsync.",
        metavar="NAME|FILE",
        panel="Look",
        aliases=("--talker",),
        old_names=("talker",),
    )


@dataclass(frozen=True)
class DrawingModelOptions(DrawingOptions):
    """The model that draws references, and what it draws."""

    model: str | None = redeclare(ModelOptions, "model", run_flags=())


def resolve_model(family: ModelFamily, model: str | None, digest: Callable[[], str]) -> str:
    """Return the model file to use for a video.

    Args:
        family: The models that the method can use.
        model: A name, a file, or None for the one adapted to the video, else lipdub's own.
        digest: Returns the digest of the video's content. Called only where it decides.

    Raises:
        WeightsError: There is no such model.
    """
    from lipdub.weights import user_models

    return str(user_models.find(family, model, digest() if model is None else None).path)
