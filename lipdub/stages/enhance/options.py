"""Options."""

from __future__ import annotations

from dataclasses import dataclass

from lipdub.errors import UsageError
from lipdub.stages import inference

METHODS = ("none", "auto", "gfpgan", "gpen", "vqfr")


REGIONS = ("mouth", "face")


MASKS = ("auto", "mesh", "parsing")


@dataclass(frozen=True)
class EnhanceOptions:
    """method: of `METHODS`; `auto` is VQFR or GFPGAN, the first whose weights are there, or none. region: what is restored,
    `mouth`, or `face`: all that sync changed. strength: 0 leaves the crops as they are, 1 takes what the network gives. mask:
    what tells where the mouth is: `mesh`, its followed outline; `parsing`, ParseNet, which needs its published weights; `auto`:
    parsing where they are. precision, accel: of the networks (`lipdub.stages.inference`).
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
        inference.resolve_inference_options(self, networks=self.method != "none")
