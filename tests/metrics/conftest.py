"""Fixtures of the metrics' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lipdub.faces.landmarks import load_neutral_face
from tests.metrics.drawn_faces import SIZE

if TYPE_CHECKING:
    from lipdub.arrays import Array


@pytest.fixture(scope="package")
def face() -> Array:
    """The shipped neutral face, its eyes 100 pixels apart: a unit is a pixel."""
    return load_neutral_face() * 100 + [SIZE / 2, SIZE / 2 - 60, 0]
