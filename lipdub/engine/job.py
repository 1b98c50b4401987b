"""A job and what comes of it: the files, options and results that the pipeline and its callers share."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from lipdub.errors import UsageError
from lipdub.workspace.json_values import to_plain

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

#: Options of a whole run by the name they have there: the stage and the field of its options they stand for.
RUN_OPTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "detector": ("detect", "method"),
        "max_faces": ("detect", "max_faces"),
        "face": ("sync", "face"),
        "start": ("sync", "start"),
        "end": ("sync", "end"),
        "strength": ("sync", "strength"),
        "offset": ("sync", "offset"),
        "length": ("sync", "length"),
        "extend": ("sync", "extend"),
        "text": ("sync", "text"),
        "language": ("sync", "language"),
        "expression": ("neutralize", "expression"),
        "emotion": ("sync", "emotion"),
        "talker": ("sync", "talker"),
        "enhance": ("enhance", "method"),
        "enhance_region": ("enhance", "region"),
        "enhance_mask": ("enhance", "mask"),
        "enhance_strength": ("enhance", "strength"),
        "precision": ("sync", "precision"),
        "accel": ("sync", "accel"),
        "blend": ("paste-back", "method"),
        "feather": ("paste-back", "feather"),
        "colour_match": ("paste-back", "colour_match"),
        "codec": ("paste-back", "codec"),
        "crf": ("paste-back", "crf"),
        "preset": ("paste-back", "preset"),
        "lossless": ("paste-back", "lossless"),
        "audio_codec": ("paste-back", "audio_codec"),
        "audio_bitrate": ("paste-back", "audio_bitrate"),
        "keep_audio": ("paste-back", "keep_audio"),
    }
)

#: Those of them that other stages need to know too, where their methods make use of them, under the same name.
ALSO: Mapping[str, tuple[str, ...]] = MappingProxyType(
    dict.fromkeys(("face", "start", "end", "talker"), ("neutralize",))
    | dict.fromkeys(("precision", "accel"), ("neutralize", "enhance"))
)

Action = Literal["run", "resume", "reuse"]


@dataclass(frozen=True)
class Job:
    """One thing to be done: which files, where the caches lie, which methods and options.

    ``out`` and ``workspace`` may be left out: see :func:`default_out` and :func:`default_workspace`.
    ``options`` maps stage names to the options given for them (field name to value); what is not given has
    the stage's default, ``method`` the recipe's. ``threads`` 0 means all cores. ``mix`` is the sound that
    goes into the result instead of the speech. ``commercial_safe`` refuses published weights not known to allow
    commercial use.
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


@dataclass(frozen=True)
class StageResult:
    """What became of one stage. ``action``: run (from nothing), resume (finished work kept) or reuse (nothing
    done).
    """

    name: str
    action: Action
    seconds: float
    summary: dict[str, Any]
    warnings: tuple[str, ...] = ()
    path: Path = Path()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return to_plain(asdict(self))


@dataclass(frozen=True)
class Result:
    """What :func:`dub` made.

    ``workspace`` is None when it was removed. ``seconds`` is wall time. ``warnings`` are those of the stages
    (also reused ones), ``notes`` what the stages want a person to know of the result.
    """

    out: Path
    provenance: Path
    workspace: Path | None
    recipe: str
    reason: str
    stages: tuple[StageResult, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**to_plain(asdict(self)), "stages": [stage.to_json() for stage in self.stages]}


@dataclass(frozen=True)
class PlannedStage:
    """What a run would do with one stage, and why."""

    name: str
    method: str
    action: Action
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def default_out(video: Path) -> Path:
    """Beside the source: its name with ``.dubbed`` before the suffix; ``.mp4`` if none is written so."""
    from lipdub.media.containers import container_for

    try:
        container_for(video)
    except UsageError:
        return video.with_name(f"{video.stem}.dubbed.mp4")
    return video.with_name(f"{video.stem}.dubbed{video.suffix}")


def default_workspace(out: Path) -> Path:
    """Beside the result: its whole name with ``.lipdub`` added."""
    return out.with_name(f"{out.name}.lipdub")


def provenance_path(out: Path) -> Path:
    """The sidecar file that says how ``out`` was made."""
    return out.with_name(f"{out.name}.provenance.json")


def make_job(
    video: str | os.PathLike[str],
    speech: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    workspace: str | os.PathLike[str] | None = None,
    mix: str | os.PathLike[str] | None = None,
    stage: str | None = None,
    options: Mapping[str, Any] | None = None,
    **fields_of_job: Any,
) -> Job:
    """A job from paths of any kind and options by name.

    With ``stage``, ``options`` are fields of that stage's options; without, they are those of
    :data:`RUN_OPTIONS`. Raises UsageError for unknown ones.
    """
    by_stage: dict[str, dict[str, Any]] = {}
    for name, value in (options or {}).items():
        if stage is not None:
            by_stage.setdefault(stage, {})[name] = value
        elif name in RUN_OPTIONS:
            for home, field_name in (RUN_OPTIONS[name], *((other, name) for other in ALSO.get(name, ()))):
                by_stage.setdefault(home, {})[field_name] = value
        else:
            raise UsageError(f"there is no option {name!r}", hint=f"Options are {', '.join(RUN_OPTIONS)}.")
    return Job(
        video=video,  # type: ignore[arg-type]  # made paths there
        speech=speech,  # type: ignore[arg-type]
        out=out,  # type: ignore[arg-type]
        workspace=workspace,  # type: ignore[arg-type]
        mix=mix,  # type: ignore[arg-type]
        options=by_stage,
        **fields_of_job,
    )
