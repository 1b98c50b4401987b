"""The options of paste-back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lipdub.blending import BLENDERS, DEFAULT_BLENDER
from lipdub.options import option
from lipdub.stages.option_parsers import parse_rate
from lipdub.stages.stage_options import StageOptions

LOOK, FILE = "Look", "Result file"


@dataclass(frozen=True)
class PasteBackOptions(StageOptions):
    """How the crop joins the frame, and how picture and sound are encoded."""

    method: str = option(
        DEFAULT_BLENDER,
        "--method",
        help="How the mouth is blended into the face.",
        choices=BLENDERS.names,
        panel=LOOK,
        run_name="blend",
        run_flags=("--blend",),
        aliases=("--blend",),
    )
    feather: float = option(
        0.04,
        "--feather",
        help="Width of the mask's soft edge, as a share of the crop.",
        low=0,
        high=0.5,
        panel=LOOK,
    )
    colour_match: bool = option(
        True, "--colour-match/--no-colour-match", help="Match the mouth's colour to the frame.", panel=LOOK
    )
    codec: str = option(
        "auto", "--codec", help="Video codec. auto: the source's, where possible.", metavar="NAME", panel=FILE
    )
    crf: int | None = option(
        None, "--crf", help="Quality of the video. Lower is better; losses hardly show at 18.", panel=FILE
    )
    preset: str | None = option(
        None, "--preset", help="The encoder's preset: slower ones make smaller files.", metavar="NAME", panel=FILE
    )
    lossless: bool = option(False, "--lossless", help="Encode without any loss.", panel=FILE)
    audio_codec: str = option(
        "auto", "--audio-codec", help="Codec of the speech. auto: what suits the container.", metavar="NAME", panel=FILE
    )
    audio_bitrate: int | None = option(
        None,
        "--audio-bitrate",
        help="Bit rate of the speech, such as 256k.",
        metavar="RATE",
        parse=parse_rate,
        panel=FILE,
    )
    keep_audio: Literal["others", "all", "none"] = option(
        "others",
        "--keep-audio",
        help="Which audio streams of the source to keep. others: all but the first.",
        panel=FILE,
    )
