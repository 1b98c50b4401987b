"""Making a result of one frame and throwing it away, so that what would fail at the end of a run fails before it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lipdub.media.containers import container_for
from lipdub.media.mux import make_result, scratch_folder
from lipdub.media.mux_plan import PictureInput
from lipdub.media.read import read_frames
from lipdub.media.write import plan_encoder, write_segment

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.media.mux_plan import SourceInput, SpeechInput
    from lipdub.media.write import VideoCodec

# Presets that start soonest, by codec family.
_FASTEST_PRESETS = {"h264": "ultrafast", "hevc": "ultrafast", "av1": "13"}


def rehearse(codec: VideoCodec, speech: SpeechInput | None, source: SourceInput, out: Path) -> None:
    """Encode and mux one frame as the whole result will be: the same programs, names, streams and layouts.

    Args:
        codec: How the picture is encoded.
        speech: The speech; None for none.
        source: The source, and which of its streams are kept.
        out: The result. It is not touched; its folder is written to and left as it was.

    Raises:
        UsageError: The container does not hold what is asked for.
        InputError: The source or the speech cannot be read.
        EnvironmentFailure: Encoder, ffmpeg or disk refuse.
    """
    video = source.facts.video
    assert video is not None
    if codec.preset is None:
        codec = replace(codec, preset=_FASTEST_PRESETS.get(plan_encoder(video, codec).encoder.family))
    frame = next(iter(read_frames(source.path, 0, 1, threads=1)))
    step = max(1, round(1 / (video.average_rate * video.time_base)))
    with scratch_folder(out) as scratch:
        piece = scratch / "piece.nut"
        write_segment(piece, [(frame.picture, frame.pts)], video, codec)
        end = (frame.pts + step) * video.time_base
        picture = PictureInput([piece], last_duration=step)
        make_result(picture, speech, source, scratch, container=container_for(out), metadata={}, end=end)
