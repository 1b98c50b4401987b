"""Every module of lipdub can be imported."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import lipdub

MODULES = sorted(m.name for m in pkgutil.walk_packages(lipdub.__path__, "lipdub.") if m.name != "lipdub.__main__")


@pytest.mark.parametrize("name", MODULES)
def test_module_can_be_imported(name: str) -> None:
    importlib.import_module(name)
