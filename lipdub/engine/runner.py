"""The stages of one job over one workspace: what can be reused, running the rest, mending broken caches."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub import stages
from lipdub.engine import checks, provenance, recipes
from lipdub.engine.job import Job, PlannedStage, StageResult
from lipdub.errors import CorruptChunk, EnvironmentFailure, InputError, LipdubError, UsageError, wrap_os_error
from lipdub.parallel import count_cores, start_in_thread
from lipdub.progress import Callback, Event, ignore_event
from lipdub.stages.base import StageContext, StageSpec
from lipdub.workspace.folder import StageRecord, Workspace
from lipdub.workspace.json_values import to_plain
from lipdub.workspace.keys import stage_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lipdub.media.probe import MediaFacts
    from lipdub.weights.manifest import ManifestEntry
    from lipdub.workspace.stage_store import StageStore

MAX_REPAIRS = 2  # times a stage's broken cache is mended in one run before the disk is blamed


class Runner:
    """Computes keys once, runs what is not there, mends what is broken."""

    def __init__(
        self,
        job: Job,
        callback: Callback,
        cancelled: Callable[[], bool] | None,
        workspace: Workspace,
        keep_recorded: str | None = None,
    ) -> None:
        self.job = replace(job, out=job.result(), workspace=job.folder())
        self.callback = callback
        self.cancelled = cancelled
        self.workspace = workspace
        self.keep_recorded = keep_recorded
        self.recipe, self.reason = recipes.choose_recipe(job.recipe)
        self.facts: MediaFacts
        self.device = "cpu"
        self.threads = job.threads or count_cores()
        self._specs: dict[str, StageSpec] = {}
        self._options: dict[str, Any] = {}
        self._files: dict[str, dict[str, str]] = {}
        self._keys: dict[str, str] = {}
        self._mended: dict[str, int] = {}
        self._ahead: dict[str, Callable[[], Any]] = {}

    # -- what is asked ---------------------------------------------------------------------------------------

    def spec(self, name: str) -> StageSpec:
        if name not in self._specs:
            self._specs[name] = stages.load(name)
        return self._specs[name]

    def options(self, name: str) -> Any:
        """What was given; else, for stages before the one asked for alone, what it was last run with."""
        if name not in self._options:
            kind = self.spec(name).options
            known = {item.name for item in fields(kind)}
            values: dict[str, Any] = {}
            if "method" in known and name in self.recipe.methods:
                values["method"] = self.recipe.methods[name]
            record = self.workspace.record(name)
            if self.keep_recorded not in (None, name) and record is not None:
                values.update({key: value for key, value in record.options.items() if key in known})
            given = dict(self.job.options.get(name, {}))
            if unknown := sorted(given.keys() - known):
                raise UsageError(f"{name} has no option {unknown[0]!r}", hint=f"It has {', '.join(sorted(known))}.")
            values.update(given)
            try:
                options = kind(**values)
            except (TypeError, ValueError) as error:
                raise UsageError(f"{name}: {error}") from error
            self._options[name] = self.spec(name).settle(options, self.job, self._digest_of_video)
        return self._options[name]

    def _digest_of_video(self) -> str:
        """For options that depend on it, which are asked for before the inputs are checked. Raises InputError."""
        checks.check_video(self.job.video)
        return self.workspace.digest(self.job.video)

    def files(self, name: str) -> dict[str, str]:
        """Digest of each file of weights and each other file the stage's options need, by path."""
        if name not in self._files:
            spec, options = self.spec(name), self.options(name)
            paths = [*spec.weights(options), *spec.files(options)]
            self._files[name] = {str(path): self.workspace.digest(Path(path)) for path in paths}
        return self._files[name]

    def key(self, name: str) -> str:
        if name not in self._keys:
            spec = self.spec(name)
            options = to_plain(asdict(self.options(name)))
            if spec.writes_output:
                options["container"] = self.job.result().suffix.lower()
            self._keys[name] = stage_key(
                stage=name,
                version=spec.version,
                inputs={kind: self.workspace.digest(self._input(name, kind)) for kind in spec.inputs},
                upstream={earlier: self.key(earlier) for earlier in spec.reads},
                options=options,
                files=tuple(self.files(name).values()),
            )
        return self._keys[name]

    def _input(self, name: str, kind: str) -> Path:
        path = {
            "video": self.job.video,
            "speech": self.job.speech,
            "mix": self.job.mix if self.job.mix is not None else self.job.speech,
        }[kind]
        if path is None:
            raise UsageError(f"{name} needs the speech", hint="Give an audio file after the video.")
        return path

    def check_request(self, names: list[str]) -> None:
        """Everything that can be known wrong without reading a file. Raises UsageError."""
        for name, allowed in (("device", checks.DEVICES), ("no_face", ("keep", "error"))):
            if getattr(self.job, name) not in allowed:
                raise UsageError(f"{name} is {getattr(self.job, name)!r}", hint=f"It can be {', '.join(allowed)}.")
        if self.job.threads < 0:
            raise UsageError(f"threads is {self.job.threads}", hint="Give 0 (all cores) or more.")
        for name in names:
            self.options(name)
        if any(self.spec(name).writes_output for name in names):
            checks.check_result_name(self.job)

    def check_inputs(self, names: list[str]) -> None:
        """Reads as much of the given files as tells whether they will do. Raises InputError."""
        self.facts = checks.check_video(self.job.video)
        kinds = {kind for name in names for kind in self.spec(name).inputs}
        if "speech" in kinds:
            checks.check_speech(self._input("sync", "speech"))
        if "mix" in kinds and self.job.mix is not None:
            checks.check_speech(self.job.mix, what="mix")
        for name in names:
            self.spec(name).check(self.job, self.facts, self.options(name))

    def check_weights(self, names: list[str]) -> list[ManifestEntry]:
        """The published weights the stages work with. Raises WeightsError when one is missing, wrong or not allowed."""
        paths = (path for name in names for path in self.spec(name).weights(self.options(name)))
        return checks.check_weights(paths, self.job.commercial_safe)

    # -- what is there ---------------------------------------------------------------------------------------

    def planned(self, name: str) -> PlannedStage:
        """What would be done with the stage."""
        record, key = self.workspace.record(name), self.key(name)
        method = str(getattr(self.options(name), "method", ""))
        if record is None:
            return PlannedStage(name, method, "run", self.workspace.unusable or "not done yet")
        if record.key != key:
            return PlannedStage(name, method, "run", self._difference(name, record))
        if record.state != "done":
            return PlannedStage(name, method, "resume", "was interrupted")
        if self.spec(name).writes_output and not _is_output(record.output, self.job.result()):
            return PlannedStage(name, method, "resume", f"{self.job.result()} is not the result it made")
        return PlannedStage(name, method, "reuse", "nothing it depends on has changed")

    def _difference(self, name: str, record: StageRecord) -> str:
        now = to_plain(asdict(self.options(name)))
        changed = sorted(key for key in now if record.options.get(key) != now[key])
        if changed:
            return f"another {', '.join(changed)}"
        for earlier in self.spec(name).reads:
            if self.planned(earlier).action == "run":
                return f"{earlier} changes"
        return "another input, weights or version"

    # -- what is done ----------------------------------------------------------------------------------------

    def ensure(self, name: str) -> StageResult:
        """Runs the stage if its cache cannot be reused, then checks what its summary tells."""
        planned = self.planned(name)
        self.callback(Event("stage", name, data={"action": planned.action, "reason": planned.reason}))
        began = time.monotonic()
        if planned.action != "reuse":
            self._run(name, resume=planned.action == "resume")
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
        self.callback(
            Event(
                "done",
                name,
                data={"seconds": result.seconds, "summary": result.summary, "action": result.action},
            )
        )
        if name == "detect":
            checks.check_faces(self.job, result.summary)
        return result

    def start_ahead(self, names: list[str]) -> None:
        """Starts, beside the stages to come, what later ones can do before it is their turn."""
        for name in names[1:]:
            if self.spec(name).ahead is not None and self.planned(name).action != "reuse":
                self._ahead_of(name)

    def _ahead_of(self, name: str) -> Callable[[], Any]:
        ahead = self.spec(name).ahead
        if ahead is None:
            return lambda: None
        if name not in self._ahead:
            work, options = ahead, self.options(name)
            self._ahead[name] = start_in_thread(lambda: work(self.job, self.facts, options))
        return self._ahead[name]

    def _run(self, name: str, resume: bool) -> None:
        """Runs the stage to its end, mending broken caches on the way."""
        while True:
            try:
                self._run_once(name, resume)
                return
            except CorruptChunk as error:
                self._mend(error)
                if error.stage == name:
                    return
                resume = True

    def _run_once(self, name: str, resume: bool) -> None:
        spec = self.spec(name)
        record = StageRecord(
            key=self.key(name),
            state="running",
            options=to_plain(asdict(self.options(name))),
            files=self.files(name),
        )
        store = self.workspace.begin(name, record, resume=resume)
        context = self._context(name, store)
        began = time.monotonic()
        with _failures(name):
            summary = spec.run(context, self.options(name))
        self._ahead.pop(name, None)  # not to be kept in memory through the stages to come
        output = None
        if spec.writes_output:
            output = _describe(self.job.result())
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
        spec = self.spec(name)
        summaries = {}
        for earlier in spec.reads:
            record = self.workspace.record(earlier)
            summaries[earlier] = record.summary if record is not None else {}
        return StageContext(
            job=self.job,
            facts=self.facts,
            store=store,
            upstream={earlier: self.workspace.store(earlier) for earlier in spec.reads},
            summaries=summaries,
            device=self.device,
            threads=self.threads,
            metadata=provenance.metadata_tags(self.recipe.name),
            stage=name,
            callback=self.callback,
            cancelled=self.cancelled,
            ahead=self._ahead_of(name),
        )

    def _mend(self, error: CorruptChunk) -> None:
        """Runs the broken stage again: the first time it only fills the gap, the second time from nothing."""
        times = self._mended.get(error.stage, 0) + 1
        if times > MAX_REPAIRS or error.stage not in stages.STAGES:
            raise error
        self._mended[error.stage] = times
        text = f"a cached piece was {error.reason} and is made again: {error.path}"
        self.callback(Event("warn", error.stage, message=text))
        self._run(error.stage, resume=times == 1 and self._dropped(error))

    def _dropped(self, error: CorruptChunk) -> bool:
        """Removes the damaged chunks of the array, so that only they are missing; False if it is lost as a
        whole.
        """
        if error.chunk < 0:
            return False
        try:
            self.workspace.store(error.stage).open(error.array).drop_damaged()
        except CorruptChunk:
            return False
        return True

    def write_provenance(self) -> Path:
        """Writes the sidecar beside the result and returns its path. Raises EnvironmentFailure."""
        return provenance.write_sidecar(self.job, self.recipe.name, self.workspace)


@contextmanager
def open_runner(
    job: Job,
    progress: Callback | None,
    cancelled: Callable[[], bool] | None,
    names: list[str],
    keep_recorded: str | None = None,
) -> Iterator[Runner]:
    """A chain whose request, inputs and output place were found good, with the workspace locked."""
    chain = Runner(job, progress or ignore_event, cancelled, Workspace(job.folder()), keep_recorded)
    chain.check_request(names)
    chain.check_inputs(names)
    if any(chain.spec(name).writes_output for name in names):
        checks.check_place(chain.job.result())
    networks = bool(chain.check_weights(names)) or any(getattr(chain.options(name), "talker", None) for name in names)
    chain.device = checks.choose_device(job.device, networks)
    fresh = not Workspace.is_workspace(chain.workspace.path)
    try:
        with chain.workspace.locked():
            _begun(chain, names)
            chain.start_ahead(names)
            yield chain
            if chain.workspace.digest.changed:
                chain.workspace.save()
    except InputError:
        found = chain.workspace.record("detect")
        if fresh and found is not None and found.state == "done" and not found.summary.get("tracks"):
            chain.workspace.clean()  # made for a video that cannot be dubbed: of no use to anybody
        raise


def _begun(chain: Runner, names: list[str]) -> None:
    """Computes the keys, keeps what is known of the inputs, and tells that the job starts."""
    chain.workspace.facts = to_plain(chain.facts)
    for name in names:
        chain.key(name)
    chain.workspace.save()
    data = {
        "recipe": chain.recipe.name,
        "reason": chain.reason,
        "workspace": str(chain.workspace.path),
        "out": str(chain.job.result()),
        "stages": names,
    }
    chain.callback(Event("start", data=data))
    for note in chain.facts.notes:
        chain.callback(Event("warn", message=note))


def stages_up_to(name: str) -> list[str]:
    """The stage and all it reads, directly or not, in the order of the chain."""
    wanted = {name}
    open_ends = [name]
    while open_ends:
        for earlier in stages.load(open_ends.pop()).reads:
            if earlier not in wanted:
                wanted.add(earlier)
                open_ends.append(earlier)
    return [stage for stage in stages.STAGES if stage in wanted]


@contextmanager
def _failures(name: str) -> Iterator[None]:
    """Turns what the machine says into words; what lipdub says already goes through."""
    try:
        yield
    except LipdubError:
        raise
    except MemoryError as error:
        raise EnvironmentFailure(f"{name} ran out of memory", hint="Close other programs and run again.") from error
    except OSError as error:
        raise wrap_os_error(error, doing=f"go on with {name}, at") from error
    except RuntimeError as error:
        if "out of memory" not in str(error).lower():
            raise
        raise EnvironmentFailure(f"{name} ran out of device memory", hint="Use --device cpu.") from error


def _describe(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"path": str(path.absolute()), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _is_output(known: dict[str, Any] | None, path: Path) -> bool:
    return known is not None and path.exists() and known == _describe(path)
