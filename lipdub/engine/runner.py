"""Runs the stages of a resolved job: reuses what is done, resumes what was interrupted, repairs what is broken."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lipdub import stages
from lipdub.engine import checks, provenance
from lipdub.engine.failures import explain_failures
from lipdub.engine.job import StageResult
from lipdub.engine.rehearsal import Rehearsal
from lipdub.engine.resume import plan_stage
from lipdub.errors import CorruptChunk, InputError, LipdubError
from lipdub.media.result_lock import ResultLock
from lipdub.parallel import start_in_thread
from lipdub.progress import Callback, Event
from lipdub.stages.base import Cancelled, StageContext
from lipdub.workspace.folder import StageRecord, Workspace
from lipdub.workspace.json_values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lipdub.engine.resolve import ResolvedJob
    from lipdub.workspace.stage_store import StageStore

LOG = logging.getLogger(__name__)

MAX_REPAIRS = 2  # times a stage's broken cache is repaired in one run before the disk is blamed


class Runner:
    """Runs the stages of a resolved job over its workspace.

    Args:
        resolved: The job.
        workspace: Its workspace, locked.
        callback: Receives events.
        cancelled: Returns True when the caller wants the job to stop.
    """

    def __init__(
        self,
        resolved: ResolvedJob,
        workspace: Workspace,
        callback: Callback,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self.resolved = resolved
        self.workspace = workspace
        self.callback = callback
        self.cancelled = cancelled
        self._repairs: dict[str, int] = {}
        self._prefetched: dict[str, Callable[[], Any]] = {}
        self._rehearsal = Rehearsal({})

    def ensure(self, name: str) -> StageResult:
        """Run the stage unless its cache can be reused.

        Raises:
            LipdubError: The stage failed, or its summary says that the job cannot go on.
        """
        planned = plan_stage(self.resolved, self.workspace, name)
        key, device = self.resolved.stages[name].key, self.resolved.device
        LOG.debug("%s: %s, since %s (key %s, device %s)", name, planned.action, planned.reason, key, device)
        self.callback(Event("stage", name, data={"action": planned.action, "reason": planned.reason}))
        began = time.monotonic()
        if planned.action != "reuse":
            if name in self._rehearsal.names:
                self._rehearsal.finish()
            self._run(name, resume=planned.action == "resume")
            self._rehearsal.finish()
        record = self.workspace.record(name)
        assert record is not None
        result = StageResult(
            name=name,
            action=planned.action,
            seconds=time.monotonic() - began,
            summary=record.summary,
            warnings=tuple(record.warnings),
            path=self.workspace.store(name).path,
        )
        if planned.action == "reuse":
            for text in record.warnings:
                self.callback(Event("warn", name, message=text))
        data = {"seconds": result.seconds, "summary": result.summary, "action": result.action}
        self.callback(Event("done", name, data=data))
        self.resolved.stages[name].spec.check_summary(self.resolved.job, result.summary)
        return result

    def start_prefetch(self) -> None:
        """Start, in threads, the work of later stages that needs nothing of earlier ones."""
        for name, stage in list(self.resolved.stages.items())[1:]:
            if stage.spec.prefetch is not None and self._will_run(name):
                self._prefetch(name)

    def has_only_first_stage(self) -> bool:
        """Whether the first stage is done and no other was begun."""
        first = self.workspace.record(next(iter(self.resolved.stages)))
        return first is not None and first.state == "done" and len(self.workspace.stages) == 1

    def start_rehearsal(self) -> Rehearsal:
        """Start to try the end of each stage that is about to run, beside the work of the first.

        The first stage stops where a rehearsal fails, and none of the others begins before they succeed.
        """
        job, facts = self.resolved.job, self.resolved.facts
        self._rehearsal = Rehearsal(
            {
                name: partial(stage.spec.rehearse, job, facts, stage.options)
                for name, stage in self.resolved.stages.items()
                if stage.spec.rehearse is not None and self._will_run(name)
            }
        )
        return self._rehearsal

    def _will_run(self, name: str) -> bool:
        """Whether the stage is about to run, as its cache cannot be reused."""
        return plan_stage(self.resolved, self.workspace, name).action != "reuse"

    def _prefetch(self, name: str) -> Callable[[], Any]:
        stage = self.resolved.stages[name]
        work = stage.spec.prefetch
        if work is None:
            return lambda: None
        if name not in self._prefetched:
            job, facts = self.resolved.job, self.resolved.facts
            self._prefetched[name] = start_in_thread(lambda: work(job, facts, stage.options)).result
        return self._prefetched[name]

    def _run(self, name: str, resume: bool) -> None:
        """Run the stage to its end, repairing broken caches on the way."""
        while True:
            try:
                self._run_once(name, resume)
                return
            except CorruptChunk as error:
                self._repair(error)
                if error.stage == name:
                    return
                resume = True

    def _run_once(self, name: str, resume: bool) -> None:
        stage = self.resolved.stages[name]
        record = StageRecord(key=stage.key, state="running", options=stage.flat_options(), files=dict(stage.files))
        store = self.workspace.begin(name, record, resume=resume)
        context = self._context(name, store)
        began = time.monotonic()
        try:
            with explain_failures(name):
                summary = stage.spec.run(context, stage.options)
        except Cancelled:
            if self._rehearsal.has_failed:
                self._rehearsal.finish()
            raise
        self._prefetched.pop(name, None)  # frees its memory for the stages to come
        output = provenance.describe_output(self.resolved.job.result()) if stage.spec.writes_output else None
        self.workspace.put(
            name,
            replace(
                record,
                state="done",
                seconds=time.monotonic() - began,
                summary=to_plain(summary),
                warnings=context.warnings,
                output=output,
            ),
        )

    def _context(self, name: str, store: StageStore) -> StageContext:
        reads = self.resolved.stages[name].spec.reads
        records = {earlier: self.workspace.record(earlier) for earlier in reads}
        return StageContext(
            job=self.resolved.job,
            facts=self.resolved.facts,
            store=store,
            upstream={earlier: self.workspace.store(earlier) for earlier in reads},
            summaries={earlier: record.summary if record is not None else {} for earlier, record in records.items()},
            device=self.resolved.device,
            threads=self.resolved.threads,
            metadata=provenance.metadata_tags(self.resolved.recipe.name),
            stage=name,
            callback=self.callback,
            cancelled=self._must_stop,
            prefetched=self._prefetch(name),
            keep=self.workspace.keep,
        )

    def _must_stop(self) -> bool:
        """Whether the caller wants the job to stop, or its end would fail."""
        return self._rehearsal.has_failed or (self.cancelled is not None and self.cancelled())

    def _repair(self, error: CorruptChunk) -> None:
        """Run the broken stage again: the first time it only fills the gap, the second time from nothing."""
        repairs = self._repairs.get(error.stage, 0) + 1
        if repairs > MAX_REPAIRS or error.stage not in stages.STAGES:
            raise error
        self._repairs[error.stage] = repairs
        text = f"a cached piece was {error.reason} and is made again: {error.path}"
        self.callback(Event("warn", error.stage, message=text))
        self._run(error.stage, resume=repairs == 1 and self._drop_damaged(error))

    def _drop_damaged(self, error: CorruptChunk) -> bool:
        """Remove the damaged chunks of the array, so that only they are missing. False if all of it is lost."""
        if error.chunk < 0:
            return False
        try:
            self.workspace.store(error.stage).open(error.array).drop_damaged()
        except CorruptChunk:
            return False
        return True

    def write_provenance(self) -> Path:
        """Write the sidecar beside the result and return its path.

        Raises:
            EnvironmentFailure: It cannot be written.
        """
        return provenance.write_sidecar(self.resolved.job, self.resolved.recipe.name, self.workspace)


@contextmanager
def open_runner(
    resolved: ResolvedJob, workspace: Workspace, callback: Callback, cancelled: Callable[[], bool] | None
) -> Iterator[Runner]:
    """Lock the workspace and the result, announce the job, start its rehearsal and prefetch, and give the runner.

    A workspace that was made for a job that cannot be done is removed again.

    Raises:
        EnvironmentFailure: The result cannot be written, or another process makes it or has the workspace.
    """
    if resolved.writes_output:
        checks.check_place(resolved.job.result())
    is_new = not Workspace.is_workspace(workspace.path)
    is_locked = False
    rehearsal: Rehearsal | None = None
    runner = Runner(resolved, workspace, callback, cancelled)
    try:
        with ExitStack() as stack:
            stack.enter_context(workspace.locked())
            is_locked = True
            if resolved.writes_output:
                stack.enter_context(ResultLock(resolved.job.result()))
            announce(resolved, workspace, callback)
            rehearsal = runner.start_rehearsal()
            stack.callback(rehearsal.wait)
            runner.start_prefetch()
            yield runner
            if workspace.digest.changed:
                workspace.save()
    except LipdubError as error:
        is_refused = is_locked and (rehearsal is None or rehearsal.has_failed)
        if is_new and (is_refused or (isinstance(error, InputError) and runner.has_only_first_stage())):
            workspace.clean()
        raise


def announce(resolved: ResolvedJob, workspace: Workspace, callback: Callback) -> None:
    """Save the facts of the inputs in the workspace, and send the event that the job starts."""
    workspace.facts = to_plain(resolved.facts)
    workspace.save()
    data = {
        "recipe": resolved.recipe.name,
        "reason": resolved.reason,
        "workspace": str(workspace.path),
        "out": str(resolved.job.result()),
        "stages": list(resolved.stages),
    }
    callback(Event("start", data=data))
    if workspace.unusable:
        callback(Event("warn", message=f"{workspace.unusable}; all stages run again"))
    for note in resolved.facts.notes:
        callback(Event("warn", message=note))
