"""The options of enhance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lipdub.errors import UsageError
from lipdub.options import option
from lipdub.stages.enhance import METHODS
from lipdub.stages.inference_options import InferenceOptions

LOOK = "Look"


@dataclass(frozen=True)
class EnhanceOptions(InferenceOptions):
    """What is restored, how strongly, and how the mouth is found."""

    method: str = option(
        "none",
        "--method",
        help="Restore generated mouths with a face-restoration network. auto: the first whose weights are installed. "
        "A recipe may have a default of its own.",
        choices=METHODS.names,
        panel=LOOK,
        run_name="enhance",
        run_flags=("--enhance",),
        aliases=("--enhance",),
    )
    region: Literal["mouth", "face"] = option(
        "mouth",
        "--enhance-region",
        help="What to restore: the mouth, or everything that sync changed.",
        panel=LOOK,
        run_name="enhance_region",
    )
    mask: Literal["auto", "mesh", "parsing"] = option(
        "auto",
        "--enhance-mask",
        help="How the mouth outline is found: from the face mesh or by a face parser. "
        "auto uses the parser if its weights are installed.",
        panel=LOOK,
        run_name="enhance_mask",
    )
    strength: float = option(
        1.0,
        "--enhance-strength",
        help="How much of the restored picture to use, 0 to 1.",
        low=0,
        high=1,
        panel=LOOK,
        run_name="enhance_strength",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask == "parsing" and self.region != "mouth":
            raise UsageError(
                f"--enhance-mask parsing is for the mouth, not for --enhance-region {self.region}",
                hint="Leave one out.",
            )
