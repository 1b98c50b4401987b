"""Methods: one way to do a stage each, as objects in the registries of the stages.

A method is one file and one line. The file holds a subclass of :class:`Method` (or of the stage's own subclass of it)
and an instance called ``METHOD``; the line registers it by path in the ``METHODS`` of the stage's package. The engine,
the command line, the manual and the contract tests ask the object for all they need to know.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from lipdub.errors import UsageError
from lipdub.options import options_of
from lipdub.stages.inference_options import resolve_inference_options
from lipdub.stages.stage_options import NoOptions
from lipdub.weights.requirement import NOTHING, Requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lipdub.media.probe import MediaFacts
    from lipdub.registry import Registry
    from lipdub.stages.base import StageSpec
    from lipdub.stages.job import Job


class Method:
    """One way to do a stage.

    Attributes:
        name: As on the command line.
        summary: One line for the help and the manual.
        options: The frozen dataclass of its own options. Every field has a default and enters the cache key.
        weights: The published networks it cannot do without.
        uses_networks: Whether it computes with networks, so that a device and a precision mean something.
        works_after: Stage name to the methods of that stage it can work with. A stage left out may use any.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[type] = NoOptions
    weights: ClassVar[Requirement] = NOTHING
    uses_networks: ClassVar[bool] = False
    works_after: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})

    def weight_files(self, options: Any) -> list[Path]:
        """Return the verified weight files that ``options`` (the stage's) need.

        Raises:
            WeightsError: One is missing or wrong.
        """
        from lipdub.weights.store import WeightsStore

        return list(self.weights.paths(WeightsStore()))

    def input_files(self, options: Any) -> list[Path]:
        """Return other files that ``options`` name and whose content matters, such as a picture."""
        return []

    def check(self, job: Job, facts: MediaFacts, options: Any) -> None:
        """Find what can be known wrong before any stage runs.

        Raises:
            UsageError: The options do not go together.
            InputError: A file that ``options`` name will not do.
        """

    def is_ready(self, job: Job, digest: Callable[[], str]) -> bool:
        """Return whether its weights are installed and allowed for this job, as the recipe `auto` asks.

        Args:
            job: The job.
            digest: Returns the digest of the video's content. Called only where it decides.
        """
        from lipdub.weights import manifest
        from lipdub.weights.store import WeightsStore

        store = WeightsStore()
        if not self.weights.is_available(store):
            return False
        entries = [manifest.find_entry(name) for name in self.weights.names]
        allowed = (item.commercial is True or store.is_own(item) for item in entries if store.has(item))
        return not job.commercial_safe or all(allowed)

    def resolve(self, options: Any, job: Job, digest: Callable[[], str]) -> Any:
        """Return ``options`` with everything that depends on the video or the machine decided.

        Args:
            options: The stage's options.
            job: The job.
            digest: Returns the digest of the video's content. Called only where it decides.
        """
        return options


def build_options(spec: StageSpec, values: Mapping[str, Any], inherited: Mapping[str, Any] | None = None) -> Any:
    """Build a stage's options from flat values, those of the method's own options among them.

    Args:
        spec: The stage.
        values: Field name to value. Former names of fields are understood.
        inherited: Values given for another stage that this one shares, taken where the method has such a field.

    Raises:
        UsageError: A name is unknown, belongs to another method, or a value will not do.
    """
    kind, methods = spec.options, spec.methods
    given = {**(inherited or {}), **_rename_former(spec, values)}
    base = {item.name for item in fields(kind)} - {"own"}
    own_kind: type = NoOptions
    method = str(given.get("method", next((item.default for item in fields(kind) if item.name == "method"), "")))
    if methods is not None:
        own_kind = methods.get(method).options
    own_fields = {item.name for item in fields(own_kind)}
    for name in list(given):
        if name in base or name in own_fields:
            continue
        if name not in values and name in (inherited or {}):
            del given[name]
        else:
            _refuse(spec, name, method, base | own_fields)
    try:
        own = own_kind(**{name: given[name] for name in own_fields & given.keys()})
        return kind(**{name: given[name] for name in base & given.keys()}, **({"own": own} if methods else {}))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{spec.name}: {error}") from error


def flatten_options(options: Any) -> dict[str, Any]:
    """Return a stage's options as one flat mapping, the method's own among them."""
    values = asdict(options)
    return {**values, **values.pop("own", {})} if "own" in values else values


def _rename_former(spec: StageSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    declared = [item for kind in option_classes(spec) for item in options_of(kind)]
    former = {old: item.name for item in declared for old in item.declared.old_names}
    return {former.get(name, name): value for name, value in values.items()}


def option_classes(spec: StageSpec) -> list[type]:
    """Return the stage's options class and those of all its methods, without repetition."""
    own = [method.options for _, method in spec.methods.items()] if spec.methods is not None else []
    return list(dict.fromkeys([spec.options, *own]))


def known_names(spec: StageSpec, method: str | None) -> set[str]:
    """Return the names of the stage's options with this method, former names included.

    Args:
        spec: The stage.
        method: Name of the method; None or an unknown one for the stage's own options alone.
    """
    kinds = [spec.options]
    if spec.methods is not None and method is not None and method in spec.methods:
        kinds.append(spec.methods.get(method).options)
    names = {item.name for kind in kinds for item in fields(kind)} - {"own"}
    return names | {old for kind in kinds for item in options_of(kind) for old in item.declared.old_names}


def _refuse(spec: StageSpec, name: str, method: str, known: set[str]) -> None:
    takers = _takers(spec.methods, name)
    if takers:
        flag = f"--{name.replace('_', '-')}"
        raise UsageError(
            f"{flag} is for {spec.name}'s method {' or '.join(takers)}, not for {method}",
            hint=f"Choose a recipe with that method, or leave {flag} out.",
        )
    raise UsageError(f"{spec.name} has no option {name!r}", hint=f"It has {', '.join(sorted(known))}.")


def _takers(methods: Registry[Method] | None, name: str) -> list[str]:
    if methods is None:
        return []
    return [key for key, method in methods.items() if name in {item.name for item in fields(method.options)}]


def make_spec(name: str, methods: Registry[Any], **declared: Any) -> StageSpec:
    """Make the specification of a stage whose work its methods do.

    Args:
        name: The stage's name.
        methods: The registry of its methods.
        **declared: The other fields of :class:`lipdub.stages.base.StageSpec`.
    """
    from lipdub.stages.base import StageSpec

    def method(options: Any) -> Method:
        found: Method = methods.get(options.method)
        return found

    def resolve(options: Any, job: Job, digest: Callable[[], str]) -> Any:
        options = method(options).resolve(options, job, digest)
        return resolve_inference_options(options, uses_networks=method(options).uses_networks)

    fields_of_spec: dict[str, Any] = {
        "weights": lambda options: method(options).weight_files(options),
        "files": lambda options: method(options).input_files(options),
        "check": lambda job, facts, options: method(options).check(job, facts, options),
        "resolve": resolve,
        "uses_networks": lambda options: method(options).uses_networks,
    }
    return StageSpec(name=name, methods=methods, **{**fields_of_spec, **declared})
