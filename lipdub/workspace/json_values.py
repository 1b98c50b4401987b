"""Json values."""

from __future__ import annotations

import json
import math
import os
from typing import Any


def to_plain(value: Any) -> Any:
    """``value`` made of what JSON knows: arrays become lists, paths text, tuples lists, NaN and infinities
    None.
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
    """The one JSON text of ``value``: keys sorted, no spaces. Equal values give equal bytes on every
    machine.
    """
    return json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
