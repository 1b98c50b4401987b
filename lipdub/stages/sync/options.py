"""The options of sync that every method takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lipdub.faces.masks import MASKS
from lipdub.media.timeline import EXTENSION_MODES, LENGTH_POLICIES
from lipdub.options import option
from lipdub.stages.inference_options import InferenceOptions
from lipdub.stages.shared_options import FaceOptions, TimeOptions, TranscriptOptions
from lipdub.stages.sync import METHODS
from lipdub.stages.sync.method import AUTO_MASK

LENGTH, LOOK = "Length", "Look"


@dataclass(frozen=True)
class SyncOptions(TranscriptOptions, TimeOptions, FaceOptions, InferenceOptions):
    """Which face says the speech, when, and how far it moves."""

    method: str = option(
        "units", "--method", help="The method of sync.", choices=METHODS.names, metavar="NAME", run_flags=()
    )
    length: Literal["longest", "video", "speech", "shortest"] = option(
        "longest", "--length", help="How long the result is.", choices=LENGTH_POLICIES, panel=LENGTH
    )
    extend: Literal["pingpong", "loop", "freeze"] = option(
        "pingpong",
        "--extend",
        help="How to extend the video when the speech is longer.",
        choices=EXTENSION_MODES,
        panel=LENGTH,
    )
    offset: float = option(
        0.0, "--offset", help="Shift the speech. Positive values make it later.", metavar="SECONDS", panel=LENGTH
    )
    strength: float = option(
        1.0, "--strength", help="How far the mouth moves. 1 is as spoken.", low=0, high=2, panel=LOOK
    )
    mask: str = option(
        AUTO_MASK,
        "--mask",
        help="Which part of the face may change. auto: what suits the method.",
        choices=lambda: (AUTO_MASK, *MASKS.names()),
        panel=LOOK,
    )
