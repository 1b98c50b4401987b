"""Masks of the part of a face that is drawn anew. A new one is one file and one line here."""

from __future__ import annotations

from lipdub.faces.masks.shape import MaskShape
from lipdub.registry import Registry

#: The shapes of the mask, by name.
MASKS = Registry(
    "mask",
    MaskShape,
    {
        "jaw": "lipdub.faces.masks.jaw:MASK",
        "pose": "lipdub.faces.masks.pose:MASK",
        "box": "lipdub.faces.masks.box:MASK",
    },
)

DEFAULT_MASK = "jaw"
