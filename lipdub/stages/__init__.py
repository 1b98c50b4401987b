"""The stages of the chain: one module each, imported only when it is needed.

Every module named here exports ``SPEC`` (a :class:`lipdub.stages.base.StageSpec`) and its options dataclass.
"""

from __future__ import annotations

from importlib import import_module

from lipdub.errors import UsageError
from lipdub.stages.base import StageSpec

#: Name of each cached stage, in the order of the chain, and the module that holds it.
STAGES = {
    "detect": "lipdub.stages.detect.stage",
    "neutralize": "lipdub.stages.neutralize.stage",
    "sync": "lipdub.stages.sync.stage",
    "enhance": "lipdub.stages.enhance.stage",
    "paste-back": "lipdub.stages.paste_back.stage",
}


def load(name: str) -> StageSpec:
    """The stage called ``name``. Raises UsageError for an unknown one."""
    if name not in STAGES:
        raise UsageError(f"there is no stage {name!r}", hint=f"Stages are {', '.join(STAGES)}.")
    spec = import_module(STAGES[name]).SPEC
    assert isinstance(spec, StageSpec)
    return spec
