"""Values as JSON knows them, and the one JSON text of a value."""

from __future__ import annotations

import json
import math
import os
from typing import Any


def to_plain(value: Any) -> Any:
    """Return a value made of what JSON knows.

    Arrays, tuples and sets become lists, paths become text, dataclasses become dictionaries. NaN and infinities become
    None. Other objects become their text, unless they have a method ``to_json``.
    """
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return [to_plain(item) for item in items]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays, torch tensors
        return to_plain(value.tolist())
    if hasattr(value, "to_json"):
        return to_plain(value.to_json())
    if hasattr(value, "__dataclass_fields__"):
        return {name: to_plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return str(value)  # Fraction, enum members and the like


def to_canonical_json(value: Any) -> bytes:
    """Return the one JSON text of a value: sorted keys and no spaces. Equal values give equal bytes everywhere."""
    return json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
