"""Small files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from lipdub.errors import wrap_os_error

PARTIAL_SUFFIX = ".partial"
"""Ends the name of a file that is being written."""

_NAME_BYTES = 6  # random bytes of a temporary name


def encode_text(text: str) -> bytes:
    """Encode text as UTF-8. What is no text in a file name is escaped, in the way that JSON and `printable` do it."""
    return text.encode("utf-8", "backslashreplace")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it into place.

    The temporary name is short, since the file's own may be as long as the disk allows. Where ``path`` is a symbolic
    link, the file it points to is written; a device or a pipe is written to as it is.

    Raises:
        EnvironmentFailure: There is no space or no permission.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
            return
        place = Path(os.path.realpath(path))
        temporary = place.with_name(f"{secrets.token_hex(_NAME_BYTES)}{PARTIAL_SUFFIX}")
        try:
            temporary.write_bytes(content)
            temporary.replace(place)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise wrap_os_error(error, path) from error
