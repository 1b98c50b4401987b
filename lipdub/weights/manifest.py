"""The published files of weights: their addresses, digests, licences and networks.

The manifest is ``manifest.json``, which comes with lipdub. To add a published file, add an entry to it.
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

    Attributes:
        name: Its name where a file holds several ("encoder", "decoder").
        network: The network's class, as ``module:Class``. The module is imported when it is needed.
        arguments: Arguments of the class.
        key: Keys of the file that may hold the state; the first one present counts. Empty: the file is the state.
        prefix: Only entries whose names begin with it belong to the network, which uses the names without it.
        without: Entries whose names contain it are neither taken from this file nor looked for in it.
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

    Attributes:
        name: Its name in lipdub.
        file: Its file name.
        used_by: The recipes and methods that load it; empty where only the network is implemented.
        urls: Where it can be fetched, in order of preference.
        bytes: Its size, None where it was never published.
        sha256: Its digest, None where it was never published.
        licence: Its licence in a few words.
        commercial: Whether commercial use is allowed, None where it is unknown.
        source: A web page for people.
        format: Its format.
        parts: The networks in it.
        keys: The variables of a MATLAB file.
        note: Further facts.
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
        """Return the network state of a name; without one, the only one there is.

        Raises:
            UsageError: There is no such network, or the file has several and no name was given.
        """
        for part in self.parts:
            if part.name == name or (name is None and len(self.parts) == 1):
                return part
        known = ", ".join(part.name for part in self.parts) or "none"
        raise UsageError(f"{self.file} has no network state {name or 'of its own'}", hint=f"It has: {known}.")


def list_entries() -> tuple[ManifestEntry, ...]:
    """Return all entries of the manifest.

    Raises:
        WeightsError: The manifest is missing or damaged.
    """
    return _read(locate_shipped(MANIFEST_FILE))


def find_entry(name: str) -> ManifestEntry:
    """Return the entry of a name or of a file name.

    Raises:
        UsageError: There is none.
    """
    known = list_entries()
    for entry in known:
        if name.lower() in (entry.name.lower(), entry.file.lower()):
            return entry
    near = difflib.get_close_matches(name.lower(), [entry.name for entry in known], n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "See lipdub weights list."
    raise UsageError(f"there are no published weights {name!r}", hint=hint)


def find_entries_for(user: str) -> list[ManifestEntry]:
    """Return the entries that a recipe, method or command uses.

    Raises:
        UsageError: No entry is for it.
    """
    entries = [entry for entry in list_entries() if user in entry.used_by]
    if not entries:
        users = sorted({name for entry in list_entries() for name in entry.used_by})
        raise UsageError(f"no published weights are for {user!r}", hint=f"There are some for {', '.join(users)}.")
    return entries


def check_licence(entry: ManifestEntry, commercial_safe: bool) -> None:
    """Refuse weights without a licence for commercial use, where the user demands one.

    Raises:
        WeightsError: Commercial use is not known to be allowed.
    """
    if not commercial_safe or entry.commercial:
        return
    fault = "are not for commercial use" if entry.commercial is False else "are not known to allow commercial use"
    raise WeightsError(
        f"the weights {entry.name} {fault} ({entry.licence})",
        hint="Leave out --commercial-safe, or do without them.",
    )


@lru_cache(maxsize=4)
def _read(path: Path) -> tuple[ManifestEntry, ...]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_parse_entry(row) for row in content["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"the list of published weights {path} is damaged: {error}", hint="Install lipdub again."
        ) from error


def _parse_entry(row: dict[str, Any]) -> ManifestEntry:
    lists = {name: tuple(row.get(name, ())) for name in ("used_by", "urls", "keys")}
    parts = tuple(NetworkPart(**{**part, "key": tuple(part.get("key", ()))}) for part in row.get("parts", ()))
    return ManifestEntry(**{**row, **lists, "parts": parts})
