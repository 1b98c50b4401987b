"""enhance: restores generated crops. Method `none` hands sync's crops on as they are, without copying them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lipdub.errors import UsageError
from lipdub.stages.base import StageContext, StageSpec


@dataclass(frozen=True)
class EnhanceOptions:
    """method: `none`."""

    method: str = "none"

    def __post_init__(self) -> None:
        if self.method != "none":
            raise UsageError(f"enhance has no method {self.method!r}", hint="Methods: none")


def run(ctx: StageContext, options: EnhanceOptions) -> dict[str, Any]:
    """Nothing to compute: paste-back reads the crops where the summary says they are."""
    return {"method": "none", "crops": "sync"}


SPEC = StageSpec(name="enhance", version=1, reads=("sync",), inputs=(), options=EnhanceOptions, run=run)
