"""What a stage is, and what it is given when it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lipdub.errors import InputError, UsageError
from lipdub.progress import Callback, Event, ignore_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lipdub.media.probe import MediaFacts, VideoFacts
    from lipdub.registry import Registry
    from lipdub.stages.job import Job
    from lipdub.workspace.stage_store import StageStore

Input = Literal["video", "speech", "mix"]

_EVENT_SPACING = 0.1  # seconds between two progress events of a stage


class Cancelled(KeyboardInterrupt):
    """The caller asked the job to stop. The workspace stays as it is; the next run continues from it."""


def _no_files(options: Any) -> list[Path]:
    return []


def _keep(options: Any, job: Job, digest: Callable[[], str]) -> Any:
    return options


def _accept(job: Job, facts: MediaFacts, options: Any) -> None:
    return None


def _accept_summary(job: Job, summary: Mapping[str, Any]) -> None:
    return None


def _no_networks(options: Any) -> bool:
    return False


def _refuse_to_keep(name: str, key: str) -> StageStore:
    raise RuntimeError("this context has no workspace to keep anything in")


@dataclass(frozen=True)
class StageSpec:
    """One stage of the chain.

    Attributes:
        name: As on the command line ("paste-back").
        summary: One line for the help and the manual.
        version: Part of the cache key. Raise it whenever the code would give other results.
        reads: Stages whose stores it reads.
        inputs: Files whose contents it depends on: "video", "speech", "mix" (the sound of the result).
        options: The frozen dataclass of its options. Every field has a default and enters the key.
        run: Does the work. Takes a :class:`StageContext` and the options, returns the summary (plain values). It must
            skip finished chunks, so that a killed run continues, and end with the same bytes however often it was
            killed.
        methods: Its methods, where it has any. Their own options are part of the stage's.
        weights: Returns the files of network weights the options need. Raises WeightsError when one is missing.
        files: Returns other files that the options name and whose content matters (a reference picture).
        check: Finds what can be known wrong before any stage runs, such as a codec that the container does not hold.
            Raises UsageError or InputError.
        rehearse: Tries the end of the work on a frame, with the real programs, names and layouts. If this stage will
            run, it is called in a thread of its own while the first one runs, which stops at an error. Raises what the
            end would raise.
        prefetch: The part of the work that needs nothing of earlier stages. It is called in a thread of its own while
            those run; ``StageContext.prefetched()`` returns its result.
        resolve: Resolves options that depend on the video or the machine (such as "auto"). Called with the options,
            the job and a function that returns the video's digest. The resolved options are part of the key.
        uses_networks: Returns whether the options make it run networks, so that a GPU is of use.
        check_summary: Looks at the summary when the stage is done or reused. Raises InputError where the job cannot go
            on.
        writes_output: True for the stage that leaves the result at ``job.out``. It runs again when that file is gone or
            was changed.
    """

    name: str
    version: int
    reads: tuple[str, ...]
    inputs: tuple[Input, ...]
    options: type
    run: Callable[[StageContext, Any], dict[str, Any]]
    methods: Registry[Any] | None = None
    weights: Callable[[Any], list[Path]] = _no_files
    files: Callable[[Any], list[Path]] = _no_files
    check: Callable[[Job, MediaFacts, Any], None] = _accept
    rehearse: Callable[[Job, MediaFacts, Any], None] | None = None
    prefetch: Callable[[Job, MediaFacts, Any], Any] | None = None
    resolve: Callable[[Any, Job, Callable[[], str]], Any] = _keep
    uses_networks: Callable[[Any], bool] = _no_networks
    check_summary: Callable[[Job, Mapping[str, Any]], None] = _accept_summary
    writes_output: bool = False
    summary: str = ""


@dataclass
class StageContext:
    """What a running stage is given.

    Attributes:
        job: The job.
        facts: Of the source.
        store: Its own folder.
        upstream: The stores of the stages it reads, by name.
        summaries: The summaries of the stages it reads, by name.
        device: "cpu", "cuda" or "mps".
        threads: At least 1.
        metadata: Tags to write into the result's container.
        stage: Its name.
        callback: Receives events.
        cancelled: Returns True when the caller wants the job to stop.
        prefetched: Waits for the result of ``StageSpec.prefetch``.
        keep: Takes a name and a key of what the content depends on. Returns a store that outlives a change of the
            stage's options; it is emptied where it was made with another key.
        warnings: What a person should know of the run.
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
    prefetched: Callable[[], Any] = lambda: None
    keep: Callable[[str, str], StageStore] = _refuse_to_keep
    warnings: list[str] = field(default_factory=list)
    _last_event: float = field(default=0.0, repr=False)

    @property
    def video(self) -> VideoFacts:
        """The source's video stream.

        Raises:
            InputError: It has none.
        """
        if self.facts.video is None:
            raise InputError(f"{self.job.video} holds no video")
        return self.facts.video

    @property
    def speech(self) -> Path:
        """The speech.

        Raises:
            UsageError: None was given.
        """
        if self.job.speech is None:
            raise UsageError("there is no speech to dub with")
        return self.job.speech

    def progress(self, done: int, total: int | None = None, unit: str = "frames") -> None:
        """Report how far the stage is. Cheap; also a point where the run may be cancelled."""
        self.check()
        now = time.monotonic()
        if done != total and now - self._last_event < _EVENT_SPACING:
            return
        self._last_event = now
        self.callback(Event("progress", self.stage, done=int(done), total=total, unit=unit))

    def warn(self, text: str) -> None:
        """Record something a person should know. The same text is kept and reported once."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.callback(Event("warn", self.stage, message=text))

    def check(self) -> None:
        """Raise Cancelled when the caller asked to stop."""
        if self.cancelled is not None and self.cancelled():
            raise Cancelled
