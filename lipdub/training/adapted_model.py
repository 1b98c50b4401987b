"""Adapted models: from a video of a person to a model in the weights store, for `lipdub adapt` and for Python.

`training.adapters` has the recipes whose models can be adapted.
"""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import UsageError
from lipdub.options import option
from lipdub.training.adapters import ADAPTERS, DEFAULT_ADAPTER, AdaptationTask
from lipdub.training.trainable import Runtime, SettingsOptions
from lipdub.workspace.atomic_files import encode_text, write_atomically

if TYPE_CHECKING:
    from lipdub.weights.user_models import ModelFamily


@dataclass(frozen=True)
class AdaptArguments(SettingsOptions):
    """What to adapt to, which model, how long, and where the result goes."""

    recipe: str = option(
        DEFAULT_ADAPTER, "--recipe", help="The recipe whose model is adapted.", choices=ADAPTERS.names, metavar="NAME"
    )
    minutes: float | None = option(None, "--minutes", help="Total minutes of wall time.", low=0.1, default_text="10")
    speech: list[Path] | None = option(
        None,
        "--speech",
        metavar="FILE",
        help="Speech to train on, too. A base model that hears mel spectrograms follows other speech poorly. "
        "May be given several times.",
    )
    base_model: str | None = option(
        None,
        "--base-model",
        metavar="NAME|FILE",
        help="Model to begin with.",
        default_text="the one shipped with lipdub",
        aliases=("--talker",),
    )
    name: str | None = option(
        None,
        "--name",
        metavar="NAME",
        help="Keep the model under this name, for other videos of the same person: lipdub run --model NAME.",
    )
    out: Path | None = option(
        None, "--out", "-o", metavar="FILE", help="Write the model to this file instead of the weights store."
    )
    pixels: int | None = option(
        None, "--pixels", help="Recipe stabilized: side of the generated faces, 96 or 128.", default_text="128"
    )
    seed: int = option(0, "--seed", help="Random seed.")


@dataclass(frozen=True)
class AdaptedModel:
    """An adapted model on the disk.

    Attributes:
        path: its weights file; the card lies beside it, with the ending `.md`.
        notes: what the file says of its making.
    """

    path: Path
    notes: dict[str, Any]


def make_adapted_model(
    video: Path, arguments: AdaptArguments | None = None, runtime: Runtime | None = None
) -> AdaptedModel:
    """Adapt a model to the person in a video, write its card, and keep it in the weights store.

    The recipe uses the kept model whenever it dubs this video.

    Args:
        video: a person who talks, heard and seen, for two seconds or more.
        arguments: recipe, base model, speech, minutes, name and settings.
        runtime: threads, device and progress.

    Raises:
        UsageError: a name or a setting is wrong, or the base model cannot be adapted.
        WeightsError: there is no such base model.
        InputError: there is no such video, or too little of a face or of sound in it.
        EnvironmentFailure: the model could not be kept.
    """
    from lipdub.weights import user_models

    arguments, runtime = arguments or AdaptArguments(), runtime or Runtime()
    adapter = ADAPTERS.get(arguments.recipe)
    family = adapter.family()
    settings = _adaptation_settings(arguments)
    if arguments.name is not None:
        user_models.check_name(arguments.name)
    if arguments.out is None:
        user_models.make_folder(family)  # a place for the result, before minutes are spent on it
    base = user_models.find(family, arguments.base_model, None)
    with tempfile.TemporaryDirectory(prefix="lipdub-adapt-") as folder:
        path = arguments.out or Path(folder) / "talker.safetensors"
        task = AdaptationTask(video, base.path, path, arguments.speech or (), settings, arguments.seed, runtime)
        model = adapter.adapt(task)
        card = adapter.render_card(model, _command_line(video, arguments, settings.minutes))
        if arguments.out is None:
            path = _keep_model(family, path, video, arguments.name, card)
        else:
            write_atomically(path.with_suffix(".md"), encode_text(card))
    return AdaptedModel(path, model.notes["adapted"])


def _adaptation_settings(arguments: AdaptArguments) -> Any:
    """Apply the file, then the changes, then minutes and pixels to the default settings."""
    from lipdub.training.config import apply_settings

    settings = ADAPTERS.get(arguments.recipe).default_settings()
    if arguments.pixels is not None and not hasattr(settings, "pixels"):
        raise UsageError(
            f"--pixels is for --recipe {DEFAULT_ADAPTER}", hint=f"The faces of {arguments.recipe} have one size."
        )
    settings = apply_settings(settings, arguments.config, arguments.changes or ())
    given = {"minutes": arguments.minutes, "pixels": arguments.pixels}
    return apply_settings(settings, None, [f"{key}={value}" for key, value in given.items() if value is not None])


def _keep_model(family: ModelFamily, path: Path, video: Path, name: str | None, card: str) -> Path:
    """Copy a model and its card into the weights store, for this video. Returns its path there."""
    from lipdub.weights import user_models
    from lipdub.workspace.keys import digest_file

    digest = digest_file(video)
    name = name or user_models.sanitize_name(f"{video.stem}-{digest[:8]}")
    return user_models.add_model(family, path, name, video_digest=digest, card=card)


def _command_line(video: Path, arguments: AdaptArguments, minutes: float) -> str:
    recipe = [] if arguments.recipe == DEFAULT_ADAPTER else ["--recipe", arguments.recipe]
    seed = str(arguments.seed)
    return shlex.join(["lipdub", "adapt", video.name, *recipe, "--minutes", f"{minutes:g}", "--seed", seed])
