"""The options of detect."""

from __future__ import annotations

from dataclasses import dataclass

from lipdub.errors import UsageError

METHODS = ("mediapipe", "retinaface")


@dataclass(frozen=True)
class DetectOptions:
    """method: `mediapipe`; or `retinaface`, for small, tilted, or many faces, which needs its published weights.
    max_faces: how many faces a frame is searched for, 1 to 16.
    """

    method: str = "mediapipe"
    max_faces: int = 4

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"detect has no method {self.method!r}", hint=f"Methods: {', '.join(METHODS)}")
        if not 1 <= self.max_faces <= 16:
            raise UsageError(f"max-faces must be 1 to 16, not {self.max_faces}")
