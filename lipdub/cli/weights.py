"""`lipdub weights`: published weights, fetched or brought, verified and kept in one folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lipdub.cli.context import GlobalOptions, command

if TYPE_CHECKING:
    from lipdub.errors import LipdubError
    from lipdub.weights.manifest import ManifestEntry
    from lipdub.weights.store import VerifiedWeights

app = typer.Typer(help="Fetch, bring and verify published weights.", no_args_is_help=True)

_Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="As lipdub weights list has them.")]
_CommercialSafe = Annotated[
    bool,
    typer.Option("--commercial-safe", help="Only weights known to allow commercial use.", show_default=False),
]


@app.callback()
def _root() -> None:
    pass


@app.command("list")
@command
def list_(manner: GlobalOptions, commercial_safe: _CommercialSafe = False) -> None:
    """All published weights lipdub knows: which are there, how large they are, under which licence; and what was trained
    here and kept.
    """
    from lipdub.cli.tables import as_table
    from lipdub.weights import manifest, user_models
    from lipdub.weights.store import WeightsStore

    store = WeightsStore()
    known = [entry for entry in manifest.list_entries() if entry.commercial or not commercial_safe]
    rows = [{**_facts(entry), "there": store.has(entry)} for entry in known]
    if manner.json:
        manner.result({"folder": store.folder, "weights": rows, "trained": user_models.describe_models()})
        return
    shown = ("name", "there", "megabytes", "used_by", "commercial", "licence")
    for row in rows:
        row["megabytes"] = None if row["bytes"] is None else round(row["bytes"] / 1e6)
        row["commercial"] = {True: "yes", False: "no", None: "unclear"}[row["commercial"]]
    kept = "".join(f"\n--talker {shlex.quote(name)}: {told}" for name, told in user_models.describe_models().items())
    manner.result(None, (as_table([{name: row[name] for name in shown} for row in rows]) or "none") + kept)


@app.command("pull")
@command
def pull(
    manner: GlobalOptions,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="As lipdub weights list has them.")
    ] = None,
    user: Annotated[
        str | None, typer.Option("--for", metavar="NAME", help="All that a recipe or command uses.")
    ] = None,
    commercial_safe: _CommercialSafe = False,
) -> None:
    """Fetch weights from where they were published. What was broken off goes on where it was."""
    from lipdub.cli.progress import show_progress
    from lipdub.errors import LipdubError, UsageError
    from lipdub.weights import manifest
    from lipdub.weights.store import WeightsStore

    wanted = [manifest.find_entry(name) for name in names or ()] + (manifest.find_entries_for(user) if user else [])
    chosen = list({entry.name: entry for entry in wanted}.values())
    if not chosen:
        raise UsageError("nothing to fetch was named", hint="Give names, or --for and a recipe.")
    for entry in chosen:
        manifest.check_licence(entry, commercial_safe)
    store, kept, failures = WeightsStore(), [], []
    with show_progress(manner) as progress:
        for entry in chosen:
            manner.note(f"{entry.name}: {entry.licence}")
            try:
                kept.append(store.pull(entry, progress))
            except LipdubError as error:  # the others may come nevertheless
                failures.append(error)
    _tell(manner, kept)
    _raise_first(failures, len(failures) + len(kept))


@app.command("add")
@command
def add(
    manner: GlobalOptions,
    places: Annotated[
        list[Path], typer.Argument(metavar="PLACE...", help="Files of weights, or folders with such files.")
    ],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="What the file is, if it cannot be told.")
    ] = None,
    own: Annotated[
        bool, typer.Option("--own", help="Not the published file, but weights of your own for that network.")
    ] = False,
    commercial_safe: _CommercialSafe = False,
) -> None:
    """Copy weights you have into the store. What they are is told from their digest or their contents."""
    from lipdub.errors import UsageError, WeightsError, printable
    from lipdub.weights import manifest
    from lipdub.weights.identify import check_claim, find_candidates, identify_file
    from lipdub.weights.store import WeightsStore

    store, kept, passed = WeightsStore(), [], []
    if name is not None and (len(places) > 1 or places[0].is_dir()):
        raise UsageError("--as says what one file is, but there are more")
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
                kept.append(store.add(entry, path, own=own))
            except (WeightsError, UsageError) as error:
                if not place.is_dir():
                    raise
                passed.append({"file": str(path), "reason": error.what})
                manner.note(f"passed over {printable(path)}: {error.what}")
    if not kept:
        raise WeightsError("no weights lipdub knows are there", hint="See lipdub weights list.")
    _tell(manner, kept, passed_over=passed)


@app.command("verify")
@command
def verify(
    manner: GlobalOptions,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="As lipdub weights list has them.", show_default="all there"),
    ] = None,
) -> None:
    """Check that the weights in the store are the published ones. Exit code 4 when some are not."""
    from lipdub.errors import LipdubError
    from lipdub.weights import manifest
    from lipdub.weights.store import WeightsStore

    store, kept, failures = WeightsStore(), [], []
    chosen = [manifest.find_entry(name) for name in names or ()] or [
        entry for entry in manifest.list_entries() if store.place(entry).is_file()
    ]
    for entry in chosen:
        try:
            kept.append(store.verify(entry))
        except LipdubError as error:
            failures.append(error)
    _tell(manner, kept)
    _raise_first(failures, len(chosen))


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
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="As lipdub weights list has it.")] = None,
) -> None:
    """Say where the store is, or where one file of it lies or would lie."""
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


def _facts(entry: ManifestEntry) -> dict[str, Any]:
    names = ("name", "file", "used_by", "bytes", "sha256", "licence", "commercial", "source", "note")
    return {name: getattr(entry, name) for name in names}


def _tell(manner: GlobalOptions, kept: list[VerifiedWeights], **more: Any) -> None:
    """The result of commands that end with verified files."""
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
        for item in kept
    ]
    for item in kept:
        if item.trust_note and (item.new or manner.verbose):
            manner.note(f"note: {item.trust_note}")
    if kept or manner.json:
        lines = [f"{item.entry.name}  {printable(item.path)}" for item in kept]
        manner.result({"weights": rows, **more}, "\n".join(lines))


def _raise_first(failures: list[LipdubError], count: int) -> None:
    if not failures:
        return
    first = failures[0]
    if len(failures) > 1:
        first.hint = f"{len(failures)} of {count} failed; this is the first. {first.hint}"
    raise first
