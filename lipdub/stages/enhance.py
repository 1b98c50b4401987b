"""enhance: restores generated crops by a published face restorer. Method `none` hands sync's crops on as they
are, without copying them.

Store, but for `none`: ``crops`` and ``boxes`` as in sync's, the boxes and masks equal to those; where the mouth
is found by face parsing, ``parsed`` (n,) uint8: 1 where it was, 2 where the mesh's outline stood in, 0 where
nothing was restored. Where the crops to paste lie, "sync" or "enhance", the summary says under ``crops``; what
told where the mouth is, "mesh" or "parsing", under ``mask``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lipdub.errors import UsageError
from lipdub.stages import compute
from lipdub.stages.base import StageContext, StageSpec

if TYPE_CHECKING:
    from pathlib import Path

METHODS = ("none", "auto", "gfpgan", "gpen", "vqfr")
_PREFERRED = ("vqfr", "gfpgan")  # by `auto`
REGIONS = ("mouth", "face")
MASKS = ("auto", "mesh", "parsing")


@dataclass(frozen=True)
class EnhanceOptions:
    """method: of `METHODS`; `auto` is VQFR or GFPGAN, the first whose weights are there, or none. region: what is restored,
    `mouth`, or `face`: all that sync changed. strength: 0 leaves the crops as they are, 1 takes what the network gives. mask:
    what tells where the mouth is: `mesh`, its followed outline; `parsing`, ParseNet, which needs its published weights; `auto`:
    parsing where they are. precision, accel: of the networks (`lipdub.stages.compute`).
    """

    method: str = "none"
    region: str = "mouth"
    strength: float = 1.0
    mask: str = "auto"
    precision: str = "auto"
    accel: str = "auto"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"enhance has no method {self.method!r}", hint=f"Methods: {', '.join(METHODS)}")
        if self.region not in REGIONS:
            raise UsageError(f"--enhance-region {self.region!r} is unknown", hint=f"It takes {', '.join(REGIONS)}.")
        if self.mask not in MASKS:
            raise UsageError(f"--enhance-mask {self.mask!r} is unknown", hint=f"It takes {', '.join(MASKS)}.")
        if self.mask == "parsing" and self.region != "mouth":
            raise UsageError(
                f"--enhance-mask parsing is for the mouth, not for --enhance-region {self.region}",
                hint="Leave one out.",
            )
        if not 0 <= self.strength <= 1:
            raise UsageError(f"--enhance-strength must be 0 to 1, not {self.strength:g}")
        compute.settle(self, networks=self.method != "none")


def run(ctx: StageContext, options: EnhanceOptions) -> dict[str, Any]:
    """Restores the chunks that are missing; paste-back reads the crops where the summary says they are."""
    if options.method == "none":
        return {"method": "none", "crops": "sync"}
    from lipdub.stages import enhance_faces

    return enhance_faces.run(ctx, options)


def _weights(options: EnhanceOptions) -> list[Path]:
    if options.method == "none":
        return []
    from lipdub.stages.enhance_faces import weights_paths

    return weights_paths(options)


SPEC = StageSpec(
    name="enhance",
    version=3,
    reads=("detect", "sync"),
    inputs=("video",),
    options=EnhanceOptions,
    run=run,
    weights=_weights,
    settle=lambda options, job, digest: _settled(options, job.commercial_safe),
)


def _settled(options: EnhanceOptions, commercial_safe: bool) -> EnhanceOptions:
    if options.method != "auto":
        return options
    from lipdub.stages.enhance_faces import RESTORERS
    from lipdub.weights import manifest
    from lipdub.weights.store import Store

    store = Store()

    def there(name: str) -> bool:
        entry = manifest.entry(name)
        return store.has(entry) and (entry.commercial is True or not commercial_safe or store.is_own(entry))

    found = (method for method in _PREFERRED if any(there(name) for name in RESTORERS[method].weights))
    return replace(options, method=next(found, "none"))
