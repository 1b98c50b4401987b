"""What was published: each file of weights, where it is had, its digest, its terms, the networks in it.

It is read from ``manifest.json``, which comes with lipdub; adding a published file is adding an entry there.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from lipdub.errors import UsageError, WeightsError
from lipdub.weights.shipped_files import locate_shipped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST_FILE = "manifest.json"

Format = Literal["checkpoint", "torchscript", "matlab"]


@dataclass(frozen=True)
class NetworkPart:
    """The state of one network within a file.

    name
        What it is called where a file holds several ("encoder", "decoder").
    network
        Who can take it, as ``module:Class``; the module is imported only when it is needed.

    Arguments:
        What that class is built with.
    key
        Under which of the file's keys the state lies, the first that is there; empty: the file is the state.
    prefix
        Only entries whose names begin with it belong to the network, which knows them without it.
    without
        Entries whose names contain it are not taken from this file, nor looked for in it.
    """

    name: str
    network: str
    arguments: Mapping[str, Any]
    key: tuple[str, ...] = ()
    prefix: str = ""
    without: str = ""


@dataclass(frozen=True)
class ManifestEntry:
    """A published file of weights.

    ``bytes`` and ``sha256`` are None where they were never published, and ``commercial`` where nobody said
    whether commercial use is allowed. ``used_by`` names the recipes and methods that load it, none where only
    the network is built; ``source`` is a page for people; ``keys`` are the variables of a MATLAB file.
    """

    name: str
    file: str
    used_by: tuple[str, ...]
    urls: tuple[str, ...]
    bytes: int | None
    sha256: str | None
    licence: str
    commercial: bool | None
    source: str
    format: Format = "checkpoint"
    parts: tuple[NetworkPart, ...] = ()
    keys: tuple[str, ...] = ()
    note: str = ""

    def part(self, name: str | None = None) -> NetworkPart:
        """The network state called ``name``; without one, the only one there is. Raises UsageError."""
        for part in self.parts:
            if part.name == name or (name is None and len(self.parts) == 1):
                return part
        known = ", ".join(part.name for part in self.parts) or "none"
        raise UsageError(f"{self.file} has no network state {name or 'of its own'}", hint=f"It has {known}.")


def list_entries() -> tuple[ManifestEntry, ...]:
    """All published files lipdub knows. Raises WeightsError when the manifest is missing or damaged."""
    return _read(locate_shipped(MANIFEST_FILE))


def find_entry(name: str) -> ManifestEntry:
    """The entry called ``name``, or of the file called so. Raises UsageError for an unknown one."""
    known = list_entries()
    for item in known:
        if name.lower() in (item.name.lower(), item.file.lower()):
            return item
    near = difflib.get_close_matches(name.lower(), [item.name for item in known], n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "See lipdub weights list."
    raise UsageError(f"there are no published weights {name!r}", hint=hint)


def find_entries_for(user: str) -> list[ManifestEntry]:
    """The entries a recipe, stage or command uses. Raises UsageError when nothing is known of it."""
    found = [item for item in list_entries() if user in item.used_by]
    if not found:
        users = sorted({name for item in list_entries() for name in item.used_by})
        raise UsageError(f"no published weights are for {user!r}", hint=f"There are some for {', '.join(users)}.")
    return found


def check_licence(item: ManifestEntry, commercial_safe: bool) -> None:
    """Refuses weights that may not be used commercially where only such are wanted. Raises WeightsError."""
    if not commercial_safe or item.commercial:
        return
    told = "are not for commercial use" if item.commercial is False else "are not known to allow commercial use"
    raise WeightsError(
        f"the weights {item.name} {told} ({item.licence})",
        hint="Leave --commercial-safe out, or do without them.",
    )


@lru_cache(maxsize=4)
def _read(path: Path) -> tuple[ManifestEntry, ...]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_entry(row) for row in content["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"the list of published weights {path} is damaged: {error}", hint="Install lipdub again."
        ) from error


def _entry(row: dict[str, Any]) -> ManifestEntry:
    lists = {name: tuple(row.get(name, ())) for name in ("used_by", "urls", "keys")}
    parts = tuple(NetworkPart(**{**part, "key": tuple(part.get("key", ()))}) for part in row.get("parts", ()))
    return ManifestEntry(**{**row, **lists, "parts": parts})
