"""A sync method in one file: it paints the lower face in one grey. The tests register it with one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.options import OptionGroup, option
from lipdub.stages import inference
from lipdub.stages.sync.generator import Generate, GeneratorMethod, GeneratorRun

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

PATH = f"{__name__}:METHOD"
SIZE = 32  # pixels of the faces it draws


@dataclass(frozen=True)
class ToyOptions(OptionGroup):
    """What it paints."""

    toy_shade: float = option(0.25, "--toy-shade", help="Grey of the painted faces.", low=0, high=1, panel="Look")


class Toy(GeneratorMethod):
    """Paints the lower face."""

    name = "toy"
    summary = "one grey, for tests"
    options = ToyOptions
    uses_networks = False
    traits = inference.NetworkTraits(batch=4)

    def hear(self, audio: F32, options: Any) -> F32:
        """Return the speech as it is."""
        return audio

    def prepare(self, run: GeneratorRun) -> Generate:
        """Return what paints."""
        shade = run.options.own.toy_shade

        def draw(frames: list[int], faces: list[Array]) -> Array:
            assert len(run.speech_times(frames)) == len(faces)
            return np.full((len(faces), SIZE, SIZE, 3), shade, np.float32)

        return draw


METHOD = Toy()
