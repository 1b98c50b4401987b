"""Shows the events of a running job: bars on a terminal, a line per stage elsewhere, or JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from lipdub.cli.context import GlobalOptions
from lipdub.cli.process import say
from lipdub.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from lipdub.progress import Callback, Event

_WIDTH = 11  # of the stage names


@contextmanager
def show_progress(manner: GlobalOptions) -> Iterator[Callback]:
    """A callback for the library that shows its events the way ``manner`` asks for, while the block runs."""
    if manner.json:
        yield lambda event: _as_json(manner, event)
    elif manner.quiet:
        yield lambda event: None
    elif manner.stream.isatty():
        with _Bars(manner) as bars:
            yield bars.show
    else:
        yield _Lines(manner).show


def _as_json(manner: GlobalOptions, event: Event) -> None:
    from lipdub.workspace.json_values import to_plain

    content: dict[str, Any] = {"event": event.kind, **to_plain(asdict(event))}
    del content["kind"]
    if event.kind != "progress":
        for name in ("done", "total", "unit"):
            del content[name]
    else:
        del content["message"], content["data"]
    say(json.dumps(content, ensure_ascii=True), manner.stream)


class _Lines:
    """One line per stage, for logs."""

    def __init__(self, manner: GlobalOptions) -> None:
        self.manner = manner
        self.units: dict[str, tuple[int, str]] = {}  # done since the stage began, unit
        self.first: dict[str, int] = {}

    def show(self, event: Event) -> None:
        line = self.line(event)
        if line is not None:
            self.print(line)

    def print(self, line: str) -> None:
        self.manner.note(line)

    def line(self, event: Event) -> str | None:
        """The line for the event, None when it deserves none."""
        if event.kind == "start" and not event.stage:
            if self.manner.verbose:
                self.print(f"workspace   {printable(event.data['workspace'])}")
            return f"recipe      {event.data['reason']}"
        if event.kind == "warn":
            return f"{event.stage or 'source':{_WIDTH}} warning: {printable(event.message)}"
        if event.kind == "progress":
            self.first.setdefault(event.stage, 0)
            self.units[event.stage] = (event.done, event.unit)
        if event.kind == "stage" and self.manner.verbose:
            return f"{event.stage:{_WIDTH}} {event.data['action']}: {printable(event.data['reason'])}"
        if event.kind == "done" and "action" in event.data:
            return self.ended(event)
        return None

    def ended(self, event: Event) -> str:
        if event.data["action"] == "reuse":
            return f"{event.stage:{_WIDTH}} reused"
        seconds = event.data["seconds"]
        done, unit = self.units.get(event.stage, (0, ""))
        speed = f"  {done} {unit}, {done / seconds:.1f} {unit}/s" if done and seconds > 0 else ""
        return f"{event.stage:{_WIDTH}} done in {seconds:.1f} s{speed}"


class _Bars(_Lines):
    """A bar for the stage that runs, with speed and time left; finished stages stay as lines above it."""

    def __init__(self, manner: GlobalOptions) -> None:
        super().__init__(manner)
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console(file=manner.stream, highlight=False)
        self.progress: Progress = Progress(
            TextColumn("{task.description:" + str(_WIDTH) + "}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.fields[of]} {task.fields[unit]}"),
            TextColumn("{task.fields[speed]}"),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            redirect_stdout=False,  # what libraries print there is muted, not to be shown between bars
            redirect_stderr=False,
        )
        self.task: TaskID | None = None
        self.began = (0.0, 0)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def print(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)

    def show(self, event: Event) -> None:
        if event.kind in ("stage", "done") and self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None
        if event.kind == "progress":
            self._advance(event)
        super().show(event)

    def _advance(self, event: Event) -> None:
        now = time.monotonic()
        if self.task is None:
            self.task = self.progress.add_task(
                event.message or event.stage, total=event.total, of="?", unit=event.unit, speed=""
            )
            self.began = (now, event.done)
        spent, done = now - self.began[0], event.done - self.began[1]
        self.progress.update(
            self.task,
            description=event.message or event.stage,
            completed=event.done,
            total=event.total,
            of="?" if event.total is None else str(event.total),
            unit=event.unit,
            speed=f"{done / spent:.1f} {event.unit}/s" if spent > 0 and done > 0 else "",
        )
