"""Weights that come with lipdub: where they lie, and whether they are intact.

An installed package holds them in its folder ``weights_data`` (`lipdub._build`). A checkout, and so an editable
install, has them in its folder ``weights``.
"""

from __future__ import annotations

import hashlib
import logging
import time
from functools import lru_cache
from importlib import resources
from pathlib import Path

from lipdub.errors import WeightsError, wrap_os_error

LOG = logging.getLogger(__name__)

DIGESTS_FILE = "SHA256SUMS"
PACKAGE_FOLDER = "weights_data"
CHECKOUT_FOLDER = "weights"

_STABLE_SECONDS = 3.0  # seconds after which every file system shows a change in a file's modification time
_REINSTALL = "Install lipdub again."


def locate_shipped(name: str) -> Path:
    """Return the path of a file that comes with lipdub.

    Raises:
        WeightsError: The file is missing.
    """
    for folder in _list_folders():
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(f"the weights {name} that come with lipdub are missing", hint=_REINSTALL)


def verify_shipped(name: str) -> Path:
    """Return the path of a weights file that comes with lipdub, once its digest was checked.

    Raises:
        WeightsError: The file is missing, or its digest is not the one in ``SHA256SUMS`` of its folder.
    """
    path = locate_shipped(name)
    digests = path.with_name(DIGESTS_FILE)
    expected = _read_digests(digests).get(name)
    if expected is None:
        raise WeightsError(f"{digests} holds no digest of {name}", hint=_REINSTALL)
    digest = sha256(path)
    if digest != expected:
        raise WeightsError(
            f"the weights {path} are not the ones that come with lipdub: SHA-256 {digest[:12]}…, not {expected[:12]}…",
            hint=f"Install lipdub again. If you trained them yourself, write their digest into {DIGESTS_FILE}.",
        )
    LOG.debug("uses the shipped weights %s", path)
    return path


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file. A file that does not change is read once.

    Raises:
        InputError: There is no such file.
        EnvironmentFailure: The file cannot be read.
    """
    try:
        status = path.stat()
        if time.time() - max(status.st_mtime, status.st_ctime) < _STABLE_SECONDS:
            return _hash(path)
        mark = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return _hash_once(path, mark)
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error


def _list_folders() -> tuple[Path, Path]:
    """Return where to look, in order; a checkout has no package folder."""
    package = Path(str(resources.files("lipdub")))
    return package / PACKAGE_FOLDER, package.parent / CHECKOUT_FOLDER


def _read_digests(path: Path) -> dict[str, str]:
    try:
        rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
        return {name.lstrip("*"): digest for digest, name in rows}
    except (OSError, ValueError) as error:
        raise WeightsError(f"the digests {path} cannot be read: {error}", hint=_REINSTALL) from error


@lru_cache(maxsize=256)
def _hash_once(path: Path, mark: tuple[int, ...]) -> str:
    """Return a file's SHA-256; ``mark`` tells its versions apart."""
    return _hash(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
