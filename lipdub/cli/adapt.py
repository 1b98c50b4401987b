"""`lipdub adapt`: a talking-face model for the talker of one video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lipdub.cli import options as opt
from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.train import teller


def add(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("adapt")(adapt)


@command
def adapt(
    manner: GlobalOptions,
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="The talker, heard and seen; some seconds do.")],
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.1, help="Of wall time, all in all.", show_default="10")
    ] = None,
    speech: Annotated[
        list[Path] | None,
        typer.Option(
            "--speech",
            metavar="FILE",
            help="What it will say: without it the mouth follows but little. May be given again.",
        ),
    ] = None,
    talker: Annotated[
        str | None,
        typer.Option(
            "--talker", metavar="NAME|FILE", help="The model to begin with. Default: the one that comes with lipdub."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Keep it by this name, for other videos of the talker: run --talker NAME."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write it here instead of into the weights store."),
    ] = None,
    pixels: Annotated[
        int | None, typer.Option("--pixels", help="Of the faces drawn: 96 or 128.", show_default="128")
    ] = None,
    config: opt.Config = None,
    changes: opt.Set = None,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is drawn by chance.")] = 0,
) -> None:
    """Get to know the talker of a video, so that --recipe stabilized draws this face.

    The model is kept in the weights store, and taken from there whenever this video is dubbed with that recipe.
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
    base = user_models.find(FAMILY, talker, None)
    told = shlex.join(["lipdub", "adapt", video.name, "--minutes", f"{options.minutes:g}", "--seed", str(seed)])
    with tempfile.TemporaryDirectory(prefix="lipdub-adapt-") as folder:
        made = out or Path(folder) / "talker.safetensors"
        model = run(
            video,
            base.path,
            made,
            speech=speech or (),
            options=options,
            seed=seed,
            threads=manner.threads or 2,
            device=manner.device,
            progress=teller(manner),
        )
        text = render_card(model, told)
        if out is None:
            digest = digest_file(video)
            name = name or user_models.sanitize_name(f"{video.stem}-{digest[:8]}")
            made = user_models.add_model(FAMILY, made, name, video_digest=digest, card=text)
        else:
            out.with_suffix(".md").write_text(text, encoding="utf-8")
    manner.result({"weights": str(made), "notes": model.notes["adapted"]}, str(made))
