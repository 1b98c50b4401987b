"""The options of `lipdub.dub`, typed. Made by ``python -m lipdub.engine.typed_options``; do not edit."""

from __future__ import annotations

import os  # noqa: TC003 - type hints are read at run time
from typing import Literal, TypedDict


class DubOptions(TypedDict, total=False):
    """Options of a whole run. What is not given has the default of its stage."""

    detector: Literal["mediapipe", "retinaface"]
    max_faces: int
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    cpu_backend: str
    expression: str | os.PathLike[str]
    face: str | os.PathLike[str]
    start: float | None
    end: float | None
    transcript: str | os.PathLike[str] | None
    language: str
    length: Literal["longest", "video", "speech", "shortest"]
    extend: Literal["pingpong", "loop", "freeze"]
    offset: float
    strength: float
    mask: Literal["auto", "jaw", "pose", "box"]
    emotion: Literal["surprise", "angry", "sad"] | None
    model: str | os.PathLike[str] | None
    edit: Literal["fast", "published"]
    edit_steps: int | None
    tuning_steps: int
    stitching_steps: int
    enhance: Literal["none", "auto", "gfpgan", "gpen", "vqfr"]
    enhance_region: Literal["mouth", "face"]
    enhance_mask: Literal["auto", "mesh", "parsing"]
    enhance_strength: float
    blend: Literal["laplacian", "feather"]
    feather: float
    colour_match: bool
    codec: str
    crf: int | None
    preset: str | None
    lossless: bool
    audio_codec: str
    audio_bitrate: int | None
    keep_audio: Literal["others", "all", "none"]
