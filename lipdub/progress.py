"""Progress events: how a running job tells its caller what it does, without printing anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

EventKind = Literal["start", "stage", "progress", "warn", "done"]


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    kind
        ``start``: the job begins (``data``: recipe, reason, workspace);
        ``stage``: a stage begins (``data['action']``: run, resume or reuse);
        ``progress``: ``done`` of ``total`` (None when unknown) ``unit``\\ s of the stage are finished;
        ``warn``: ``message`` is worth telling a person;
        ``done``: the stage ended (``data``: seconds, summary), or, with an empty ``stage``, the whole job
        did.
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
    """A callback that does nothing."""
