"""enhance, method `vqfr`: VQFR.

Gu et al., "VQFR: Blind Face Restoration with Vector-Quantized Dictionary and Parallel Decoder" (ECCV 2022).
"""

from __future__ import annotations

from typing import Any

from lipdub.faces.alignment.five_point import FACEXLIB_BORDER, FACEXLIB_TEMPLATE
from lipdub.stages import inference
from lipdub.stages.enhance.restorer import Restorer
from lipdub.weights.requirement import AnyOf


class VQFRMethod(Restorer):
    """VQFR, version 2. It stays in float32, since it picks entries of a table."""

    name = "vqfr"
    summary = "VQFR (Gu et al., 2022)"
    weights = AnyOf("vqfr-2")
    template = FACEXLIB_TEMPLATE
    border = FACEXLIB_BORDER
    traits = inference.NetworkTraits(item_bytes=1 << 30, channels_last=True, exact=True, accelerated=30)

    def restore(self, network: Any, faces: Any) -> Any:
        """Restore faces (n, 3, SIZE, SIZE) RGB -1..1."""
        return network(faces, fidelity=0.0).image  # its texture branch alone


METHOD = VQFRMethod()
