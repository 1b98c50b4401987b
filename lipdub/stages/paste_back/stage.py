"""The stage paste-back: pastes the crops into the source's frames, encodes them piece by piece, and muxes the result.

Store: ``segments/KIND/NNNNN.nut``, independently encoded pieces of `SEGMENT_FRAMES` frames, complete or absent.
Frames are changed in their own pixel format: what lies outside the feathered mask is the decoded source's, bit for
bit.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

from lipdub.stages.base import StageContext, StageSpec
from lipdub.stages.paste_back.options import PasteBackOptions
from lipdub.stages.paste_back.paste import paste_crop
from lipdub.stages.sync.store import CropStore, SyncStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.arrays import I32, Array
    from lipdub.media.audio_encoder import AudioCodec
    from lipdub.media.pixels import Picture
    from lipdub.media.probe import MediaFacts
    from lipdub.media.video_encoder import VideoCodec
    from lipdub.stages.job import Job

# Frames per independently encoded piece; encoders put a key frame about this often anyway.
SEGMENT_FRAMES = 240


def run(ctx: StageContext, options: PasteBackOptions) -> dict[str, Any]:
    """Encode the missing segments, then mux."""
    from lipdub.media.audio import describe_odd_samples
    from lipdub.media.copied_streams import KEEP_OTHERS
    from lipdub.media.mux import mux
    from lipdub.media.mux_plan import PictureInput, SourceInput, SpeechInput
    from lipdub.media.sound_likeness import describe_old_voice
    from lipdub.media.video_encoder import plan_encoder
    from lipdub.media.write import write_segment

    sync = SyncStore.from_context(ctx)
    crops = CropStore(ctx.upstream[ctx.summaries["enhance"]["crops"]])
    n, pts = len(crops), sync.plan.pts
    codec, audio = choose_codecs(options, ctx.job.result())
    # The container decides the encoder, and is no option: pieces made for another one must not be taken for these.
    kind = ctx.job.result().suffix.lower().lstrip(".")
    names = [f"segments/{kind}/{i:05d}.nut" for i in range(-(-n // SEGMENT_FRAMES))]
    missing = [i for i, name in enumerate(names) if not ctx.store.is_sealed(name)]
    wanted = [k for i in missing for k in range(i * SEGMENT_FRAMES, min((i + 1) * SEGMENT_FRAMES, n))]
    pasted = _paste_frames(ctx, options, crops, sync.plan.source, wanted)
    for i in missing:
        count = min(SEGMENT_FRAMES, n - i * SEGMENT_FRAMES)
        frames = ((picture, int(pts[k])) for k, picture in islice(pasted, count))
        write_segment(ctx.store.file(names[i]), frames, ctx.video, codec, ctx.threads)
        ctx.store.seal(names[i])
    line, sound = sync.read_timeline(), ctx.job.mix or ctx.job.speech
    notes = mux(
        PictureInput([ctx.store.file(name) for name in names], last_duration=line["last_duration"]),
        SpeechInput(sound, start=Fraction(line["speech_start"]), codec=audio) if sound is not None else None,
        SourceInput(ctx.job.video, ctx.facts, keep_audio=options.keep_audio),
        ctx.job.result(),
        metadata=ctx.metadata,
        end=Fraction(line["end"]) if line["cut"] else None,
    )
    if sound is not None and options.keep_audio == KEEP_OTHERS:
        notes += describe_old_voice(ctx.facts)
    if ctx.job.mix is not None and ctx.job.mix != ctx.job.speech:
        notes += describe_odd_samples(ctx.job.mix)
    return {
        "method": options.method,
        "frames": n,
        "segments": len(names),
        "notes": [*plan_encoder(ctx.video, codec).notes, *notes],
    }


def choose_codecs(options: PasteBackOptions, out: Path) -> tuple[VideoCodec, AudioCodec]:
    """Return how picture and sound are encoded for a result called `out`."""
    from lipdub.media.audio_encoder import AudioCodec
    from lipdub.media.video_encoder import VideoCodec

    video = VideoCodec(
        codec=options.codec, crf=options.crf, preset=options.preset, lossless=options.lossless, container=out.suffix
    )
    return video, AudioCodec(codec=options.audio_codec, bitrate=options.audio_bitrate)


def check(job: Job, facts: MediaFacts, options: PasteBackOptions) -> None:
    """Check that the result's container can hold what was asked for.

    Raises:
        UsageError: It cannot.
    """
    from lipdub.media.audio_encoder import check_audio_codec
    from lipdub.media.containers import container_for
    from lipdub.media.video_encoder import plan_encoder

    out = job.result()
    video, audio = choose_codecs(options, out)
    if facts.video is not None:
        plan_encoder(facts.video, video)
    check_audio_codec(audio, container_for(out))


def rehearse(job: Job, facts: MediaFacts, options: PasteBackOptions) -> None:
    """Encode and mux one frame as the result will be."""
    from lipdub.media.mux_plan import SourceInput, SpeechInput
    from lipdub.media.rehearsal import rehearse as rehearse_result

    assert facts.video is not None
    codec, audio = choose_codecs(options, job.result())
    sound = job.mix or job.speech
    speech = SpeechInput(sound, start=facts.video.start_time, codec=audio) if sound is not None else None
    rehearse_result(codec, speech, SourceInput(job.video, facts, keep_audio=options.keep_audio), job.result())


def _paste_frames(
    ctx: StageContext, options: PasteBackOptions, store: CropStore, source: I32, wanted: list[int]
) -> Iterator[tuple[int, Picture]]:
    """Yield the wanted output frames, pasted, in one pass over the source."""
    from lipdub.media.read import read_frames_in_order
    from lipdub.parallel import map_ordered

    crops, boxes = store.crops, store.boxes

    def jobs() -> Iterator[tuple[int, Picture, Array, I32]]:
        loaded = -1
        for k, frame in zip(wanted, read_frames_in_order(ctx.job.video, source[wanted].tolist()), strict=True):
            chunk = k // crops.chunk
            if chunk != loaded:
                pixels, places, first = crops.read_chunk(chunk), boxes.read_chunk(chunk), crops.span(chunk)[0]
                loaded = chunk
            yield k, frame.picture, pixels[k - first], places[k - first]

    for k, picture in map_ordered(lambda job: (job[0], paste_crop(*job[1:], options)), jobs(), ctx.threads):
        ctx.progress(k + 1, len(crops))  # before the frame is taken: after the last one nobody comes back
        yield k, picture


SPEC = StageSpec(
    name="paste-back",
    summary="Blend the mouths into the frames, encode, and add the audio.",
    version=2,
    reads=("detect", "sync", "enhance"),
    inputs=("video", "speech", "mix"),
    options=PasteBackOptions,
    run=run,
    check=check,
    rehearse=rehearse,
    writes_output=True,
)
