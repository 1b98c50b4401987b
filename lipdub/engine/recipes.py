"""Which method each recipe takes for each stage. A recipe is a row of data; adding one is adding a row."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from lipdub.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Recipe:
    """A named choice of one method for each stage.

    ``methods`` maps stage names to method names; ``needs`` are the names of published weights it cannot run
    without.
    """

    name: str
    summary: str
    methods: Mapping[str, str]
    needs: tuple[str, ...] = ()


#: Best first: ``auto`` takes the first whose weights are there.
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="builtin",
        summary="the talker's own mouth pixels, chosen and warped to the speech; no download, runs on a CPU",
        methods=MappingProxyType(
            {
                "detect": "mediapipe",
                "neutralize": "rest",
                "sync": "units",
                "enhance": "none",
                "paste-back": "laplacian",
            }
        ),
    ),
    Recipe(
        name="stabilized",
        summary=(
            "talking-face generation with stabilized synchronization (paper 003): lipdub's own small model, or one adapted to the "
            "video"
        ),
        methods=MappingProxyType(
            {
                "detect": "mediapipe",
                "neutralize": "silent-lip",
                "sync": "stabilized",
                "enhance": "auto",
                "paste-back": "laplacian",
            }
        ),
    ),
    Recipe(
        name="wav2lip",
        summary="Wav2Lip's generator at 96 pixels, laid back inside the jaw's outline; needs its published weights",
        methods=MappingProxyType(
            {
                "detect": "mediapipe",
                "neutralize": "none",
                "sync": "wav2lip",
                "enhance": "none",
                "paste-back": "laplacian",
            }
        ),
        needs=("wav2lip-gan", "wav2lip"),
    ),
    Recipe(
        name="retalking",
        summary="VideoReTalking: faces drawn with one expression, then L-Net, E-Net and GFPGAN; needs their published weights",
        methods=MappingProxyType(
            {
                "detect": "mediapipe",
                "neutralize": "dnet",
                "sync": "lnet",
                "enhance": "gfpgan",
                "paste-back": "laplacian",
            }
        ),
        needs=("face3d", "dnet", "lnet", "enet", "gfpgan-1.4"),
    ),
)


def recipe_names() -> list[str]:
    """The names of all recipes, best first."""
    return [recipe.name for recipe in RECIPES]


def choose_recipe(name: str = "auto") -> tuple[Recipe, str]:
    """The recipe called ``name`` (``auto``: the best that can run here) and one line that says why it was
    taken.

    Raises UsageError for an unknown name.
    """
    if name == "auto":
        for recipe in RECIPES:
            if not recipe.needs:
                return recipe, f"{recipe.name}: the best recipe that needs no downloaded weights"
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe, f"{recipe.name}: as asked"
    raise UsageError(f"there is no recipe {name!r}", hint=f"Recipes are auto, {', '.join(recipe_names())}.")
