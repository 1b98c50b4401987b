"""Reference tables of the manual, made from the registries and from the declarations of options.

A page has a line ``<!-- table: NAME -->`` where a table belongs. `fill_tables` puts the table after that line.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from lipdub import stages
from lipdub.blending import BLENDERS
from lipdub.engine.recipes import RECIPES
from lipdub.engine.run_options import run_options
from lipdub.faces.detectors import DETECTORS
from lipdub.faces.masks import MASKS
from lipdub.options import options_of
from lipdub.stages.method import option_classes
from lipdub.weights import manifest
from lipdub.weights.requirement import AllOf, AnyOf, Published, Requirement, Shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lipdub.options import Option

PLACEHOLDER = re.compile(r"^<!-- table: (.+?) -->$", flags=re.MULTILINE)
_COMMERCIAL = {True: "yes", False: "no", None: "unclear"}


def fill_tables(text: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with a table in place of each placeholder.

    Args:
        text: Markdown.
        tables: Name of a placeholder to the function that renders its table.

    Raises:
        KeyError: No table has the name of a placeholder.
    """
    return PLACEHOLDER.sub(lambda found: tables[found.group(1)](), text)


def format_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table. Bars within cells are escaped."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def list_tables() -> dict[str, Callable[[], str]]:
    """Return the functions that render the tables of the engine and of the floors below it, by placeholder."""
    tables: dict[str, Callable[[], str]] = {
        "stages": render_stages,
        "recipes": render_recipes,
        "run options": render_run_options,
        "detectors": partial(_render_described, "Detector", DETECTORS),
        "masks": partial(_render_described, "Mask", MASKS),
        "blenders": partial(_render_described, "Blender", BLENDERS),
        "weights": render_weights,
    }
    for name in stages.STAGES:
        tables[f"options of {name}"] = partial(render_stage_options, name)
        if stages.load(name).methods is not None:
            tables[f"methods of {name}"] = partial(_render_described, "Method", stages.load(name).methods)
    return tables


def render_stages() -> str:
    """Return the table of the stages: name, summary, inputs, stages read, methods."""
    rows = []
    for name in stages.STAGES:
        spec = stages.load(name)
        rows.append((f"`{name}`", spec.summary, ", ".join(spec.inputs), ", ".join(spec.reads)))
    return format_table(("Stage", "What it does", "Files", "Reads"), rows)


def render_recipes() -> str:
    """Return the table of the recipes: name, summary, the method of each stage, published weights."""
    rows = []
    for name, recipe in RECIPES.items():
        methods = [f"{stage}: `{method}`" for stage, method in recipe.methods.items() if stage in stages.STAGES]
        rows.append((f"`{name}`", recipe.summary, ", ".join(methods), _recipe_weights(recipe.methods)))
    return format_table(("Recipe", "What it is", "Methods", "Published weights"), rows)


def render_run_options() -> str:
    """Return the table of the options of a run that its stages declare."""
    rows = [
        (
            _join_code(item.option.run_flags),
            item.option.declared.help,
            _describe_values(item.option),
            _describe_default(item.option),
            f"`{name}`",
            ", ".join(item.owners),
        )
        for name, item in run_options().items()
    ]
    return format_table(("Option", "What it does", "Values", "Default", "In Python", "Stage"), rows)


def render_stage_options(stage: str) -> str:
    """Return the table of the options of a stage and of its methods.

    Args:
        stage: Name of the stage.
    """
    spec = stages.load(stage)
    rows: dict[str, tuple[str, ...]] = {}
    for kind in option_classes(spec):
        users = [] if kind is spec.options or spec.methods is None else _list_users(spec.methods, kind)
        for option in options_of(kind):
            if option.declared.flags and option.name not in rows:
                flags = _join_code(option.declared.flags)
                rows[option.name] = (
                    flags,
                    option.declared.help,
                    _describe_values(option),
                    _describe_default(option),
                    ", ".join(users) or "all",
                )
    return format_table(("Option", "What it does", "Values", "Default", "Methods"), rows.values())


def render_weights() -> str:
    """Return the table of the published weights that lipdub knows."""
    rows = []
    for entry in manifest.list_entries():
        size = "" if entry.bytes is None else f"{entry.bytes / 1e6:.0f} MB"
        users = ", ".join(f"`{user}`" for user in entry.used_by)
        rows.append((f"`{entry.name}`", users, size, entry.licence, _COMMERCIAL[entry.commercial]))
    return format_table(("Name", "Used by", "Size", "Licence", "Commercial use"), rows)


def describe_requirement(requirement: Requirement) -> str:
    """Return which weights a method needs, in words: ``wav2lip-gan or wav2lip``; empty for none."""
    if isinstance(requirement, Published):
        return f"`{requirement.name}`"
    if isinstance(requirement, AllOf | AnyOf):
        parts = [text for text in map(describe_requirement, requirement.members) if text]
        return (", " if isinstance(requirement, AllOf) else " or ").join(parts)
    if isinstance(requirement, Shipped):
        return "shipped with lipdub"
    return _join_code(requirement.names)


def _render_described(kind: str, registry: Any) -> str:
    rows = []
    for name, item in registry.items():
        requirement = getattr(item, "weights", None)
        needs = describe_requirement(requirement) if isinstance(requirement, Requirement) else ""
        rows.append((f"`{name}`", item.summary[:1].upper() + item.summary[1:], needs or "none"))
    return format_table((kind, "What it is", "Weights"), rows)


def _recipe_weights(methods: Mapping[str, str]) -> str:
    needs = []
    for stage, name in methods.items():
        registry = stages.load(stage).methods if stage in stages.STAGES else None
        if registry is not None and registry.get(name).weights.names:
            needs.append(describe_requirement(registry.get(name).weights))
    return ", ".join(dict.fromkeys(needs)) or "none"


def _list_users(methods: Any, kind: type) -> list[str]:
    return [f"`{name}`" for name, method in methods.items() if method.options is kind]


def _describe_values(option: Option) -> str:
    declared = option.declared
    if option.choices:
        return _join_code(option.choices)
    if option.range_text:
        return option.range_text
    if option.value_type is bool:
        return ""
    return declared.metavar or {"int": "whole number", "float": "number"}.get(option.value_type.__name__, "")


def _describe_default(option: Option) -> str:
    return "on" if option.default is True else option.default_text


def _join_code(parts: Iterable[str]) -> str:
    return ", ".join(f"`{part}`" for text in parts for part in str(text).split("/"))
