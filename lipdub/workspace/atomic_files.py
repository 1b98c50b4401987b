"""Small files written whole or not at all."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

from lipdub.errors import wrap_os_error

if TYPE_CHECKING:
    from pathlib import Path

PARTIAL_SUFFIX = ".partial"


def write_atomically(path: Path, content: bytes) -> None:
    """Writes ``content`` beside ``path`` and renames it into place. Raises EnvironmentFailure (no space, no
    permission).
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
    try:
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise wrap_os_error(error, path) from error
