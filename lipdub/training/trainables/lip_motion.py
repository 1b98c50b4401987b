"""`lipdub train lip-motion`: the network and the lip model that turn speech into lip motion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - evaluated for the command line
from typing import Any

from lipdub.options import option
from lipdub.training.trainable import Runtime, Trainable, TrainArguments


@dataclass(frozen=True)
class LipMotionArguments(TrainArguments):
    """Arguments of the training of lip motion."""

    grid: Path | None = option(
        None, "--grid", metavar="FOLDER", help="Folder with the clips of the GRID corpus, to learn from real lips."
    )
    minutes: float = option(
        0.0, "--minutes", help="End the schedule after this many minutes; 0 takes all steps.", low=0
    )
    steps: int | None = option(None, "--steps", help="Steps of the phone network.", low=1)
    windows: int | None = option(None, "--windows", help="Number of synthesised stretches of 8 s.", low=1)
    seed: int = option(0, "--seed", help="Random seed.")


class LipMotionTrainable(Trainable):
    """Speech to lip motion."""

    name = "lip-motion"
    summary = "Train the model that turns speech into lip motion."
    arguments = LipMotionArguments

    def settings(self, arguments: Any) -> Any:
        """Give the settings of the whole training."""
        from dataclasses import replace

        from lipdub.training.lip_motion import LipMotionOptions

        given = {"steps": arguments.steps, "windows": arguments.windows, "minutes": arguments.minutes or None}
        return replace(LipMotionOptions(), **{name: value for name, value in given.items() if value is not None})

    def train(self, out: Path, arguments: Any, settings: Any, runtime: Runtime) -> Path:
        """Train the phone network, fit the lip model and write both."""
        from lipdub.training.lip_motion import train

        return train(
            out,
            grid=arguments.grid,
            workdir=arguments.workdir,
            options=settings,
            seed=arguments.seed,
            threads=runtime.threads,
            device="cpu" if runtime.device == "auto" else runtime.device,
            progress=runtime.report,
        )

    def render_card(self, path: Path, command: str) -> str:
        """Render the card from the notes in the file."""
        from lipdub.training.card import render_facts_card
        from lipdub.training.lip_motion import read_notes

        notes = json.loads(read_notes(path))
        facts = {
            "data": "synthesised speech" + (", and the GRID corpus (CC BY 4.0)" if notes["grid"] else ""),
            "seed": str(notes["seed"]),
            **{name.replace("_", " "): f"{value:g}" for name, value in notes["figures"].items()},
            "settings": json.dumps(notes["training"]),
        }
        return render_facts_card(path, command, facts)


LIP_MOTION = LipMotionTrainable()
