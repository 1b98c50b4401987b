"""The options commands share: declared once, as annotated types; none has a default here.

What a person does not give is not passed on, so the defaults live in the stages' option dataclasses alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)([kKmM]?)")
_TALKER = "Who and when"
_SPEECH = "Speech"
_LENGTH = "Length"
_LOOK = "Look"
_NETWORKS = "Networks"
_FILE = "Result file"
_SETTINGS = "Settings"


def parse_time(text: str | float) -> float:
    """Seconds from "83.5", "1:23.5" or "0:01:23.500"."""
    if isinstance(text, (int, float)):
        return float(text)
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no time; write seconds or h:mm:ss.sss")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def parse_rate(text: str | int) -> int:
    """Bits per second from "256k", "1.5M" or "256000"."""
    if isinstance(text, int):
        return text
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no rate; write bits per second, as 256k")
    number, unit = match.groups()
    return round(float(number) * {"": 1, "k": 1000, "m": 1_000_000}[unit.lower()])


def drop_missing(**values: Any) -> dict[str, Any]:
    """Those options that were given on the command line."""
    return {name: value for name, value in values.items() if value is not None}


Video = Annotated[Path, typer.Argument(metavar="VIDEO", help="The source: a video or a still image.")]
Speech = Annotated[Path, typer.Argument(metavar="SPEECH", help="The speech the lips are to follow.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="The result. Default: VIDEO with .dubbed in its name."),
]
Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        metavar="FOLDER",
        help="Where caches lie. Default: the result's name with .lipdub.",
    ),
]
Recipe = Annotated[
    str,
    typer.Option(
        "--recipe", metavar="NAME", help="One method for each stage: auto, builtin, stabilized, wav2lip, retalking."
    ),
]
Method = Annotated[str | None, typer.Option("--method", metavar="NAME", help="The stage's method.")]
Detector = Annotated[
    Literal["mediapipe", "retinaface"] | None,
    typer.Option(
        "--detector",
        help="What finds the faces; retinaface, for small or tilted ones, needs its published weights.",
        show_default="mediapipe",
        rich_help_panel=_TALKER,
    ),
]
MaxFaces = Annotated[
    int | None,
    typer.Option(
        "--max-faces",
        help="How many faces a frame is searched for.",
        show_default="4",
        rich_help_panel=_TALKER,
    ),
]
Face = Annotated[
    str | None,
    typer.Option(
        "--face",
        metavar="WHO",
        help="Whose lips: a track's number, largest, left, right, or a picture of the person.",
        show_default="largest",
        rich_help_panel=_TALKER,
    ),
]
From = Annotated[
    float | None,
    typer.Option("--from", parser=parse_time, metavar="TIME", help="Dub from here on.", rich_help_panel=_TALKER),
]
To = Annotated[
    float | None,
    typer.Option("--to", parser=parse_time, metavar="TIME", help="Dub up to here.", rich_help_panel=_TALKER),
]
NoFace = Annotated[
    Literal["keep", "error"],
    typer.Option("--no-face", help="Frames without a face: pass them through, or stop.", rich_help_panel=_TALKER),
]
Length = Annotated[
    Literal["longest", "video", "speech", "shortest"] | None,
    typer.Option("--length", help="How long the result is.", show_default="longest", rich_help_panel=_LENGTH),
]
Extend = Annotated[
    Literal["pingpong", "loop", "freeze"] | None,
    typer.Option("--extend", help="Where picture is missing.", show_default="pingpong", rich_help_panel=_LENGTH),
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text",
        metavar="FILE",
        help="The words of the speech: plain text, SRT or VTT. Speech that is not in it is heard as ever.",
        rich_help_panel=_SPEECH,
    ),
]
Language = Annotated[
    str | None,
    typer.Option(
        "--language",
        metavar="CODE",
        help="Of the text, as en, de, fr or ja.",
        show_default="auto",
        rich_help_panel=_SPEECH,
    ),
]
Offset = Annotated[
    float | None,
    typer.Option(
        "--offset",
        metavar="SECONDS",
        help="Shift the speech: positive is later.",
        show_default="0",
        rich_help_panel=_LENGTH,
    ),
]
Strength = Annotated[
    float | None,
    typer.Option(
        "--strength", help="How far the mouth moves: 1 is as spoken.", show_default="1", rich_help_panel=_LOOK
    ),
]
Expression = Annotated[
    str | None,
    typer.Option(
        "--expression",
        metavar="NAME|FILE",
        help="Recipe retalking: the face's expression before it speaks: neutral, smile, a picture, a file of coefficients.",
        show_default="neutral",
        rich_help_panel=_LOOK,
    ),
]
Emotion = Annotated[
    Literal["surprise", "angry", "sad"] | None,
    typer.Option("--emotion", help="Recipe retalking: what the upper face shows.", rich_help_panel=_LOOK),
]
Talker = Annotated[
    str | None,
    typer.Option(
        "--talker",
        metavar="NAME|FILE",
        help="Recipe stabilized: the model that draws the talker. Default: the one adapted to this video, or lipdub's own.",
        rich_help_panel=_LOOK,
    ),
]
Enhance = Annotated[
    Literal["none", "auto", "gfpgan", "gpen", "vqfr"] | None,
    typer.Option(
        "--enhance",
        help="Restore the mouths by a network, with its published weights; auto: by one whose weights are there.",
        show_default="none",
        rich_help_panel=_LOOK,
    ),
]
EnhanceRegion = Annotated[
    Literal["mouth", "face"] | None,
    typer.Option(
        "--enhance-region",
        help="What is restored; face: all that was changed.",
        show_default="mouth",
        rich_help_panel=_LOOK,
    ),
]
EnhanceMask = Annotated[
    Literal["auto", "mesh", "parsing"] | None,
    typer.Option(
        "--enhance-mask",
        help="What tells where the mouth is; auto: face parsing where its published weights are, else the mesh.",
        show_default="auto",
        rich_help_panel=_LOOK,
    ),
]
EnhanceStrength = Annotated[
    float | None,
    typer.Option(
        "--enhance-strength",
        help="How much of what was restored is taken: 0 to 1.",
        show_default="1",
        rich_help_panel=_LOOK,
    ),
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"] | None,
    typer.Option(
        "--precision",
        help="What networks compute in; auto: fp32 on a processor, half precision on a GPU.",
        show_default="auto",
        rich_help_panel=_NETWORKS,
    ),
]
Accel = Annotated[
    Literal["auto", "none", "openvino"] | None,
    typer.Option(
        "--accel",
        help="What runs networks on a processor; auto: OpenVINO where it is installed, else PyTorch.",
        show_default="auto",
        rich_help_panel=_NETWORKS,
    ),
]
Blend = Annotated[
    Literal["laplacian", "feather"] | None,
    typer.Option(
        "--blend",
        help="How the mouth is joined to the face.",
        show_default="laplacian",
        rich_help_panel=_LOOK,
    ),
]
Feather = Annotated[
    float | None,
    typer.Option(
        "--feather",
        help="Width of the mask's soft edge, as a share of the crop.",
        show_default="0.04",
        rich_help_panel=_LOOK,
    ),
]
ColourMatch = Annotated[
    bool | None,
    typer.Option(
        "--colour-match/--no-colour-match",
        help="Match the mouth's colour to the frame.",
        show_default=False,
        rich_help_panel=_LOOK,
    ),
]
Codec = Annotated[
    str | None,
    typer.Option(
        "--codec",
        metavar="NAME",
        help="Video codec; auto is the source's where possible.",
        show_default="auto",
        rich_help_panel=_FILE,
    ),
]
Crf = Annotated[
    int | None,
    typer.Option("--crf", help="Quality of the video: lower is better; 18 hardly shows.", rich_help_panel=_FILE),
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", metavar="NAME", help="The encoder's trade of time for size.", rich_help_panel=_FILE),
]
Lossless = Annotated[
    bool | None,
    typer.Option("--lossless", help="Encode without any loss.", show_default=False, rich_help_panel=_FILE),
]
AudioCodec = Annotated[
    str | None,
    typer.Option(
        "--audio-codec",
        metavar="NAME",
        help="Codec of the speech; auto goes by the container.",
        show_default="auto",
        rich_help_panel=_FILE,
    ),
]
AudioBitrate = Annotated[
    int | None,
    typer.Option(
        "--audio-bitrate",
        parser=parse_rate,
        metavar="RATE",
        help="Of the speech, as 256k.",
        rich_help_panel=_FILE,
    ),
]
KeepAudio = Annotated[
    Literal["others", "all", "none"] | None,
    typer.Option(
        "--keep-audio",
        help="Which of the source's sound streams stay; others: all but the first.",
        show_default="others",
        rich_help_panel=_FILE,
    ),
]
Mix = Annotated[
    Path | None,
    typer.Option("--mix", metavar="FILE", help="Sound of the result, instead of the speech.", rich_help_panel=_FILE),
]
CommercialSafe = Annotated[
    bool,
    typer.Option(
        "--commercial-safe",
        help="Refuse published weights not known to allow commercial use.",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="TOML", help="File with settings of the training.", rich_help_panel=_SETTINGS),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting of the training; overrides the file. May be given several times.",
        rich_help_panel=_SETTINGS,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace a file lipdub did not make.", show_default=False, rich_help_panel=_FILE),
]
