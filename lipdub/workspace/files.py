"""Small files written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import uuid
from typing import TYPE_CHECKING, Any

from lipdub.errors import os_failure

if TYPE_CHECKING:
    from pathlib import Path

PARTIAL = ".partial"


def write_atomically(path: Path, content: bytes) -> None:
    """Writes ``content`` beside ``path`` and renames it into place. Raises EnvironmentFailure (no space, no
    permission).
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise os_failure(error, path) from error


def plain(value: Any) -> Any:
    """``value`` made of what JSON knows: arrays become lists, paths text, tuples lists, NaN and infinities
    None.
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return [plain(item) for item in items]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays, torch tensors
        return plain(value.tolist())
    if hasattr(value, "to_json"):
        return plain(value.to_json())
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return str(value)  # Fraction, enum members and the like


def canonical(value: Any) -> bytes:
    """The one JSON text of ``value``: keys sorted, no spaces. Equal values give equal bytes on every
    machine.
    """
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
