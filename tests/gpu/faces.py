"""The dataset that the trainings of the parts use: a packed file, or drawn talkers where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tests.gpu.pack import unpack
from tests.gpu.parts import list_missing
from tests.training import datasets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gpu.parts import Setting

HEARING = ("moonshine_voice", "onnxruntime")  # what phonetic features are computed with
_TIMES = 4  # drawn talkers of 96 pixels


def open_faces(setting: Setting) -> Path:
    """The folder of the dataset, which is made the first time."""
    folder = setting.scratch / "faces"
    if (folder / "index.json").exists():
        return folder
    if setting.pack is not None:
        return unpack(setting.pack, folder)
    clips, frames, times = (4, 12, 1) if setting.tiny else (24, 50, _TIMES)
    return datasets.talkers(folder, clips, frames, held_out={clips - 1}, times=times)


def choose_audio(setting: Setting) -> Literal["phonetic", "mel"]:
    """What networks hear: phones, as in what ships. Noises that drawn talkers make have none."""
    return "mel" if setting.pack is None else "phonetic"


def count_variants(folder: Path, wanted: int) -> int:
    """How many variants of each sound can be heard here: without the packages only those that came along."""
    from lipdub.errors import WeightsError
    from lipdub.training.dataset import open_dataset
    from lipdub.training.sync_scorer import SyncClips, SyncScorerOptions, hear_feature

    if not list_missing(HEARING):
        return wanted
    size = hear_feature(SyncScorerOptions().size, "phonetic")
    clips = SyncClips(open_dataset(folder, split="train"), size)
    for variant in range(wanted):
        try:
            clips.sounds(0, np.zeros(1, np.int64), variant)
        except WeightsError:  # another processor may round an augmented sound otherwise: then it is another one
            return max(variant, 1)
    return wanted
