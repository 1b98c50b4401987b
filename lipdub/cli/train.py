"""`lipdub train`: trains the networks this project has no published weights for.

A training that was stopped and is called again with the same settings goes on where it was.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lipdub.cli import options as opt
from lipdub.cli.context import GlobalOptions, command

app = typer.Typer(
    help="Train networks. Stopped and called again, a training goes on where it was.", no_args_is_help=True
)


_Grid = Annotated[Path, typer.Option("--grid", metavar="FOLDER", help="Clips of the GRID corpus.")]
_Out = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The weights to write.")]
_Data = Annotated[Path, typer.Option("--data", metavar="DATASET", help="Of lipdub prepare.")]
_Workdir = Annotated[
    Path | None,
    typer.Option("--workdir", metavar="FOLDER", help="What is kept between runs. Default: beside the weights."),
]
_Minutes = Annotated[float, typer.Option("--minutes", min=0, help="End by wall time; 0 takes all steps.")]
_Full = Annotated[bool, typer.Option("--full", help="The generator as in the paper, for a GPU.")]
_Overfit = Annotated[
    int, typer.Option("--overfit", min=0, metavar="N", help="Learn N examples by heart, as a check of health.")
]
_OnBad = Annotated[Literal["skip", "error"], typer.Option("--on-bad", help="Pass over a damaged shard, or refuse it.")]
_ShowConfig = Annotated[bool, typer.Option("--show-config", help="Print all settings as TOML, and do nothing.")]
_Seed = Annotated[int, typer.Option("--seed", help="Of all that is drawn by chance.")]


@app.callback()
def _root() -> None:
    pass


def teller(manner: GlobalOptions) -> Callable[[str], None]:
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
    manner: GlobalOptions,
    out: _Out = Path("lip-motion.safetensors"),
    grid: Annotated[
        Path | None,
        typer.Option("--grid", metavar="FOLDER", help="Clips of the GRID corpus, for real lips."),
    ] = None,
    workdir: _Workdir = None,
    minutes: Annotated[float, typer.Option("--minutes", min=0, help="End by wall time; 0 takes all steps.")] = 0.0,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps of the phone network.")] = None,
    windows: Annotated[
        int | None, typer.Option("--windows", min=1, help="How many stretches of 8 s are synthesised.")
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
        progress=teller(manner),
    )
    manner.result({"weights": str(written)}, str(written))


@app.command("mouth-response")
@command
def mouth_response(
    manner: GlobalOptions, grid: _Grid, out: _Out = Path("mouth-response.safetensors"), workdir: _Workdir = None
) -> None:
    """Learn how a face follows its mouth, for talkers whose footage shows too little."""
    from lipdub.training.mouth_response import train

    _of_faces(manner, train, grid, out, workdir)


@app.command("neutral-face")
@command
def neutral_face(
    manner: GlobalOptions, grid: _Grid, out: _Out = Path("neutral-face.safetensors"), workdir: _Workdir = None
) -> None:
    """Average the face that lip landmarks are drawn on where there is no video."""
    from lipdub.training.neutral_face import train

    _of_faces(manner, train, grid, out, workdir)


@app.command("sync-scorer")
@command
def sync_scorer(
    manner: GlobalOptions,
    data: _Data,
    out: _Out = Path("sync-scorer.safetensors"),
    workdir: _Workdir = None,
    minutes: _Minutes = 0.0,
    full: Annotated[bool, typer.Option("--full", help="AVSyncNet as in the paper, for a GPU.")] = False,
    overfit: _Overfit = 0,
    on_bad: _OnBad = "skip",
    config: opt.Config = None,
    changes: opt.Set = None,
    max_minutes: opt.MaxMinutes = None,
    show_config: _ShowConfig = False,
    seed: _Seed = 0,
) -> None:
    """Train AVSyncNet: whether a mouth goes with a sound."""
    from lipdub.networks.avsyncnet import AVSyncNetSize
    from lipdub.training.sync_scorer import SyncScorerOptions, train

    begun = SyncScorerOptions(size=AVSyncNetSize()) if full else SyncScorerOptions()
    options = _configured(begun, config, changes, minutes, max_minutes, {"only": overfit})
    _trained(manner, train, options, show_config, out, data=data, workdir=workdir, on_bad=on_bad, seed=seed)


@app.command("face-features")
@command
def face_features(
    manner: GlobalOptions,
    data: _Data,
    out: _Out = Path("face-features.safetensors"),
    workdir: _Workdir = None,
    minutes: _Minutes = 0.0,
    on_bad: _OnBad = "skip",
    config: opt.Config = None,
    changes: opt.Set = None,
    max_minutes: opt.MaxMinutes = None,
    show_config: _ShowConfig = False,
    seed: _Seed = 0,
) -> None:
    """Train the features that pictures of faces are compared by where VGG-19 is not in the weights store."""
    from lipdub.training.face_features import FaceFeaturesOptions, train

    options = _configured(FaceFeaturesOptions(), config, changes, minutes, max_minutes)
    _trained(manner, train, options, show_config, out, data=data, workdir=workdir, on_bad=on_bad, seed=seed)


@app.command("silent-lip")
@command
def silent_lip(
    manner: GlobalOptions,
    data: _Data,
    sync: Annotated[Path, typer.Option("--sync", metavar="FILE", help="AVSyncNet, of train sync-scorer.")],
    out: _Out = Path("silent-lip.safetensors"),
    workdir: _Workdir = None,
    minutes: _Minutes = 0.0,
    full: _Full = False,
    overfit: _Overfit = 0,
    on_bad: _OnBad = "skip",
    config: opt.Config = None,
    changes: opt.Set = None,
    max_minutes: opt.MaxMinutes = None,
    show_config: _ShowConfig = False,
    seed: _Seed = 0,
) -> None:
    """Train the generator that shuts a face's mouth."""
    from lipdub.training.talking_face import train_silent_lip

    options = _configured(_generator(full), config, changes, minutes, max_minutes, {"draw.only": overfit})
    _trained(
        manner,
        train_silent_lip,
        options,
        show_config,
        out,
        data=data,
        sync=sync,
        workdir=workdir,
        on_bad=on_bad,
        seed=seed,
    )


@app.command("stabilized")
@command
def stabilized(
    manner: GlobalOptions,
    data: _Data,
    silent: Annotated[Path, typer.Option("--silent", metavar="FILE", help="What train silent-lip made.")],
    out: _Out = Path("stabilized.safetensors"),
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep", metavar="NAME", help="Keep it in the weights store too: run --recipe stabilized --talker NAME."
        ),
    ] = None,
    workdir: _Workdir = None,
    minutes: _Minutes = 0.0,
    full: _Full = False,
    overfit: _Overfit = 0,
    on_bad: _OnBad = "skip",
    config: opt.Config = None,
    changes: opt.Set = None,
    max_minutes: opt.MaxMinutes = None,
    show_config: _ShowConfig = False,
    seed: _Seed = 0,
) -> None:
    """Train the talking-face generator of the recipe stabilized."""
    from lipdub.training.talking_face import train_stabilized

    options = _configured(_generator(full), config, changes, minutes, max_minutes, {"draw.only": overfit})
    _trained(
        manner,
        train_stabilized,
        options,
        show_config,
        out,
        keep,
        data=data,
        silent=silent,
        workdir=workdir,
        on_bad=on_bad,
        seed=seed,
    )


def _generator(full: bool) -> Any:
    from dataclasses import replace

    from lipdub.networks.face_generator import FaceGeneratorSize
    from lipdub.training.talking_face import GeneratorOptions

    begun = GeneratorOptions()
    return replace(begun, size=FaceGeneratorSize(), begin="new") if full else begun


def _configured(
    options: Any,
    config: Path | None,
    changes: Sequence[str] | None,
    minutes: float,
    max_minutes: float | None,
    counts: Mapping[str, int] | None = None,
) -> Any:
    """Options as the file, the changes and then the command's own options have them. Raises UsageError."""
    from lipdub.training.config import apply_settings

    given = [f"{key}={count}" for key, count in (counts or {}).items() if count]
    given += [f"loop.minutes={minutes}"] if minutes else []
    given += [f"loop.max_minutes={max_minutes}"] if max_minutes is not None else []
    return apply_settings(options, config, [*(changes or ()), *given])


def _trained(
    manner: GlobalOptions,
    train: Callable[..., Path],
    options: Any,
    show_config: bool,
    out: Path,
    keep: str | None = None,
    **how: Any,
) -> None:
    """Trains, writes the card beside what came out and keeps it by a name; or prints the settings that it would train with."""
    if show_config:
        from lipdub.training.config import format_toml

        print(format_toml(options), end="")
        return
    from lipdub.training.card import render_training_card
    from lipdub.weights import user_models
    from lipdub.weights.talking_face_file import FAMILY

    if keep is not None:
        user_models.check_name(keep)
    threads = manner.threads or 2
    written = train(out, options=options, threads=threads, device=manner.device, progress=teller(manner), **how)
    told = written.with_suffix(".md")
    told.write_text(render_training_card(written, shlex.join(["lipdub", *sys.argv[1:]])), encoding="utf-8")
    if keep is not None:
        user_models.add_model(FAMILY, written, keep, card=told.read_text(encoding="utf-8"))
    manner.result({"weights": str(written), "card": str(told)}, str(written))


def _of_faces(manner: GlobalOptions, train: Callable[..., Path], grid: Path, out: Path, workdir: Path | None) -> None:
    """A training that reads GRID's faces; their landmarks are kept for the next one."""
    folder = workdir or out.parent / "lip-training"
    written = train(out, grid=grid, workdir=folder, progress=teller(manner))
    manner.result({"weights": str(written)}, str(written))
