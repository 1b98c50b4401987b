"""The weights store: a folder of published files, each verified before it is used."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import EnvironmentFailure, WeightsError, wrap_os_error
from lipdub.progress import Callback, Event, ignore_event
from lipdub.weights import manifest
from lipdub.weights.download import fetch, locate_resume_note
from lipdub.weights.file_format import detect_format
from lipdub.weights.shipped_files import sha256
from lipdub.workspace.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lipdub.weights.manifest import ManifestEntry

FOLDER_VARIABLE = "LIPDUB_WEIGHTS"
PINS_FILE = "pins.json"
_PART = ".part"  # of a file that is being fetched
_COPY = ".copy"  # of one that is being added
_PINS_PATIENCE = 30  # seconds another process may take to note a digest

_KINDS = {
    "checkpoint": ("zip", "pickle", "safetensors"),
    "torchscript": ("torchscript",),
    "matlab": ("matlab",),
}


def default_folder() -> Path:
    """Where the store is: ``LIPDUB_WEIGHTS``, or lipdub's folder among the user's data."""
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.environ[FOLDER_VARIABLE]).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "lipdub" / "weights"


@dataclass(frozen=True)
class VerifiedWeights:
    """A file that was verified.

    ``pinned`` says that its digest was never published: it is the one first seen here, at ``since``, in the
    file had from ``origin``; ``new`` that this was just now. ``own``: it is not the published file at all, but
    one that was given in its stead.
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
    def remark(self) -> str:
        """What a person should know about how far it was verified; "" when it is the published file."""
        if self.own:
            return (
                f"the weights {self.entry.file} are not the published ones but a file of your own, given on "
                f"{self.since}: nobody else knows how well they were trained, if at all (SHA-256 {self.sha256[:12]}…)"
            )
        if not self.pinned:
            return ""
        if self.new:
            return (
                f"{self.entry.file} has no published digest: the one of this copy is noted, and only this "
                f"copy will be accepted from now on (SHA-256 {self.sha256})"
            )
        return f"{self.entry.file} is the copy first seen on {self.since}; no digest was ever published"


class WeightsStore:
    """The files in one folder. Only :meth:`pull` uses the network."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def place(self, entry: ManifestEntry) -> Path:
        """Where its file lies, or would."""
        return self.folder / entry.file

    def has(self, entry: ManifestEntry) -> bool:
        """Whether its file is there and of the right size. Does not read it."""
        try:
            size = self.place(entry).stat().st_size
        except OSError:
            return False
        return size > 0 and (entry.bytes in (None, size) or self.is_own(entry))

    def path(self, name: str, tell: Callable[[str], None] = lambda text: None) -> Path:
        """The verified file called ``name``; ``tell`` hears it when the digest had to be noted first.

        Raises:
            UsageError: nothing of that name was published.
            WeightsError: it is not in the store, or is not the file it should be.
        """
        kept = self.verify(manifest.find_entry(name))
        if kept.new:
            tell(kept.remark)
        return kept.path

    def verify(self, entry: ManifestEntry) -> VerifiedWeights:
        """Verifies the file that is there. Raises WeightsError when it is missing or wrong."""
        path = self.place(entry)
        if not path.is_file():
            pull = f"lipdub weights pull {entry.name}"
            hand = f"get it by hand ({entry.source}) and give it to lipdub weights add"
            hint = f"Fetch them: {pull}." if entry.urls else f"{hand[0].upper()}{hand[1:]}."
            raise WeightsError(f"the weights {entry.file} are not in the store {self.folder}", hint=hint)
        return self._accept(entry, path, str(path), str(path))

    def entries(self, paths: Iterable[Path]) -> list[ManifestEntry]:
        """What was published of the files with these paths; those that do not lie in the store are passed over."""
        known = {entry.file: entry for entry in manifest.list_entries()}
        return [known[path.name] for path in paths if path.parent == self.folder and path.name in known]

    def first(self, names: Sequence[str]) -> VerifiedWeights:
        """The verified file of the first of these names that is there. Raises WeightsError, of the first name, when none
        is, and for a wrong file.
        """
        there = (name for name in names if self.has(manifest.find_entry(name)))
        return self.verify(manifest.find_entry(next(there, names[0])))

    def pull(self, entry: ManifestEntry, progress: Callback = ignore_event) -> VerifiedWeights:
        """Fetches a file unless the right one is there. ``progress`` hears of it in MB.

        Raises:
            WeightsError: nobody knows where to fetch it, or what came is not the right file.
            EnvironmentFailure: no host answers, no space, or another process fetches it.
        """
        with self._held(entry):
            try:
                return self.verify(entry)
            except WeightsError:
                if not entry.urls:
                    raise
            part = self._part(entry)

            def told(done: int, total: int | None) -> None:
                whole = None if total is None else round(total / 1e6)
                progress(Event("progress", entry.name, round(done / 1e6), whole, "MB", entry.name))

            origin = fetch(
                entry.urls,
                part,
                accept=lambda path: self._check(entry, path, entry.file),
                size=entry.bytes,
                checked=self.wanted(entry) is not None,
                progress=told,
            )
            progress(Event("done", entry.name))
            kept = self._settle(entry, part, origin)
        return kept

    def add(self, entry: ManifestEntry, source: Path, *, own: bool = False) -> VerifiedWeights:
        """Copies a file into the store as ``entry``; as one of the user's own, whatever its digest is. Raises
        WeightsError when it is not that file, or not of its kind.
        """
        if source.exists() and self.place(entry).exists() and source.samefile(self.place(entry)):
            return self.verify(entry)
        with self._held(entry):
            if own:
                kind = detect_format(source, source.name)
                if kind not in _KINDS[entry.format]:
                    raise WeightsError(f"{source.name} is not like {entry.file}: it is a file of another kind ({kind})")
                pin = {
                    "sha256": sha256(source),
                    "from": str(source.absolute()),
                    "since": date.today().isoformat(),
                    "own": True,
                }
                with self._pins() as pins:
                    pins[entry.file] = pin
            self._check(entry, source, source.name)
            copy = self.folder / (entry.file + _COPY)
            try:
                shutil.copyfile(source, copy)
            except OSError as error:
                copy.unlink(missing_ok=True)
                raise wrap_os_error(error, self.place(entry)) from error
            kept = self._settle(entry, copy, str(source.absolute()))
            self._discard(entry)
        return kept

    def remove(self, entry: ManifestEntry) -> int:
        """Removes a file, what was fetched of it, and the digest noted for it. Returns the bytes freed."""
        with self._held(entry):
            freed = self._discard(entry) + _removed(self.place(entry))
            with self._pins() as pins:
                pins.pop(entry.file, None)
        return freed

    def wanted(self, entry: ManifestEntry) -> str | None:
        """The digest its file must have: the published one, or the one noted here when it was first seen."""
        pin = self._read_pins().get(entry.file)
        if entry.sha256 is not None and not (pin or {}).get("own"):
            return entry.sha256
        return str(pin["sha256"]) if pin else None

    def _check(self, entry: ManifestEntry, path: Path, name: str) -> str:
        """The digest of a file that may become ``entry``. Raises WeightsError when it may not."""
        digest, wanted = sha256(path), self.wanted(entry)
        if digest == wanted:
            return digest
        kind = detect_format(path, name)  # says better what is wrong with pages and torn files
        if wanted is not None:
            known = "published" if entry.sha256 == wanted else "first seen here"
            remedy = f"The published one: lipdub weights pull {entry.name}, or {entry.source}."
            if entry.sha256 != wanted:
                remedy = f"To take another copy: lipdub weights remove {entry.name}."
            raise WeightsError(
                f"{name} is not the {entry.file} that was {known}: SHA-256 {digest[:12]}…, not {wanted[:12]}…",
                hint=remedy,
            )
        if kind not in _KINDS[entry.format]:
            raise WeightsError(f"{name} is not {entry.file}: it is a file of another kind ({kind})")
        return digest

    def _settle(self, entry: ManifestEntry, part: Path, origin: str) -> VerifiedWeights:
        """Verifies a complete file and renames it into place."""
        kept = self._accept(entry, part, entry.file, origin)
        try:
            os.replace(part, self.place(entry))
        except OSError as error:
            raise wrap_os_error(error, self.place(entry)) from error
        return kept

    def _accept(self, entry: ManifestEntry, path: Path, name: str, origin: str) -> VerifiedWeights:
        """Verifies a file against the published digest or the noted one; notes it if there is none."""
        digest, place = self._check(entry, path, name), self.place(entry)
        pin, new = self._read_pins().get(entry.file), False
        if entry.sha256 == digest:
            return VerifiedWeights(entry, place, digest)
        if pin is None:
            with self._pins() as pins:
                new = entry.file not in pins
                pin = pins.setdefault(entry.file, {"sha256": digest, "from": origin, "since": date.today().isoformat()})
        origin, since = str(pin.get("from", "")), str(pin.get("since", ""))
        return VerifiedWeights(entry, place, digest, True, new, origin, since, bool(pin.get("own")))

    def is_own(self, entry: ManifestEntry) -> bool:
        """Whether its file is one of the user's own, given in the published one's stead."""
        return bool(self._read_pins().get(entry.file, {}).get("own"))

    def _discard(self, entry: ManifestEntry) -> int:
        """Removes what a pull that was broken off left behind. Returns the bytes freed."""
        part = self._part(entry)
        return _removed(part) + _removed(locate_resume_note(part))

    def _part(self, entry: ManifestEntry) -> Path:
        return self.folder / (entry.file + _PART)

    @contextmanager
    def _held(self, entry: ManifestEntry) -> Iterator[None]:
        """Keeps other processes off one file."""
        self._make_folder()
        with hold_lock(self.folder / f".{entry.file}.lock", 0, f"{entry.file} in {self.folder}"):
            yield

    @contextmanager
    def _pins(self) -> Iterator[dict[str, Any]]:
        """The noted digests, to be changed; written when they were."""
        with hold_lock(self.folder / f".{PINS_FILE}.lock", _PINS_PATIENCE, f"{PINS_FILE} in {self.folder}"):
            pins = self._read_pins()
            before = json.dumps(pins)
            yield pins
            if json.dumps(pins) != before:
                write_atomically(self.folder / PINS_FILE, json.dumps(pins, indent=1).encode())

    def _read_pins(self) -> dict[str, Any]:
        path = self.folder / PINS_FILE
        try:
            pins = json.loads(path.read_bytes())
            for pin in pins.values():
                pin["sha256"]
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise wrap_os_error(error, path, "read") from error
        except (ValueError, TypeError, KeyError, AttributeError):
            raise WeightsError(
                f"the noted digests {path} are damaged", hint="Remove that file; they are noted anew."
            ) from None
        return dict(pins)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise wrap_os_error(error, self.folder) from error


def _removed(path: Path) -> int:
    """Removes a file if it is there; returns its bytes."""
    try:
        size = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
    except OSError as error:
        raise wrap_os_error(error, path, "remove") from error
    return size


@contextmanager
def hold_lock(path: Path, patience: float, what: str) -> Iterator[None]:
    """Keeps other processes out; waits for so many seconds. Raises EnvironmentFailure when one is still at work on `what`, or
    there are no locks.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=patience)
    try:
        lock.acquire()
    except Timeout:
        raise EnvironmentFailure(f"another process is at work on {what}", hint="Wait for it to end.") from None
    except NotImplementedError as error:
        raise EnvironmentFailure(
            f"the file system of {path.parent} has no locks", hint=f"Name another folder in {FOLDER_VARIABLE}."
        ) from error
    except OSError as error:
        raise wrap_os_error(error, path) from error
    try:
        yield
    finally:
        lock.release()
