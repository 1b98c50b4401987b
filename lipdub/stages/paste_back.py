"""paste-back: lays the crops into the source's frames, encodes them piece by piece, and muxes the result.

Store: ``segments/KIND/NNNNN.nut``, independently encoded pieces of `SEGMENT` frames, complete or absent.
Frames are patched in their own pixel format: what lies outside the feathered mask is the decoded source's, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import UsageError
from lipdub.stages.base import StageContext, StageSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.job import Job
    from lipdub.media.mux import AudioCodec
    from lipdub.media.pixels import Picture
    from lipdub.media.probe import MediaFacts
    from lipdub.media.write import VideoCodec

# Frames per independently encoded piece; encoders put a key frame about this often anyway.
SEGMENT = 240
BLENDS = ("laplacian", "feather")
KEEP_AUDIO = ("others", "all", "none")


@dataclass(frozen=True)
class PasteOptions:
    """method: `laplacian` or `feather`. feather: width of the mask's soft edge as a share of the crop's width.
    colour_match: shift the crop's colour to the frame's along the mask's edge. codec, crf, preset, lossless:
    `lipdub.media.write.VideoCodec`. audio_codec, audio_bitrate: `lipdub.media.mux.AudioCodec`. keep_audio: `others` keeps
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


def run(ctx: StageContext, options: PasteOptions) -> dict[str, Any]:
    """Encodes the missing segments, then muxes."""
    from lipdub.media.mux import mux
    from lipdub.media.write import plan_encoder, write_segment

    sync = ctx.upstream["sync"]
    made = ctx.upstream[ctx.summaries["enhance"]["crops"]]
    crops, boxes = made.open("crops"), made.open("boxes")
    n = len(crops)
    source, pts = sync.open("source").read(0, n), sync.open("pts").read(0, n)
    codec, audio = codecs(options, ctx.job.result())
    # The container decides the encoder, and is no option: pieces made for another one must not be taken for these.
    kind = ctx.job.result().suffix.lower().lstrip(".")
    names = [f"segments/{kind}/{i:05d}.nut" for i in range(-(-n // SEGMENT))]
    missing = [i for i, name in enumerate(names) if not ctx.store.sealed(name)]
    wanted = [k for i in missing for k in range(i * SEGMENT, min((i + 1) * SEGMENT, n))]
    pasted = _pasted(ctx, options, crops, boxes, source, wanted)
    for i in missing:
        count = min(SEGMENT, n - i * SEGMENT)
        frames = ((picture, int(pts[k])) for k, picture in islice(pasted, count))
        write_segment(ctx.store.file(names[i]), frames, ctx.video, codec, ctx.threads)
        ctx.store.seal(names[i])
    line = sync.json("timeline")
    notes = mux(
        [ctx.store.file(name) for name in names],
        ctx.job.result(),
        source=ctx.job.video,
        source_facts=ctx.facts,
        speech=ctx.job.mix or ctx.job.speech,
        speech_start=Fraction(line["speech_start"]),
        end=Fraction(line["end"]) if line["cut"] else None,
        last_duration=line["last_duration"],
        keep_source_audio=options.keep_audio,
        audio=audio,
        metadata=ctx.metadata,
    )
    return {
        "method": options.method,
        "frames": n,
        "segments": len(names),
        "notes": [*plan_encoder(ctx.video, codec).notes, *notes],
    }


def codecs(options: PasteOptions, out: Path) -> tuple[VideoCodec, AudioCodec]:
    """How picture and sound are encoded for a result called `out`."""
    from lipdub.media.mux import AudioCodec
    from lipdub.media.write import VideoCodec

    video = VideoCodec(
        codec=options.codec, crf=options.crf, preset=options.preset, lossless=options.lossless, container=out.suffix
    )
    return video, AudioCodec(codec=options.audio_codec, bitrate=options.audio_bitrate)


def check(job: Job, facts: MediaFacts, options: PasteOptions) -> None:
    """UsageError, before anything runs, where the result's container cannot hold what was asked for."""
    from lipdub.media.containers import container_of
    from lipdub.media.mux import check_sound
    from lipdub.media.write import plan_encoder

    out = job.result()
    video, audio = codecs(options, out)
    if facts.video is not None:
        plan_encoder(facts.video, video)
    check_sound(audio, container_of(out))


def _pasted(
    ctx: StageContext, options: PasteOptions, crops: Any, boxes: Any, source: np.ndarray, wanted: list[int]
) -> Iterator[tuple[int, Picture]]:
    """The wanted output frames, pasted, in one pass over the source."""
    from lipdub.media.read import read_order
    from lipdub.parallel import ahead

    def jobs() -> Iterator[tuple[int, Picture, np.ndarray, np.ndarray]]:
        loaded = -1
        for k, frame in zip(wanted, read_order(ctx.job.video, source[wanted]), strict=True):
            chunk = k // crops.chunk
            if chunk != loaded:
                pixels, places, first = crops.read_chunk(chunk), boxes.read_chunk(chunk), crops.span(chunk)[0]
                loaded = chunk
            yield k, frame.picture, pixels[k - first], places[k - first]

    for k, picture in ahead(lambda job: (job[0], paste(*job[1:], options)), jobs(), ctx.threads):
        yield k, picture
        ctx.progress(k + 1, len(crops))


def weight_of(crop: np.ndarray, feather: float) -> np.ndarray:
    """The feathered mask of a crop (h, w, 4): float32 (h, w) 0..1; exactly 0 where the frame must stay as it is."""
    from lipdub.blending.feather import feather as soften

    mask = crop[..., 3] if crop.dtype == np.uint8 else (crop[..., 3] >> 8).astype(np.uint8)
    soft = soften(np.ascontiguousarray(mask), feather * crop.shape[1])
    return np.where(mask > 0, soft, np.float32(0))


def paste(picture: Picture, crop: np.ndarray, box: np.ndarray, options: PasteOptions) -> Picture:
    """One frame with its crop laid in; the same object where there is nothing to lay in.

    Args:
        picture: `lipdub.media.pixels.Picture`. crop: (h, w, 4) with room to spare. box: (4,) its place.
    """
    from lipdub.blending import colour, laplacian

    x0, y0, x1, y1 = (int(v) for v in box)
    if x1 <= x0 or y1 <= y0:
        return picture
    crop = crop[: y1 - y0, : x1 - x0]
    weight = weight_of(crop, options.feather)
    rows, columns = np.flatnonzero(weight.any(1)), np.flatnonzero(weight.any(0))
    if len(rows) == 0:
        return picture
    # The rest of the crop stays as it is: only the box the mask fills is worked on.
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    crop, weight = crop[part], np.ascontiguousarray(weight[part])
    x0, y0 = x0 + int(columns[0]), y0 + int(rows[0])
    x1, y1 = x0 + weight.shape[1], y0 + weight.shape[0]
    background = picture.rgb((x0, y0, x1, y1))
    foreground = np.ascontiguousarray(crop[..., :3])
    if options.colour_match:
        foreground = colour.match_colour(background, foreground, weight, picture.scale)
    if options.method == "laplacian":
        mixed = laplacian.blend(background, foreground, weight)
        # The coarse octaves reach beyond the mask; the mask's own foot bounds them.
        return picture.patched((x0, y0, x1, y1), mixed, np.minimum(weight * 4, 1.0), background)
    return picture.patched((x0, y0, x1, y1), foreground, weight, background)


def support(made: Any, k: int, options: PasteOptions) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """Box and feathered mask of output frame `k`: what paste-back may have changed. made: the store of the crops, sync's
    or enhance's.

    Returns:
        box (x0, y0, x1, y1), empty where the frame was passed through; weight float32 (h, w).
    """
    crops, boxes = made.open("crops"), made.open("boxes")
    x0, y0, x1, y1 = (int(v) for v in boxes.read(k, k + 1)[0])
    crop = crops.read(k, k + 1)[0][: max(y1 - y0, 0), : max(x1 - x0, 0)]
    return (x0, y0, x1, y1), weight_of(crop, options.feather)


SPEC = StageSpec(
    name="paste-back",
    version=1,
    reads=("detect", "sync", "enhance"),
    inputs=("video", "speech", "mix"),
    options=PasteOptions,
    run=run,
    check=check,
    writes_output=True,
)
