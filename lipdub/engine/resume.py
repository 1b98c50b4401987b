"""What a run does with each stage: reuse its cache, resume it, or run it anew. And why, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.engine.job import PlannedStage
from lipdub.engine.provenance import describe_output

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.engine.resolve import ResolvedJob
    from lipdub.workspace.folder import StageRecord, Workspace


def plan_stage(resolved: ResolvedJob, workspace: Workspace, name: str) -> PlannedStage:
    """Return what a run would do with the stage, and why."""
    stage, record = resolved.stages[name], workspace.record(name)
    method = str(getattr(stage.options, "method", ""))
    if record is None:
        return PlannedStage(name, method, "run", workspace.unusable or "not done yet")
    if record.key != stage.key:
        return PlannedStage(name, method, "run", _describe_change(resolved, workspace, name, record))
    if record.state != "done":
        return PlannedStage(name, method, "resume", "was interrupted")
    result = resolved.job.result()
    if stage.spec.writes_output and not _is_output(record.output, result):
        return PlannedStage(name, method, "resume", f"{result} is not the result it made")
    return PlannedStage(name, method, "reuse", "nothing it depends on has changed")


def _describe_change(resolved: ResolvedJob, workspace: Workspace, name: str, record: StageRecord) -> str:
    values = resolved.stages[name].flat_options()
    changed = sorted(key for key in values if key in record.options and record.options[key] != values[key])
    if changed:
        return f"another {', '.join(changed)}"
    for earlier in resolved.stages[name].spec.reads:
        if plan_stage(resolved, workspace, earlier).action == "run":
            return f"{earlier} changes"
    return "another input, weights or version"


def _is_output(known: dict[str, Any] | None, path: Path) -> bool:
    return known is not None and path.exists() and known == describe_output(path)
