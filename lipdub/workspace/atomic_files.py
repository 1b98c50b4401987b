"""Small files that are written whole or not at all."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from lipdub.errors import wrap_os_error

if TYPE_CHECKING:
    from pathlib import Path

PARTIAL_SUFFIX = ".partial"
"""Ends the name of a file that is being written."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it into place.

    Raises:
        EnvironmentFailure: There is no space or no permission.
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
    try:
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise wrap_os_error(error, path) from error
