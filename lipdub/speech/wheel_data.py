"""Data files that lie in the wheels of other packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def find_wheel_file(package: str, *parts: str) -> Path | None:
    """Find a file in the folder of an installed package, without importing the package.

    Args:
        package: Name of the package.
        parts: Path of the file inside the package's folder, part by part.

    Returns:
        The path, or None if the package or the file is missing.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*parts)
    return path if path.is_file() else None
