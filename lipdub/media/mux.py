"""Making the result: joined segments, the speech, and everything else the source held."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lipdub.errors import EnvironmentFailure, InputError, UsageError, printable, wrap_os_error
from lipdub.media.audio import AudioSource, probe_audio_source, write_wav
from lipdub.media.audio_encoder import AudioCodec, SpeechEncoder, check_audio_codec, select_speech_encoder
from lipdub.media.colour import RANGE_LIMITED, RANGE_UNSPECIFIED, UNSPECIFIED
from lipdub.media.containers import Container, container_for
from lipdub.media.copied_streams import COPY, SOURCE_AUDIO_POLICIES, CopiedStream, StreamSelection, select_streams
from lipdub.media.demux import absolute_path, open_media
from lipdub.media.ffmpeg import FfmpegError, find_ffmpeg, read_ffmpeg_version, run_ffmpeg
from lipdub.media.join import JoinedVideo, join_segments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lipdub.media.probe import Chapter, MediaFacts

# Metadata that describes the old file instead of its content.
_STALE_METADATA = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "duration",
    "rotate",
    "vendor_id",
    "handler_name",
}
_STALE_STREAM_PREFIXES = ("_STATISTICS", "NUMBER_OF", "BPS")  # Matroska's statistics tags
# Copied streams are output in this order; the letters are FFmpeg's stream specifiers.
_KIND_LETTERS = {"audio": "a", "video": "v", "subtitle": "s", "data": "d", "attachment": "t"}
# If ffmpeg fails, kinds of copied streams are given up in this order.
_LEAST_IMPORTANT_FIRST = ("data", "attachment", "video", "subtitle", "audio")
_MATROSKA_FFMPEG_VERSION = 7  # older releases lose the rotation and misplace Opus in Matroska
_MILLISECOND = Fraction(1, 1000)
# Opus packets begin 6.5 ms before they are heard, and Matroska stores whole milliseconds. A quarter of a
# millisecond less makes that half round the same way when it is written and when it is read.
_OPUS_ROUNDING = Fraction(1, 4000)
_MAX_SPEECH_ERROR = Fraction(2, 1000)  # seconds; a larger misplacement is corrected by a second run
_CHAPTER_TICKS = 1_000_000  # per second
_MAX_NAME = 80  # characters of the result's name in that of the scratch folder
_MAX_ASPECT_TERM = 255  # ffmpeg rounds the terms of -aspect to this
_OPUS_RATE = 48000  # Hz
_FFMPEG_ERRORS = 1000  # errno of the system is smaller; FFmpeg's own codes are larger
_PCM_16 = "pcm_s16le"


@dataclass(frozen=True)
class SpeechTrack:
    """The speech, laid out for the result.

    Attributes:
        path: A WAV file.
        begin: When the file begins in the result, in seconds.
        source: What the speech decodes to.
        encoder: Its encoder.
        language: Language tag; None for none.
    """

    path: Path
    begin: Fraction
    source: AudioSource
    encoder: SpeechEncoder
    language: str | None = None


@dataclass(frozen=True)
class MuxPlan:
    """Everything the final ffmpeg command depends on.

    Attributes:
        joined: The joined video.
        container: The result's container.
        source: The source.
        facts: Its facts.
        speech: The speech; None if there is none.
        copied: The streams of the source the result keeps.
        metadata: Metadata to add to the source's.
        end: When sound and copied streams are cut, in seconds on the source's clock; None to keep all.
    """

    joined: JoinedVideo
    container: Container
    source: Path
    facts: MediaFacts
    speech: SpeechTrack | None = None
    copied: tuple[CopiedStream, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    end: Fraction | None = None

    @property
    def ordered_streams(self) -> list[tuple[str, CopiedStream]]:
        """The copied streams in output order, each with FFmpeg's specifier in the output ("a:1")."""
        counts = dict.fromkeys(_KIND_LETTERS.values(), 0)
        counts["v"] = 1
        counts["a"] = 0 if self.speech is None else 1
        ordered = []
        for kind, letter in _KIND_LETTERS.items():
            for stream in self.copied:
                if stream.kind == kind:
                    ordered.append((f"{letter}:{counts[letter]}", stream))
                    counts[letter] += 1
        return ordered


def mux(
    segments: Sequence[Path],
    out: Path,
    *,
    source: Path,
    source_facts: MediaFacts,
    speech: Path | None,
    speech_start: Fraction = Fraction(0),
    keep_source_audio: str = "others",
    audio: AudioCodec | None = None,
    metadata: dict[str, str] | None = None,
    streams_copied: bool = True,
    end: Fraction | None = None,
    speech_stream: int | None = None,
    last_duration: int | None = None,
    speech_language: str | None = None,
) -> list[str]:
    """Make the result: join the segments as they are, encode the speech and copy the rest of the source.

    The result appears complete or not at all. Times are seconds on the clock of the source's frame times.

    Args:
        segments: The encoded pictures.
        out: The result; its ending decides the container.
        source: The source.
        source_facts: Its facts.
        speech: A file with the speech; None for none.
        speech_start: When the first sample of the speech is heard. Silence comes before it. What lies before
            the beginning of the source is cut.
        keep_source_audio: 'others' keeps all sound streams but the first, or all without a speech; 'all', 'none'.
        audio: How the speech is encoded.
        metadata: Metadata to add to the source's.
        streams_copied: Whether streams of the source are kept.
        end: When sound and copied streams are cut; None keeps the whole speech.
        speech_stream: Index of the stream in ``speech``; the first sound stream by default.
        last_duration: How long the last frame is shown, in the source's time base.
        speech_language: Language tag of the speech.

    Returns:
        Remarks about streams that were changed or dropped.

    Raises:
        UsageError: The container does not hold what is asked for.
        InputError: The source holds no video, or the speech no sound.
        EnvironmentFailure: The result cannot be written.
    """
    if keep_source_audio not in SOURCE_AUDIO_POLICIES:
        raise UsageError(f"keep_source_audio is one of {', '.join(SOURCE_AUDIO_POLICIES)}, not {keep_source_audio!r}")
    out = absolute_path(out)
    container = container_for(out)
    if source_facts.video is None:
        raise InputError(f"{printable(source)} holds no video")
    audio = audio or AudioCodec()
    if speech is not None:
        check_audio_codec(audio, container)
    with _scratch_folder(out) as scratch, _report_disk_errors(out):
        joined = join_segments(segments, scratch, container, source_facts, last_duration)
        plan = MuxPlan(joined, container, source, source_facts, metadata=metadata or {}, end=end)
        if speech is not None:
            track = _lay_out_speech(plan, speech, speech_stream, Fraction(speech_start), audio)
            plan = replace(plan, speech=replace(track, language=speech_language))
        selection = StreamSelection()
        if streams_copied and not source_facts.video.is_image:
            selection = _select_streams(plan, keep_source_audio)
        result = scratch / f"result{out.suffix.lower()}"
        failures = _run_with_fewer_streams(replace(plan, copied=selection.streams), result)
        result.replace(out)
    return [*joined.notes, *selection.notes, *_rotation_notes(plan), *failures]


def _select_streams(plan: MuxPlan, keep_audio: str) -> StreamSelection:
    """Choose the streams of the source that the result keeps."""
    return select_streams(
        plan.source, plan.facts, plan.container, keep_audio=keep_audio, has_speech=plan.speech is not None
    )


@contextmanager
def _scratch_folder(out: Path) -> Iterator[Path]:
    """Make a folder beside the result and remove it at the end.

    Its name is the same every time, so that the next run removes what a killed run left behind.
    """
    folder = out.parent / f".{out.name[:_MAX_NAME]}.lipdub-part"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
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


@dataclass(frozen=True)
class SamplePlacement:
    """How sound is laid out in a track, in samples.

    Attributes:
        lead: Silence before the sound.
        skip: Samples of the sound left out at its beginning.
        limit: Length of the track; None for all of the sound.
    """

    lead: int
    skip: int
    limit: int | None


def place_samples(sound_start: Fraction, begin: Fraction, end: Fraction | None, rate: int) -> SamplePlacement:
    """Lay out sound in a track.

    Args:
        sound_start: When the first sample is heard, in seconds.
        begin: When the track begins.
        end: When the track ends; None for all of the sound.
        rate: Samples per second.
    """
    offset = round((sound_start - begin) * rate)
    limit = None if end is None else max(1, round((end - begin) * rate))
    return SamplePlacement(max(0, offset), max(0, -offset), limit)


def speech_begin(joined: JoinedVideo, container: Container, source_start: Fraction) -> Fraction:
    """Return when the speech's track begins in the result, in seconds.

    The track begins where the source began, with its picture or with its sound if that came first. So no
    stream starts at an odd place.

    Args:
        joined: The joined video.
        container: The result's container.
        source_start: When the source's earliest stream begins, in seconds on the source's clock.
    """
    first = joined.first_time
    begin = min(first, max(Fraction(0), source_start - joined.shift_time)) if container.timed else first
    if container.is_mov:
        return begin
    return int(begin / _MILLISECOND) * _MILLISECOND  # others store whole milliseconds; the rest is silence


def _lay_out_speech(plan: MuxPlan, speech: Path, stream: int | None, start: Fraction, audio: AudioCodec) -> SpeechTrack:
    """Write the speech to a WAV file that is laid out for the result."""
    shift = plan.joined.shift_time
    source = probe_audio_source(speech, stream)
    begin = speech_begin(plan.joined, plan.container, plan.facts.start_time)
    end = None if plan.end is None else plan.end - shift
    placement = place_samples(start - shift, begin, end, source.rate)
    path = plan.joined.path.with_name("speech.wav")
    write_wav(path, speech, lead=placement.lead, skip=placement.skip, limit=placement.limit, stream=stream)
    return SpeechTrack(path, begin, source, select_speech_encoder(audio, plan.container, source))


def _lay_out_copy(plan: MuxPlan, index: int) -> Path:
    """Write a sound stream of the source to a WAV file that begins with the result's first frame."""
    path = plan.joined.path.with_name(f"sound{index}.wav")
    if not path.exists():
        sound = probe_audio_source(plan.source, index)
        first = plan.joined.first_time + plan.joined.shift_time
        placement = place_samples(sound.start, first, plan.end, sound.rate)
        write_wav(path, plan.source, lead=placement.lead, skip=placement.skip, limit=placement.limit, stream=index)
    return path


# -- running ffmpeg


def _run_with_fewer_streams(plan: MuxPlan, result: Path) -> list[str]:
    """Run ffmpeg; while it fails, give up a kind of copied streams. Returns remarks about these."""
    notes: list[str] = []
    while True:
        try:
            _run(plan, result)
        except FfmpegError as error:
            kinds = {stream.kind for stream in plan.copied}
            dropped = next((kind for kind in _LEAST_IMPORTANT_FIRST if kind in kinds), None)
            if dropped is None:
                raise EnvironmentFailure(f"the result could not be muxed: {error.what}") from error
            plan = replace(plan, copied=tuple(stream for stream in plan.copied if stream.kind != dropped))
            notes.append(f"the source's {dropped} streams could not be kept: {error.reason}")
            result.unlink(missing_ok=True)
        else:
            return notes


def _run(plan: MuxPlan, result: Path, nudge: Fraction = Fraction(0)) -> None:
    """Run ffmpeg once, and again if it misplaces the speech.

    Args:
        plan: What to run.
        result: The file to write.
        nudge: Seconds to add to the beginning of the speech.
    """
    import ffmpeg

    chapters = plan.joined.path.with_name("chapters.txt")
    chapters.write_text(chapter_text(plan.facts.chapters, plan.joined.shift_time), encoding="utf-8")
    streams = [*_picture_inputs(plan), *_speech_inputs(plan, nudge), *_copied_inputs(plan)]
    options = picture_options(plan) | speech_options(plan) | copied_options(plan) | container_options(plan)
    run_ffmpeg(
        ffmpeg.output(*streams, str(result), **options),
        _find_ffmpeg(plan.container),
        global_options=("-copyts",),
        output_options=metadata_options(plan.facts.metadata, plan.metadata, _read_stream_metadata(plan)),
        metadata=chapters,
    )
    if plan.speech is not None and plan.container.is_matroska and not nudge:
        # Releases differ in where they place delayed sound.
        error = probe_audio_source(result).start - plan.speech.begin
        if abs(error) > _MAX_SPEECH_ERROR:
            _run(plan, result, -error)


def _find_ffmpeg(container: Container) -> str:
    return find_ffmpeg(_MATROSKA_FFMPEG_VERSION if container.is_matroska else 0)


def _rotation_notes(plan: MuxPlan) -> list[str]:
    """Return a remark if this ffmpeg loses the rotation."""
    if not plan.joined.note.is_rotated or not plan.container.is_matroska:
        return []
    if read_ffmpeg_version(_find_ffmpeg(plan.container)) >= _MATROSKA_FFMPEG_VERSION:
        return []
    return [f"this ffmpeg cannot tag the rotation in {plan.container.name}"]


# -- inputs: streams of ffmpeg-python


def _picture_inputs(plan: MuxPlan) -> list[Any]:
    import ffmpeg

    offset = format_seconds(plan.joined.first_time)
    return [ffmpeg.input(str(plan.joined.path), itsoffset=offset)["v:0"]]


def _speech_inputs(plan: MuxPlan, nudge: Fraction) -> list[Any]:
    import ffmpeg

    speech = plan.speech
    if speech is None:
        return []
    begin = speech.begin
    if plan.container.is_matroska and begin > 0 and speech.encoder.encoder == "libopus":
        begin -= _OPUS_ROUNDING
    return [ffmpeg.input(str(speech.path), itsoffset=format_seconds(begin + nudge))["a:0"]]


def _copied_inputs(plan: MuxPlan) -> list[Any]:
    import ffmpeg

    if not plan.copied:
        return []
    file = ffmpeg.input(str(absolute_path(plan.source)), **source_input_options(plan))
    inputs = []
    for _, stream in plan.ordered_streams:
        if stream.kind == "audio" and not plan.container.timed:
            # Without start times, only sound that is laid out anew begins where it should.
            inputs.append(ffmpeg.input(str(_lay_out_copy(plan, stream.index)))["a:0"])
        else:
            inputs.append(file[str(stream.index)])
    return inputs


# -- options: each function returns a part of the ffmpeg command


def format_seconds(time: Fraction) -> str:
    """Return seconds as ffmpeg reads them, to the microsecond."""
    return f"{float(time):.6f}"


def source_input_options(plan: MuxPlan) -> dict[str, str]:
    """Return the options with which the source is read for its copied streams."""
    options = {}
    if plan.joined.shift:
        options["itsoffset"] = format_seconds(-plan.joined.shift_time)
    if plan.end is not None and plan.end < plan.facts.start_time + plan.facts.duration:
        # With -copyts an input's duration counts from its own start.
        options["t"] = format_seconds(max(_MILLISECOND, plan.end - plan.facts.start_time))
    return options


def speech_options(plan: MuxPlan) -> dict[str, str]:
    """Return the options of the speech, which is the first sound stream."""
    speech = plan.speech
    if speech is None:
        return {}
    encoder = speech.encoder
    options = {"c:a:0": encoder.encoder, "ar:a:0": str(encoder.rate), "disposition:a:0": "default"}
    if encoder.bitrate:
        options["b:a:0"] = str(encoder.bitrate)
    if encoder.encoder == "libopus" and speech.source.channels > 2:
        options["mapping_family:a:0"] = "1"
    if encoder.encoder in ("flac", "libopus") and plan.container.is_mov:
        options["strict"] = "experimental"  # older releases call these codecs experimental in MP4
    if speech.language:
        options["metadata:s:a:0"] = f"language={speech.language}"
    return options


def copied_options(plan: MuxPlan) -> dict[str, str]:
    """Return the options of the copied streams."""
    options: dict[str, str] = {}
    for specifier, stream in plan.ordered_streams:
        options[f"c:{specifier}"] = stream.encoder
        if stream.kind == "audio":
            options |= _copied_sound_options(plan, specifier, stream.encoder)
    return options


def _copied_sound_options(plan: MuxPlan, specifier: str, encoder: str) -> dict[str, str]:
    if not plan.container.timed:
        return {f"c:{specifier}": _PCM_16}
    options = {}
    if plan.speech is not None:
        options[f"disposition:{specifier}"] = "-default"
    if encoder == COPY:
        # Priming before time zero must stay, or the start of the sound is damaged; Matroska has no room for it.
        options[f"copypriorss:{specifier}"] = "0" if plan.container.is_matroska else "1"
    elif encoder == "libopus":
        options[f"ar:{specifier}"] = str(_OPUS_RATE)
    return options


def picture_options(plan: MuxPlan) -> dict[str, str]:
    """Return the options of the picture: tags that the coded stream itself may lack."""
    note = plan.joined.note
    options = {"c:v:0": COPY} | colour_options(note.colour, note.codec)
    if note.codec == "hevc" and plan.container.is_mov:
        options["tag:v:0"] = "hvc1"
    if note.aspect is not None:
        shape = note.aspect * Fraction(*plan.joined.size)
        # ffmpeg would round larger terms: they are left to the joined stream.
        if max(shape.numerator, shape.denominator) <= _MAX_ASPECT_TERM:
            options["aspect:v:0"] = f"{shape.numerator}:{shape.denominator}"
    return options


def colour_options(colour: Mapping[str, Any], codec: str) -> dict[str, str]:
    """Return the colour tags of the picture.

    Args:
        colour: Fields of :class:`~lipdub.media.colour.ColourTags`.
        codec: Codec family.
    """
    options = {}
    if colour["range_raw"] != RANGE_UNSPECIFIED:
        options["color_range:v:0"] = str(colour["range_raw"])
    names = {"matrix_raw": "colorspace", "primaries_raw": "color_primaries", "transfer_raw": "color_trc"}
    tagged = {name: colour[key] for key, name in names.items() if colour[key] != UNSPECIFIED}
    options |= {f"{name}:v:0": str(value) for name, value in tagged.items()}
    if not tagged and colour["range_raw"] == RANGE_LIMITED and codec in ("h264", "hevc"):
        # Encoders leave a lone "limited range" out of the stream.
        options["bsf:v:0"] = f"{codec}_metadata=video_full_range_flag=0"
    return options


def container_options(plan: MuxPlan) -> dict[str, str]:
    """Return the options of the muxer."""
    options = {
        "f": plan.container.muxer,
        "map_metadata:g": "-1",
        "max_muxing_queue_size": "100000",
        "max_interleave_delta": "0",
    }
    if plan.container.is_matroska:
        # Matroska stores encoder delay separately; ffmpeg would shift every stream by it.
        options["avoid_negative_ts"] = "disabled"
    if plan.container.is_mov:
        scale = str(plan.joined.time_base.denominator)
        options |= {"movflags": "+faststart", "video_track_timescale": scale, "movie_timescale": scale}
    return options


def metadata_options(file: Mapping[str, str], added: Mapping[str, str], picture: Mapping[str, str]) -> list[str]:
    """Return the options that write metadata, without what describes the old file.

    Args:
        file: Metadata of the source.
        added: Metadata to add to it.
        picture: Metadata of the source's video stream.
    """
    kept = {key: value for key, value in file.items() if key.lower() not in _STALE_METADATA} | dict(added)
    options = [word for key, value in kept.items() for word in ("-metadata", f"{key}={value}")]
    for key, value in picture.items():
        if key.lower() not in _STALE_METADATA and not key.upper().startswith(_STALE_STREAM_PREFIXES):
            options += ["-metadata:s:v:0", f"{key}={value}"]
    return options


def _read_stream_metadata(plan: MuxPlan) -> dict[str, str]:
    """Return the metadata of the source's video stream; none for a still picture."""
    video = plan.facts.video
    if video is None or video.is_image:
        return {}
    with open_media(plan.source) as media:
        return dict(media.streams[video.index].metadata)


def chapter_text(chapters: Sequence[Chapter], shift: Fraction) -> str:
    """Return chapters as an FFMETADATA file.

    Args:
        chapters: The source's chapters.
        shift: Seconds to take off their times; what then lies before zero is cut.
    """
    lines = [";FFMETADATA1"]
    for chapter in chapters:
        begin, end = (round((time - shift) * _CHAPTER_TICKS) for time in (chapter.start, chapter.end))
        if end > 0:
            title = re.sub(r"([=;#\\\n])", r"\\\1", chapter.title)
            time_base = f"TIMEBASE=1/{_CHAPTER_TICKS}"
            lines += ["[CHAPTER]", time_base, f"START={max(0, begin)}", f"END={end}", f"title={title}"]
    return "\n".join(lines) + "\n"
