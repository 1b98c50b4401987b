"""`lipdub run`: the whole chain."""

from __future__ import annotations

from typing import Annotated

import typer

from lipdub.cli import options as opt
from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.tables import as_table


def add(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("run")(run)


@command
def run(
    manner: GlobalOptions,
    video: opt.Video,
    speech: opt.Speech,
    out: opt.Out = None,
    workspace: opt.Workspace = None,
    keep_workspace: Annotated[
        bool, typer.Option("--keep-workspace/--no-keep-workspace", help="Keep the caches for the next run.")
    ] = True,
    recipe: opt.Recipe = "auto",
    plan: Annotated[bool, typer.Option("--plan", help="Tell what would run and what be reused; do nothing.")] = False,
    face: opt.Face = None,
    start: opt.From = None,
    end: opt.To = None,
    no_face: opt.NoFace = "keep",
    detector: opt.Detector = None,
    max_faces: opt.MaxFaces = None,
    text: opt.Text = None,
    language: opt.Language = None,
    length: opt.Length = None,
    extend: opt.Extend = None,
    offset: opt.Offset = None,
    strength: opt.Strength = None,
    expression: opt.Expression = None,
    emotion: opt.Emotion = None,
    talker: opt.Talker = None,
    enhance: opt.Enhance = None,
    enhance_region: opt.EnhanceRegion = None,
    enhance_mask: opt.EnhanceMask = None,
    enhance_strength: opt.EnhanceStrength = None,
    precision: opt.Precision = None,
    accel: opt.Accel = None,
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
    commercial_safe: opt.CommercialSafe = False,
) -> None:
    """Make the talker in VIDEO say SPEECH.

    The result has the source's size, frame times, colour and other streams.

    A run that was stopped goes on where it was; one with other options redoes only what they change.
    """
    from lipdub.cli.progress import show_progress
    from lipdub.engine import pipeline
    from lipdub.errors import printable

    job = pipeline.make_job(
        video,
        speech,
        out,
        workspace=workspace,
        mix=mix,
        recipe=recipe,
        device=manner.device,
        threads=manner.threads,
        no_face=no_face,
        overwrite=overwrite,
        commercial_safe=commercial_safe,
        options=opt.drop_missing(
            face=face,
            start=start,
            end=end,
            detector=detector,
            max_faces=max_faces,
            text=text,
            language=language,
            length=length,
            extend=extend,
            offset=offset,
            strength=strength,
            expression=expression,
            emotion=emotion,
            talker=talker,
            enhance=enhance,
            enhance_region=enhance_region,
            enhance_mask=enhance_mask,
            enhance_strength=enhance_strength,
            precision=precision,
            accel=accel,
            blend=blend,
            feather=feather,
            colour_match=colour_match,
            codec=codec,
            crf=crf,
            preset=preset,
            lossless=lossless,
            audio_codec=audio_codec,
            audio_bitrate=audio_bitrate,
            keep_audio=keep_audio,
        ),
    )
    if plan:
        planned = [stage.to_json() for stage in pipeline.plan(job)]
        manner.result({"stages": planned}, None if manner.json else as_table(planned))
        return
    with show_progress(manner) as callback:
        result = pipeline.run_job(job, callback, keep_workspace=keep_workspace)
    for note in result.notes:
        manner.note(f"note        {printable(note)}")
    manner.result(result, printable(result.out))
