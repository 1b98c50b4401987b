"""Files in the wheels of other packages, found without importing those."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def find_wheel_file(package: str, *parts: str) -> Path | None:
    """A file that lies in an installed package's folder, or None when the package or the file is not there."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*parts)
    return path if path.is_file() else None
