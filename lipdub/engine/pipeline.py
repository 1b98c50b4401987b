"""Runs the chain, whole or one stage: the library behind the command line.

Nothing here prints or exits. Errors are those of :mod:`lipdub.errors`; progress leaves through a callback.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Unpack

from lipdub import stages
from lipdub.engine import checks
from lipdub.engine.job import PlannedStage, Result, StageResult, make_job
from lipdub.engine.recipes import AUTO, MEASURING_STAGE, choose_recipe, reconsider_recipe
from lipdub.engine.resolve import ResolvedJob, resolve, stages_up_to
from lipdub.engine.resume import plan_stage
from lipdub.engine.runner import Runner, announce, open_runner
from lipdub.errors import UsageError
from lipdub.media.pipes import copy_pipes, is_pipe
from lipdub.progress import Callback, Event, ignore_event
from lipdub.stages.job import Job
from lipdub.workspace.folder import Workspace

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping

    from lipdub.engine.dub_options import DubOptions

__all__ = [
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
    **options: Unpack[DubOptions],
) -> Result:
    """Make the talker in ``video`` say ``speech``, and write the result to ``out``.

    Args:
        video: The source: a video or a still image.
        speech: The speech that the lips follow.
        out: The result. Default: beside the source, with ``.dubbed`` in its name.
        workspace: Folder of the caches. Default: the result's name with ``.lipdub``.
        mix: Audio of the result, instead of the speech.
        recipe: One method for each stage, or "auto".
        device: Where networks compute: "auto", "cpu", "cuda" or "mps".
        threads: Processor threads; 0 means all cores.
        no_face: What to do with frames without a face: pass them through ("keep"), or stop ("error").
        overwrite: Whether to replace a file that lipdub did not make.
        commercial_safe: Whether to refuse published weights that are not known to allow commercial use.
        keep_workspace: Whether to keep the caches for the next run.
        progress: Receives events.
        cancelled: Called now and then. When it returns True, the call ends with
            :class:`lipdub.stages.base.Cancelled`. The caches stay, and the same call later continues from them.
        **options: Those of :class:`lipdub.engine.dub_options.DubOptions`.

    Raises:
        UsageError: The options do not go together.
        InputError: A file will not do.
        WeightsError: Weights are missing, wrong or not allowed.
        EnvironmentFailure: The machine lacks something. Errors are found before heavy work where possible.
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
        options=dict(options),
    )
    return run_job(job, progress, keep_workspace=keep_workspace, cancelled=cancelled)


def run_job(
    job: Job,
    progress: Callback | None = None,
    *,
    keep_workspace: bool = True,
    cancelled: Callable[[], bool] | None = None,
) -> Result:
    """Run the whole chain for ``job``: :func:`dub` with the job made beforehand."""
    if job.speech is None:
        raise UsageError("there is no speech to dub with", hint="Give an audio file after the video.")
    with _plain_files(job) as job_of_files:
        return _run_chain(job_of_files, progress or ignore_event, keep_workspace=keep_workspace, cancelled=cancelled)


def _run_chain(job: Job, callback: Callback, *, keep_workspace: bool, cancelled: Callable[[], bool] | None) -> Result:
    """Run the whole chain for a job whose inputs are plain files."""
    began = time.monotonic()
    names = list(stages.STAGES)
    workspace = Workspace(job.folder())
    resolved = _resolve(job, names, workspace)
    with open_runner(resolved, workspace, callback, cancelled) as first_runner:
        runner = first_runner
        done: dict[str, StageResult] = {}
        for name in names:
            done[name] = runner.ensure(name)
            change = _reconsider(runner.resolved, workspace, name, done[name].summary)
            if change is not None:
                runner = Runner(change, workspace, callback, cancelled)
                announce(change, workspace, callback)
                done[name] = runner.ensure(name)
        sidecar = runner.write_provenance()
    if not keep_workspace:
        workspace.clean()
    results = tuple(done.values())
    result = Result(
        out=runner.resolved.job.result(),
        provenance=sidecar,
        workspace=workspace.path if keep_workspace else None,
        recipe=runner.resolved.recipe.name,
        reason=runner.resolved.reason,
        stages=results,
        warnings=_unique([*runner.resolved.facts.notes, *(text for stage in results for text in stage.warnings)]),
        notes=_unique([note for stage in results for note in _texts(stage.summary.get("notes"))]),
        seconds=time.monotonic() - began,
    )
    callback(Event("done", data=result.to_json()))
    return result


def run_stage(
    name: str,
    job: Job,
    progress: Callback | None = None,
    *,
    cancelled: Callable[[], bool] | None = None,
) -> StageResult:
    """Run one stage, and before it those it reads that are not done yet.

    Earlier stages keep the options they were last run with in this workspace, unless the job gives others.
    """
    with _plain_files(job) as job_of_files:
        names, workspace = stages_up_to(name), Workspace(job_of_files.folder())
        resolved = _resolve(job_of_files, names, workspace, alone=name)
        with open_runner(resolved, workspace, progress or ignore_event, cancelled) as runner:
            for earlier in names[:-1]:
                runner.ensure(earlier)
            result = runner.ensure(name)
            if resolved.stages[name].spec.writes_output:
                runner.write_provenance()
        return result


def plan(job: Job, stage: str | None = None) -> list[PlannedStage]:
    """Return what :func:`run_job` (or :func:`run_stage` of ``stage``) would do with each stage. Writes nothing."""
    names = stages_up_to(stage) if stage is not None else list(stages.STAGES)
    with _plain_files(job) as job_of_files:
        workspace = Workspace(job_of_files.folder())
        resolved = _resolve(job_of_files, names, workspace, alone=stage)
        return [plan_stage(resolved, workspace, name) for name in names]


@contextmanager
def _plain_files(job: Job) -> Iterator[Job]:
    """Give the job with inputs that can be read again: what comes from a pipe is copied beside the workspace.

    Raises:
        UsageError: The source is a pipe, which gives the result no name.
    """
    if job.out is None and is_pipe(job.video):
        raise UsageError("the source is a pipe, which gives the result no name", hint="Name it with -o.")
    with copy_pipes(job.folder().parent, job.video, job.speech, job.mix) as (video, speech, mix):
        assert video is not None
        yield replace(job, video=video, speech=speech, mix=mix)


def _resolve(job: Job, names: list[str], workspace: Workspace, alone: str | None = None) -> ResolvedJob:
    """Choose the recipe as far as it is known, and resolve the job with it."""

    def digest() -> str:
        return workspace.digest(job.video)

    facts = checks.check_video(job.video) if job.recipe == AUTO and job.video.is_file() else None
    recipe, reason = choose_recipe(job, facts, digest)
    resolved = resolve(job, names, workspace, recipe, reason, alone=alone, facts=facts)
    # A run that changed its recipe before changes it again, so that its caches are reused and a plan is true.
    for name in names:
        record = workspace.record(name)
        if alone is None and record is not None and record.state == "done":
            changed = _reconsider(resolved, workspace, name, record.summary)
            if changed is not None and record.key == changed.stages[name].key:
                return changed
    return resolved


def _reconsider(
    resolved: ResolvedJob, workspace: Workspace, name: str, summary: Mapping[str, Any]
) -> ResolvedJob | None:
    """Resolve the job anew, where the recipe is `auto` and the measured talkers ask for another one."""
    if resolved.job.recipe != AUTO or resolved.recipe.draws_mouths or name != MEASURING_STAGE:
        return None
    change = reconsider_recipe(resolved.job, summary, lambda: workspace.digest(resolved.job.video))
    if change is None:
        return None
    return resolve(resolved.job, list(resolved.stages), workspace, *change, facts=resolved.facts)


def detect(video: str | os.PathLike[str], **arguments: Any) -> StageResult:
    """Run ``detect``: shots, face tracks, landmarks, pose. Arguments as :func:`sync`."""
    return _alone("detect", video, None, None, arguments)


def neutralize(video: str | os.PathLike[str], **arguments: Any) -> StageResult:
    """Run ``neutralize``: the talker's rest mouth and mouth shapes. Arguments as :func:`sync`."""
    return _alone("neutralize", video, None, None, arguments)


def sync(video: str | os.PathLike[str], speech: str | os.PathLike[str], **arguments: Any) -> StageResult:
    """Runs ``sync``: crops whose lips follow the speech.

    ``arguments``: ``workspace``, ``recipe``, ``device``, ``threads``, ``progress``, ``cancelled``, and the
    fields of the stage's options dataclass (``lipdub.stages.sync.options.SyncOptions``).
    """
    return _alone("sync", video, speech, None, arguments)


def enhance(video: str | os.PathLike[str], speech: str | os.PathLike[str], **arguments: Any) -> StageResult:
    """Run ``enhance``: restored crops. Arguments as :func:`sync`."""
    return _alone("enhance", video, speech, None, arguments)


def paste_back(
    video: str | os.PathLike[str],
    speech: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    **arguments: Any,
) -> StageResult:
    """Run ``paste-back``: blend, encode, mux to ``out``. Arguments as :func:`sync`, and ``mix``, ``overwrite``."""
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
