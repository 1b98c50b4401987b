"""`lipdub train`: trains the networks this project ships."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Optional

import typer

from lipdub.cli.manner import Manner, command
from lipdub.errors import UsageError

app = typer.Typer(help="Train the networks lipdub ships.", no_args_is_help=True)


_Grid = Annotated[Path, typer.Option("--grid", metavar="FOLDER", help="Clips of the GRID corpus.")]
_Out = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The weights to write.")]
_Workdir = Annotated[
    Optional[Path],
    typer.Option("--workdir", metavar="FOLDER", help="What is kept between runs. Default: beside the weights."),
]


@app.callback()
def _root() -> None:
    pass


def _teller(manner: Manner) -> Callable[[str], None]:
    """Prints a training's progress in the manner asked for."""

    def tell(text: str) -> None:
        if manner.json:
            print(json.dumps({"event": "progress", "message": text}), file=manner.stream, flush=True)
        else:
            manner.note(text)

    return tell


@app.command("lip-motion")
@command
def lip_motion(
    manner: Manner,
    out: _Out = Path("lip-motion.safetensors"),
    grid: Annotated[
        Optional[Path],
        typer.Option("--grid", metavar="FOLDER", help="Clips of the GRID corpus, for real lips."),
    ] = None,
    workdir: _Workdir = None,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0, help="End by wall time; 0 takes all steps.")
    ] = 0.0,
    steps: Annotated[
        Optional[int], typer.Option("--steps", min=1, help="Steps of the phone network.")
    ] = None,
    windows: Annotated[
        Optional[int], typer.Option("--windows", min=1, help="How many stretches of 8 s are synthesised.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is drawn by chance.")] = 0,
) -> None:
    """Train speech to lip motion. Stopped and called again, it goes on where it was."""
    from lipdub.training.lip_motion import train

    written = train(
        out,
        grid=grid,
        workdir=workdir,
        minutes=minutes,
        steps=steps,
        windows=windows,
        seed=seed,
        threads=manner.threads or 2,
        device="cpu" if manner.device == "auto" else manner.device,
        progress=_teller(manner),
    )
    manner.result({"weights": str(written)}, str(written))


@app.command("mouth-response")
@command
def mouth_response(
    manner: Manner, grid: _Grid, out: _Out = Path("mouth-response.safetensors"), workdir: _Workdir = None
) -> None:
    """Learn how a face follows its mouth, for talkers whose footage shows too little."""
    from lipdub.training.mouth_response import train

    _of_faces(manner, train, grid, out, workdir)


@app.command("neutral-face")
@command
def neutral_face(
    manner: Manner, grid: _Grid, out: _Out = Path("neutral-face.safetensors"), workdir: _Workdir = None
) -> None:
    """Average the face that lip landmarks are drawn on where there is no video."""
    from lipdub.training.neutral_face import train

    _of_faces(manner, train, grid, out, workdir)


@app.command("sync-scorer")
@command
def sync_scorer(
    manner: Manner,
    grid: _Grid,
    out: _Out = Path("sync-scorer.safetensors"),
    workdir: _Workdir = None,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0, help="End by wall time; 0 takes all steps.")
    ] = 0.0,
    steps: Annotated[Optional[int], typer.Option("--steps", min=1, help="Steps of the network.")] = None,
    loss: Annotated[
        str, typer.Option("--loss", help="infonce: against all of a clip's sounds; bce: pair by pair.")
    ] = "infonce",
    full: Annotated[bool, typer.Option("--full", help="The network at full size, for a GPU.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is drawn by chance.")] = 0,
) -> None:
    """Train AVSyncNet: whether a mouth goes with a sound. Stopped and called again, it goes on where it was."""
    from lipdub.networks.avsyncnet import AVSyncNetSize
    from lipdub.training.sync_scorer import LOSSES, SyncScorerTraining, train

    chosen = next((known for known in LOSSES if known == loss), None)
    if chosen is None:
        raise UsageError(f"--loss is {loss!r}", hint=f"Choose one of: {', '.join(LOSSES)}.")
    size = AVSyncNetSize() if full else AVSyncNetSize.small()
    written = train(
        out,
        grid=grid,
        workdir=workdir,
        minutes=minutes,
        steps=steps,
        seed=seed,
        threads=manner.threads or 2,
        device="cpu" if manner.device == "auto" else manner.device,
        options=SyncScorerTraining(loss=chosen, size=size),
        progress=_teller(manner),
    )
    manner.result({"weights": str(written)}, str(written))


def _of_faces(
    manner: Manner, train: Callable[..., Path], grid: Path, out: Path, workdir: Path | None
) -> None:
    """A training that reads GRID's faces; their landmarks are kept for the next one."""
    folder = workdir or out.parent / "lip-training"
    written = train(out, grid=grid, workdir=folder, progress=_teller(manner))
    manner.result({"weights": str(written)}, str(written))
