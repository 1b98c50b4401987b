"""Weights that come with lipdub: where they lie, and whether they are what they should be."""

from __future__ import annotations

import hashlib
import sys
import time
from functools import lru_cache
from pathlib import Path

from lipdub.errors import WeightsError, wrap_os_error

DIGESTS_FILE = "SHA256SUMS"
_SETTLED = 3.0  # seconds after which a change shows in a file's time of change, whatever the file system


def locate_shipped(name: str) -> Path:
    """A file that comes with lipdub: in the checkout's ``weights/``, or where an install put it.

    Raises:
        WeightsError: it is not there.
    """
    places = [
        Path(__file__).resolve().parents[2] / "weights",
        Path(sys.prefix) / "share" / "lipdub" / "weights",
    ]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise WeightsError(f"the weights {name} that come with lipdub are missing", hint="Install lipdub again.")


def verify_shipped(name: str) -> Path:
    """A weight file that comes with lipdub.

    Raises:
        WeightsError: the file is not there, or its digest is not the one noted beside it.
    """
    path = locate_shipped(name)
    _verify(path, path.with_name(DIGESTS_FILE))
    return path


def sha256(path: Path) -> str:
    """SHA-256 of a file; one that stays as it is is read once. Raises InputError when it is not there, EnvironmentFailure
    when it is unreadable.
    """
    try:
        seen = path.stat()
        if time.time() - max(seen.st_mtime, seen.st_ctime) < _SETTLED:
            return _read(path)
        return _remembered(path, (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns))
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error


@lru_cache(maxsize=256)
def _remembered(path: Path, mark: tuple[int, ...]) -> str:
    return _read(path)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(path: Path, digests: Path) -> None:
    try:
        rows = [line.split() for line in digests.read_text(encoding="ascii").splitlines()]
        wanted = {name.lstrip("*"): digest for digest, name in rows}[path.name]
    except (OSError, ValueError, KeyError):
        raise WeightsError(f"no digest of {path.name} is noted in {digests}", hint="Install lipdub again.") from None
    found = sha256(path)
    if found != wanted:
        raise WeightsError(
            f"the weights {path} are not the ones that come with lipdub: SHA-256 {found[:12]}…, not {wanted[:12]}…",
            hint=f"Install lipdub again; whoever trained them anew notes their digest in {DIGESTS_FILE}.",
        )
