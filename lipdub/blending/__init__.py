"""Blending a generated crop into a frame: blenders in a registry by name, and a colour match.

A blender is one module with an object `BLENDER`, and one line in `BLENDERS`.
"""

from __future__ import annotations

from lipdub.blending.blender import Blender
from lipdub.registry import Registry

BLENDERS = Registry(
    "blender",
    Blender,
    {
        "laplacian": "lipdub.blending.laplacian:BLENDER",
        "feather": "lipdub.blending.feather:BLENDER",
    },
)
DEFAULT_BLENDER = "laplacian"
