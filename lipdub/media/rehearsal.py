"""Making a result of one frame and throwing it away, so that what would fail at the end of a run fails before it."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import InputError, LipdubError, printable
from lipdub.media.containers import container_for
from lipdub.media.mux import describe_losses, make_result, scratch_folder
from lipdub.media.mux_plan import PictureInput, SpeechInput
from lipdub.media.read import read_frames
from lipdub.media.video_encoder import VideoCodec, plan_encoder
from lipdub.media.write import write_segment

if TYPE_CHECKING:
    from lipdub.media.mux_plan import SourceInput

# Presets that start soonest, by codec family.
_FASTEST_PRESETS = {"h264": "ultrafast", "hevc": "ultrafast", "av1": "13"}


def rehearse(
    codec: VideoCodec, speech: SpeechInput | None, source: SourceInput, out: Path, *, compares: bool = False
) -> list[str]:
    """Encode and mux one frame as the whole result will be: the same programs, names, streams and layouts.

    Args:
        codec: How the picture is encoded.
        speech: The speech; None for none.
        source: The source, and which of its streams are kept.
        out: The result. It is not touched; its folder is written to and left as it was.
        compares: Whether the result is compared with the source, for the notes alone.

    Returns:
        What the notes of the whole result will say, where it is compared.

    Raises:
        UsageError: The container does not hold what is asked for.
        InputError: The source or the speech cannot be read.
        EnvironmentFailure: Encoder, ffmpeg or disk refuse.
    """
    video = source.facts.video
    assert video is not None
    plan = plan_encoder(video, codec)
    if codec.preset is None:
        codec = replace(codec, preset=_FASTEST_PRESETS.get(plan.encoder.family))
    frame = next(read_frames(source.path, 0, 1, threads=1), None)
    if frame is None:
        raise InputError(f"the first picture of {printable(source.path)} does not decode")
    step = max(1, round(1 / (video.average_rate * video.time_base)))
    with scratch_folder(out) as scratch:
        piece = scratch / "piece.nut"
        write_segment(piece, [(frame.picture, frame.pts)], video, codec)
        end = (frame.pts + step) * video.time_base
        picture = PictureInput([piece], last_duration=step)
        container = container_for(out)
        made = make_result(picture, speech, source, scratch, container=container, metadata={}, end=end)
        losses = describe_losses(made, speech, source) if compares else []
    return [*plan.notes, *made.notes, *losses]


def forecast_notes(source: SourceInput, out: Path, speech: Path | None = None) -> list[str]:
    """Tell what the notes of a result will say of its file, or why there would be none.

    Args:
        source: The source, and which of its streams are kept.
        out: The result. Only its name counts.
        speech: The speech; None for any.
    """
    assert source.facts.video is not None
    with TemporaryDirectory(prefix="lipdub-") as folder:
        sound = speech or _write_silence(Path(folder) / "silence.wav")
        codec = VideoCodec(container=out.suffix)
        try:
            spoken = SpeechInput(sound, start=source.facts.video.start_time)
            notes = rehearse(codec, spoken, source, Path(folder) / out.name, compares=True)
            return [f"A {out.suffix} result: {note}." for note in notes]
        except LipdubError as error:
            return [f"A run would fail: {error.what}."]


def _write_silence(path: Path) -> Path:
    """Write a second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(bytes(2 * SAMPLE_RATE_HZ))
    return path
