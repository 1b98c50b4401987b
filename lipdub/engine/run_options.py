"""The options of a whole run, collected from the declarations of the stages and of their methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lipdub import stages
from lipdub.options import Option, options_of
from lipdub.stages.method import option_classes

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class RunOption:
    """One option of a whole run.

    Attributes:
        name: As in ``lipdub.dub(name=value)``.
        option: The first declaration that has flags in a run.
        owners: The stages that declare it with such flags, and the name of the field there. A method that does not
            take the option is an error.
        receivers: The stages that only receive its value, where their method takes it, and the name of the field.
    """

    name: str
    option: Option
    owners: dict[str, str]
    receivers: dict[str, str]


def run_options() -> dict[str, RunOption]:
    """Return the options of a whole run by name, in the order of the stages.

    Raises:
        ValueError: Two declarations of one name differ.
    """
    found: dict[str, RunOption] = {}
    declared = list(_iter_declarations())
    for stage, option in declared:
        if not option.run_flags:
            continue
        item = found.setdefault(option.run_name, RunOption(option.run_name, option, {}, {}))
        if item.option.declared != option.declared:
            raise ValueError(f"the option {option.run_name!r} is declared twice, differently (in {stage})")
        item.owners[stage] = option.name
    for stage, option in declared:
        if not option.run_flags and option.run_name in found:
            found[option.run_name].receivers[stage] = option.name
    return found


def _iter_declarations() -> Iterator[tuple[str, Option]]:
    for stage in stages.STAGES:
        for kind in option_classes(stages.load(stage)):
            for option in options_of(kind):
                yield stage, option
