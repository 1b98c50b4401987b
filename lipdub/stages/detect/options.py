"""Options of the detect stage."""

from __future__ import annotations

from dataclasses import dataclass

from lipdub.faces.detectors import DEFAULT_DETECTOR, DETECTORS
from lipdub.faces.detectors.base import MAX_FACES_LIMIT
from lipdub.options import OptionGroup, option


@dataclass(frozen=True)
class DetectOptions(OptionGroup):
    """Options of the detect stage.

    Attributes:
        method: a detector of `faces.detectors.DETECTORS`.
        max_faces: most faces of a frame.
    """

    method: str = option(
        DEFAULT_DETECTOR,
        "--method",
        help="Network that finds the faces: mediapipe, or retinaface for small, tilted or many faces.",
        choices=DETECTORS.names,
        panel="Who and when",
        run_name="detector",
        run_flags=("--detector",),
        aliases=("--detector",),
    )
    max_faces: int = option(
        4, "--max-faces", help="Most faces of a frame.", low=1, high=MAX_FACES_LIMIT, panel="Who and when"
    )
