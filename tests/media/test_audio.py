"""Sound loading: any rate, channels and format; first sample the first heard; holes filled."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from lipdub.errors import InputError
from lipdub.media.audio import (
    describe_mono,
    load_audio,
    load_mono,
    mix_down,
    probe_audio_source,
    probe_audio_stream,
    write_wav,
)
from tests.media.clips import chirp, empty_sound, lag, make_sound, make_video

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000, 96000])
def test_resampling_shifts_nothing(tmp_path: Path, rate: int) -> None:
    times = np.arange(rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    loaded = load_audio(make_sound(tmp_path / "a.wav", tone, rate, "pcm_f32le"))
    assert loaded.dtype == np.float32 and len(loaded) == 16000
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    assert np.abs(loaded - expected)[400:-400].max() < 2e-3


@pytest.mark.parametrize(
    "kind", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "flac"]
)
def test_sample_formats(tmp_path: Path, kind: str) -> None:
    samples = chirp(0.2, 16000)
    loaded = load_audio(make_sound(tmp_path / ("a.flac" if kind == "flac" else "a.wav"), samples, 16000, kind))
    assert len(loaded) == len(samples)
    assert np.abs(loaded - samples).max() < {"pcm_u8": 0.01, "pcm_alaw": 0.04}.get(kind, 1e-4)


def test_channels_are_mixed_down(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    left, right = chirp(0.2, 16000, 1), chirp(0.2, 16000, 2)
    with av.open(str(path), "w") as container:
        track = container.add_stream("pcm_f32le", rate=16000, layout="stereo")
        both = np.ascontiguousarray(np.stack([left, right], 1).reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(both, format="flt", layout="stereo")
        frame.sample_rate = 16000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    assert np.abs(load_audio(path) - (left + right) / 2).max() < 1e-6
    channels = load_audio(path, mono=False)
    assert channels.shape == (len(left), 2) and np.abs(channels[:, 1] - right).max() < 1e-6
    assert probe_audio_stream(path).channels == 2
    six = np.zeros((10, 6), np.float32)
    six[:, 2] = 1.0
    assert mix_down(six, "5.1")[0] > 0.25 and mix_down(np.ones((3, 6), np.float32), "5.1")[0] == pytest.approx(1)


def test_start_of_a_stream_is_told(tmp_path: Path) -> None:
    samples = chirp(0.8)
    path = make_video(
        tmp_path / "a.mp4",
        sound=samples,
        sound_start=Fraction(1, 2),
        pts=[n * 512 for n in range(25)],
        time_base=Fraction(1, 12800),
    )
    start = probe_audio_source(path).start + Fraction(lag(load_audio(path, 48000), samples, 48000)).limit_denominator(
        100_000
    )
    assert abs(float(start) - 0.5) < 0.0005


def test_holes_are_filled(tmp_path: Path) -> None:
    """Sound with a hole of half a second comes out with silence there."""
    path = tmp_path / "a.mkv"
    samples = chirp(1.0, 16000)
    with av.open(str(path), "w") as container:
        track = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for first, begin in ((0, 0), (8000, 16000)):
            part = np.rint(samples[first : first + 8000] * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, begin, Fraction(1, 16000)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    loaded = load_audio(path)
    assert len(loaded) == 24000
    assert np.abs(loaded[8000:16000]).max() == 0
    assert np.abs(loaded[16000:] - samples[8000:]).max() < 1e-3


def test_wav_with_silence_before_and_parts_cut(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "a.wav", chirp(0.5, 16000), 16000)
    whole = load_audio(path)
    for lead, skip, limit in [(0, 0, None), (700, 0, None), (0, 900, None), (100, 0, 3000), (0, 9999, None)]:
        write_wav(tmp_path / "b.wav", path, lead=lead, skip=skip, limit=limit)
        expected = np.concatenate([np.zeros(lead, np.float32), whole[skip:]])[:limit]
        loaded = load_audio(tmp_path / "b.wav")
        if len(expected):
            assert np.array_equal(loaded, expected)
        else:
            assert len(loaded) == 1 and loaded[0] == 0


def test_silence_and_tiny_speeches_load(tmp_path: Path) -> None:
    assert np.abs(load_audio(make_sound(tmp_path / "a.wav", np.zeros(16000, np.float32), 16000))).max() == 0
    assert len(load_audio(make_sound(tmp_path / "b.wav", chirp(0.05, 44100), 44100))) == 800


def test_no_sound(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sound"):
        load_audio(make_video(tmp_path / "a.mp4"))
    with pytest.raises(InputError, match="no sound"):
        load_audio(empty_sound(tmp_path / "a.wav"))
    (tmp_path / "zero.wav").write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        load_audio(tmp_path / "zero.wav")
    with pytest.raises(InputError):
        probe_audio_stream(make_video(tmp_path / "b.mp4"))


SPEECH_RATE = 48000


def _voice(seconds: float = 3.0) -> np.ndarray:
    """A sound with pauses, (n,) float32: noise in bursts, as loud as speech."""
    rng = np.random.default_rng(7)
    count = round(seconds * SPEECH_RATE)
    bursts = np.sin(np.arange(count) / SPEECH_RATE * 2 * np.pi * 3) > 0
    return (rng.normal(0, 0.1, count) * bursts).astype(np.float32)


def _channels(kind: str) -> tuple[np.ndarray, int | None]:
    """Channels (n, c), and the one that must be taken alone; None for a mix."""
    voice = _voice()
    late = np.concatenate([np.zeros(round(0.0004 * SPEECH_RATE), np.float32), voice])[: len(voice)]
    other = np.random.default_rng(3).normal(0, 0.1, len(voice)).astype(np.float32)
    silent = np.zeros_like(voice)
    half = np.where(np.arange(len(voice)) < len(voice) // 2, voice, -voice)
    made: dict[str, tuple[list[np.ndarray], int | None]] = {
        "one": ([voice], None),
        "twice": ([voice, voice], None),
        "left": ([voice, silent], None),
        "unrelated": ([voice, other], None),
        "late": ([voice, late], None),
        "opposite": ([voice, -voice], 0),
        "opposite, right louder": ([0.8 * voice, -voice], 1),
        "opposite in the second half": ([voice, half], 0),
        "three of ten": ([silent, silent, voice, *[silent] * 7], 2),
        "silent": ([silent, silent], None),
    }
    channels, only = made[kind]
    return np.stack(channels, 1), only


@pytest.mark.parametrize(
    "kind",
    [
        "one",
        "twice",
        "left",
        "unrelated",
        "late",
        "opposite",
        "opposite, right louder",
        "opposite in the second half",
        "three of ten",
        "silent",
    ],
)
def test_the_mix_loses_no_sound(kind: str, tmp_path: Path) -> None:
    import soundfile

    channels, only = _channels(kind)
    path = tmp_path / "speech.wav"
    soundfile.write(path, channels, SPEECH_RATE, subtype="FLOAT")
    sound = load_mono(path, SPEECH_RATE)
    assert sound.channel == only
    expected = channels.mean(1) if only is None else channels[:, only]
    np.testing.assert_allclose(sound.samples, expected, atol=1e-6)
    np.testing.assert_array_equal(load_audio(path, SPEECH_RATE), sound.samples)
    notes = describe_mono(path, sound)
    assert [f"channel {(only or 0) + 1} alone" in note for note in notes if "silent" not in note] == [True] * (
        only is not None
    )
    assert any("is silent" in note for note in notes) == (kind == "silent")
