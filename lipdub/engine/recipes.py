"""Recipes: one method for each stage, by name; and which one `auto` takes.

`auto` is `builtin`, except where the footage cannot serve it and a recipe that draws mouths can run.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lipdub import stages
from lipdub.blending import DEFAULT_BLENDER
from lipdub.errors import UsageError
from lipdub.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lipdub.media.probe import MediaFacts
    from lipdub.stages.job import Job

AUTO = "auto"
MEASURING_STAGE = "neutralize"  # its summary says how far each talker opens the mouth


@dataclass(frozen=True)
class Recipe:
    """A named choice of one method for each stage.

    Attributes:
        name: As on the command line.
        summary: One line of one or two sentences.
        methods: Stage name to method name.
        draws_mouths: Whether mouths are drawn by a network, so that the footage need not show them.
    """

    name: str
    summary: str
    methods: Mapping[str, str]
    draws_mouths: bool = True

    def is_ready(self, job: Job, digest: Callable[[], str]) -> bool:
        """Return whether all its methods have their weights, for this job."""
        for stage, name in self.methods.items():
            methods = stages.load(stage).methods
            if methods is not None and not methods.get(name).is_ready(job, digest):
                return False
        return True


def _methods(neutralize: str, sync: str, enhance: str) -> Mapping[str, str]:
    return MappingProxyType(
        {
            "detect": "mediapipe",
            "neutralize": neutralize,
            "sync": sync,
            "enhance": enhance,
            "paste-back": DEFAULT_BLENDER,
        }
    )


BUILTIN = Recipe(
    "builtin",
    "The talker's own mouth pixels, chosen and warped to the speech. Needs no download and runs on a CPU.",
    _methods("rest", "units", "none"),
    draws_mouths=False,
)
RETALKING = Recipe(
    "retalking",
    "VideoReTalking (Cheng et al., 2022): D-Net, L-Net, E-Net and GFPGAN. Needs their published weights.",
    _methods("dnet", "lnet", "gfpgan"),
)
WAV2LIP = Recipe(
    "wav2lip",
    "Wav2Lip (Prajwal et al., 2020) at 96 pixels. Needs its published weights.",
    _methods("none", "wav2lip", "none"),
)
STABILIZED = Recipe(
    "stabilized",
    "Stabilized synchronization (Yaman et al., 2024): a model adapted to the video, or lipdub's own small one.",
    _methods("silent-lip", "stabilized", "auto"),
)

STYLELIPSYNC = Recipe(
    "stylelipsync",
    "StyleLipSync (Ki and Min, 2023): a StyleGAN2 decoder with pose-aware masks, by lipdub's own small model.",
    _methods("style-reference", "stylelipsync", "auto"),
)

G4G = Recipe(
    "g4g",
    "G4G (Zhang et al., 2024): the talker's own pixels, moved by landmarks and sound, by lipdub's own small model.",
    _methods("rest", "g4g", "auto"),
)

STYLEGAN = Recipe(
    "stylegan",
    "Landmark-driven editing via StyleGAN (Su et al., 2024), by lipdub's own small generator: slow, a demonstration.",
    _methods("rest", "stylegan", "none"),
)

#: The recipes, those that `auto` prefers first.
RECIPES = Registry(
    "recipe",
    Recipe,
    {
        "builtin": "lipdub.engine.recipes:BUILTIN",
        "stabilized": "lipdub.engine.recipes:STABILIZED",
        "stylelipsync": "lipdub.engine.recipes:STYLELIPSYNC",
        "g4g": "lipdub.engine.recipes:G4G",
        "stylegan": "lipdub.engine.recipes:STYLEGAN",
        "retalking": "lipdub.engine.recipes:RETALKING",
        "wav2lip": "lipdub.engine.recipes:WAV2LIP",
    },
)


def choose_recipe(job: Job, facts: MediaFacts | None, digest: Callable[[], str]) -> tuple[Recipe, str]:
    """Return the job's recipe as far as it is known before any stage runs, and one line that says why.

    Args:
        job: The job.
        facts: Of the source, where they are known.
        digest: Returns the digest of the video's content. Called only where it decides.

    Raises:
        UsageError: There is no such recipe.
    """
    if job.recipe != AUTO:
        return _find_recipe(job.recipe), f"{job.recipe}: as asked"
    if facts is not None and facts.video is not None and facts.video.is_image:
        drawing = first_drawing_recipe(job, digest)
        if drawing is not None:
            return drawing, f"{drawing.name}: the source is a still picture, and its weights are installed"
        return BUILTIN, "builtin: the source is a still picture, but no recipe that draws mouths has its weights"
    return BUILTIN, "builtin: uses the talker's own mouth, and needs no downloaded weights"


def reconsider_recipe(job: Job, summary: Mapping[str, Any], digest: Callable[[], str]) -> tuple[Recipe, str] | None:
    """Return the recipe to change to, once the talkers are measured, and why; None to go on with `builtin`.

    Args:
        job: A job whose recipe is `auto`.
        summary: Of `MEASURING_STAGE`.
        digest: Returns the digest of the video's content. Called only where it decides.
    """
    from lipdub.faces.mouth_shapes import WEAK_TRUST

    usable = [track["trust"] for track in summary.get("tracks", ()) if track["usable"]]
    if not usable or max(usable) >= WEAK_TRUST:
        return None
    drawing = first_drawing_recipe(job, digest)
    if drawing is None:
        return None
    return drawing, f"{drawing.name}: the talker hardly moves the mouth in this footage, and its weights are installed"


def first_drawing_recipe(job: Job, digest: Callable[[], str]) -> Recipe | None:
    """Return the first recipe that draws mouths and has its weights; None where there is none."""
    drawing = (recipe for _, recipe in RECIPES.items() if recipe.draws_mouths)
    return next((recipe for recipe in drawing if recipe.is_ready(job, digest)), None)


def _find_recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name!r}", hint=f"Recipes are {AUTO}, {', '.join(RECIPES.names())}.")
    return RECIPES.get(name)
