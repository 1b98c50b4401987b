"""Options."""

from __future__ import annotations

from dataclasses import dataclass

from lipdub.errors import UsageError

BLENDS = ("laplacian", "feather")


KEEP_AUDIO = ("others", "all", "none")


@dataclass(frozen=True)
class PasteBackOptions:
    """method: `laplacian` or `feather`. feather: width of the mask's soft edge as a share of the crop's width.
    colour_match: shift the crop's colour to the frame's along the mask's edge. codec, crf, preset, lossless:
    `lipdub.media.write.VideoCodec`. audio_codec, audio_bitrate: `lipdub.media.audio_encoder.AudioCodec`. keep_audio: `others` keeps
    the source's sound streams but the first, `all` keeps that too, `none` none.
    """

    method: str = "laplacian"
    feather: float = 0.04
    colour_match: bool = True
    codec: str = "auto"
    crf: int | None = None
    preset: str | None = None
    lossless: bool = False
    audio_codec: str = "auto"
    audio_bitrate: int | None = None
    keep_audio: str = "others"

    def __post_init__(self) -> None:
        if self.method not in BLENDS:
            raise UsageError(f"paste-back has no method {self.method!r}", hint=f"Methods: {', '.join(BLENDS)}")
        if not 0 <= self.feather <= 0.5:
            raise UsageError(f"--feather must be 0 to 0.5 of the crop's width, not {self.feather:g}")
        if self.keep_audio not in KEEP_AUDIO:
            raise UsageError(f"--keep-audio {self.keep_audio!r} is unknown", hint=f"It takes {', '.join(KEEP_AUDIO)}.")
