"""Progress events: how a running job reports to its caller without printing anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

EventKind = Literal["start", "stage", "progress", "warn", "done"]


@dataclass(frozen=True)
class Event:
    """One report of a running job.

    Attributes:
        kind: ``start``: the job begins (``data``: recipe, reason, workspace).
            ``stage``: a stage begins (``data['action']``: run, resume or reuse).
            ``progress``: ``done`` of ``total`` units of the stage are finished.
            ``warn``: ``message`` is a remark for the person.
            ``done``: a stage ended (``data``: seconds, summary), or the whole job if ``stage`` is empty.
        stage: Name of the stage; empty for the whole job.
        done: Number of finished units.
        total: Number of all units; None when unknown.
        unit: What is counted.
        message: The remark of a ``warn`` event.
        data: Facts that depend on ``kind``.
    """

    kind: EventKind
    stage: str = ""
    done: int = 0
    total: int | None = None
    unit: str = "frames"
    message: str = ""
    data: dict[str, Any] = field(default_factory=dict)


Callback = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """Do nothing; the default callback."""
