"""The base of every stage's options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lipdub.options import OptionGroup


@dataclass(frozen=True)
class NoOptions:
    """The options of a method that has none of its own."""


@dataclass(frozen=True)
class StageOptions(OptionGroup):
    """Base of a stage's options.

    Attributes:
        method: Name of the method, in the stage's registry.
        own: The method's own options, an instance of its ``Method.options``.
    """

    method: str = ""
    own: Any = NoOptions()
