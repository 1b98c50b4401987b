"""The options of neutralize that every method takes."""

from __future__ import annotations

from dataclasses import dataclass

from lipdub.options import option
from lipdub.stages.inference_options import InferenceOptions
from lipdub.stages.neutralize import METHODS


@dataclass(frozen=True)
class NeutralizeOptions(InferenceOptions):
    """The method; its own options come with it."""

    method: str = option(
        "rest", "--method", help="The method of neutralize.", choices=METHODS.names, metavar="NAME", run_flags=()
    )
