"""Which sound streams hold the same voice as the first."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.media.ffmpeg import find_ffmpeg
from lipdub.media.probe import probe
from lipdub.media.sound_likeness import correlate, describe_old_voice, find_same_sound
from tests.media.clips import chirp, make_sound

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    return make_sound(tmp_path / "voice.wav", np.concatenate([np.zeros(9000, np.float32), chirp(1.5, seed=1)]))


def with_second(folder: Path, voice: Path, graph: str, codec: str = "pcm_s16le", ending: str = ".mov") -> Path:
    """A file with the voice, and a second stream that an ffmpeg graph makes of the voice [0] and music [1]."""
    music = make_sound(folder / "music.wav", chirp(2.0, seed=2)[::-1].copy())
    out = folder / f"a{ending}"
    words = ["-i", voice, "-i", music, "-filter_complex", f"{graph}[out]", "-map", "0:a", "-map", "[out]"]
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", *map(str, words), "-c:a", codec, str(out)], check=True)
    return out


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize(
    ("graph", "codec", "ending"),
    [
        ("[0]anull", "pcm_s16le", ".mov"),  # dual mono
        ("[0]volume=-0.2", "pcm_s16le", ".mov"),  # turned over and softer
        ("[0]adelay=60", "pcm_s16le", ".mkv"),  # later
        ("[0]aresample=32000", "aac", ".mp4"),  # another rate and coding
        ("[0][1]join=inputs=2:channel_layout=stereo", "pcm_s16le", ".mov"),  # in one channel of two
    ],
)
def test_the_same_voice(tmp_path: Path, voice: Path, graph: str, codec: str, ending: str) -> None:
    facts = probe(with_second(tmp_path, voice, graph, codec, ending))
    assert [stream.index for stream in find_same_sound(facts)] == [1]
    (note,) = describe_old_voice(facts)
    assert note.startswith("sound stream 1 is like the first")


@pytest.mark.parametrize("graph", ["[1]anull", "[0]volume=0", "[0][1]amix=inputs=2:weights=1 3"])
def test_another_sound(tmp_path: Path, voice: Path, graph: str) -> None:
    assert describe_old_voice(probe(with_second(tmp_path, voice, graph))) == []


def test_one_sound_or_a_silent_one(tmp_path: Path, voice: Path) -> None:
    assert describe_old_voice(probe(voice)) == []
    silent = make_sound(tmp_path / "silent.wav", np.zeros(48000, np.float32))
    assert describe_old_voice(probe(with_second(tmp_path, silent, "[1]anull"))) == []


def test_correlation() -> None:
    noise = np.random.default_rng(0).normal(size=(8000, 2)).astype(np.float32)
    assert correlate(noise, noise[:, 1:]) == pytest.approx(1.0, abs=1e-3)
    assert correlate(noise[:, :1], noise[:, 1:]) < 0.1
    assert correlate(noise, np.zeros((8000, 1), np.float32)) == 0.0
    assert correlate(noise, noise[:1]) == 0.0
