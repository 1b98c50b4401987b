"""Runs the chain, whole or one stage: the library behind the command line.

Nothing here prints or exits. Errors are those of :mod:`lipdub.errors`; progress leaves through a callback.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from lipdub import stages
from lipdub.engine.job import RUN_OPTIONS, Job, PlannedStage, Result, StageResult, make_job
from lipdub.engine.runner import Runner, open_runner, stages_up_to
from lipdub.errors import UsageError
from lipdub.progress import Callback, Event, ignore_event
from lipdub.workspace.folder import Workspace

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = [
    "RUN_OPTIONS",
    "Job",
    "PlannedStage",
    "Result",
    "StageResult",
    "detect",
    "dub",
    "enhance",
    "make_job",
    "neutralize",
    "paste_back",
    "plan",
    "run_job",
    "run_stage",
    "sync",
]


def dub(
    video: str | os.PathLike[str],
    speech: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    workspace: str | os.PathLike[str] | None = None,
    mix: str | os.PathLike[str] | None = None,
    recipe: str = "auto",
    device: str = "auto",
    threads: int = 0,
    no_face: Literal["keep", "error"] = "keep",
    overwrite: bool = False,
    commercial_safe: bool = False,
    keep_workspace: bool = True,
    progress: Callback | None = None,
    cancelled: Callable[[], bool] | None = None,
    **options: Any,
) -> Result:
    """Makes the talker in ``video`` say ``speech`` and writes the result to ``out``.

    ``options`` are those of :data:`RUN_OPTIONS`. ``cancelled`` is asked now and then; when it answers True
    the call ends with :class:`lipdub.stages.base.Cancelled`, the caches stay, and the same call later goes on
    from there.

    Raises UsageError, InputError, WeightsError, EnvironmentFailure: one line each, before heavy work where it
    can be known.
    """
    job = make_job(
        video,
        speech,
        out,
        workspace=workspace,
        mix=mix,
        recipe=recipe,
        device=device,
        threads=threads,
        no_face=no_face,
        overwrite=overwrite,
        commercial_safe=commercial_safe,
        options=options,
    )
    return run_job(job, progress, keep_workspace=keep_workspace, cancelled=cancelled)


def run_job(
    job: Job,
    progress: Callback | None = None,
    *,
    keep_workspace: bool = True,
    cancelled: Callable[[], bool] | None = None,
) -> Result:
    """Runs the whole chain for ``job``: :func:`dub` with the job made beforehand."""
    began = time.monotonic()
    if job.speech is None:
        raise UsageError("there is no speech to dub with", hint="Give an audio file after the video.")
    with open_runner(job, progress, cancelled, list(stages.STAGES)) as chain:
        done = [chain.ensure(name) for name in stages.STAGES]
        sidecar = chain.write_provenance()
    if not keep_workspace:
        chain.workspace.clean()
    result = Result(
        out=chain.job.result(),
        provenance=sidecar,
        workspace=chain.workspace.path if keep_workspace else None,
        recipe=chain.recipe.name,
        reason=chain.reason,
        stages=tuple(done),
        warnings=_unique([*chain.facts.notes, *(text for stage in done for text in stage.warnings)]),
        notes=_unique([note for stage in done for note in _texts(stage.summary.get("notes"))]),
        seconds=time.monotonic() - began,
    )
    chain.callback(Event("done", data=result.to_json()))
    return result


def run_stage(
    name: str,
    job: Job,
    progress: Callback | None = None,
    *,
    cancelled: Callable[[], bool] | None = None,
) -> StageResult:
    """Runs one stage, and before it those it reads that are not done yet.

    Earlier stages keep the options they were last run with in this workspace, unless the job gives others.
    """
    with open_runner(job, progress, cancelled, stages_up_to(name), keep_recorded=name) as chain:
        for earlier in stages_up_to(name)[:-1]:
            chain.ensure(earlier)
        result = chain.ensure(name)
        if chain.spec(name).writes_output:
            chain.write_provenance()
    return result


def plan(job: Job, stage: str | None = None) -> list[PlannedStage]:
    """What :func:`run_job` (or :func:`run_stage` of ``stage``) would do with each stage. Writes nothing."""
    names = stages_up_to(stage) if stage is not None else list(stages.STAGES)
    chain = Runner(job, ignore_event, None, Workspace(job.folder()), keep_recorded=stage)
    chain.check_request(names)
    chain.check_inputs(names)
    chain.check_weights(names)
    return [chain.planned(name) for name in names]


def detect(video: str | os.PathLike[str], **arguments: Any) -> StageResult:
    """Runs ``detect``: shots, face tracks, landmarks, pose, masks. Arguments as :func:`sync`."""
    return _alone("detect", video, None, None, arguments)


def neutralize(video: str | os.PathLike[str], **arguments: Any) -> StageResult:
    """Runs ``neutralize``: the talker's rest mouth and mouth shapes. Arguments as :func:`sync`."""
    return _alone("neutralize", video, None, None, arguments)


def sync(video: str | os.PathLike[str], speech: str | os.PathLike[str], **arguments: Any) -> StageResult:
    """Runs ``sync``: crops whose lips follow the speech.

    ``arguments``: ``workspace``, ``recipe``, ``device``, ``threads``, ``progress``, ``cancelled``, and the
    fields of the stage's options dataclass (``lipdub.stages.sync.options.SyncOptions``).
    """
    return _alone("sync", video, speech, None, arguments)


def enhance(video: str | os.PathLike[str], speech: str | os.PathLike[str], **arguments: Any) -> StageResult:
    """Runs ``enhance``: restored crops. Arguments as :func:`sync`."""
    return _alone("enhance", video, speech, None, arguments)


def paste_back(
    video: str | os.PathLike[str],
    speech: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    **arguments: Any,
) -> StageResult:
    """Runs ``paste-back``: blends, encodes, muxes to ``out``. Arguments as :func:`sync`, and ``mix``,
    ``overwrite``.
    """
    return _alone("paste-back", video, speech, out, arguments)


def _alone(
    name: str,
    video: str | os.PathLike[str],
    speech: str | os.PathLike[str] | None,
    out: str | os.PathLike[str] | None,
    arguments: dict[str, Any],
) -> StageResult:
    of_call = {key: arguments.pop(key, None) for key in ("progress", "cancelled")}
    of_job = {
        key: arguments.pop(key)
        for key in ("workspace", "mix", "recipe", "device", "threads", "no_face", "overwrite", "commercial_safe")
        if key in arguments
    }
    job = make_job(video, speech, out, stage=name, options=arguments, **of_job)
    return run_stage(name, job, of_call["progress"], cancelled=of_call["cancelled"])


def _texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, (list, tuple)) else []


def _unique(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
