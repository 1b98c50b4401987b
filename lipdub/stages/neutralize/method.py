"""What a method of neutralize is, and the options of those that draw faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lipdub.options import redeclare
from lipdub.stages.method import Method
from lipdub.stages.shared_options import FaceOptions, TimeOptions
from lipdub.weights.requirement import Requirement, Shipped

if TYPE_CHECKING:
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext

PRIOR_WEIGHTS = "mouth-response.safetensors"  # every method measures tracks against it


@dataclass(frozen=True)
class DrawingOptions(TimeOptions, FaceOptions):
    """Options of methods that draw faces. Only faces that are drawn can be dubbed."""

    face: str = redeclare(
        FaceOptions,
        "face",
        help="Whose faces to draw: a track number, largest, left, right, or a picture of the person.",
        run_flags=(),
    )
    start: float | None = redeclare(TimeOptions, "start", help="Start drawing at this time.", run_flags=())
    end: float | None = redeclare(TimeOptions, "end", help="Stop drawing at this time.", run_flags=())


class NeutralizeMethod(Method):
    """A way to take the speech's motion out of a talker's face.

    The stage itself measures every track first. Then it hands the usable tracks to the method.

    Attributes:
        draws_faces: Whether the method draws faces, those of the tracks that ``DrawingOptions.face`` names.
        gathers_units: Whether it keeps the mouths that unit selection chooses from.
    """

    draws_faces: ClassVar[bool] = False
    gathers_units: ClassVar[bool] = False
    weights: ClassVar[Requirement] = Shipped(PRIOR_WEIGHTS)

    def run_tracks(
        self, ctx: StageContext, options: Any, talkers: list[dict[str, Any]], tracks: dict[int, TrackLandmarks]
    ) -> list[str]:
        """Write what the method adds to the store.

        Args:
            ctx: The stage's context.
            options: The stage's options.
            talkers: A row for each track that was measured: detect's row and what was measured.
            tracks: Landmarks by track id, of the tracks to draw. A method that draws no faces gets all usable tracks.

        Returns:
            Notes on the result for people.
        """
        return []
