"""lipdub: makes the talker in a video say another speech track.

``lipdub.dub(video, speech, out)`` runs the whole chain; each stage is a function of its own
(:func:`detect`, :func:`neutralize`, :func:`sync`, :func:`enhance`, :func:`paste_back`, :func:`score`).
``lipdub.lips(speech, out)`` tells what lips do in a speech.
``lipdub.compare_files(source, result)`` tells what a result lacks of its source.
Nothing prints or exits; progress leaves through a callback. Importing this package imports nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lipdub._version import __version__
from lipdub.offline import switch_off_telemetry

if TYPE_CHECKING:
    from lipdub.engine.inspection import inspect
    from lipdub.engine.job import PlannedStage, Result, StageResult
    from lipdub.engine.lip_export import Lips, lips
    from lipdub.engine.pipeline import detect, dub, enhance, neutralize, paste_back, plan, run_stage, sync
    from lipdub.errors import (
        CorruptChunk,
        EnvironmentFailure,
        InputError,
        LipdubError,
        UsageError,
        WeightsError,
    )
    from lipdub.media.comparison import Comparison, compare_files
    from lipdub.progress import Event
    from lipdub.scoring.score import score
    from lipdub.stages.base import Cancelled
    from lipdub.stages.job import Job

switch_off_telemetry()

_HOMES = {
    "lipdub.errors": (
        "CorruptChunk",
        "EnvironmentFailure",
        "InputError",
        "LipdubError",
        "UsageError",
        "WeightsError",
    ),
    "lipdub.engine.inspection": ("inspect",),
    "lipdub.engine.job": ("Job", "PlannedStage", "Result", "StageResult"),
    "lipdub.engine.pipeline": (
        "detect",
        "dub",
        "enhance",
        "neutralize",
        "paste_back",
        "plan",
        "run_stage",
        "sync",
    ),
    "lipdub.progress": ("Event",),
    "lipdub.stages.base": ("Cancelled",),
    "lipdub.media.comparison": ("Comparison", "compare_files"),
    "lipdub.scoring.score": ("score",),
    "lipdub.engine.lip_export": ("Lips", "lips"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Cancelled",
    "Comparison",
    "CorruptChunk",
    "EnvironmentFailure",
    "Event",
    "InputError",
    "Job",
    "LipdubError",
    "Lips",
    "PlannedStage",
    "Result",
    "StageResult",
    "UsageError",
    "WeightsError",
    "__version__",
    "compare_files",
    "detect",
    "dub",
    "enhance",
    "inspect",
    "lips",
    "neutralize",
    "paste_back",
    "plan",
    "run_stage",
    "score",
    "sync",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'lipdub' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
