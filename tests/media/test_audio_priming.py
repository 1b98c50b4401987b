"""The first frame of a sound is where it belongs, whatever the container makes of an encoder's priming."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import pytest

from lipdub.media.audio import load_audio, probe_audio_source
from lipdub.media.probe import probe
from tests.media.clips import chirp, lag, make_video

if TYPE_CHECKING:
    from pathlib import Path

RATE = 48000
VOICE = chirp(0.6, RATE, seed=5)
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
PRIMING = Fraction(2, 100)  # seconds of it, at least, in a first frame of AAC or MP3


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("codec", ["aac", "libopus", "libmp3lame", "flac"])
@pytest.mark.parametrize("later", [Fraction(0), Fraction(3, 10)])
@pytest.mark.parametrize(
    ("suffix", "options"), [(".mp4", {}), (".mp4", FRAGMENTS), (".mov", {}), (".mkv", {}), (".ts", {})]
)
def test_sound_is_heard_when_it_was_encoded(
    tmp_path: Path, suffix: str, options: dict[str, str], later: Fraction, codec: str
) -> None:
    """Edit lists, skipped samples, CodecDelay, negative times and gaps of fragmented files lead to the same time."""
    if (suffix, codec) in ((".ts", "flac"), (".mov", "flac"), (".mov", "libopus")):
        pytest.skip(f"{suffix} holds no {codec}")
    path = make_video(
        tmp_path / f"a{suffix}",
        pts=[512 * number for number in range(12)],
        time_base=Fraction(1, 12800),
        sound=VOICE,
        sound_codec=codec,
        sound_start=later,
        container_options={"strict": "experimental", **options},
    )
    facts = probe(path)
    assert facts.video is not None and facts.audio[0].start_time is not None
    heard = float(facts.audio[0].start_time) + lag(load_audio(path, RATE), VOICE, RATE)
    assert heard == pytest.approx(float(facts.video.start_time + later), abs=0.008)
    assert probe_audio_source(path).start == facts.audio[0].start_time


@pytest.mark.parametrize(("codec", "priming"), [("aac", 0), ("libopus", 0), ("flac", 0), ("libmp3lame", 1105)])
@pytest.mark.parametrize("later", [Fraction(0), Fraction(3, 10)])
def test_a_lone_first_frame_begins_no_sound(tmp_path: Path, later: Fraction, codec: str, priming: int) -> None:
    """FFmpeg puts the first packet of a fragmented file at zero, and the pictures later by their reordering."""
    options = {"strict": "experimental", **FRAGMENTS}
    path = make_video(
        tmp_path / "a.mp4",
        pts=[512 * number for number in range(12)],
        time_base=Fraction(1, 12800),
        sound=VOICE,
        sound_codec=codec,
        sound_start=later,
        container_options=options,
    )
    with av.open(str(path)) as container:
        first, second = (frame for _, frame in zip(range(2), container.decode(audio=0), strict=False))
        assert second.pts - first.pts > first.samples + 100
    facts = probe(path)
    assert facts.video is not None and facts.video.start_time > PRIMING
    begin = facts.video.start_time + later - Fraction(priming, RATE)
    assert float(facts.audio[0].start_time or 0) == pytest.approx(float(begin), abs=1e-3)
