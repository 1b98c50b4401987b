"""Joining encoded segments and muxing them with the speech and everything else the source held."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import EnvironmentFailure, InputError, LipdubError, UsageError, printable, wrap_os_error
from lipdub.media.audio import AudioSource, probe_audio_source, write_wav
from lipdub.media.audio_encoder import AudioCodec, check_audio_codec, select_speech_encoder
from lipdub.media.colour import UNSPECIFIED
from lipdub.media.containers import TEXT_SUBTITLE_CODECS, Container, container_for
from lipdub.media.demux import open_media, select_video_stream
from lipdub.media.ffmpeg import FfmpegError, find_ffmpeg, read_ffmpeg_version, run_ffmpeg
from lipdub.media.frame_index import read_frame_index
from lipdub.media.probe import MediaFacts
from lipdub.media.write import SEGMENT_NOTE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SOURCE_AUDIO_POLICIES = ("none", "others", "all")
# Formats whose clock has no zero of its own: their results begin at zero.
_FREE_CLOCKS = {"mpegts", "mpeg", "vob", "rtp", "rtsp"}
# Metadata that describes the old file, not what is in it.
_STALE = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "duration",
    "rotate",
    "vendor_id",
    "handler_name",
}


@dataclass
class _Extras:
    """Streams copied from the source, by kind, as (stream index, encoder)."""

    audio: list[tuple[int, str]] = field(default_factory=list)
    subtitle: list[tuple[int, str]] = field(default_factory=list)
    data: list[tuple[int, str]] = field(default_factory=list)
    attachment: list[tuple[int, str]] = field(default_factory=list)
    video: list[tuple[int, str]] = field(default_factory=list)

    def any(self) -> bool:
        return any((self.audio, self.subtitle, self.data, self.attachment, self.video))


def mux(
    segments: Sequence[Path],
    out: Path,
    *,
    source: Path,
    source_facts: MediaFacts,
    speech: Path | None,
    speech_start: Fraction = Fraction(0),
    keep_source_audio: str = "others",
    audio: AudioCodec = AudioCodec(),
    metadata: dict[str, str] | None = None,
    streams_copied: bool = True,
    end: Fraction | None = None,
    speech_stream: int | None = None,
    last_duration: int | None = None,
    speech_language: str | None = None,
) -> list[str]:
    """Make the result: ``segments`` joined as they are, ``speech`` encoded at full quality, the rest of the
    source copied. Returns remarks about streams that had to be changed or dropped.

    Times are seconds on the clock of the source's frame times: ``speech_start`` is when the first sample of the
    speech is heard (silence comes before it, what would lie before the first frame and the source's own start
    is cut), ``end`` cuts sound and copied streams (None: the speech is kept whole). ``keep_source_audio``:
    'others' keeps all but the first sound stream, 'all', 'none'; without ``speech`` 'others' keeps all too.
    ``metadata`` is added to the source's. ``last_duration`` is how long the last frame shows, in the source's
    time base. The container goes by the ending of ``out``, which appears complete or not at all.
    """
    if keep_source_audio not in SOURCE_AUDIO_POLICIES:
        raise UsageError(f"keep_source_audio is one of {', '.join(SOURCE_AUDIO_POLICIES)}, not {keep_source_audio!r}")
    out = Path(os.path.abspath(out))
    container = container_for(out)
    if source_facts.video is None:
        raise InputError(f"{printable(source)} holds no video")
    if speech is not None:
        check_audio_codec(audio, container)
    # The same name every time: what a killed run left behind is found and taken away by the next.
    scratch = out.parent / f".{out.name[:80]}.lipdub-part"
    notes: list[str] = []
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        with _disk(out):
            joined = _join(segments, scratch, container, source_facts, last_duration, notes)
            made = _assemble(
                joined,
                scratch,
                out,
                container,
                source,
                source_facts,
                speech,
                Fraction(speech_start),
                keep_source_audio,
                audio,
                metadata or {},
                streams_copied,
                end,
                speech_stream,
                speech_language,
                notes,
            )
            os.replace(made, out)
    except LipdubError:
        raise
    except OSError as error:
        raise wrap_os_error(error, out, "write") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return notes


class _disk:
    """FFmpeg errors that are about the disk become what they are."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        import av

        if isinstance(error, av.error.FFmpegError) and error.errno is not None and 0 < error.errno < 1000:
            raise wrap_os_error(OSError(error.errno, error.strerror), self.out, "write") from error


# -- joining


@dataclass(frozen=True)
class _Joined:
    """The joined video: its file, whose times begin at zero; what the segments say of themselves; when in the
    result the first frame is shown and the last one ends; ticks taken off the source's clock for that.
    """

    path: Path
    note: dict[str, Any]
    time_base: Fraction
    first: int
    end: int
    shift: int
    size: tuple[int, int]


def read_segment_note(path: Path) -> dict[str, Any]:
    """What a segment says of itself: first PTS, time base, colour, rotation, codec family, sample aspect."""
    with open_media(path) as container:
        try:
            return dict(json.loads(container.metadata[SEGMENT_NOTE_KEY]))
        except (KeyError, ValueError):
            raise InputError(f"{printable(path)} is not a segment written by lipdub") from None


def _segment_packets(path: Path, base: Fraction) -> Iterator[tuple[int, Any]]:
    """Packets in decoding order with their PTS, in ``base``, relative to the segment's container."""
    with open_media(path) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            time = packet.pts * stream.time_base / base
            yield round(time), packet


def _shift_to_zero(facts: MediaFacts, container: Container, first: int, base: Fraction) -> int:
    """Ticks taken off every time: containers without start times, and sources whose clock has no zero, give
    results that begin at zero; no time is negative.
    """
    names = set(facts.format.split(","))
    if not container.timed:
        return first
    if names & _FREE_CLOCKS:
        return min(first, int(facts.start_time / base))
    return min(0, first)


def _join(
    segments: Sequence[Path],
    scratch: Path,
    container: Container,
    facts: MediaFacts,
    last_duration: int | None,
    notes: list[str],
) -> _Joined:
    """Join the packets of all segments: PTS exact, DTS rising and never after PTS."""
    import av

    if not segments:
        raise ValueError("there are no segments to join")
    video = facts.video
    assert video is not None
    written = [read_segment_note(path) for path in segments]
    note = written[0]
    base = Fraction(note["time_base"])
    if any((other["codec"], other["time_base"]) != (note["codec"], note["time_base"]) for other in written):
        raise InputError("the segments were encoded in different ways and cannot be joined")
    if note["codec"] not in container.families:
        raise UsageError(
            f"{container.name} does not hold {note['codec']} video", hint="Encode for this container, or rename OUT."
        )
    pts, delay = _joined_times([(path, other["first"]) for path, other in zip(segments, written, strict=True)], base)
    shown_order = np.sort(pts)
    if len(pts) > 1 and (np.diff(shown_order) <= 0).any():
        raise InputError("the segments overlap in time and cannot be joined")
    last = last_duration or _last_duration(shown_order, base, video.time_base, facts)
    shift = _shift_to_zero(facts, container, int(shown_order[0]), base)
    shown_order = shown_order - shift
    if shift and container.timed:
        notes.append(
            f"all times are {float(shift * base):.3f} s less than in the source, whose clock has no zero of its own"
        )
    spans = np.append(np.diff(shown_order), last)
    step = int(spans[0])
    start = int(shown_order[0])
    relative = shown_order - start
    dts = np.concatenate([-step * np.arange(delay, 0, -1), relative])[: len(pts)]
    # These keep any time exactly when their time scale is the source's. The file begins at zero: demuxers
    # have faults about the durations of files that do not.
    path = scratch / f"video.{_JOINED_FORMAT.get(note['codec'], 'mp4')}"
    scale = str(base.denominator)
    options = {} if path.suffix == ".nut" else {"video_track_timescale": scale, "movie_timescale": scale}
    with av.open(str(path), "w", options=options) as joined:
        stream = None
        number = 0
        for segment, other in zip(segments, written, strict=True):
            origin = _origin(segment, base)
            for time, packet in _segment_packets(segment, base):
                if stream is None:
                    stream = joined.add_stream_from_template(packet.stream, opaque=True)
                    stream.time_base = base
                    size = (packet.stream.codec_context.width, packet.stream.codec_context.height)
                    if note["rotation"] or note["mirrored"]:
                        stream.set_display_rotation(*_display(note))
                exact = time - origin + other["first"] - shift - start
                place = int(np.searchsorted(relative, exact))
                packet.stream = stream
                packet.time_base = base
                packet.pts, packet.dts = exact, int(dts[number])
                packet.duration = int(spans[place])
                joined.mux_one(packet)
                number += 1
    return _Joined(path, note, base, start, int(shown_order[-1]) + last, shift, size)


def _last_duration(pts: np.ndarray, base: Fraction, source_base: Fraction, facts: MediaFacts) -> int:
    """Ticks the last frame shows: as in the source if it is the source's last, else like most others."""
    video = facts.video
    assert video is not None
    own = read_frame_index(facts.path)
    if base == source_base and own.pts[-1] == pts[-1]:
        return int(own.duration[-1])
    if len(pts) > 1:
        return int(np.median(np.diff(pts)))
    return max(1, int(own.duration[-1] * own.time_base / base))


# Formats the joined video of a codec family goes through, where it is not MP4.
_JOINED_FORMAT = {"prores": "mov", "ffv1": "nut"}


def _display(note: dict[str, Any]) -> tuple[float, bool, bool]:
    """Arguments of PyAV's ``set_display_rotation``."""
    return float(note["rotation"]), bool(note["mirrored"]), False


def _origin(path: Path, base: Fraction) -> int:
    """The container's time of the segment's first shown frame (muxers may shift times to avoid negative ones)."""
    return min(time for time, _ in _segment_packets(path, base))


def _joined_times(segments: list[tuple[Path, int]], base: Fraction) -> tuple[np.ndarray, int]:
    """PTS of all packets in decoding order, and by how many places decoding runs ahead at most."""
    parts: list[np.ndarray] = []
    delay = 0
    for path, first in segments:
        times = np.array([time for time, _ in _segment_packets(path, base)], np.int64)
        times += first - times.min()
        rank = np.empty(len(times), np.int64)
        rank[np.argsort(times, kind="stable")] = np.arange(len(times))
        # With DTS the shown times moved `delay` places on, DTS <= PTS needs: place - delay <= rank.
        delay = max(delay, int((np.arange(len(times)) - rank).max()))
        parts.append(times)
    return np.concatenate(parts), delay


def _chapter_file(scratch: Path, facts: MediaFacts, shift: Fraction) -> Path:
    """The source's chapters as a file ffmpeg reads."""
    lines = [";FFMETADATA1"]
    for chapter in facts.chapters:
        begin, end = (round((time - shift) * 1_000_000) for time in (chapter.start, chapter.end))
        if end > 0:
            title = re.sub(r"([=;#\\\n])", r"\\\1", chapter.title)
            lines += ["[CHAPTER]", "TIMEBASE=1/1000000", f"START={max(0, begin)}", f"END={end}", f"title={title}"]
    path = scratch / "chapters.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# -- sound


def _speech_file(
    speech: Path,
    stream: int | None,
    scratch: Path,
    joined: _Joined,
    facts: MediaFacts,
    start: Fraction,
    end: Fraction | None,
    container: Container,
) -> tuple[Path, Fraction, AudioSource]:
    """The speech as a WAV file laid out for the result, and when that file begins there.

    The track begins where the source began (with its picture, or its sound if that came first), so that no
    stream starts at an odd place; what of the speech lies before is cut.
    """
    shift = joined.shift * joined.time_base
    first = joined.first * joined.time_base
    origin = min(first, max(Fraction(0), facts.start_time - shift)) if container.timed else first
    heard = start - shift
    begin = origin
    if not container.is_mov:
        begin = Fraction(int(begin * 1000), 1000)  # times in whole milliseconds; the rest is silence
    sound = probe_audio_source(speech, stream)
    offset = round((heard - begin) * sound.rate)
    limit = None
    if end is not None:
        limit = max(1, round((end - shift - begin) * sound.rate))
    path = scratch / "speech.wav"
    write_wav(path, speech, lead=max(0, offset), skip=max(0, -offset), limit=limit, stream=stream)
    return path, begin, sound


# -- everything together


def _assemble(
    joined: _Joined,
    scratch: Path,
    out: Path,
    container: Container,
    source: Path,
    facts: MediaFacts,
    speech: Path | None,
    speech_start: Fraction,
    keep_source_audio: str,
    audio: AudioCodec,
    metadata: dict[str, str],
    streams_copied: bool,
    end: Fraction | None,
    speech_stream: int | None,
    speech_language: str | None,
    notes: list[str],
) -> Path:
    wav: tuple[Path, Fraction, AudioSource] | None = None
    if speech is not None:
        wav = _speech_file(speech, speech_stream, scratch, joined, facts, speech_start, end, container)
    extras = _Extras()
    if streams_copied and facts.video is not None and not facts.video.is_image:
        extras = _extras(source, facts, container, keep_source_audio, speech is not None, notes)
    made = scratch / f"result{out.suffix.lower()}"
    while True:
        try:
            _run(joined, made, container, source, facts, wav, audio, extras, metadata, end, speech_language, notes)
            return made
        except FfmpegError as error:
            dropped = _drop_one(extras)
            if dropped is None:
                raise EnvironmentFailure(f"the result could not be muxed: {error.what}") from error
            notes.append(f"the source's {dropped} streams could not be kept: {error.reason}")
            with suppress(OSError):
                made.unlink()


def _drop_one(extras: _Extras) -> str | None:
    """Give up the least important kind of stream that is left."""
    for kind in ("data", "attachment", "video", "subtitle", "audio"):
        if getattr(extras, kind):
            getattr(extras, kind).clear()
            return kind
    return None


def _extras(
    source: Path, facts: MediaFacts, container: Container, keep: str, has_speech: bool, notes: list[str]
) -> _Extras:
    """Which streams of the source go along, and how."""
    extras = _Extras()
    dropped: list[str] = []
    sounds = [sound.index for sound in facts.audio]
    if keep == "none":
        sounds = []
    elif keep == "others" and has_speech:
        sounds = sounds[1:]
    for sound in facts.audio:
        if sound.index not in sounds:
            continue
        if not container.timed or container.sounds is None or sound.codec in container.sounds:
            extras.audio.append((sound.index, "copy"))
        else:
            fallback = {"pcm": "pcm_s16le", "opus": "libopus"}.get(container.speech_codec, container.speech_codec)
            extras.audio.append((sound.index, fallback))
            notes.append(
                f"sound stream {sound.index} ({sound.codec}) was encoded again, {container.name} does not hold it"
            )
    with open_media(source) as media:
        chosen = select_video_stream(media)
        for other in facts.others:
            label = f"{other.type} stream {other.index} ({other.codec or other.tag or 'unknown'})"
            if chosen is not None and other.index == chosen.index:
                continue
            if other.type == "subtitle":
                codec = other.codec or ""
                if codec in container.copied_text or codec in container.bitmap:
                    extras.subtitle.append((other.index, "copy"))
                elif codec in TEXT_SUBTITLE_CODECS and container.text is not None:
                    extras.subtitle.append((other.index, container.text))
                else:
                    dropped.append(label)
            elif other.type == "attachment":
                if container.attachments:
                    extras.attachment.append((other.index, "copy"))
                else:
                    dropped.append(label)
            elif other.type == "video":
                if container.covers if other.cover else container.muxer in ("matroska", "mp4", "mov"):
                    extras.video.append((other.index, "copy"))
                else:
                    dropped.append(label)
            elif other.type == "data":
                # Chapter text and time code tracks are made anew from chapters and metadata.
                text = other.codec in ("text", "mov_text") and bool(facts.chapters)
                if text or "timecode" in media.streams[other.index].metadata:
                    continue
                if container.data and "mov" in facts.format:
                    extras.data.append((other.index, "copy"))
                else:
                    dropped.append(label)
    if dropped:
        notes.append(f"{container.name} does not hold {', '.join(dropped)}: left out")
    return extras


def _run(
    joined: _Joined,
    made: Path,
    container: Container,
    source: Path,
    facts: MediaFacts,
    wav: tuple[Path, Fraction, AudioSource] | None,
    audio: AudioCodec,
    extras: _Extras,
    metadata: dict[str, str],
    end: Fraction | None,
    speech_language: str | None,
    notes: list[str],
    nudge: Fraction = Fraction(0),
) -> None:
    import ffmpeg

    rotated = bool(joined.note["rotation"] or joined.note["mirrored"])
    # Older releases lose the rotation and misplace Opus in Matroska.
    executable = find_ffmpeg(7 if container.is_matroska else 0)
    if rotated and container.is_matroska and read_ffmpeg_version(executable) < 7:
        notes.append(f"this ffmpeg cannot tag the rotation in {container.name}")
    picture = ffmpeg.input(str(joined.path), itsoffset=_seconds(joined.first * joined.time_base))
    streams = [picture["v:0"]]
    options: dict[str, Any] = {"c:v:0": "copy"}
    sound_number = 0
    if wav is not None:
        path, begin, facts_of_speech = wav
        sound = select_speech_encoder(audio, container, facts_of_speech)
        if container.is_matroska and begin > 0 and sound.encoder == "libopus":
            # Its packets run 6.5 ms ahead of what is heard, and times are whole milliseconds: a quarter earlier,
            # that half rounds the same way when written and when read.
            begin -= Fraction(1, 4000)
        streams.append(ffmpeg.input(str(path), itsoffset=_seconds(begin + nudge))["a:0"])
        options["c:a:0"] = sound.encoder
        options["ar:a:0"] = str(sound.rate)
        if sound.bitrate:
            options["b:a:0"] = str(sound.bitrate)
        if sound.encoder == "libopus" and facts_of_speech.channels > 2:
            options["mapping_family:a:0"] = "1"
        if sound.encoder in ("flac", "libopus") and container.is_mov:
            options["strict"] = "experimental"  # older releases call them so in MP4
        options["disposition:a:0"] = "default"
        if speech_language:
            options["metadata:s:a:0"] = f"language={speech_language}"
        sound_number = 1
    if extras.any():
        streams += _copied(source, facts, joined, extras, container, end, sound_number, options, wav is not None)
    options |= _video_options(joined, container)
    options |= {"map_metadata:g": "-1", "max_muxing_queue_size": "100000", "max_interleave_delta": "0"}
    options["f"] = container.muxer
    if container.is_matroska:
        # Encoder delay is stored apart there; ffmpeg would shift every stream by it.
        options["avoid_negative_ts"] = "disabled"
    if container.is_mov:
        scale = joined.time_base.denominator
        options |= {"movflags": "+faststart", "video_track_timescale": str(scale), "movie_timescale": str(scale)}
    chapters = _chapter_file(joined.path.parent, facts, joined.shift * joined.time_base)
    run_ffmpeg(
        ffmpeg.output(*streams, str(made), **options),
        executable,
        global_options=("-copyts",),
        metadata=chapters,
        output_options=_described(source, facts, metadata),
    )
    if wav is not None and container.is_matroska and not nudge:
        # Releases differ in how they place delayed sound: look, and put it right.
        off = _heard(made) - wav[1]
        if abs(off) > Fraction(2, 1000):
            _run(joined, made, container, source, facts, wav, audio, extras, metadata, end, speech_language, [], -off)


def _heard(path: Path) -> Fraction:
    """When the first sound stream of a result is first heard, in seconds."""
    return probe_audio_source(path).start


def _described(source: Path, facts: MediaFacts, metadata: dict[str, str]) -> list[str]:
    """Options that write the file's and the video stream's metadata."""
    described = {key: value for key, value in facts.metadata.items() if key.lower() not in _STALE}
    described |= metadata
    options = [word for key, value in described.items() for word in ("-metadata", f"{key}={value}")]
    if facts.video is not None and not facts.video.is_image:
        with open_media(source) as media:
            kept = dict(media.streams[facts.video.index].metadata)
        for key, value in kept.items():
            if key.lower() not in _STALE and not key.upper().startswith(("_STATISTICS", "NUMBER_OF", "BPS")):
                options += ["-metadata:s:v:0", f"{key}={value}"]
    return options


def _seconds(time: Fraction) -> str:
    return f"{float(time):.6f}"


def _copied(
    source: Path,
    facts: MediaFacts,
    joined: _Joined,
    extras: _Extras,
    container: Container,
    end: Fraction | None,
    sound_number: int,
    options: dict[str, Any],
    has_speech: bool,
) -> list[Any]:
    import ffmpeg

    shift = joined.shift * joined.time_base
    arguments: dict[str, Any] = {}
    if shift:
        arguments["itsoffset"] = _seconds(-shift)
    if end is not None and end < facts.start_time + facts.duration:
        # With -copyts an input's duration counts from its own start.
        arguments["t"] = _seconds(max(Fraction(1, 1000), end - facts.start_time))
    file = ffmpeg.input(str(Path(os.path.abspath(source))), **arguments)
    streams: list[Any] = []
    counters = {"a": sound_number, "s": 0, "d": 0, "t": 0, "v": 1}
    for letter, kind in (
        ("a", extras.audio),
        ("v", extras.video),
        ("s", extras.subtitle),
        ("d", extras.data),
        ("t", extras.attachment),
    ):
        for index, encoder in kind:
            number = counters[letter]
            counters[letter] += 1
            options[f"c:{letter}:{number}"] = encoder
            if letter == "a" and not container.timed:
                # Without start times only sound laid out anew begins where it should.
                options[f"c:a:{number}"] = "pcm_s16le"
                wav = _aligned(source, index, joined, facts, end)
                streams.append(ffmpeg.input(str(wav))["a:0"])
                continue
            streams.append(file[str(index)])
            if letter == "a":
                if has_speech:
                    options[f"disposition:a:{number}"] = "-default"
                if encoder == "copy":
                    # Priming before time zero must stay, or the start of the sound would be damaged; only
                    # Matroska has no room for it.
                    options[f"copypriorss:a:{number}"] = "0" if container.is_matroska else "1"
                elif encoder == "libopus":
                    options[f"ar:a:{number}"] = "48000"
    return streams


def _aligned(source: Path, index: int, joined: _Joined, facts: MediaFacts, end: Fraction | None) -> Path:
    """A sound stream of the source as a WAV file that begins with the result's first frame."""
    path = joined.path.with_name(f"sound{index}.wav")
    if not path.exists():
        sound = probe_audio_source(source, index)
        first = (joined.first + joined.shift) * joined.time_base
        offset = round((sound.start - first) * sound.rate)
        limit = None if end is None else max(1, round((end - first) * sound.rate))
        write_wav(path, source, lead=max(0, offset), skip=max(0, -offset), limit=limit, stream=index)
    return path


def _video_options(joined: _Joined, container: Container) -> dict[str, Any]:
    """Tags of the video stream, where the coded stream itself may not carry them."""
    colour = joined.note["colour"]
    options: dict[str, Any] = {}
    names = {
        "range_raw": "color_range",
        "matrix_raw": "colorspace",
        "primaries_raw": "color_primaries",
        "transfer_raw": "color_trc",
    }
    for key, name in names.items():
        value = colour[key]
        if value != (0 if key == "range_raw" else UNSPECIFIED):
            options[f"{name}:v:0"] = str(value)
    codec = joined.note["codec"]
    if set(colour[key] for key in ("matrix_raw", "primaries_raw", "transfer_raw")) == {UNSPECIFIED}:
        # Encoders leave a lone "limited range" out of the stream.
        if colour["range_raw"] == 1 and codec in ("h264", "hevc"):
            options["bsf:v:0"] = f"{codec}_metadata=video_full_range_flag=0"
    if codec == "hevc" and container.is_mov:
        options["tag:v:0"] = "hvc1"
    if joined.note["aspect"] is not None:
        shape = Fraction(joined.note["aspect"]) * Fraction(*joined.size)
        # ffmpeg rounds the terms of this option to 255: larger ones are left to what the joined stream says itself.
        if max(shape.numerator, shape.denominator) > 255:
            return options
        options["aspect:v:0"] = f"{shape.numerator}:{shape.denominator}"
    return options
