"""A job and what comes of it: the files, options and results that the pipeline and its callers share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lipdub.errors import UsageError
from lipdub.stages.job import Job
from lipdub.workspace.json_values import to_plain

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

Action = Literal["run", "resume", "reuse"]


@dataclass(frozen=True)
class StageResult:
    """What became of one stage.

    Attributes:
        name: The stage.
        action: "run" (from nothing), "resume" (finished work kept) or "reuse" (nothing done).
        seconds: Wall time.
        summary: Plain values.
        warnings: What a person should know.
        path: The stage's folder.
    """

    name: str
    action: Action
    seconds: float
    summary: dict[str, Any]
    warnings: tuple[str, ...] = ()
    path: Path = Path()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        result: dict[str, Any] = to_plain(asdict(self))
        return result


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
    """Make a job from paths of any kind and options by name.

    Args:
        video: The source: a video or a still image.
        speech: The speech the lips are to follow.
        out: The result.
        workspace: Where the caches lie.
        mix: Sound of the result, instead of the speech.
        stage: The stage whose options ``options`` are; None for those of a whole run.
        options: Name to value, see :func:`lipdub.engine.run_options.run_options`.
        **fields_of_job: The other fields of :class:`Job`.

    Raises:
        UsageError: There is no such option.
    """
    by_stage: dict[str, dict[str, Any]] = {}
    inherited: dict[str, dict[str, Any]] = {}
    if stage is not None:
        by_stage[stage] = dict(options or {})
    else:
        _distribute(options or {}, by_stage, inherited)
    return Job(
        video=video,  # type: ignore[arg-type]  # made paths there
        speech=speech,  # type: ignore[arg-type]
        out=out,  # type: ignore[arg-type]
        workspace=workspace,  # type: ignore[arg-type]
        mix=mix,  # type: ignore[arg-type]
        options=by_stage,
        inherited=inherited,
        **fields_of_job,
    )


def _distribute(
    options: Mapping[str, Any], by_stage: dict[str, dict[str, Any]], inherited: dict[str, dict[str, Any]]
) -> None:
    """Hand the options of a whole run to the stages that own or receive them."""
    from lipdub.engine.run_options import run_options

    known = run_options()
    former = {old: name for name, item in known.items() for old in item.option.declared.old_names}
    for given, value in options.items():
        name = former.get(given, given)
        if name not in known:
            raise UsageError(f"there is no option {given!r}", hint=f"Options are {', '.join(known)}.")
        for target, homes in ((by_stage, known[name].owners), (inherited, known[name].receivers)):
            for stage, field_name in homes.items():
                target.setdefault(stage, {})[field_name] = value
