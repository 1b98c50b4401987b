"""From a job to what exactly is to be done: the recipe, each stage's options, files and key, the device.

Everything that can be wrong is found here, before any stage runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lipdub import stages
from lipdub.engine import checks
from lipdub.errors import UsageError
from lipdub.parallel import count_cores
from lipdub.stages.method import build_options, flatten_options, known_names
from lipdub.workspace.json_values import to_plain
from lipdub.workspace.keys import stage_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lipdub.engine.recipes import Recipe
    from lipdub.media.probe import MediaFacts
    from lipdub.stages.base import StageSpec
    from lipdub.stages.job import Job
    from lipdub.workspace.folder import Workspace


@dataclass(frozen=True)
class ResolvedStage:
    """One stage with everything that decides its result.

    Attributes:
        spec: The stage.
        options: Its options, nothing of them open any more.
        files: Path to digest of each weight file and each other file the options need.
        key: Of its cache.
    """

    spec: StageSpec
    options: Any
    files: Mapping[str, str]
    key: str

    def flat_options(self) -> dict[str, Any]:
        """Return the options as plain values, those of the method among them."""
        values: dict[str, Any] = to_plain(flatten_options(self.options))
        return values


@dataclass(frozen=True)
class ResolvedJob:
    """A job of which nothing is open any more.

    Attributes:
        job: The job, with its result and its workspace named.
        recipe: The recipe.
        reason: Why it was taken, in one line.
        facts: Of the source.
        device: "cpu", "cuda" or "mps".
        threads: Processor threads, at least 1.
        stages: The stages to run by name, in the order of the chain.
    """

    job: Job
    recipe: Recipe
    reason: str
    facts: MediaFacts
    device: str
    threads: int
    stages: Mapping[str, ResolvedStage]

    @property
    def writes_output(self) -> bool:
        """Whether one of the stages leaves a result."""
        return any(stage.spec.writes_output for stage in self.stages.values())


def resolve(
    job: Job,
    names: Sequence[str],
    workspace: Workspace,
    recipe: Recipe,
    reason: str,
    *,
    alone: str | None = None,
    facts: MediaFacts | None = None,
) -> ResolvedJob:
    """Resolve a job for some of the stages. Reads the inputs, writes nothing.

    Args:
        job: The job.
        names: The stages, in the order of the chain, each with all it reads.
        workspace: Where the records of earlier runs lie.
        recipe: Names the method of each stage, where the job does not.
        reason: Why this recipe.
        alone: The stage asked for alone. Stages before it keep the options they were last run with.
        facts: Of the source, where they are known already; probing reads the whole file.

    Raises:
        UsageError: The options do not go together, or the result's name will not do.
        InputError: A file will not do.
        WeightsError: Weights are missing, wrong or not allowed.
        EnvironmentFailure: The device or a package is missing.
    """
    job = replace(job, out=job.result(), workspace=job.folder())
    _check_job(job)
    specs = {name: stages.load(name) for name in names}

    def digest_of_video() -> str:
        checks.check_video(job.video)
        return workspace.digest(job.video)

    options = {}
    for name, spec in specs.items():
        built = build_options(spec, _merge_values(job, spec, recipe, workspace, alone), job.inherited.get(name))
        options[name] = spec.resolve(built, job, digest_of_video)
    _check_methods(specs, options)
    for name, spec in specs.items():
        if spec.writes_output:
            checks.check_result_name(job, workspace.record(name))
    facts = _check_inputs(job, specs, options, facts)
    weights = {name: spec.weights(options[name]) for name, spec in specs.items()}
    published = checks.check_weights((path for paths in weights.values() for path in paths), job.commercial_safe)
    uses_networks = bool(published) or any(spec.uses_networks(options[name]) for name, spec in specs.items())
    resolved: dict[str, ResolvedStage] = {}
    for name, spec in specs.items():
        paths = [*weights[name], *spec.files(options[name])]
        files = {str(path): workspace.digest(Path(path)) for path in paths}
        key = _key(job, spec, options[name], files, resolved, workspace)
        resolved[name] = ResolvedStage(spec, options[name], MappingProxyType(files), key)
    return ResolvedJob(
        job=job,
        recipe=recipe,
        reason=reason,
        facts=facts,
        device=checks.choose_device(job.device, uses_networks),
        threads=job.threads or count_cores(),
        stages=MappingProxyType(resolved),
    )


def stages_up_to(name: str) -> list[str]:
    """Return the stage and all it reads, directly or not, in the order of the chain."""
    needed = {name}
    open_ends = [name]
    while open_ends:
        for earlier in stages.load(open_ends.pop()).reads:
            if earlier not in needed:
                needed.add(earlier)
                open_ends.append(earlier)
    return [stage for stage in stages.STAGES if stage in needed]


def _check_job(job: Job) -> None:
    for name, allowed in (("device", checks.DEVICES), ("no_face", ("keep", "error"))):
        if getattr(job, name) not in allowed:
            raise UsageError(f"{name} is {getattr(job, name)!r}", hint=f"It can be {', '.join(allowed)}.")
    if job.threads < 0:
        raise UsageError(f"threads is {job.threads}", hint="Give 0 (all cores) or more.")


def _merge_values(job: Job, spec: StageSpec, recipe: Recipe, workspace: Workspace, alone: str | None) -> dict[str, Any]:
    """Return the recipe's method, what an earlier run recorded if that counts, and what the job says, in this order."""
    values: dict[str, Any] = {}
    if spec.name in recipe.methods:
        values["method"] = recipe.methods[spec.name]
    record = workspace.record(spec.name)
    given = job.options.get(spec.name, {})
    if alone not in (None, spec.name) and record is not None:
        method = given.get("method", record.options.get("method"))
        known = known_names(spec, method)  # an earlier version may have recorded others
        values.update({name: value for name, value in record.options.items() if name in known})
    values.update(given)
    return values


def _check_methods(specs: Mapping[str, StageSpec], options: Mapping[str, Any]) -> None:
    """Check that each method can work with what the methods before it make."""
    for name, spec in specs.items():
        if spec.methods is None:
            continue
        method = spec.methods.get(options[name].method)
        for earlier, allowed in method.works_after.items():
            chosen = options[earlier].method
            if chosen not in allowed:
                raise UsageError(
                    f"{name}'s method {method.name} needs the references of {earlier}'s method {allowed[0]}, "
                    f"not {chosen}",
                    hint=f"Choose a recipe that has both, or run lipdub {earlier} --method {allowed[0]} first.",
                )


def _check_inputs(
    job: Job, specs: Mapping[str, StageSpec], options: Mapping[str, Any], facts: MediaFacts | None
) -> MediaFacts:
    """Read as much of the given files as tells whether they will do."""
    facts = facts if facts is not None else checks.check_video(job.video)
    readers = {kind: name for name, spec in reversed(list(specs.items())) for kind in spec.inputs}
    if "speech" in readers:
        checks.check_speech(_input(job, "speech", readers["speech"]))
    if "mix" in readers and job.mix is not None:
        checks.check_speech(job.mix, what="mix")
    for name, spec in specs.items():
        spec.check(job, facts, options[name])
    return facts


def _input(job: Job, kind: str, stage: str) -> Path:
    path = {"video": job.video, "speech": job.speech, "mix": job.mix if job.mix is not None else job.speech}[kind]
    if path is None:
        raise UsageError(f"{stage} needs the speech", hint="Give an audio file after the video.")
    return path


def _key(
    job: Job,
    spec: StageSpec,
    options: Any,
    files: Mapping[str, str],
    earlier: Mapping[str, ResolvedStage],
    workspace: Workspace,
) -> str:
    values = to_plain(flatten_options(options))
    if spec.writes_output:
        values["container"] = job.result().suffix.lower()
    return stage_key(
        stage=spec.name,
        version=spec.version,
        inputs={kind: workspace.digest(_input(job, kind, spec.name)) for kind in spec.inputs},
        upstream={name: earlier[name].key for name in spec.reads},
        options=values,
        files=tuple(files.values()),
    )
