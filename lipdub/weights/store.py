"""The weights store: a folder of published files. Each is verified before it is used."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import EnvironmentFailure, WeightsError, wrap_os_error
from lipdub.progress import Callback, Event, ignore_event
from lipdub.weights import manifest
from lipdub.weights.file_format import detect_format
from lipdub.weights.shipped_files import sha256
from lipdub.workspace import lock
from lipdub.workspace.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lipdub.weights.manifest import ManifestEntry

LOG = logging.getLogger(__name__)

FOLDER_VARIABLE = "LIPDUB_WEIGHTS"
PINS_FILE = "pins.json"
_PART_SUFFIX = ".part"  # of a file that is being fetched
_COPY_SUFFIX = ".copy"  # of a file that is being added
_PINS_LOCK_SECONDS = 30  # seconds that another process may take to note a digest

_FILE_FORMATS = {
    "checkpoint": ("zip", "pickle", "safetensors"),
    "torchscript": ("torchscript",),
    "matlab": ("matlab",),
}


def find_folder() -> Path | None:
    """Return the folder that ``LIPDUB_WEIGHTS`` names, or else lipdub's folder among the user's data.

    None for a user whose home folder is not known: a container or a service may run under a number without a name.
    """
    try:
        if os.environ.get(FOLDER_VARIABLE):
            return Path(os.environ[FOLDER_VARIABLE]).expanduser()
        return _find_data_folder() / "lipdub" / "weights"
    except RuntimeError:  # what `Path.home` and `Path.expanduser` raise
        return None


def default_folder() -> Path:
    """Return the folder of `find_folder`.

    Raises:
        EnvironmentFailure: There is none.
    """
    folder = find_folder()
    if folder is None:
        raise EnvironmentFailure(
            "there is no place for the weights store: this user's home folder is not known",
            hint=f"Set {FOLDER_VARIABLE} to the full path of a folder.",
        )
    return folder


def _find_data_folder() -> Path:
    """Return the folder of this user's data. Raises RuntimeError if it is not known."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


@dataclass(frozen=True)
class VerifiedWeights:
    """A file that was verified.

    Attributes:
        entry: The manifest's entry.
        path: The file.
        sha256: Its digest.
        pinned: Whether no digest was ever published; the file must be the copy that the store saw first.
        new: Whether that first copy is this one.
        origin: Where that first copy came from.
        since: The day of it.
        own: Whether it is not the published file, but weights of the user's own.
    """

    entry: ManifestEntry
    path: Path
    sha256: str
    pinned: bool = False
    new: bool = False
    origin: str = ""
    since: str = ""
    own: bool = False

    @property
    def trust_note(self) -> str:
        """A note on its origin for a person; empty for a published file."""
        if self.own:
            return (
                f"the weights {self.entry.file} are not the published ones but a file of your own, given on "
                f"{self.since}: nobody else knows how well they were trained, if at all (SHA-256 {self.sha256[:12]}…)"
            )
        if not self.pinned:
            return ""
        if self.new:
            return (
                f"{self.entry.file} has no published digest: the digest of this copy is noted, and only this "
                f"copy will be accepted from now on (SHA-256 {self.sha256})"
            )
        return f"{self.entry.file} is the copy first seen on {self.since}; no digest was ever published"


class WeightsStore:
    """The files in one folder. Only `pull` uses the network.

    For a user without a folder the store is empty, and only what would write to it fails.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or find_folder()

    @property
    def folder(self) -> Path:
        """The folder.

        Raises:
            EnvironmentFailure: This user has none.
        """
        return self._folder or default_folder()

    @property
    def has_folder(self) -> bool:
        """Whether this user has a folder for weights."""
        return self._folder is not None

    def place(self, entry: ManifestEntry) -> Path:
        """Return where an entry's file belongs."""
        return self.folder / entry.file

    def has(self, entry: ManifestEntry) -> bool:
        """Return whether the store has an entry's file with the right size. Does not read the file."""
        if not self.has_folder:
            return False
        try:
            size = self.place(entry).stat().st_size
        except OSError:
            return False
        return size > 0 and (entry.bytes in (None, size) or self.is_own(entry))

    def path(self, name: str, report_note: Callable[[str], None] = lambda text: None) -> Path:
        """Verify the file of an entry and return its path.

        Args:
            name: Name of the entry.
            report_note: Called with a note if no digest was published and this copy's had to be noted.

        Raises:
            UsageError: Nothing of this name was published.
            WeightsError: The file is not in the store, or is not the file it should be.
        """
        weights = self.verify(manifest.find_entry(name))
        if weights.new:
            report_note(weights.trust_note)
        return weights.path

    def verify(self, entry: ManifestEntry) -> VerifiedWeights:
        """Verify an entry's file.

        Raises:
            WeightsError: The file is not in the store, or is not the file it should be.
            EnvironmentFailure: This user has no folder for weights.
        """
        path = self.place(entry)
        if not path.is_file():
            hint = f"Fetch them: lipdub weights pull {entry.name}."
            if not entry.urls:
                hint = f"Get it by hand ({entry.source}) and give it to lipdub weights add."
            raise WeightsError(f"the weights {entry.file} are not in the store {self.folder}", hint=hint)
        LOG.debug("uses the weights %s for %s", path, entry.name)
        return self._accept(entry, path, str(path), str(path))

    def entries(self, paths: Iterable[Path]) -> list[ManifestEntry]:
        """Return the entries of those paths that are in the store."""
        known = {entry.file: entry for entry in manifest.list_entries()}
        return [known[path.name] for path in paths if path.parent == self._folder and path.name in known]

    def first(self, names: Sequence[str]) -> VerifiedWeights:
        """Verify the first of these entries whose file is there.

        Raises:
            WeightsError: None is there (the error names the first), or the file is not the one it should be.
        """
        present = (name for name in names if self.has(manifest.find_entry(name)))
        return self.verify(manifest.find_entry(next(present, names[0])))

    def pull(self, entry: ManifestEntry, progress: Callback = ignore_event) -> VerifiedWeights:
        """Fetch an entry's file, unless the right one is there.

        Args:
            entry: The entry.
            progress: Called with the progress in MB.

        Raises:
            WeightsError: No address is known, or the received file is not the right one.
            EnvironmentFailure: No host answers, there is no space, or another process fetches the file.
        """
        from lipdub.weights.download import fetch  # a dub needs no HTTP

        with self._locked(entry):
            try:
                return self.verify(entry)
            except WeightsError:
                if not entry.urls:
                    raise
            part = self._part(entry)

            def report(done: int, total: int | None) -> None:
                whole = None if total is None else round(total / 1e6)
                progress(Event("progress", entry.name, round(done / 1e6), whole, "MB", entry.name))

            origin = fetch(
                entry.urls,
                part,
                accept=lambda path: self._check(entry, path, entry.file),
                size=entry.bytes,
                checked=self.expected_digest(entry) is not None,
                progress=report,
            )
            progress(Event("done", entry.name))
            return self._install(entry, part, origin)

    def add(self, entry: ManifestEntry, source: Path, *, own: bool = False) -> VerifiedWeights:
        """Copy a file into the store as an entry's.

        Args:
            entry: The entry.
            source: The file.
            own: Take it as the user's own weights for this network, whatever its digest is.

        Raises:
            WeightsError: It is not that file, or not of its format.
        """
        if source.exists() and self.place(entry).exists() and source.samefile(self.place(entry)):
            return self.verify(entry)
        with self._locked(entry):
            if own:
                self._pin_own(entry, source)
            self._check(entry, source, source.name)
            copy = self.folder / (entry.file + _COPY_SUFFIX)
            try:
                shutil.copyfile(source, copy)
            except OSError as error:
                copy.unlink(missing_ok=True)
                raise wrap_os_error(error, self.place(entry)) from error
            weights = self._install(entry, copy, str(source.absolute()))
            self._discard(entry)
        return weights

    def remove(self, entry: ManifestEntry) -> int:
        """Remove an entry's file, its partial download, and the digest noted for it. Return the bytes freed."""
        with self._locked(entry):
            freed = self._discard(entry) + _remove(self.place(entry))
            with self._pins() as pins:
                pins.pop(entry.file, None)
        return freed

    def expected_digest(self, entry: ManifestEntry) -> str | None:
        """Return the digest that an entry's file must have: the published one, or the one noted here."""
        pin = self._read_pins().get(entry.file)
        if entry.sha256 is not None and not (pin or {}).get("own"):
            return entry.sha256
        return str(pin["sha256"]) if pin else None

    def is_own(self, entry: ManifestEntry) -> bool:
        """Return whether an entry's file is the user's own instead of the published one."""
        return bool(self._read_pins().get(entry.file, {}).get("own"))

    def _pin_own(self, entry: ManifestEntry, source: Path) -> None:
        form = detect_format(source, source.name)
        if form not in _FILE_FORMATS[entry.format]:
            raise WeightsError(f"{source.name} is not like {entry.file}: it is a file of another kind ({form})")
        with self._pins() as pins:
            pins[entry.file] = {**_make_pin(sha256(source), str(source.absolute())), "own": True}

    def _check(self, entry: ManifestEntry, path: Path, name: str) -> str:
        """Return the digest of a file that may become an entry's. Raises WeightsError if it may not."""
        digest, wanted = sha256(path), self.expected_digest(entry)
        if digest == wanted:
            return digest
        form = detect_format(path, name)  # has a better message for web pages and damaged files
        if wanted is not None:
            is_published = entry.sha256 == wanted
            known = "published" if is_published else "first seen here"
            hint = f"To take another copy: lipdub weights remove {entry.name}."
            if is_published:
                hint = f"Get the published one: lipdub weights pull {entry.name}, or {entry.source}."
            raise WeightsError(
                f"{name} is not the {entry.file} that was {known}: SHA-256 {digest[:12]}…, not {wanted[:12]}…",
                hint=hint,
            )
        if form not in _FILE_FORMATS[entry.format]:
            raise WeightsError(f"{name} is not {entry.file}: it is a file of another kind ({form})")
        return digest

    def _install(self, entry: ManifestEntry, part: Path, origin: str) -> VerifiedWeights:
        """Verify a complete file and rename it into place."""
        weights = self._accept(entry, part, entry.file, origin)
        try:
            part.replace(self.place(entry))
        except OSError as error:
            raise wrap_os_error(error, self.place(entry)) from error
        return weights

    def _accept(self, entry: ManifestEntry, path: Path, name: str, origin: str) -> VerifiedWeights:
        """Verify a file against the published digest or the noted one. Note its digest if there is neither."""
        digest, place = self._check(entry, path, name), self.place(entry)
        pin, is_new = self._read_pins().get(entry.file), False
        if entry.sha256 == digest:
            return VerifiedWeights(entry, place, digest)
        if pin is None:
            with self._pins() as pins:
                is_new = entry.file not in pins
                pin = pins.setdefault(entry.file, _make_pin(digest, origin))
        return VerifiedWeights(
            entry,
            place,
            digest,
            pinned=True,
            new=is_new,
            origin=str(pin.get("from", "")),
            since=str(pin.get("since", "")),
            own=bool(pin.get("own")),
        )

    def _discard(self, entry: ManifestEntry) -> int:
        """Remove the remains of an interrupted pull. Return the bytes freed."""
        from lipdub.weights.download import locate_resume_note

        part = self._part(entry)
        return _remove(part) + _remove(locate_resume_note(part))

    def _part(self, entry: ManifestEntry) -> Path:
        return self.folder / (entry.file + _PART_SUFFIX)

    @contextmanager
    def _locked(self, entry: ManifestEntry) -> Iterator[None]:
        """Keep other processes off one file."""
        self._make_folder()
        with hold_lock(self.folder / f".{entry.file}.lock", 0, f"{entry.file} in {self.folder}"):
            yield

    @contextmanager
    def _pins(self) -> Iterator[dict[str, Any]]:
        """Yield the noted digests, and write them if they were changed."""
        with hold_lock(self.folder / f".{PINS_FILE}.lock", _PINS_LOCK_SECONDS, f"{PINS_FILE} in {self.folder}"):
            pins = self._read_pins()
            before = json.dumps(pins)
            yield pins
            if json.dumps(pins) != before:
                write_atomically(self.folder / PINS_FILE, json.dumps(pins, indent=1).encode())

    def _read_pins(self) -> dict[str, Any]:
        if not self.has_folder:
            return {}
        path = self.folder / PINS_FILE
        try:
            pins = json.loads(path.read_bytes())
            for pin in pins.values():
                pin["sha256"]
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise wrap_os_error(error, path, "read") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise WeightsError(
                f"the noted digests {path} are damaged", hint="Remove that file; the digests are noted anew."
            ) from error
        return dict(pins)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise wrap_os_error(error, self.folder) from error


def _make_pin(digest: str, origin: str) -> dict[str, Any]:
    return {"sha256": digest, "from": origin, "since": date.today().isoformat()}  # noqa: DTZ011  the user's day


def _remove(path: Path) -> int:
    """Remove a file if it is there, and return its bytes."""
    try:
        size = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
    except OSError as error:
        raise wrap_os_error(error, path, "remove") from error
    return size


def hold_lock(path: Path, seconds: float, purpose: str) -> AbstractContextManager[None]:
    """Keep other processes out of the weights folder; arguments and errors as for `lipdub.workspace.lock.hold_lock`."""
    hint = f"Name another folder in {FOLDER_VARIABLE}."
    return lock.hold_lock(path, purpose, place=path.parent, hint=hint, seconds=seconds)
