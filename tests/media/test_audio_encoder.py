"""Which encoder the speech gets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lipdub.errors import UsageError
from lipdub.media.audio import AudioSource
from lipdub.media.audio_encoder import AudioCodec, SpeechEncoder, check_audio_codec, select_speech_encoder
from lipdub.media.channel_layouts import LayoutFit
from lipdub.media.containers import container_for
from lipdub.media.probe import AudioFacts, MediaFacts

WAV = AudioSource(44100, 1, "mono", "s16", lossless=True, bits=16, start=Fraction(0))
MONO = LayoutFit("mono", 1)
MP3 = replace(WAV, sample_format="fltp", lossless=False, bits=32)


@pytest.mark.parametrize(
    ("suffix", "speech", "encoder"),
    [
        (".mp4", WAV, SpeechEncoder("aac", 44100, 128_000, MONO)),
        (".mov", WAV, SpeechEncoder("pcm_s16le", 44100, None, MONO)),
        (".mov", MP3, SpeechEncoder("aac", 44100, 128_000, MONO)),
        (".mkv", WAV, SpeechEncoder("libopus", 48000, 96_000, MONO)),
        (
            ".webm",
            replace(WAV, channels=2, layout="stereo"),
            SpeechEncoder("libopus", 48000, 192_000, LayoutFit("stereo", 2)),
        ),
        (".avi", replace(WAV, sample_format="s32", bits=24), SpeechEncoder("pcm_s16le", 44100, None, MONO)),
        (".mov", replace(WAV, sample_format="s32", bits=24), SpeechEncoder("pcm_s24le", 44100, None, MONO)),
        (".mov", replace(WAV, sample_format="s32", bits=32), SpeechEncoder("pcm_s32le", 44100, None, MONO)),
        (".mov", replace(WAV, sample_format="flt", bits=32), SpeechEncoder("pcm_f32le", 44100, None, MONO)),
        (".mp4", replace(WAV, rate=22050), SpeechEncoder("aac", 22050, 64_000, MONO)),
        (".mp4", replace(WAV, rate=11025), SpeechEncoder("aac", 48000, 128_000, MONO)),
    ],
)
def test_auto(suffix: str, speech: AudioSource, encoder: SpeechEncoder) -> None:
    assert select_speech_encoder(AudioCodec(), container_for(suffix), speech) == encoder


def make_source(sound: str = "", picture: str = "h264") -> MediaFacts:
    sounds = (AudioFacts(1, sound, 48000, 2, "stereo", Fraction(0), None),) if sound else ()
    video: Any = SimpleNamespace(codec=picture, is_image=False)
    return MediaFacts(Path("a.mkv"), "matroska", Fraction(0), Fraction(1), video, sounds)


DEEP = replace(WAV, sample_format="s32", bits=24)
FLOAT = replace(WAV, sample_format="flt", bits=32)
FOUR = replace(WAV, channels=4, layout="4 channels")


@pytest.mark.parametrize(
    ("suffix", "source", "speech", "encoder"),
    [
        (".mkv", make_source("flac"), WAV, "flac"),
        (".mkv", make_source("pcm_s24le"), DEEP, "flac"),
        (".mkv", make_source("pcm_s24le"), FLOAT, "pcm_f32le"),
        (".mkv", make_source("flac"), FOUR, "pcm_s16le"),
        (".mkv", make_source("flac"), MP3, "libopus"),
        (".mkv", make_source("aac", "ffv1"), WAV, "libopus"),
        (".mkv", make_source("pcm_mulaw"), WAV, "libopus"),
        (".mkv", make_source("", "ffv1"), WAV, "flac"),
        (".mkv", make_source("", "h264"), WAV, "libopus"),
        (".webm", make_source("flac"), WAV, "libopus"),
        (".mp4", make_source("alac"), WAV, "alac"),
        (".mp4", make_source("flac"), WAV, "flac"),
        (".mp4", make_source("pcm_s16le", "prores"), WAV, "aac"),
        (".mov", make_source("alac"), WAV, "pcm_s16le"),
    ],
)
def test_a_lossless_speech_for_a_lossless_source_stays_so(
    suffix: str, source: MediaFacts, speech: AudioSource, encoder: str
) -> None:
    container = container_for(suffix)
    assert select_speech_encoder(AudioCodec(), container, speech, source).encoder == encoder
    lossy = select_speech_encoder(AudioCodec(bitrate=99_000), container, speech, source)
    assert lossy == select_speech_encoder(AudioCodec(bitrate=99_000), container, speech)


@pytest.mark.parametrize(
    ("codec", "rate", "encoder"),
    [
        (AudioCodec("mp3"), 44100, SpeechEncoder("libmp3lame", 44100, 256_000, MONO)),
        (AudioCodec("mp3"), 16000, SpeechEncoder("libmp3lame", 16000, 128_000, MONO)),
        (AudioCodec("mp3"), 96000, SpeechEncoder("libmp3lame", 48000, 256_000, MONO)),
        (AudioCodec("ac3"), 22050, SpeechEncoder("ac3", 48000, 448_000, MONO)),
        (AudioCodec("flac"), 96000, SpeechEncoder("flac", 96000, None, MONO)),
        (AudioCodec("AAC", 99_000), 44100, SpeechEncoder("aac", 44100, 99_000, MONO)),
    ],
)
def test_named_codecs(codec: AudioCodec, rate: int, encoder: SpeechEncoder) -> None:
    assert select_speech_encoder(codec, container_for(".mkv"), replace(WAV, rate=rate)) == encoder


@pytest.mark.parametrize("codec", ["auto", "aac", "OPUS", "flac", "alac"])
def test_codecs_mp4_holds(codec: str) -> None:
    check_audio_codec(AudioCodec(codec), container_for(".mp4"))


@pytest.mark.parametrize(
    ("codec", "words"), [("pcm", "MP4 does not hold pcm"), ("copy", "no audio codec"), ("theora", "no audio codec")]
)
def test_codecs_mp4_does_not_hold(codec: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_audio_codec(AudioCodec(codec), container_for(".mp4"))
