"""The mask `jaw`: the lower face inside the jaw's outline, as it is in the frame."""

from __future__ import annotations

from lipdub.faces.masks.outlines import draw_lower_face
from lipdub.faces.masks.shape import MaskShape

MASK = MaskShape("jaw", "The lower face inside the jaw's outline, as it is in the frame.", draw_lower_face)
