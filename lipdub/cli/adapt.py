"""`lipdub adapt`: fine-tunes a talking-face model on the person in one video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lipdub.cli import options as opt
from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.train import print_progress


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("adapt")(adapt)


@command
def adapt(
    manner: GlobalOptions,
    video: Annotated[
        Path, typer.Argument(metavar="VIDEO", help="Video in which the person talks; a few seconds are enough.")
    ],
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.1, help="Total minutes of wall time.", show_default="10")
    ] = None,
    speech: Annotated[
        list[Path] | None,
        typer.Option(
            "--speech",
            metavar="FILE",
            help="Target speech to train on. Strongly recommended: speech not given here is followed poorly. "
            "May be given several times.",
        ),
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(
            "--base-model", metavar="NAME|FILE", help="Model to begin with.", show_default="the one shipped with lipdub"
        ),
    ] = None,
    talker: Annotated[str | None, typer.Option("--talker", hidden=True)] = None,  # --base-model of lipdub 0.1
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Keep the model under this name, for other videos of the same person: lipdub run --model NAME.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the model to this file instead of the weights store."),
    ] = None,
    pixels: Annotated[
        int | None, typer.Option("--pixels", help="Side of the generated faces: 96 or 128.", show_default="128")
    ] = None,
    config: opt.Config = None,
    changes: opt.Set = None,
    seed: Annotated[int, typer.Option("--seed", help="Random seed.")] = 0,
) -> None:
    """Fine-tune the talking-face model on the person in VIDEO, for use with --recipe stabilized.

    The model is kept in the weights store, and --recipe stabilized uses it whenever it dubs this video.
    """
    import shlex
    import tempfile

    from lipdub.training.adapt import AdaptationOptions, render_card
    from lipdub.training.adapt import adapt as run
    from lipdub.training.config import apply_settings
    from lipdub.weights import user_models
    from lipdub.weights.talking_face_file import FAMILY
    from lipdub.workspace.keys import digest_file

    options = apply_settings(AdaptationOptions(), config, changes or ())
    given = {"minutes": minutes, "pixels": pixels}
    options = apply_settings(options, None, [f"{key}={value}" for key, value in given.items() if value is not None])
    if name is not None:
        user_models.check_name(name)
    base = user_models.find(FAMILY, base_model or talker, None)
    command_line = shlex.join(["lipdub", "adapt", video.name, "--minutes", f"{options.minutes:g}", "--seed", str(seed)])
    with tempfile.TemporaryDirectory(prefix="lipdub-adapt-") as folder:
        path = out or Path(folder) / "talker.safetensors"
        model = run(
            video,
            base.path,
            path,
            speech=speech or (),
            options=options,
            seed=seed,
            threads=manner.threads or 2,
            device=manner.device,
            progress=print_progress(manner),
        )
        text = render_card(model, command_line)
        if out is None:
            digest = digest_file(video)
            path = user_models.add_model(
                FAMILY,
                path,
                name or user_models.sanitize_name(f"{video.stem}-{digest[:8]}"),
                video_digest=digest,
                card=text,
            )
        else:
            out.with_suffix(".md").write_text(text, encoding="utf-8")
    manner.result({"weights": str(path), "notes": model.notes["adapted"]}, str(path))
