"""Trains the networks of the recipe stylelipsync: the face prior, and the generator around it (`tests.gpu.base`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.gpu.base import STYLE_TRAININGS, run_chain
from tests.gpu.faces import open_faces
from tests.training.style_lip_sync import small

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gpu.parts import Clock, Report, Setting


def run(setting: Setting, clock: Clock) -> Report:
    """Trains face-prior and stylelipsync."""
    return run_chain(STYLE_TRAININGS, setting, clock, open_style_faces, "style.log")


def open_style_faces(setting: Setting) -> Path:
    """The folder of the dataset. StyleGAN2 has a power of two as its size, so small drawn talkers have, too."""
    if setting.pack is not None:
        return open_faces(setting)
    return small.talkers(setting.scratch / "style-faces", clips=4, frames=12, held_out={3})
