"""`lipdub weights`: the store of published weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lipdub.cli.context import GlobalOptions, command

if TYPE_CHECKING:
    from lipdub.errors import LipdubError
    from lipdub.weights.manifest import ManifestEntry
    from lipdub.weights.store import VerifiedWeights

app = typer.Typer(help="Fetch, add and verify published weights.", no_args_is_help=True)

_NAME_HELP = "Names from lipdub weights list."
_Names = Annotated[list[str], typer.Argument(metavar="NAME...", help=_NAME_HELP)]
_CommercialSafe = Annotated[
    bool,
    typer.Option("--commercial-safe", help="Only weights that are known to allow commercial use.", show_default=False),
]
_COMMERCIAL = {True: "yes", False: "no", None: "unclear"}
_COLUMNS = ("name", "there", "megabytes", "used_by", "commercial", "licence")


@app.callback()
def _root() -> None:
    pass


@app.command("list")
@command
def list_(manner: GlobalOptions, commercial_safe: _CommercialSafe = False) -> None:
    """List all published weights that lipdub knows, and your own models.

    The table shows which weights are in the store, their size, and their licence.
    """
    from lipdub.cli.tables import as_table
    from lipdub.errors import printable
    from lipdub.weights import manifest, user_models
    from lipdub.weights.store import WeightsStore

    store = WeightsStore()
    known = [entry for entry in manifest.list_entries() if entry.commercial or not commercial_safe]
    rows = [{**_describe_entry(entry), "there": store.has(entry)} for entry in known]
    models = user_models.describe_models()
    if manner.json:
        manner.result({"folder": store.folder if store.has_folder else None, "weights": rows, "trained": models})
        return
    for row in rows:
        row["megabytes"] = None if row["bytes"] is None else round(row["bytes"] / 1e6)
        row["commercial"] = _COMMERCIAL[row["commercial"]]
    table = as_table([{name: row[name] for name in _COLUMNS} for row in rows]) or "none"
    lines = [f"own model {printable(name)!r} {description}" for name, description in models.items()]
    manner.result(None, "\n".join([table, *lines]))


@app.command("pull")
@command
def pull(
    manner: GlobalOptions,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help=_NAME_HELP)] = None,
    user: Annotated[
        str | None, typer.Option("--for", metavar="NAME", help="All weights that a recipe or command uses.")
    ] = None,
    commercial_safe: _CommercialSafe = False,
) -> None:
    """Fetch weights from where they were published. Interrupted downloads resume."""
    from lipdub.cli.progress import show_progress
    from lipdub.errors import LipdubError, UsageError
    from lipdub.weights import manifest
    from lipdub.weights.store import WeightsStore

    wanted = [manifest.find_entry(name) for name in names or ()] + (manifest.find_entries_for(user) if user else [])
    entries = list({entry.name: entry for entry in wanted}.values())
    if not entries:
        raise UsageError("no weights to fetch were named", hint="Give names, or --for and a recipe.")
    for entry in entries:
        manifest.check_licence(entry, commercial_safe)
    store, verified, failures = WeightsStore(), [], []
    with show_progress(manner) as progress:
        for entry in entries:
            manner.note(f"{entry.name}: {entry.licence}")
            try:
                verified.append(store.pull(entry, progress))
            except LipdubError as error:  # the others are fetched nevertheless
                failures.append(error)
    _report(manner, verified)
    _raise_first(failures, len(failures) + len(verified))


@app.command("add")
@command
def add(
    manner: GlobalOptions,
    places: Annotated[
        list[Path], typer.Argument(metavar="PLACE...", help="Files of weights, or folders with such files.")
    ],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Name of the weights, if the file does not show it.")
    ] = None,
    own: Annotated[
        bool, typer.Option("--own", help="The file is not the published one, but your own weights for that network.")
    ] = False,
    commercial_safe: _CommercialSafe = False,
) -> None:
    """Copy weights that you have into the store. Files are identified by their digest or their contents."""
    from lipdub.errors import UsageError, WeightsError, printable
    from lipdub.weights import manifest
    from lipdub.weights.identify import check_claim, find_candidates, identify_file
    from lipdub.weights.store import WeightsStore

    store, verified, skipped = WeightsStore(), [], []
    if name is not None and (len(places) > 1 or places[0].is_dir()):
        raise UsageError("--as names one file, but several places were given")
    if own and name is None:
        raise UsageError("--own needs --as NAME", hint="See lipdub weights list.")
    for place in places:
        for path in find_candidates(place) if place.is_dir() else [place]:
            try:
                if name is None:
                    entry = identify_file(path, store)
                else:
                    entry = manifest.find_entry(name)
                    check_claim(path, entry, own=own)
                manifest.check_licence(entry, commercial_safe)
                verified.append(store.add(entry, path, own=own))
            except (WeightsError, UsageError) as error:
                if not place.is_dir():
                    raise
                skipped.append({"file": str(path), "reason": error.what})
                manner.note(f"skipped {printable(path)}: {error.what}")
    if not verified:
        raise WeightsError("there are no weights that lipdub knows", hint="See lipdub weights list.")
    _report(manner, verified, passed_over=skipped)


@app.command("verify")
@command
def verify(
    manner: GlobalOptions,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help=_NAME_HELP, show_default="all in the store"),
    ] = None,
) -> None:
    """Check that the weights in the store are the published ones. Exit code 4 if some are not."""
    from lipdub.errors import LipdubError
    from lipdub.weights import manifest
    from lipdub.weights.store import WeightsStore

    store, verified, failures = WeightsStore(), [], []
    entries = [manifest.find_entry(name) for name in names or ()] or [
        entry for entry in manifest.list_entries() if store.place(entry).is_file()
    ]
    for entry in entries:
        try:
            verified.append(store.verify(entry))
        except LipdubError as error:
            failures.append(error)
    _report(manner, verified)
    _raise_first(failures, len(entries))


@app.command("remove")
@command
def remove(manner: GlobalOptions, names: _Names) -> None:
    """Remove weights from the store, and the digests noted for them."""
    from lipdub.weights import manifest
    from lipdub.weights.store import WeightsStore

    store = WeightsStore()
    freed = {entry.name: store.remove(entry) for entry in [manifest.find_entry(name) for name in names]}
    rows = [{"name": name, "bytes": size} for name, size in freed.items()]
    lines = [f"removed {name}  {size / 1e6:.1f} MB" for name, size in freed.items()]
    manner.result({"removed": rows}, "\n".join(lines))


@app.command("where")
@command
def where(
    manner: GlobalOptions,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A name from lipdub weights list.")] = None,
) -> None:
    """Show the store's folder, or the path of one file in it."""
    from lipdub.errors import printable
    from lipdub.weights import manifest
    from lipdub.weights.store import WeightsStore

    store = WeightsStore()
    if name is None:
        manner.result({"folder": store.folder}, printable(store.folder))
        return
    entry = manifest.find_entry(name)
    place = store.place(entry)
    manner.result({"name": entry.name, "path": place, "there": store.has(entry)}, printable(place))


def _describe_entry(entry: ManifestEntry) -> dict[str, Any]:
    names = ("name", "file", "used_by", "bytes", "sha256", "licence", "commercial", "source", "note")
    return {name: getattr(entry, name) for name in names}


def _report(manner: GlobalOptions, verified: list[VerifiedWeights], **more: Any) -> None:
    """Give the result of a command that ends with verified files."""
    from lipdub.errors import printable

    rows = [
        {
            "name": item.entry.name,
            "path": item.path,
            "sha256": item.sha256,
            "pinned": item.pinned,
            "pinned_now": item.new,
            "licence": item.entry.licence,
        }
        for item in verified
    ]
    for item in verified:
        if item.trust_note and (item.new or manner.verbose):
            manner.note(f"note: {item.trust_note}")
    if verified or manner.json:
        lines = [f"{item.entry.name}  {printable(item.path)}" for item in verified]
        manner.result({"weights": rows, **more}, "\n".join(lines))


def _raise_first(failures: list[LipdubError], count: int) -> None:
    if not failures:
        return
    first = failures[0]
    if len(failures) > 1:
        first.hint = f"{len(failures)} of {count} failed; this is the first. {first.hint}"
    raise first
