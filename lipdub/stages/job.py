"""A job, as every stage is given it, and where its files lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lipdub.errors import EMPTY_NAME_HINT, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Job:
    """One thing to be done: which files, where the caches lie, which methods and options.

    Attributes:
        video: The source: a video or a still image.
        speech: The speech the lips are to follow.
        mix: Sound of the result, instead of the speech.
        out: The result; None for :func:`default_out`.
        workspace: Where the caches lie; None for :func:`default_workspace`.
        recipe: Name of the recipe, or "auto".
        device: Where networks compute: "auto", "cpu", "cuda" or "mps".
        threads: Processor threads; 0 means all cores.
        no_face: What to do with frames without a face: pass them through ("keep"), or stop ("error").
        overwrite: Whether to replace a file that lipdub did not make.
        commercial_safe: Whether to refuse published weights not known to allow commercial use.
        options: Stage name to the options given for it, field name to value. What is not given has the stage's
            default; ``method`` has the recipe's.
        inherited: Stage name to values given for another stage, taken where the stage's method has such an option.
    """

    video: Path
    speech: Path | None = None
    mix: Path | None = None
    out: Path | None = None
    workspace: Path | None = None
    recipe: str = "auto"
    device: str = "auto"
    threads: int = 0
    no_face: Literal["keep", "error"] = "keep"
    overwrite: bool = False
    commercial_safe: bool = False
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inherited: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("video", "speech", "mix", "out", "workspace"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, Path(value))

    def result(self) -> Path:
        """Where the result goes."""
        return self.out if self.out is not None else default_out(self.video)

    def folder(self) -> Path:
        """Where the caches lie."""
        return self.workspace if self.workspace is not None else default_workspace(self.result())


def default_out(video: Path) -> Path:
    """Beside the source: its name with ``.dubbed`` before the suffix; ``.mp4`` if none is written so.

    Raises:
        InputError: The source is named as a folder.
    """
    from lipdub.media.containers import container_for

    if not has_name(video):
        raise InputError(f"{video} is a folder, not a media file", hint=EMPTY_NAME_HINT)
    try:
        container_for(video)
    except UsageError:
        return video.with_name(f"{video.stem}.dubbed.mp4")
    return video.with_name(f"{video.stem}.dubbed{video.suffix}")


def default_workspace(out: Path) -> Path:
    """Beside the result: its whole name with ``.lipdub`` added.

    Raises:
        UsageError: The result is named as a folder.
    """
    if not has_name(out):
        raise UsageError(f"{out} is a folder, not a file", hint=EMPTY_NAME_HINT)
    return out.with_name(f"{out.name}.lipdub")


def provenance_path(out: Path) -> Path:
    """The sidecar file that says how ``out`` was made."""
    return out.with_name(f"{out.name}.provenance.json")


def has_name(path: Path) -> bool:
    """Whether a path has a name of its own; ``.``, ``..``, ``/`` and an empty path have none."""
    return path.name not in {"", ".."}
