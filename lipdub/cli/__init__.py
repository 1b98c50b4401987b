"""The command line: parses, calls the library, shows what it says. No logic of its own."""

from __future__ import annotations

from lipdub.cli.app import main, program

__all__ = ["main", "program"]
