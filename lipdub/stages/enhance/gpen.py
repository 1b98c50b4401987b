"""enhance, method `gpen`: GPEN.

Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild" (CVPR 2021).
"""

from __future__ import annotations

from typing import Any

from lipdub.faces.alignment.five_point import GPEN_TEMPLATE
from lipdub.stages import inference
from lipdub.stages.enhance.restorer import Restorer
from lipdub.weights.requirement import AnyOf


class GPENMethod(Restorer):
    """GPEN at 512 pixels."""

    name = "gpen"
    summary = "GPEN (Yang et al., 2021)"
    weights = AnyOf("gpen-512")
    template = GPEN_TEMPLATE
    border = (0, 0, 0)
    traits = inference.NetworkTraits(item_bytes=1300 << 20, accelerated=30)

    def restore(self, network: Any, faces: Any) -> Any:
        """Restore faces (n, 3, SIZE, SIZE) RGB -1..1."""
        return network(faces)


METHOD = GPENMethod()
