"""Options."""

from __future__ import annotations

from dataclasses import dataclass

from lipdub.errors import UsageError
from lipdub.stages import inference

METHODS = ("rest", "none", "dnet", "silent-lip")


DRAWING_METHODS = ("dnet", "silent-lip")  # those that draw faces anew


@dataclass(frozen=True)
class NeutralizeOptions:
    """method: `rest`; `none`, for methods of sync that take the faces as they are; `dnet`, which draws every face with one
    expression; or `silent-lip`, which shuts every mouth. For `dnet`: expression: `neutral`, `smile`, a picture of a face, or a
    file of 64 coefficients. For `silent-lip`: talker: the talking-face model, as in sync's options. For both: face: which tracks
    are drawn, and start, end: which of their frames, by seconds from the first one, as in sync's options; only what is drawn can
    be dubbed; precision, accel: of the networks (`lipdub.stages.inference`). They mean nothing to the other methods.
    """

    method: str = "rest"
    expression: str = "neutral"
    face: str = "largest"
    start: float | None = None
    end: float | None = None
    talker: str | None = None
    precision: str = "auto"
    accel: str = "auto"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"neutralize has no method {self.method!r}", hint=f"Methods: {', '.join(METHODS)}")
        object.__setattr__(self, "expression", str(self.expression))
        if self.talker and self.method != "silent-lip":
            raise UsageError(
                f"--talker is for neutralize's method silent-lip, not for {self.method}",
                hint="Take the recipe stabilized.",
            )
        object.__setattr__(self, "talker", str(self.talker) if self.talker else None)
        if self.method not in DRAWING_METHODS:
            for name, value in (("face", "largest"), ("start", None), ("end", None)):
                object.__setattr__(self, name, value)
        inference.resolve_inference_options(self, networks=self.method in DRAWING_METHODS)
        if self.expression != "neutral":
            from lipdub.faces.expression import parse_expression

            if self.method != "dnet":
                raise UsageError(
                    f"--expression is for neutralize's method dnet, not for {self.method}",
                    hint="Take the recipe retalking.",
                )
            parse_expression(self.expression)
