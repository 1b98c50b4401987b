"""`lipdub detect`, `neutralize`, `sync`, `enhance`, `paste-back`: each stage of the chain alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import typer

from lipdub.cli import options as opt
from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.tables import as_lines


def add(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command("detect")(detect)
    app.command("neutralize")(neutralize)
    app.command("sync")(sync)
    app.command("enhance")(enhance)
    app.command("paste-back")(paste_back)


@command
def detect(
    manner: GlobalOptions,
    video: opt.Video,
    workspace: opt.Workspace = None,
    recipe: opt.Recipe = "auto",
    method: opt.Method = None,
    max_faces: opt.MaxFaces = None,
    no_face: opt.NoFace = "keep",
    commercial_safe: opt.CommercialSafe = False,
) -> None:
    """Find shots and faces, and follow each face over time."""
    _run(
        manner,
        "detect",
        video,
        None,
        workspace,
        recipe,
        commercial_safe=commercial_safe,
        no_face=no_face,
        method=method,
        max_faces=max_faces,
    )


@command
def neutralize(
    manner: GlobalOptions,
    video: opt.Video,
    workspace: opt.Workspace = None,
    recipe: opt.Recipe = "auto",
    method: opt.Method = None,
    expression: opt.Expression = None,
    talker: opt.Talker = None,
    face: opt.Face = None,
    start: opt.From = None,
    end: opt.To = None,
    precision: opt.Precision = None,
    accel: opt.Accel = None,
    commercial_safe: opt.CommercialSafe = False,
) -> None:
    """Find the talker's rest mouth and mouth shapes, or draw the face anew: with one expression, or its mouth shut.

    --expression is for method dnet, --talker for silent-lip, --face, --from and --to for both.
    """
    _run(
        manner,
        "neutralize",
        video,
        None,
        workspace,
        recipe,
        commercial_safe=commercial_safe,
        method=method,
        expression=expression,
        talker=talker,
        face=face,
        start=start,
        end=end,
        precision=precision,
        accel=accel,
    )


@command
def sync(
    manner: GlobalOptions,
    video: opt.Video,
    speech: opt.Speech,
    workspace: opt.Workspace = None,
    recipe: opt.Recipe = "auto",
    method: opt.Method = None,
    face: opt.Face = None,
    start: opt.From = None,
    end: opt.To = None,
    text: opt.Text = None,
    language: opt.Language = None,
    length: opt.Length = None,
    extend: opt.Extend = None,
    offset: opt.Offset = None,
    strength: opt.Strength = None,
    emotion: opt.Emotion = None,
    talker: opt.Talker = None,
    precision: opt.Precision = None,
    accel: opt.Accel = None,
    commercial_safe: opt.CommercialSafe = False,
) -> None:
    """Make mouths that follow the speech."""
    _run(
        manner,
        "sync",
        video,
        speech,
        workspace,
        recipe,
        commercial_safe=commercial_safe,
        method=method,
        face=face,
        start=start,
        end=end,
        text=text,
        language=language,
        length=length,
        extend=extend,
        offset=offset,
        strength=strength,
        emotion=emotion,
        talker=talker,
        precision=precision,
        accel=accel,
    )


@command
def enhance(
    manner: GlobalOptions,
    video: opt.Video,
    speech: opt.Speech,
    workspace: opt.Workspace = None,
    recipe: opt.Recipe = "auto",
    method: opt.Enhance = None,
    region: opt.EnhanceRegion = None,
    mask: opt.EnhanceMask = None,
    strength: opt.EnhanceStrength = None,
    precision: opt.Precision = None,
    accel: opt.Accel = None,
    commercial_safe: opt.CommercialSafe = False,
) -> None:
    """Restore the generated mouths."""
    _run(
        manner,
        "enhance",
        video,
        speech,
        workspace,
        recipe,
        commercial_safe=commercial_safe,
        method=method,
        region=region,
        mask=mask,
        strength=strength,
        precision=precision,
        accel=accel,
    )


@command
def paste_back(
    manner: GlobalOptions,
    video: opt.Video,
    speech: opt.Speech,
    out: opt.Out = None,
    workspace: opt.Workspace = None,
    recipe: opt.Recipe = "auto",
    blend: opt.Blend = None,
    feather: opt.Feather = None,
    colour_match: opt.ColourMatch = None,
    mix: opt.Mix = None,
    codec: opt.Codec = None,
    crf: opt.Crf = None,
    preset: opt.Preset = None,
    lossless: opt.Lossless = None,
    audio_codec: opt.AudioCodec = None,
    audio_bitrate: opt.AudioBitrate = None,
    keep_audio: opt.KeepAudio = None,
    overwrite: opt.Overwrite = False,
) -> None:
    """Blend the mouths into the frames, encode, add the sound."""
    _run(
        manner,
        "paste-back",
        video,
        speech,
        workspace,
        recipe,
        out=out,
        mix=mix,
        overwrite=overwrite,
        method=blend,
        feather=feather,
        colour_match=colour_match,
        codec=codec,
        crf=crf,
        preset=preset,
        lossless=lossless,
        audio_codec=audio_codec,
        audio_bitrate=audio_bitrate,
        keep_audio=keep_audio,
    )


def _run(
    manner: GlobalOptions,
    name: str,
    video: Path,
    speech: Path | None,
    workspace: Path | None,
    recipe: str,
    *,
    out: Path | None = None,
    mix: Path | None = None,
    overwrite: bool = False,
    commercial_safe: bool = False,
    no_face: Literal["keep", "error"] = "keep",
    **options: Any,
) -> None:
    from lipdub.cli.progress import show_progress
    from lipdub.engine import pipeline

    job = pipeline.make_job(
        video,
        speech,
        out,
        stage=name,
        workspace=workspace,
        mix=mix,
        recipe=recipe,
        device=manner.device,
        threads=manner.threads,
        no_face=no_face,
        overwrite=overwrite,
        commercial_safe=commercial_safe,
        options=opt.drop_missing(**options),
    )
    with show_progress(manner) as callback:
        result = pipeline.run_stage(name, job, callback)
    manner.result(result, None if manner.json else as_lines(result.summary))
