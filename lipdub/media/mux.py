"""Making the result: joined segments, the speech, and everything else the source held."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lipdub.errors import EnvironmentFailure, InputError, UsageError, printable, wrap_os_error
from lipdub.media.audio import probe_audio_source, write_wav
from lipdub.media.audio_encoder import check_audio_codec, select_speech_encoder
from lipdub.media.comparison import compare_files
from lipdub.media.containers import Container, container_for
from lipdub.media.copied_streams import COVER, SOURCE_AUDIO_POLICIES, CopiedStream, select_streams
from lipdub.media.cover_pictures import convert_cover, find_picture_codec, read_cover
from lipdub.media.demux import absolute_path, open_media
from lipdub.media.ffmpeg import FfmpegError, iter_ffmpegs, read_ffmpeg_version, run_ffmpeg
from lipdub.media.join import join_segments
from lipdub.media.languages import language_for
from lipdub.media.mov_boxes import write_display_matrix
from lipdub.media.mux_options import (
    COVER_TYPES,
    CoverFile,
    chapter_text,
    container_options,
    copied_options,
    cover_options,
    metadata_options,
    picture_input_options,
    picture_options,
    sound_input_options,
    source_input_options,
    speech_options,
    stream_metadata_options,
)
from lipdub.media.mux_plan import (
    MuxPlan,
    PictureInput,
    SourceInput,
    SpeechInput,
    SpeechTrack,
    place_samples,
    speech_begin,
)
from lipdub.media.result_lock import name_neighbour

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lipdub.media.channel_layouts import LayoutFit

# If ffmpeg fails at none of the copied streams alone, they are given up in this order, the last of a kind first.
_LEAST_IMPORTANT_FIRST = ("data", "attachment", COVER, "video", "subtitle", "audio")
_EXCERPT = Fraction(1)  # seconds of each input in which ffmpeg tells whether it takes a stream
_MATROSKA_FFMPEG_VERSION = 7  # older releases lose the rotation and misplace Opus in Matroska
# Opus packets begin 6.5 ms before they are heard, and Matroska stores whole milliseconds. A quarter of a
# millisecond less makes that half round the same way when it is written and when it is read.
_OPUS_ROUNDING = Fraction(1, 4000)
_MAX_SPEECH_ERROR = Fraction(2, 1000)  # seconds; a larger misplacement is corrected by a second run
_FFMPEG_ERRORS = 1000  # errno of the system is smaller; FFmpeg's own codes are larger


def mux(
    picture: PictureInput,
    speech: SpeechInput | None,
    source: SourceInput,
    out: Path,
    *,
    metadata: Mapping[str, str] | None = None,
    end: Fraction | None = None,
) -> list[str]:
    """Make the result: join the segments as they are, encode the speech and copy the rest of the source.

    The result appears complete or not at all. Times are seconds on the clock of the source's frame times.

    Args:
        picture: The encoded pictures.
        speech: The speech; None for none.
        source: The source, and which of its streams are kept.
        out: The result; its ending decides the container.
        metadata: Metadata to add to the source's.
        end: When sound and copied streams are cut; None keeps the whole speech.

    Returns:
        Remarks on what the source has and the result has not.

    Raises:
        UsageError: The container does not hold what is asked for.
        InputError: The source holds no video, or the speech no sound.
        EnvironmentFailure: The result cannot be written.
    """
    container = container_for(out)
    _check_inputs(speech, source, container)
    with scratch_folder(out) as scratch:
        made = make_result(picture, speech, source, scratch, container=container, metadata=metadata or {}, end=end)
        notes = [*made.notes, *describe_losses(made, speech, source)]
        made.path.replace(follow_links(out))
    return notes


class MadeResult(NamedTuple):
    """A result that is not in its place yet.

    Attributes:
        path: The file.
        notes: Remarks for the person.
        refused: Numbers of the source's streams that ffmpeg refused; the notes tell of them.
    """

    path: Path
    notes: list[str]
    refused: frozenset[int]


def make_result(
    picture: PictureInput,
    speech: SpeechInput | None,
    source: SourceInput,
    scratch: Path,
    *,
    container: Container,
    metadata: Mapping[str, str],
    end: Fraction | None,
) -> MadeResult:
    """Make the result in a folder of :func:`scratch_folder`; arguments and errors as for :func:`mux`."""
    joined = join_segments(picture.segments, scratch, container, source.facts, picture.last_duration)
    plan = MuxPlan(joined, container, source.path, source.facts, metadata=metadata, end=end)
    notes = []
    if speech is not None:
        track = _lay_out_speech(plan, speech)
        plan = replace(plan, speech=track)
        notes += track.encoder.layout.describe("the speech", track.encoder.encoder)
    result = scratch / f"result.{container.muxer}"
    plan = replace(plan, copied=_select_streams(plan, source))
    refused = _run_with_fewer_streams(plan, result)
    matrix = source.facts.video.display_matrix if source.facts.video is not None else None
    if matrix is not None and container.is_mov:
        write_display_matrix(result, matrix)
    if not container.timed and source.facts.video is not None and source.facts.video.variable and not joined.is_even:
        error = 1 / (2 * joined.even_rate)
        notes.append(f"{container.name} has no frame times: frames are shown up to {error} s early or late")
    for stream in plan.copied:
        if stream.fit is not None and stream.fit.is_guessed and stream.index not in refused:
            notes += stream.fit.describe(stream.describe(), stream.encoder)
    notes += [
        f"{stream.describe()} could not be kept: {refused[stream.index]}"
        for stream in plan.copied
        if stream.index in refused
    ]
    return MadeResult(result, notes, frozenset(refused))


def describe_losses(made: MadeResult, speech: SpeechInput | None, source: SourceInput) -> list[str]:
    """Return remarks on what the source has and a result of :func:`make_result` has not."""
    if not source.has_kept_streams:
        return []
    comparison = compare_files(
        source.path, made.path, keep_audio=source.keep_audio, has_speech=speech is not None, told=made.refused
    )
    video = source.facts.video
    told = [f"the {name} metadata" for name in video.dynamic_hdr] if video is not None else []  # by the source's notes
    return comparison.leave_out(told).notes


def _check_inputs(speech: SpeechInput | None, source: SourceInput, container: Container) -> None:
    """Refuse what cannot become a result. Raises UsageError and InputError."""
    if source.keep_audio not in SOURCE_AUDIO_POLICIES:
        raise UsageError(f"keep_audio is one of {', '.join(SOURCE_AUDIO_POLICIES)}, not {source.keep_audio!r}")
    if source.facts.video is None:
        raise InputError(f"{printable(source.path)} holds no video")
    if speech is not None:
        check_audio_codec(speech.codec, container)


def _select_streams(plan: MuxPlan, source: SourceInput) -> tuple[CopiedStream, ...]:
    """Choose the streams of the source that the result keeps."""
    video = source.facts.video
    if not source.has_kept_streams or (video is not None and video.is_image):
        return ()
    has_speech = plan.speech is not None
    return select_streams(source.facts, plan.container, keep_audio=source.keep_audio, has_speech=has_speech)


def follow_links(out: Path) -> Path:
    """Return where a result is written: the absolute path, or what it points to if it is a symbolic link.

    Raises:
        UsageError: The links lead in a circle, or to something that is no plain file.
    """
    place = Path(os.path.realpath(out))
    if place.is_symlink():
        raise UsageError(f"{out} is a symbolic link that leads in a circle", hint="Name another file with -o.")
    if place.exists() and not place.is_file():
        raise UsageError(f"{out} is not a plain file", hint="Name another file with -o.")
    return place


@contextmanager
def scratch_folder(out: Path) -> Iterator[Path]:
    """Make a folder beside a result and remove it at the end. Disk errors name the result."""
    folder = name_neighbour(follow_links(out), ".part")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        with _report_disk_errors(out):
            yield folder
    except OSError as error:
        raise wrap_os_error(error, out, "write") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _report_disk_errors(out: Path) -> Iterator[None]:
    """Turn FFmpeg's errors about the disk into errors that name the result."""
    import av

    try:
        yield
    except av.error.FFmpegError as error:
        is_system_error = error.errno is not None and 0 < error.errno < _FFMPEG_ERRORS
        if not is_system_error:
            raise
        raise wrap_os_error(OSError(error.errno, error.strerror), out, "write") from error


# -- the speech


def _lay_out_speech(plan: MuxPlan, speech: SpeechInput) -> SpeechTrack:
    """Write the speech to a WAV file that is laid out for the result."""
    source = probe_audio_source(speech.path, speech.stream)
    path = plan.joined.path.with_name("speech.wav")
    encoder = select_speech_encoder(speech.codec, plan.container, source, plan.facts)
    begin = _write_sound(plan, path, speech.path, speech.stream, Fraction(speech.start), source.rate, encoder.layout)
    return SpeechTrack(path, begin, source, encoder, speech.language)


def _lay_out_copy(plan: MuxPlan, stream: CopiedStream) -> tuple[Path, Fraction]:
    """Write a sound stream of the source to a WAV file. Returns the file and when it begins in the result."""
    path = plan.joined.path.with_name(f"sound{stream.index}.wav")
    if path.exists():
        return path, _find_sound_begin(plan)
    sound = probe_audio_source(plan.source, stream.index)
    return path, _write_sound(plan, path, plan.source, stream.index, sound.start, sound.rate, stream.fit)


def _write_sound(
    plan: MuxPlan, path: Path, source: Path, stream: int | None, start: Fraction, rate: int, fit: LayoutFit | None
) -> Fraction:
    """Write a sound to a WAV file that is laid out for the result.

    Args:
        plan: What goes into the result.
        path: The WAV file.
        source: The file that holds the sound.
        stream: The index of the sound; None for the first.
        start: When it begins, seconds on the source's clock.
        rate: Its samples per second.
        fit: How its channels fit the codec; None to keep them.

    Returns:
        When the file begins in the result, seconds.
    """
    shift, begin = plan.joined.shift_time, _find_sound_begin(plan)
    end = None if plan.end is None else plan.end - shift
    placement = place_samples(start - shift, begin, end, rate)
    write_wav(path, source, lead=placement.lead, skip=placement.skip, limit=placement.limit, stream=stream, fit=fit)
    return begin


def _find_sound_begin(plan: MuxPlan) -> Fraction:
    return speech_begin(plan.joined, plan.container, plan.facts.start_time)


# -- running ffmpeg


def _run_with_fewer_streams(plan: MuxPlan, result: Path) -> dict[int, str]:
    """Run ffmpeg; while it fails, leave out the copied streams that it refuses. Returns their numbers, and why."""
    refused: dict[int, str] = {}
    while True:
        kept = replace(plan, copied=tuple(stream for stream in plan.copied if stream.index not in refused))
        try:
            _run_any_program(kept, result)
        except FfmpegError as error:
            if not kept.copied:
                raise EnvironmentFailure(f"the result could not be muxed: {error.what}") from error
            refused |= _find_refused(kept, result) or {_least_important(kept.copied).index: error.reason}
        else:
            return refused


def _find_refused(plan: MuxPlan, result: Path) -> dict[int, str]:
    """Return the numbers of the copied streams that ffmpeg does not take alone with the picture, and why."""
    refused = {}
    for stream in plan.copied:
        try:
            _run_any_program(replace(plan, speech=None, copied=(stream,), excerpt=_EXCERPT), result)
        except FfmpegError as error:
            refused[stream.index] = error.reason
    return refused


def _least_important(streams: Sequence[CopiedStream]) -> CopiedStream:
    return min(reversed(streams), key=lambda stream: _LEAST_IMPORTANT_FIRST.index(stream.kind))


def _run_any_program(plan: MuxPlan, result: Path) -> None:
    """Run the ffmpeg programs in turn until one succeeds.

    One may lack a codec, or be kept from the folders of the source or the result.

    Raises:
        FfmpegError: All fail. The error is that of the first.
    """
    failure: FfmpegError | None = None
    for program in iter_ffmpegs(_MATROSKA_FFMPEG_VERSION if plan.container.is_matroska else 0):
        try:
            _run(plan, result, program)
        except FfmpegError as error:
            failure = failure or error
            result.unlink(missing_ok=True)
        else:
            return
    assert failure is not None
    raise failure


def _run(plan: MuxPlan, result: Path, program: str, nudge: Fraction = Fraction(0)) -> None:
    """Run ffmpeg once, and again if it misplaces the speech.

    Args:
        plan: What to run.
        result: The file to write.
        program: The ffmpeg to run.
        nudge: Seconds to add to the beginning of the speech.
    """
    import ffmpeg

    chapters = plan.joined.path.with_name("chapters.txt")
    chapters.write_text(chapter_text(plan.facts.chapters, plan.joined.shift_time), encoding="utf-8")
    covers = _write_covers(plan)
    streams = [*_picture_inputs(plan, program), *_speech_inputs(plan, nudge), *_copied_inputs(plan)]
    if not plan.container.is_matroska:
        streams += [ffmpeg.input(cover.path)["v:0"] for cover in covers]
    options = picture_options(plan) | speech_options(plan) | copied_options(plan) | container_options(plan)
    run_ffmpeg(
        ffmpeg.output(*streams, filename=result, **options),
        program,
        global_options=("-copyts",),
        output_options=[
            *metadata_options(plan.facts.metadata, plan.metadata, _read_stream_metadata(plan)),
            *stream_metadata_options(plan),
            *cover_options(plan, covers),
        ],
        metadata=chapters,
    )
    if plan.speech is not None and plan.container.is_matroska and not nudge:
        # Releases differ in where they place delayed sound.
        error = probe_audio_source(result).start - plan.speech.begin
        if abs(error) > _MAX_SPEECH_ERROR:
            _run(plan, result, program, -error)


def _tags_rotation(plan: MuxPlan, program: str) -> bool:
    """Whether this ffmpeg writes the rotation into the result."""
    return not plan.container.is_matroska or read_ffmpeg_version(program) >= _MATROSKA_FFMPEG_VERSION


# -- inputs: streams of ffmpeg-python


def _picture_inputs(plan: MuxPlan, program: str) -> list[Any]:
    import ffmpeg

    options = picture_input_options(plan, tags_rotation=_tags_rotation(plan, program))
    return [ffmpeg.input(plan.joined.path, **options)["v:0"]]


def _speech_inputs(plan: MuxPlan, nudge: Fraction) -> list[Any]:
    import ffmpeg

    speech = plan.speech
    if speech is None:
        return []
    begin = speech.begin
    if plan.container.is_matroska and begin > 0 and speech.encoder.encoder == "libopus":
        begin -= _OPUS_ROUNDING
    return [ffmpeg.input(speech.path, **sound_input_options(begin + nudge))["a:0"]]


def _copied_inputs(plan: MuxPlan) -> list[Any]:
    import ffmpeg

    if not plan.copied:
        return []
    file = ffmpeg.input(absolute_path(plan.source), **source_input_options(plan))
    inputs = []
    for _, stream in plan.ordered_streams:
        if stream.kind == "audio" and (stream.is_laid_out_anew or not plan.container.timed):
            # Without start times, only sound that is laid out anew begins where it should.
            path, begin = _lay_out_copy(plan, stream)
            inputs.append(ffmpeg.input(path, **sound_input_options(begin))["a:0"])
        else:
            inputs.append(file[str(stream.index)])
    return inputs


def _read_stream_metadata(plan: MuxPlan) -> dict[str, str]:
    """Return the metadata of the source's video stream; none for a still picture."""
    video = plan.facts.video
    if video is None or video.is_image:
        return {}
    with open_media(plan.source) as media:
        metadata = dict(media.streams[video.index].metadata)
    if "language" in metadata:
        metadata["language"] = language_for(metadata["language"], plan.container)
    # Some cameras have the time code in a track of their own kind, which the result may not keep.
    codes = [other.metadata["timecode"] for other in plan.facts.others if "timecode" in other.metadata]
    if codes and "timecode" not in {*metadata, *plan.facts.metadata}:
        metadata["timecode"] = codes[0]
    return metadata


def _write_covers(plan: MuxPlan) -> list[CoverFile]:
    """Write the cover pictures of the source to files of their own."""
    files = []
    for cover in plan.covers:
        path = plan.joined.path.with_name(f"cover{cover.index}")
        data = convert_cover(read_cover(plan.source, cover.index), COVER_TYPES)
        path.write_bytes(data)
        files.append(CoverFile(path, find_picture_codec(data) or ""))
    return files
