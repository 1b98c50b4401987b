"""enhance, method `gfpgan`: GFPGAN.

Wang et al., "Towards Real-World Blind Face Restoration with Generative Facial Prior" (CVPR 2021).
"""

from __future__ import annotations

from typing import Any

from lipdub.faces.alignment.five_point import FACEXLIB_BORDER, FACEXLIB_TEMPLATE
from lipdub.stages import inference
from lipdub.stages.enhance.restorer import Restorer
from lipdub.weights.requirement import AnyOf


class GFPGAN(Restorer):
    """GFPGAN, clean architecture, 512 pixels."""

    name = "gfpgan"
    summary = "GFPGAN (Wang et al., 2021)"
    weights = AnyOf("gfpgan-1.4", "gfpgan-1.3")
    template = FACEXLIB_TEMPLATE
    border = FACEXLIB_BORDER
    traits = inference.NetworkTraits(item_bytes=1300 << 20, accelerated=30)

    def restore(self, network: Any, faces: Any) -> Any:
        """Restore faces (n, 3, SIZE, SIZE) RGB -1..1."""
        return network(faces, return_rgb=False, randomize_noise=False)[0]


METHOD = GFPGAN()
