"""Imports of the packages of the extra `lipdub[render]`, with a clear error where one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lipdub.errors import EnvironmentFailure

EXTRA = "lipdub[render]"


def import_extra(name: str) -> Any:
    """Import a package of the extra.

    Args:
        name: "moderngl" or "meshoptimizer".

    Raises:
        EnvironmentFailure: the package is missing.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise EnvironmentFailure(
            f"the package {name}, which renders talkers, is missing", hint=f"pip install '{EXTRA}'"
        ) from error
