"""`lipdub train mouth-response` and `lipdub train neutral-face`: statistics of the faces of the GRID corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.training.trainable import GridArguments, Runtime, Trainable

if TYPE_CHECKING:
    from pathlib import Path

_LANDMARKS_FOLDER = "lip-training"  # keeps the landmarks for all trainings on GRID


class GridTrainable(Trainable):
    """A fit to the faces of the GRID corpus. Their landmarks are kept for the next training."""

    arguments = GridArguments
    required = ("grid",)

    def render_card(self, path: Path, command: str) -> str:
        """Render the card. A closed-form fit has no settings."""
        from lipdub.training.card import render_facts_card

        data = "clips of the GRID corpus (CC BY 4.0) that are not held out, one speaker"
        return render_facts_card(path, command, {"data": data, "method": self.summary})


class MouthResponseTrainable(GridTrainable):
    """How a face follows its mouth."""

    name = "mouth-response"
    summary = "Fit how a face follows its mouth, for footage that shows too little of it."

    def train(self, out: Path, arguments: Any, settings: Any, runtime: Runtime) -> Path:
        """Fit the mouth response and write it."""
        from lipdub.training.mouth_response import train

        folder = arguments.workdir or out.parent / _LANDMARKS_FOLDER
        return train(out, grid=arguments.grid, workdir=folder, progress=runtime.report)


class NeutralFaceTrainable(GridTrainable):
    """The neutral face."""

    name = "neutral-face"
    summary = "Average the neutral face on which lip landmarks are drawn without a video."

    def train(self, out: Path, arguments: Any, settings: Any, runtime: Runtime) -> Path:
        """Fit the neutral face and write it."""
        from lipdub.training.neutral_face import train

        folder = arguments.workdir or out.parent / _LANDMARKS_FOLDER
        return train(out, grid=arguments.grid, workdir=folder, progress=runtime.report)


MOUTH_RESPONSE = MouthResponseTrainable()
NEUTRAL_FACE = NeutralFaceTrainable()
