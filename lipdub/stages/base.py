"""What a stage is: its description, and what it is handed when it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lipdub.errors import InputError, UsageError
from lipdub.progress import Callback, Event, ignore_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lipdub.engine.job import Job
    from lipdub.media.probe import MediaFacts, VideoFacts
    from lipdub.workspace.stage_store import StageStore

Input = Literal["video", "speech", "mix"]

_EVENT_SPACING = 0.1  # seconds between two progress events of a stage


class Cancelled(KeyboardInterrupt):
    """The caller asked the job to stop. The workspace stays as it is and the next run goes on from there."""


def _no_files(options: Any) -> list[Path]:
    return []


def _as_they_are(options: Any, job: Job, digest: Callable[[], str]) -> Any:
    return options


def _no_check(job: Job, facts: MediaFacts, options: Any) -> None:
    return None


@dataclass(frozen=True)
class StageSpec:
    """One stage of the chain.

    name
        As on the command line ("paste-back").
    version
        Raised whenever the code would give other results; a part of the cache key.
    reads
        Stages whose stores it reads.
    inputs
        Which files' contents it depends on: "video", "speech", "mix" (the sound that goes into the result).
    options
        The frozen dataclass of its options; every field enters the key as it is, and has a default.
    run
        Does the work: takes a :class:`StageContext` and the options, returns the summary (plain values). It
        must skip chunks that are done, so that a killed run continues, and end with the same bytes however
        often it was killed.
    weights
        The files of network weights these options need. Raises WeightsError when they are not there.
    files
        Other files the options name and whose content matters (a reference picture).
    check
        What can be known wrong before any stage runs, from the job, the facts of its video and the options (a
        codec the result's container does not hold). Raises UsageError or InputError.
    ahead
        The part of the work that needs nothing of earlier stages: called in a thread of its own while those
        run, with the job, the facts of its video and the options; what it returns is
        ``StageContext.ahead()``.
    settle
        Options as they are for one video: from the options, the job and what gives the digest of the video's content.
        What comes out enters the key.
    writes_output
        True for the stage that leaves the result at ``job.out``: it runs again when that file is gone or was
        changed.
    """

    name: str
    version: int
    reads: tuple[str, ...]
    inputs: tuple[Input, ...]
    options: type
    run: Callable[[StageContext, Any], dict[str, Any]]
    weights: Callable[[Any], list[Path]] = _no_files
    files: Callable[[Any], list[Path]] = _no_files
    check: Callable[[Job, MediaFacts, Any], None] = _no_check
    ahead: Callable[[Job, MediaFacts, Any], Any] | None = None
    settle: Callable[[Any, Job, Callable[[], str]], Any] = _as_they_are
    writes_output: bool = False


@dataclass
class StageContext:
    """What a running stage is given.

    ``store`` is its own folder, ``upstream`` and ``summaries`` are the stores and summaries of the stages it
    reads (by name); ``ahead`` waits for what the stage's ``StageSpec.ahead`` returns; ``metadata`` are the tags
    to write into the result's container; ``threads`` is at least 1; ``device`` is "cpu", "cuda" or "mps".
    """

    job: Job
    facts: MediaFacts
    store: StageStore
    upstream: Mapping[str, StageStore]
    summaries: Mapping[str, dict[str, Any]]
    device: str = "cpu"
    threads: int = 1
    metadata: dict[str, str] = field(default_factory=dict)
    stage: str = ""
    callback: Callback = ignore_event
    cancelled: Callable[[], bool] | None = None
    ahead: Callable[[], Any] = lambda: None
    warnings: list[str] = field(default_factory=list)
    _last_event: float = field(default=0.0, repr=False)

    @property
    def video(self) -> VideoFacts:
        """The source's video stream. Raises InputError when it has none."""
        if self.facts.video is None:
            raise InputError(f"{self.job.video} holds no video")
        return self.facts.video

    @property
    def speech(self) -> Path:
        """The speech. Raises UsageError when none was given."""
        if self.job.speech is None:
            raise UsageError("there is no speech to dub with")
        return self.job.speech

    def progress(self, done: int, total: int | None = None, unit: str = "frames") -> None:
        """Tells how far the stage is (``done`` of ``total``); also a point where it may be cancelled.
        Cheap.
        """
        self.check()
        now = time.monotonic()
        if done != total and now - self._last_event < _EVENT_SPACING:
            return
        self._last_event = now
        self.callback(Event("progress", self.stage, done=int(done), total=total, unit=unit))

    def warn(self, text: str) -> None:
        """Notes something a person should know; the same text is kept and told once."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.callback(Event("warn", self.stage, message=text))

    def check(self) -> None:
        """Raises Cancelled when the caller asked to stop."""
        if self.cancelled is not None and self.cancelled():
            raise Cancelled
