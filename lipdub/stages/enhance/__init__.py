"""enhance: restores generated crops."""

from __future__ import annotations

from lipdub.registry import Registry
from lipdub.stages.enhance.method import EnhanceMethod

#: The methods of enhance, by name. A new restorer is one file and one line here.
METHODS = Registry(
    "enhance method",
    EnhanceMethod,
    {
        "none": "lipdub.stages.enhance.none:METHOD",
        "auto": "lipdub.stages.enhance.auto:METHOD",
        "gfpgan": "lipdub.stages.enhance.gfpgan:METHOD",
        "gpen": "lipdub.stages.enhance.gpen:METHOD",
        "vqfr": "lipdub.stages.enhance.vqfr:METHOD",
    },
)
