"""Every channel layout is kept where the codec takes it, and else mixed down with a remark."""

from __future__ import annotations

import wave
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from lipdub.media.audio import load_audio, write_wav
from lipdub.media.audio_encoder import AudioCodec
from lipdub.media.channel_layouts import ChannelMixer, LayoutFit, fit_layout
from lipdub.media.mux import mux
from lipdub.media.mux_plan import PictureInput, SourceInput, SpeechInput
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from lipdub.media.video_encoder import VideoCodec
from lipdub.media.write import write_segment
from tests.media.clips import chirp, make_video

if TYPE_CHECKING:
    from pathlib import Path

RATE = 48000
VOICE = chirp(0.4, RATE, seed=4)


def write_recorder_file(path: Path, channels: int, voice: int = 0) -> Path:
    """A WAV file as field recorders write it: the voice in one channel, silence in the others, no places."""
    samples = np.zeros((len(VOICE), channels), np.int16)
    samples[:, voice] = np.round(VOICE * 32767)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def write_surround_file(path: Path, layout: str, voice: int, codec: str = "pcm_s16le") -> Path:
    """A file with the voice in one loudspeaker of a layout."""
    samples = np.zeros((len(VOICE), av.AudioLayout(layout).nb_channels), np.float32)
    samples[:, voice] = VOICE
    with av.open(str(path), "w") as container:
        track = container.add_stream(codec, rate=RATE, layout=layout)
        resampler = av.AudioResampler(format=track.codec_context.format.name, layout=layout, rate=RATE, frame_size=1024)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(track.encode(part))
        container.mux(track.encode(None))
    return path


@pytest.mark.parametrize(
    ("encoder", "layout", "channels", "fit"),
    [
        ("aac", "stereo", 2, LayoutFit("stereo", 2)),
        ("aac", "6 channels", 6, LayoutFit("5.1", 6, is_guessed=True)),
        ("aac", "2 channels", 2, LayoutFit("stereo", 2)),
        ("aac", "ambisonic 1", 4, LayoutFit("4.0", 4, is_guessed=True)),
        ("aac", "5.1(side)", 6, LayoutFit("5.1", 6)),
        ("aac", "10 channels", 10, LayoutFit("mono", 1, is_mixed=True)),
        ("aac", "7.1.4", 12, LayoutFit("5.1", 6, is_mixed=True)),
        ("libopus", "3 channels", 3, LayoutFit("3.0", 3, is_guessed=True)),
        ("libopus", "4 channels", 4, LayoutFit("quad", 4, is_guessed=True)),
        ("libopus", "5.1(side)", 6, LayoutFit("5.1", 6)),
        ("libopus", "2.1", 3, LayoutFit("stereo", 2, is_mixed=True)),
        ("libopus", "ambisonic 2", 9, LayoutFit("mono", 1, is_mixed=True)),
        ("libmp3lame", "5.1", 6, LayoutFit("stereo", 2, is_mixed=True)),
        ("libmp3lame", "3 channels", 3, LayoutFit("mono", 1, is_mixed=True)),
        ("ac3", "5.1", 6, LayoutFit("5.1(side)", 6)),
        ("alac", "22.2", 24, LayoutFit("5.1", 6, is_mixed=True)),
        ("pcm", "64 channels", 64, LayoutFit("64 channels", 64)),
    ],
)
def test_the_layout_an_encoder_takes(encoder: str, layout: str, channels: int, fit: LayoutFit) -> None:
    assert fit_layout(encoder, layout, channels) == fit


def test_a_mix_stays_below_full_scale() -> None:
    block = np.full((10, 4), 0.5, np.float32)
    mixer = ChannelMixer("4 channels", 4, "mono")
    mixer.limit([block])
    (mixed,) = mixer.mix([block])
    assert np.allclose(mixed, 1.0)


def test_surround_sound_is_mixed_by_its_places() -> None:
    mixer = ChannelMixer("5.1", 6, "stereo")
    (mixed,) = mixer.mix([np.eye(6, dtype=np.float32)])
    assert np.allclose(mixed[:3], [[1, 0], [0, 1], [2**-0.5, 2**-0.5]], atol=1e-3)


@pytest.mark.parametrize(("layout", "codec", "ending"), [("7.1", "aac", ".mp4"), ("7.1", "libopus", ".mkv")])
def test_eight_planes_are_read(tmp_path: Path, layout: str, codec: str, ending: str) -> None:
    speech = write_surround_file(tmp_path / f"s{ending}", layout, 2, codec)
    sound = load_audio(speech, RATE, mono=False)
    assert sound.shape[1] == 8
    size = min(len(sound), len(VOICE))
    assert np.corrcoef(sound[:size, 2], VOICE[:size])[0, 1] > 0.97


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("source") / "a.mp4", pts=range(5))


def dub(folder: Path, source: Path, speech: Path, ending: str, codec: str = "auto") -> tuple[Path, list[str]]:
    facts = probe(source)
    assert facts.video is not None
    piece, out = folder / "0.seg", folder / f"out{ending}"
    video = VideoCodec(preset="8" if ending == ".webm" else None, container=ending)
    write_segment(piece, ((f.picture, f.pts) for f in read_frames(source)), facts.video, video)
    sound = SpeechInput(speech, start=Fraction(0), codec=AudioCodec(codec))
    return out, mux(PictureInput([piece]), sound, SourceInput(source, facts), out)


def heard(path: Path, stream: int | None = None) -> tuple[int, float]:
    """The number of channels, and how much the loudest of them resembles the voice."""
    sound = load_audio(path, RATE, mono=False, stream=stream)
    loudest = sound[:, int(np.argmax((sound**2).mean(0)))]
    size = min(len(loudest), len(VOICE))
    return sound.shape[1], float(np.corrcoef(loudest[:size], VOICE[:size])[0, 1])


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(
    ("channels", "ending", "codec", "kept"),
    [
        (3, ".mp4", "auto", True),
        (10, ".mp4", "auto", False),
        (16, ".mp4", "auto", False),
        (32, ".mp4", "auto", False),
        (3, ".mkv", "auto", True),
        (4, ".webm", "auto", True),
        (9, ".mkv", "auto", False),
        (12, ".mp4", "flac", False),
        (24, ".mp4", "alac", False),
        (7, ".mkv", "ac3", False),
        (5, ".mp4", "mp3", False),
        (10, ".mov", "auto", True),
        (32, ".avi", "auto", True),
        (64, ".mkv", "pcm", True),
    ],
)
def test_recorder_files(tmp_path: Path, source: Path, channels: int, ending: str, codec: str, *, kept: bool) -> None:
    speech = write_recorder_file(tmp_path / "s.wav", channels, voice=min(channels - 1, 9))
    out, notes = dub(tmp_path, source, speech, ending, codec)
    count, likeness = heard(out)
    assert count == (channels if kept else 1)
    assert likeness > 0.95
    assert any("was mixed down to mono" in note for note in notes) is not kept
    if not kept:
        level = np.abs(load_audio(out, RATE)).max() / np.abs(VOICE).max()
        assert 0.8 < level < 1.25


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("ending", "codec", "layout"),
    [
        (".mov", "auto", "4 channels"),
        (".mp4", "auto", "4.0"),
        (".mkv", "pcm", "4 channels"),
        (".mkv", "flac", "quad"),
        (".avi", "auto", "4 channels"),
    ],
)
def test_channels_without_places_stay_so_or_are_told(
    tmp_path: Path, source: Path, ending: str, codec: str, layout: str
) -> None:
    speech = write_recorder_file(tmp_path / "s.wav", 4)
    out, notes = dub(tmp_path, source, speech, ending, codec)
    assert probe(out).audio[0].layout == layout
    told = [note for note in notes if "does not say where its 4 channels belong" in note]
    assert len(told) == (layout != "4 channels")
    assert all(f"labelled {layout}" in note for note in told)


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(
    ("layout", "ending", "codec", "result"),
    [
        ("5.1(side)", ".mp4", "auto", "5.1"),
        ("5.1(side)", ".mkv", "auto", "5.1"),
        ("7.1", ".mp4", "auto", "7.1"),
        ("2.1", ".mkv", "auto", "stereo"),
        ("7.1.4", ".mp4", "auto", "5.1"),
        ("9.1.4", ".mkv", "auto", "5.1"),
        ("5.1", ".mkv", "mp3", "stereo"),
        ("quad", ".mov", "auto", "quad"),
    ],
)
def test_surround_files(tmp_path: Path, source: Path, layout: str, ending: str, codec: str, result: str) -> None:
    speech = write_surround_file(tmp_path / "s.wav", layout, 0)
    out, notes = dub(tmp_path, source, speech, ending, codec)
    assert probe(out).audio[0].layout == result
    assert heard(out)[1] > 0.95
    is_smaller = av.AudioLayout(layout).nb_channels > av.AudioLayout(result).nb_channels
    assert any(f"was mixed down to {result}" in note for note in notes) is is_smaller


@pytest.mark.parametrize(("ending", "count"), [(".mp4", 1), (".mkv", 10)])
def test_copied_sound_of_many_channels(tmp_path: Path, source: Path, ending: str, count: int) -> None:
    """The source's other sound is kept too, where it must be encoded again."""
    voice = write_recorder_file(tmp_path / "ten.wav", 10, voice=7)
    with av.open(str(source)) as given, av.open(str(voice)) as sound, av.open(str(tmp_path / "m.mov"), "w") as made:
        streams = {file: made.add_stream_from_template(file.streams[0]) for file in (given, sound)}
        second = made.add_stream_from_template(sound.streams[0])
        for file, stream in streams.items():
            for packet in file.demux():
                if packet.size:
                    packet.stream = stream
                    made.mux(packet)
        sound.seek(0)
        for packet in sound.demux():
            if packet.size:
                packet.stream = second
                made.mux(packet)
    speech = write_recorder_file(tmp_path / "s.wav", 1)
    out, notes = dub(tmp_path, tmp_path / "m.mov", speech, ending)
    facts = probe(out)
    assert len(facts.audio) == 2
    channels, likeness = heard(out, facts.audio[1].index)
    assert (channels, likeness > 0.95) == (count, True)
    assert any("of 1 instead of 10 channels" in note for note in notes) is (count == 1)


def test_a_mixed_file_keeps_lead_and_limit(tmp_path: Path) -> None:
    speech = write_recorder_file(tmp_path / "s.wav", 12, voice=3)
    fit = fit_layout("aac", "12 channels", 12)
    write_wav(tmp_path / "out.wav", speech, lead=100, limit=1000, fit=fit)
    sound = load_audio(tmp_path / "out.wav", RATE, mono=False)
    assert sound.shape == (1000, 1)
    assert not sound[:100].any()
    assert np.abs(sound[100:, 0] - VOICE[:900]).max() < 1e-4
