"""The speech lies where it was asked, everything else comes along, nothing is left half-written."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lipdub.errors import EnvironmentFailure, InputError, UsageError
from lipdub.media import ffmpeg as program
from lipdub.media import mux as mux_module
from lipdub.media.audio import load_audio, probe_audio_source
from lipdub.media.audio_encoder import AudioCodec
from lipdub.media.ffmpeg import find_ffmpeg
from lipdub.media.frame_index import read_frame_times
from lipdub.media.mov_tracks import read_mov_tracks
from lipdub.media.mux import follow_links, mux, scratch_folder
from lipdub.media.mux_plan import MuxPlan, PictureInput, SourceInput, SpeechInput
from lipdub.media.probe import MediaFacts, probe
from lipdub.media.read import read_frames
from lipdub.media.video_encoder import VideoCodec
from lipdub.media.write import write_segment
from tests.media.clips import add_data_track, chirp, empty_sound, lag, make_sound, make_video

BASE = Fraction(1, 12800)
EVEN = [n * 512 for n in range(25)]
OWN, SECOND = chirp(1.2, seed=5), chirp(1.2, seed=6)
# Sources whose streams start together, apart, and late.
STARTS = {
    "together": {"pts": EVEN},
    "video late": {"pts": [433 + time for time in EVEN]},
    "sound late": {"pts": EVEN, "sound_start": Fraction(1, 3)},
    "all late": {"pts": [20000 + time for time in EVEN], "sound_start": Fraction(1)},
}


def segment(folder: Path, source: Path, ending: str, count: int | None = None) -> tuple[MediaFacts, Path]:
    facts = probe(source)
    assert facts.video is not None
    path = folder / "0.seg"
    codec = VideoCodec(
        "vp9" if ending == ".webm" else "auto", preset="8" if ending == ".webm" else None, container=ending
    )
    write_segment(path, ((f.picture, f.pts) for f in read_frames(source, 0, count)), facts.video, codec)
    return facts, path


def locate_sound(path: Path, expected: np.ndarray, stream: int = 0) -> float:
    """Seconds on the result's clock at which a known sound is heard, decoded by lipdub."""
    number = probe(path).audio[stream].index
    return float(probe_audio_source(path, number).start) + lag(load_audio(path, 48000, stream=number), expected, 48000)


def locate_sound_by_ffmpeg(path: Path, expected: np.ndarray) -> float:
    """The same as the ffmpeg program decodes it: silence is put before sound that starts late."""
    command = [
        find_ffmpeg(),
        "-v",
        "error",
        "-copyts",
        "-i",
        str(path),
        "-map",
        "0:a:0",
        "-af",
        "aresample=async=1:first_pts=0",
        "-ac",
        "1",
        "-ar",
        "48000",
        "-f",
        "f32le",
        "-",
    ]
    process = subprocess.run(command, capture_output=True, check=True)
    return lag(np.frombuffer(process.stdout, np.float32), expected, 48000)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
@pytest.mark.parametrize(
    "start", [pytest.param(name, marks=[] if name == "all late" else [pytest.mark.slow]) for name in STARTS]
)
def test_speech_lies_where_asked(tmp_path: Path, ending: str, start: str) -> None:
    source = make_video(tmp_path / "a.mp4", time_base=BASE, sound=OWN, second_sound=SECOND, **STARTS[start])  # type: ignore[arg-type]
    speech = make_sound(tmp_path / "s.wav", chirp(0.9, 44100, seed=9), 44100)
    known = load_audio(speech, 48000)
    facts, piece = segment(tmp_path, source, ending)
    assert facts.video is not None
    second_start = locate_sound(source, SECOND, 1)
    for offset in (Fraction(313, 1000), Fraction(-1, 4)):
        out = tmp_path / f"out{ending}"
        speech_start = facts.video.start_time + offset
        mux(PictureInput([piece]), SpeechInput(speech, start=speech_start), SourceInput(source, facts), out)
        result = probe(out)
        assert result.video is not None
        # AVI has no start times: there, all begins with the picture.
        shift = float(facts.video.start_time) if ending == ".avi" else 0.0
        assert abs(locate_sound(out, known) - (float(speech_start) - shift)) < 0.0005
        if offset >= 0:
            assert abs(locate_sound_by_ffmpeg(out, known) - (float(speech_start) - shift)) < 0.0005
        assert abs(locate_sound(out, SECOND, 1) - (second_start - shift)) < 0.0006
        if ending != ".avi":
            assert np.abs(read_frame_times(out) - read_frame_times(source)).max() <= (
                0 if ending in (".mp4", ".mov") else 0.00051
            )
    codecs = {".mp4": "aac", ".mov": "pcm_s16le", ".mkv": "opus", ".webm": "opus", ".avi": "pcm_s16le"}
    assert result.audio[0].codec == codecs[ending]


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(
    ("codec", "ending"),
    [
        ("aac", ".mov"),
        ("opus", ".mp4"),
        ("mp3", ".mp4"),
        ("flac", ".mkv"),
        ("aac", ".mkv"),
        ("alac", ".mov"),
        ("pcm", ".mkv"),
    ],
)
@pytest.mark.parametrize("rate", [*(pytest.param(rate, marks=pytest.mark.slow) for rate in (8000, 22050)), 96000])
def test_any_codec_and_rate(tmp_path: Path, codec: str, ending: str, rate: int) -> None:
    source = make_video(tmp_path / "a.mp4", time_base=BASE, pts=[433 + time for time in EVEN])
    speech = make_sound(tmp_path / "s.wav", chirp(0.8, rate, seed=rate), rate)
    facts, piece = segment(tmp_path, source, ending, 3)
    out = tmp_path / f"out{ending}"
    mux(
        PictureInput([piece]),
        SpeechInput(speech, start=Fraction(1, 10), codec=AudioCodec(codec)),
        SourceInput(source, facts),
        out,
    )
    assert abs(locate_sound(out, load_audio(speech, 48000)) - 0.1) < 0.0009


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("codec", "ending"),
    [("aac", ".m4a"), ("libmp3lame", ".mp3"), ("libopus", ".opus"), ("flac", ".flac"), ("libvorbis", ".ogg")],
)
def test_coded_speech_keeps_its_place(tmp_path: Path, codec: str, ending: str) -> None:
    """Encoder priming of the speech file is not heard."""
    if codec not in av.codecs_available:
        pytest.skip(f"no {codec} here")
    samples = chirp(0.8, seed=3)
    speech = make_sound(tmp_path / f"s{ending}", samples, codec=codec)
    assert abs(lag(load_audio(speech, 48000), samples, 48000)) < 0.0005
    source = make_video(tmp_path / "a.mp4", time_base=BASE, pts=EVEN)
    facts, piece = segment(tmp_path, source, ".mov", 3)
    out = tmp_path / "out.mov"
    mux(PictureInput([piece]), SpeechInput(speech, start=Fraction(1, 5)), SourceInput(source, facts), out)
    assert abs(locate_sound(out, samples) - 0.2) < 0.0005
    assert probe(out).audio[0].codec == ("pcm_s16le" if codec == "flac" else "aac")


@pytest.mark.slow
def test_pcm_speech_is_bit_exact(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", time_base=BASE, pts=EVEN)
    for kind in ("pcm_s16le", "pcm_s24le", "pcm_f32le"):
        speech = make_sound(tmp_path / "s.wav", chirp(0.5), codec=kind)
        facts, piece = segment(tmp_path, source, ".mov", 3)
        out = tmp_path / "out.mov"
        mux(PictureInput([piece]), SpeechInput(speech), SourceInput(source, facts), out)
        assert probe(out).audio[0].codec == kind
        assert np.array_equal(load_audio(out, 48000), load_audio(speech, 48000))


@pytest.mark.parametrize(("kind", "codec"), [("pcm_s24le", "flac"), ("pcm_f32le", "pcm_f32le")])
def test_the_speech_of_a_lossless_matroska_is_bit_exact(tmp_path: Path, kind: str, codec: str) -> None:
    times = [time * 40 for time in range(12)]
    source = make_video(tmp_path / "a.mkv", codec="ffv1", time_base=Fraction(1, 1000), pts=times)
    speech = make_sound(tmp_path / "s.wav", chirp(0.5), codec=kind)
    facts, piece = segment(tmp_path, source, ".mkv", 3)
    out = tmp_path / "out.mkv"
    mux(PictureInput([piece]), SpeechInput(speech), SourceInput(source, facts), out)
    assert probe(out).audio[0].codec == codec
    assert np.array_equal(load_audio(out, 48000), load_audio(speech, 48000))


def rich_source(folder: Path) -> Path:
    """A Matroska file with two sounds, a subtitle, an attachment, chapters and metadata, made by ffmpeg."""
    video = make_video(folder / "v.mp4", time_base=BASE, pts=EVEN, sound=OWN, second_sound=SECOND)
    (folder / "s.srt").write_text("1\n00:00:00,200 --> 00:00:00,700\nHello there\n\n", encoding="utf-8")
    (folder / "c.txt").write_text(
        ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\\; two\n", encoding="utf-8"
    )
    (folder / "font.ttf").write_bytes(b"not really a font")
    path = folder / "rich.mkv"
    subprocess.run(
        [
            find_ffmpeg(),
            "-v",
            "error",
            "-y",
            "-i",
            str(video),
            "-i",
            str(folder / "s.srt"),
            "-i",
            str(folder / "c.txt"),
            "-map",
            "0:v",
            "-map",
            "0:a",
            "-map",
            "1:s",
            "-map_metadata",
            "2",
            "-map_chapters",
            "2",
            "-c",
            "copy",
            "-c:s",
            "srt",
            "-metadata:s:a:0",
            "language=eng",
            "-metadata:s:a:1",
            "language=fra",
            "-metadata:s:a:1",
            "title=French",
            "-metadata:s:s:0",
            "language=deu",
            "-attach",
            str(folder / "font.ttf"),
            "-metadata:s:t",
            "mimetype=font/ttf",
            str(path),
        ],
        check=True,
    )
    return path


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".mov", ".webm", ".avi"])
def test_other_streams_come_along(tmp_path: Path, ending: str) -> None:
    source = rich_source(tmp_path)
    speech = make_sound(tmp_path / "s.wav", chirp(0.5))
    facts, piece = segment(tmp_path, source, ending)
    out = tmp_path / f"out{ending}"
    notes = mux(
        PictureInput([piece]),
        SpeechInput(speech, language="jpn"),
        SourceInput(source, facts),
        out,
        metadata={"comment": "made by a test"},
    )
    result = probe(out)
    assert len(result.audio) == 2
    kinds = [other.type for other in result.others]
    tags = {key.lower(): value for key, value in result.metadata.items()}
    if ending == ".avi":
        assert "attachment stream 4 (font.ttf)" in notes[0]
        return
    assert tags["title"] == "A film" and tags["comment"] == "made by a test"
    assert [(chapter.title, chapter.start) for chapter in result.chapters] == [("One; two", 0)]
    assert result.audio[0].language == "jpn" and result.audio[1].language in ("fra", "fre")
    assert kinds.count("subtitle") == 1
    assert ("attachment" in kinds) == (ending == ".mkv")
    assert any("attachment" in note for note in notes) == (ending != ".mkv")


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("ending", [".mov", ".mp4"])
@pytest.mark.parametrize("tag", ["mebx", "rtmd"])
def test_a_data_track_without_a_muxer_is_left_out(tmp_path: Path, ending: str, tag: str) -> None:
    """FFmpeg would write it without a sample description, or call it GoPro telemetry."""
    plain = make_video(tmp_path / "a.mp4", time_base=BASE, pts=EVEN, sound=OWN)
    source = add_data_track(plain, tmp_path / "b.mov", tag)
    facts, piece = segment(tmp_path, source, ending)
    out = tmp_path / f"out{ending}"
    notes = mux(PictureInput([piece]), None, SourceInput(source, facts), out)
    codes = {"rtmd": ["tmcd"]}.get(tag, [])  # FFmpeg finds a time code in Sony's track
    assert [track.tag for track in read_mov_tracks(out)] == ["avc1", "mp4a", *codes]
    assert notes == [f"not in the result: data stream 2 ({tag})"]


def test_telemetry_is_kept(tmp_path: Path) -> None:
    plain = make_video(tmp_path / "a.mp4", time_base=BASE, pts=EVEN, sound=OWN)
    source = add_data_track(plain, tmp_path / "b.mp4", "gpmd")
    for ending in (".mov", ".mp4"):
        facts, piece = segment(tmp_path, source, ending)
        out = tmp_path / f"out{ending}"
        assert mux(PictureInput([piece]), None, SourceInput(source, facts), out) == []
        assert [track.tag for track in read_mov_tracks(out)] == ["avc1", "mp4a", "gpmd"]


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_the_time_code_track_is_made_anew(tmp_path: Path, ending: str) -> None:
    plain = make_video(tmp_path / "a.mp4", time_base=BASE, pts=EVEN, sound=OWN)
    source = tmp_path / "b.mov"
    command = [find_ffmpeg(), "-v", "error", "-i", str(plain), "-c", "copy", "-timecode", "10:00:00:05", str(source)]
    subprocess.run(command, check=True)
    facts, piece = segment(tmp_path, source, ending)
    out = tmp_path / f"out{ending}"
    assert mux(PictureInput([piece]), None, SourceInput(source, facts), out) == []
    assert [track.tag for track in read_mov_tracks(out)] == ["avc1", "mp4a", "tmcd"]
    with av.open(str(out)) as container:
        assert [stream.metadata.get("timecode") for stream in container.streams] == ["10:00:00:05", None, "10:00:00:05"]


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_chapters_are_made_anew(tmp_path: Path, ending: str) -> None:
    """The track that holds the titles of QuickTime chapters is not copied, not even from a dub of a dub of a dub."""
    chapters = [(0.0, 0.4, "One"), (0.4, 1.0, "Two")]
    source = make_video(tmp_path / "0.mp4", time_base=BASE, pts=EVEN, sound=OWN, chapters=chapters)
    for generation in range(1, 4):
        facts, piece = segment(tmp_path, source, ending)
        out = tmp_path / f"{generation}{ending}"
        assert mux(PictureInput([piece]), None, SourceInput(source, facts), out) == []
        source = out
    assert [(chapter.title, float(chapter.start)) for chapter in probe(source).chapters] == [("One", 0.0), ("Two", 0.4)]
    if ending != ".mkv":
        assert [track.tag for track in read_mov_tracks(source)] == ["avc1", "mp4a", "text"]


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_keys_of_phones_are_kept(tmp_path: Path, ending: str) -> None:
    keys = {
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.model": "iPhone 15",
        "com.apple.quicktime.location.ISO6709": "+48.1+011.5+520/",
        "com.apple.quicktime.creationdate": "2026-05-01T10:00:00+0200",
        "title": "A film",
    }
    flags = {"movflags": "use_metadata_tags"}
    source = make_video(tmp_path / "a.mov", time_base=BASE, pts=EVEN, metadata=keys, container_options=flags)
    facts, piece = segment(tmp_path, source, ending)
    out = tmp_path / f"out{ending}"
    assert mux(PictureInput([piece]), None, SourceInput(source, facts), out, metadata={"comment": "Dubbed."}) == []
    found = {key.lower(): value for key, value in probe(out).metadata.items()}
    assert found | {key.lower(): value for key, value in keys.items()} | {"comment": "Dubbed."} == found


@pytest.mark.slow
def test_which_sounds_are_kept(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", time_base=BASE, pts=EVEN, sound=OWN, second_sound=SECOND)
    speech = make_sound(tmp_path / "s.wav", chirp(0.5))
    facts, piece = segment(tmp_path, source, ".mp4")
    for keep, with_speech, count in [
        ("none", True, 1),
        ("others", True, 2),
        ("all", True, 3),
        ("others", False, 2),
        ("none", False, 0),
    ]:
        out = tmp_path / "out.mp4"
        mux(
            PictureInput([piece]),
            SpeechInput(speech) if with_speech else None,
            SourceInput(source, facts, keep_audio=keep),
            out,
        )
        assert len(probe(out).audio) == count, keep
    mux(PictureInput([piece]), SpeechInput(speech), SourceInput(source, facts, has_kept_streams=False), out)
    assert len(probe(out).audio) == 1
    with av.open(str(out)) as container:
        assert container.streams.audio[0].disposition & av.stream.Disposition.default


@pytest.mark.slow
def test_lengths(tmp_path: Path) -> None:
    """A long speech is kept whole, or cut at the end asked for, copied streams too; a short one just ends."""
    source = make_video(tmp_path / "a.mp4", time_base=BASE, pts=EVEN, sound=OWN, second_sound=SECOND)
    long, short = make_sound(tmp_path / "l.wav", chirp(3.0)), make_sound(tmp_path / "s.wav", chirp(0.05))
    facts, piece = segment(tmp_path, source, ".mov")
    out = tmp_path / "out.mov"
    for speech, end, expected in [
        (long, None, 3.0),
        (long, Fraction(1), 1.0),
        (long, Fraction(2, 5), 0.4),
        (short, Fraction(1), 0.05),
    ]:
        mux(PictureInput([piece]), SpeechInput(speech), SourceInput(source, facts), out, end=end)
        assert abs(len(load_audio(out, 48000)) / 48000 - expected) < 0.001
        if end is not None and end < 1:
            other = probe(out).audio[1].index
            assert abs(len(load_audio(out, 48000, stream=other)) / 48000 - float(end)) < 0.05
    # A speech that ends before the picture begins leaves silence, not a fault.
    mux(PictureInput([piece]), SpeechInput(short, start=Fraction(-1)), SourceInput(source, facts), out)
    assert np.abs(load_audio(out)).max() == 0


def test_segments_are_joined_in_time(tmp_path: Path) -> None:
    """Many segments, reordered frames inside: every time exact, decoding order rising."""
    pts = [507 + 512 * n for n in range(40)]
    source = make_video(tmp_path / "a.mp4", time_base=Fraction(1, 15360), pts=pts)
    facts = probe(source)
    assert facts.video is not None
    pieces = []
    frames = list(read_frames(source))
    for number, first in enumerate(range(0, 40, 7)):
        pieces.append(tmp_path / f"{number}.seg")
        part = ((f.picture, f.pts) for f in frames[first : first + 7])
        write_segment(pieces[-1], part, facts.video, VideoCodec("hevc" if number < 0 else "auto"))
    out = tmp_path / "out.mp4"
    mux(PictureInput(pieces), None, SourceInput(source, facts), out)
    assert np.array_equal(read_frame_times(out), read_frame_times(source))
    with av.open(str(out)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    dts = [packet.dts for packet in packets]
    assert all(b > a for a, b in itertools.pairwise(dts))
    assert all(packet.dts <= packet.pts for packet in packets)
    assert any(packet.dts != packet.pts for packet in packets)
    with pytest.raises(InputError, match="overlap"):
        mux(PictureInput([pieces[0], pieces[0]]), None, SourceInput(source, facts), out)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    "name", ["-dash out.mp4", 'it\'s "so".mkv', "new\nline.mov", "50%d.mp4", "http:x.webm", "ü é.mp4"]
)
def test_any_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ending = Path(name).suffix
    source = make_video(tmp_path / "made.mp4", time_base=BASE, pts=EVEN, sound=OWN, second_sound=SECOND).rename(
        "-in " + name[:-4] + ".mp4"
    )
    speech = make_sound(tmp_path / "made.wav", chirp(0.3)).rename("-s " + name + ".wav")
    facts, piece = segment(tmp_path, source, ending)
    mux(PictureInput([piece]), SpeechInput(speech), SourceInput(source, facts), Path(name))
    assert len(probe(name).audio) == 2
    assert not list(tmp_path.glob("*part"))


def test_failures_leave_nothing(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", time_base=BASE, pts=EVEN)
    speech = make_sound(tmp_path / "s.wav", chirp(0.3))
    facts, piece = segment(tmp_path, source, ".mp4")
    folder = tmp_path / "results"
    folder.mkdir()
    (tmp_path / "zero.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no sound")
    nothing = empty_sound(tmp_path / "nothing.wav")
    for bad in ("zero.wav", "text.wav", "missing.wav", nothing.name):
        with pytest.raises(InputError) as caught:
            mux(PictureInput([piece]), SpeechInput(tmp_path / bad), SourceInput(source, facts), folder / "o.mp4")
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="does not hold"):
        mux(PictureInput([piece]), SpeechInput(speech), SourceInput(source, facts), folder / "o.webm")
    with pytest.raises(UsageError):
        mux(PictureInput([piece]), SpeechInput(speech), SourceInput(source, facts), folder / "o.txt")
    with pytest.raises(UsageError, match="does not hold"):
        mux(
            PictureInput([piece]),
            SpeechInput(speech, codec=AudioCodec("pcm")),
            SourceInput(source, facts),
            folder / "o.mp4",
        )
    with pytest.raises(InputError, match="not a segment"):
        mux(PictureInput([source]), SpeechInput(speech), SourceInput(source, facts), folder / "o.mp4")
    with pytest.raises(EnvironmentFailure):
        mux(
            PictureInput([piece]),
            SpeechInput(speech),
            SourceInput(source, facts),
            tmp_path / "no such folder" / "o.mp4",
        )
    assert list(folder.iterdir()) == []
    (folder / "o.mp4").write_bytes(b"old")
    with pytest.raises(InputError):
        mux(PictureInput([piece]), SpeechInput(tmp_path / "missing.wav"), SourceInput(source, facts), folder / "o.mp4")
    assert (folder / "o.mp4").read_bytes() == b"old"


def test_without_a_system_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("ffmpeg") is None
    source = make_video(tmp_path / "a.mp4", time_base=BASE, pts=[433 + time for time in EVEN], rotation=90)
    speech = make_sound(tmp_path / "s.wav", chirp(0.4))
    for ending in (".mp4", ".mkv"):
        facts, piece = segment(tmp_path, source, ending, 5)
        out = tmp_path / f"out{ending}"
        mux(PictureInput([piece]), SpeechInput(speech, start=Fraction(1, 10)), SourceInput(source, facts), out)
        assert abs(locate_sound(out, load_audio(speech, 48000)) - 0.1) < 0.0005
        assert probe(out).video.rotation == 90  # type: ignore[union-attr]


NAMES = [b"caf\xe9", b"new\nline", b"'\"$(x)", b"%d%s", b"pipe:1", b"-o", "日本".encode() * 40 + b"abcdefg"]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("name", NAMES)
def test_any_name_and_folder(tmp_path: Path, name: bytes) -> None:
    """Source, speech and result lie in a folder of an odd name, and have odd names themselves."""
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    source = rich_source(folder).rename(folder / os.fsdecode(name + b".mkv"))
    speech = make_sound(folder / os.fsdecode(name + b".wav"), chirp(0.4, seed=9))
    facts, piece = segment(tmp_path, source, ".mkv", 5)
    out = folder / os.fsdecode(b"x" + name + b".mkv")
    mux(PictureInput([piece]), SpeechInput(speech), SourceInput(source, facts), out)
    result = probe(out)
    assert [stream.type for stream in result.others] == [stream.type for stream in facts.others]
    assert len(result.audio) == len(facts.audio)
    assert len(result.chapters) == len(facts.chapters)


def test_the_scratch_folder_has_a_short_plain_name(tmp_path: Path) -> None:
    out = tmp_path / ("n" * 251 + ".mp4")
    with scratch_folder(out) as first:
        assert len(first.name) < 32
        assert not first.name.startswith(".")
        assert first.parent == tmp_path
        (first / "left").touch()
    assert not first.exists()
    with scratch_folder(out) as again, scratch_folder(tmp_path / "other.mp4") as other:
        assert again == first
        assert other != first


@pytest.mark.parametrize("state", ["dangling", "there", "chain"])
def test_a_symbolic_link_is_followed(tmp_path: Path, state: str) -> None:
    source = make_video(tmp_path / "a.mp4", pts=range(5))
    facts, piece = segment(tmp_path, source, ".mp4")
    store = tmp_path / "store"
    store.mkdir()
    place, out = store / "0123", tmp_path / "out.mp4"
    target = Path("store/0123")
    if state == "there":
        place.write_bytes(b"old")
    if state == "chain":
        (tmp_path / "middle").symlink_to(target)
        target = Path("middle")
    out.symlink_to(target)
    mux(PictureInput([piece]), None, SourceInput(source, facts), out)
    assert out.readlink() == target
    assert not place.is_symlink()
    video = probe(place).video
    assert video is not None
    assert video.frames == 5
    assert sorted(path.name for path in store.iterdir()) == ["0123"]


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_only_the_streams_that_ffmpeg_refuses_are_left_out(tmp_path: Path, ending: str) -> None:
    """A note names each with the reason, and the comparison does not repeat it."""
    source = tmp_path / "a.mkv"
    scenes = [f"testsrc=size={width}x64:rate=25:duration=0.2" for width in (64, 80, 96, 112)]
    inputs = [word for scene in scenes for word in ("-f", "lavfi", "-i", scene)]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-map", "3"]
    codecs = ["-c", "libx264", "-c:v:1", "libvpx", "-c:v:3", "libvpx"]
    made = subprocess.run([program.find_ffmpeg(), "-v", "error", *inputs, *maps, *codecs, str(source)], check=False)
    if made.returncode:
        pytest.skip("this ffmpeg has no VP8")
    facts, piece = segment(tmp_path, source, ending)
    out = tmp_path / f"out{ending}"
    notes = mux(PictureInput([piece]), None, SourceInput(source, facts), out)
    assert [note.split(":")[0] for note in notes] == [
        "video stream 1 (vp8) could not be kept",
        "video stream 3 (vp8) could not be kept",
    ]
    with av.open(str(out)) as container:
        assert [stream.width for stream in container.streams.video] == [64, 96]


def test_streams_that_fail_only_together_are_left_out_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least important first."""
    source = rich_source(tmp_path)
    facts, piece = segment(tmp_path, source, ".mkv")
    original = mux_module._run_any_program

    def refuse(plan: MuxPlan, result: Path) -> None:
        if len(plan.copied) > 2:
            raise program.FfmpegError("[matroska @ 0] too many streams")
        original(plan, result)

    monkeypatch.setattr(mux_module, "_run_any_program", refuse)
    notes = mux(PictureInput([piece]), None, SourceInput(source, facts), tmp_path / "out.mkv")
    assert notes == [
        "subtitle stream 3 (subrip) could not be kept: too many streams",
        "attachment stream 4 (font.ttf) could not be kept: too many streams",
    ]


def test_links_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    circle, device = tmp_path / "circle.mp4", tmp_path / "device.mp4"
    circle.symlink_to("circle.mp4")
    device.symlink_to("/dev/null")
    with pytest.raises(UsageError, match="in a circle"):
        follow_links(circle)
    with pytest.raises(UsageError, match="not a plain file"):
        follow_links(device)


def test_an_ffmpeg_that_may_not_read_the_source_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a packaged one that is confined: it runs, and fails on files of some folders."""
    source = rich_source(tmp_path)
    facts, piece = segment(tmp_path, source, ".mkv")
    confined = tmp_path / "bin" / "ffmpeg"
    confined.parent.mkdir()
    confined.write_text(
        "#!/bin/sh\n"
        'case "$*" in -version) echo ffmpeg version 9.0 Copyright;;\n'
        "*) echo 'x.mkv: Permission denied' >&2; exit 1;; esac\n"
    )
    confined.chmod(0o755)
    monkeypatch.setenv("PATH", str(confined.parent), prepend=":")
    notes = mux(PictureInput([piece]), None, SourceInput(source, facts), tmp_path / "out.mkv")
    assert len(probe(tmp_path / "out.mkv").audio) == len(facts.audio)
    assert not any("could not be kept" in note for note in notes)
    monkeypatch.setattr(program, "_find_wheel_ffmpeg", lambda: None)
    monkeypatch.setenv("PATH", f"{confined.parent}:/bin")
    monkeypatch.setattr(program.shutil, "which", lambda name, path: str(confined) if "bin" in path else None)
    with pytest.raises(EnvironmentFailure, match="Permission denied"):
        mux(PictureInput([piece]), None, SourceInput(source, facts), tmp_path / "none.mkv")
    assert not (tmp_path / "none.mkv").exists()
