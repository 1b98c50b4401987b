"""`lipdub manual`: shows the pages of the manual."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from lipdub.cli.context import GlobalOptions, command

#: Each page in the order of reading, and one line. Its text is `lipdub/manual/NAME.md`.
PAGES = {
    "usage": "Dub a video: the command run, its options, inspection, stages one by one.",
    "transcripts": "How lipdub hears the speech, and how a transcript helps.",
    "scoring": "Measure a result: the rows of a score, thresholds, the report.",
    "lips": "Export what the lips do in a speech.",
    "recipes-and-weights": "Recipes, methods, and the published weights that some of them need.",
    "adapt-and-train": "Adapt a model to one person, prepare datasets, train networks.",
    "scripting": "JSON output, exit codes, and lipdub as a Python library.",
    "workspace": "The folder of caches: what is reused, and what is done again.",
    "benchmarks": "Figures that were measured, and what was not tested.",
    "architecture": "The chain of stages, the floors of the code, where things are.",
    "adding-a-method": "Add a sync method, detector, restorer, metric or another part.",
    "changes": "What changed since version 0.1.0.",
}
_GLOBAL_PANEL = "Global options"
_PAGE_METAVAR = "[PAGE]"


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("manual")(manual)


@command
def manual(
    manner: GlobalOptions,
    page: Annotated[
        str | None, typer.Argument(metavar=_PAGE_METAVAR, help="Name of the page. Without it, all pages are listed.")
    ] = None,
) -> None:
    """Show a page of the manual, or list the pages."""
    if page is None:
        width = max(map(len, PAGES))
        listing = "\n".join(f"{name:{width}}  {summary}" for name, summary in PAGES.items())
        rows = [{"name": name, "summary": summary} for name, summary in PAGES.items()]
        manner.result({"pages": rows}, f"{listing}\n\nlipdub manual PAGE shows a page.")
        return
    text = render_page(page)
    if not manner.json and not manner.quiet and sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
        return
    manner.result({"page": page, "text": text}, text)


def read_page(name: str) -> str:
    """Return the Markdown of a page, with placeholders where its tables belong.

    Raises:
        UsageError: There is no such page.
    """
    if name not in PAGES:
        from lipdub.errors import UsageError

        raise UsageError(f"the manual has no page {name!r}", hint=f"Its pages are {', '.join(PAGES)}.")
    return files("lipdub").joinpath("manual", f"{name}.md").read_text(encoding="utf-8")


def render_page(name: str) -> str:
    """Return the Markdown of a page, its tables included.

    Raises:
        UsageError: There is no such page.
    """
    from lipdub.engine.manual_tables import fill_tables

    text = read_page(name)
    return fill_tables(text, make_tables())


def make_tables() -> dict[str, Callable[[], str]]:
    """Return the functions that render the manual's tables, by placeholder."""
    from lipdub.cli.app import COMMANDS
    from lipdub.engine.manual_tables import list_tables
    from lipdub.scoring.metric_table import render_metric_table

    tables = list_tables()
    tables |= {
        f"options of {name}": partial(_render_command_options, name)
        for name in COMMANDS
        if f"options of {name}" not in tables
    }
    return tables | {
        "metrics": render_metric_table,
        "trainables": _render_trainables,
        "renamed rows": _render_renamed_rows,
        "job options": _render_job_options,
        "global options": _render_global_options,
        "commands": _render_commands,
        "pages": lambda: _format(("Page", "What it tells"), [(f"`{n}`", text) for n, text in PAGES.items()]),
    }


def walk_commands(*names: str) -> Iterator[tuple[str, Any]]:
    """Yield the full name of each command that can be called, such as "weights pull", and the command.

    Args:
        *names: Commands and groups; by default all.
    """
    from typer.main import get_command

    from lipdub.cli.app import COMMANDS, app

    group: Any = get_command(app)
    for name in names or COMMANDS:
        yield from _walk(name, group.get_command(None, name))


def visible_options(parsed_command: Any) -> Iterator[Any]:
    """Yield the options of a command that its help shows, without `--help`."""
    for parameter in parsed_command.params:
        if parameter.param_type_name == "option" and not parameter.hidden and "--help" not in parameter.opts:
            yield parameter


def _walk(name: str, item: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(item, "commands"):
        for inner, inner_command in item.commands.items():
            yield from _walk(f"{name} {inner}", inner_command)
    else:
        yield name, item


def _render_commands() -> str:
    from lipdub.cli.app import COMMANDS

    return _format(("Command", "What it does"), [(f"`{name}`", summary) for name, (_, summary) in COMMANDS.items()])


def _render_command_options(name: str) -> str:
    """Render the options of a command, or of all commands of a group with a column that names them."""
    members = list(walk_commands(name))
    users: dict[tuple[str, ...], list[str]] = {}
    defaults: dict[tuple[str, ...], set[str]] = {}
    for path, item in members:
        for parameter in visible_options(item):
            if parameter.rich_help_panel != _GLOBAL_PANEL:
                key, default = _describe(parameter)[:-1], _describe(parameter)[-1]
                users.setdefault(key, []).append(f"`{path.removeprefix(name).strip()}`")
                defaults.setdefault(key, set()).add(default)
    if not users:
        return "This command has no options of its own."
    rows = []
    for key, names in users.items():
        default = next(iter(defaults[key])) if len(defaults[key]) == 1 else "depends on the command"
        rows.append((*key, default, "all" if len(names) == len(members) else ", ".join(names)))
    if len(members) == 1:
        return _format(("Option", "What it does", "Values", "Default"), [row[:-1] for row in rows])
    return _format(("Option", "What it does", "Values", "Default", "Commands"), rows)


def _render_job_options() -> str:
    from lipdub.engine.run_options import run_options

    declared = {flag for item in run_options().values() for flags in item.option.run_flags for flag in flags.split("/")}
    run = dict(walk_commands("run"))["run"]
    rows = [
        _describe(parameter)
        for parameter in visible_options(run)
        if parameter.rich_help_panel != _GLOBAL_PANEL and not declared & set(parameter.opts)
    ]
    return _format(("Option", "What it does", "Values", "Default"), rows)


def _render_global_options() -> str:
    run = dict(walk_commands("run"))["run"]
    rows = [_describe(item) for item in visible_options(run) if item.rich_help_panel == _GLOBAL_PANEL]
    return _format(("Option", "What it does", "Values", "Default"), rows)


def _render_trainables() -> str:
    from lipdub.training.registry import TRAINABLES

    rows = [
        (f"`{name}`", item.summary, ", ".join(f"`--{key.replace('_', '-')}`" for key in item.required))
        for name, item in TRAINABLES.items()
    ]
    return _format(("Network", "What the training does", "Needs"), rows)


def _render_renamed_rows() -> str:
    from lipdub.scoring.rows import OLD_IDS

    return _format(("0.1.0", "Now"), [(f"`{old}`", f"`{new}`") for old, new in OLD_IDS.items()])


def _describe(parameter: Any) -> tuple[str, ...]:
    """Describe an option: flags, help, values, default."""
    flags = ", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    if not parameter.show_default or parameter.is_flag or default is None:
        default = ""
    return (
        flags,
        parameter.help or "",
        _describe_values(parameter),
        f"{default:g}" if isinstance(default, float) else str(default),
    )


def _describe_values(parameter: Any) -> str:
    """Describe the values of an option. Typer before 0.20 has them in the parameter's type, later versions do not."""
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    old_type = getattr(parameter, "type", None)
    choices = get_args(annotation) if get_origin(annotation) is Literal else getattr(old_type, "choices", ())
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    low, high = (getattr(parameter, key, getattr(old_type, key, None)) for key in ("min", "max"))
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return f"at most {high:g}" if high is not None else parameter.metavar or ""


def _format(heading: tuple[str, ...], rows: Any) -> str:
    from lipdub.engine.manual_tables import format_table

    return format_table(heading, rows)
