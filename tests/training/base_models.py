"""Tiny untrained models to adapt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
from lipdub.speech import phonetic_features
from lipdub.weights import talking_face_file
from lipdub.weights.talking_face_file import TalkingFaceModel

if TYPE_CHECKING:
    from pathlib import Path

HEARS = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
PHONETIC = replace(HEARS, audio="phonetic", audio_rows=phonetic_features.ROWS, audio_columns=21)


def save_base_model(folder: Path, pixels: int = 24, hears: AVSyncNetSize = HEARS) -> Path:
    """Write a model with both generators, which hear what its AVSyncNet hears."""
    torch.manual_seed(0)
    size = FaceGeneratorSize(pixels, 8, 16, 16)
    if hears.audio == "phonetic":
        size = replace(size, own_sound=6, audio_rows=hears.audio_rows, audio_columns=hears.audio_columns)
    model = TalkingFaceModel(AVSyncNet(hears), FaceGenerator(size), FaceGenerator(size), {"remark": "for tests"})
    return talking_face_file.save(folder / f"base-{pixels}.safetensors", model)
