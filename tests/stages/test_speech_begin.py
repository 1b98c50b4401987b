"""The speech begins where the source's own sound begins, on the result's clock and for the lips."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.media.audio import load_audio
from lipdub.media.ffmpeg import find_ffmpeg
from lipdub.media.mux import mux
from lipdub.media.mux_plan import PictureInput, SourceInput, SpeechInput
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from lipdub.media.video_encoder import VideoCodec
from lipdub.media.write import write_segment
from lipdub.stages.base import StageContext
from lipdub.stages.job import Job
from lipdub.stages.sync.options import SyncOptions
from lipdub.stages.sync.plan import describe_delay, plan_output, speech_delay
from lipdub.workspace.stage_store import StageStore
from tests.media.clips import chirp, make_sound, make_video
from tests.media.test_mux import locate_sound

if TYPE_CHECKING:
    from pathlib import Path

BASE = Fraction(1, 12800)
VOICE = chirp(1.2, seed=7)


def make_source(path: Path, picture: Fraction, sound: Fraction | None) -> Path:
    pts = [int(picture / BASE) + 512 * number for number in range(30)]
    spoken = {} if sound is None else {"sound": VOICE, "sound_start": sound}
    return make_video(path, time_base=BASE, pts=pts, **spoken)  # type: ignore[arg-type]


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("offset", [0.0, 0.25])
@pytest.mark.parametrize(
    ("picture", "sound", "is_noted"),
    [
        (Fraction(0), Fraction(0), False),
        (Fraction(1, 100), Fraction(0), False),
        (Fraction(2, 25), Fraction(0), True),
        (Fraction(0), Fraction(1, 3), True),
        (Fraction(1), Fraction(1, 2), True),
        (Fraction(2, 25), None, False),
    ],
)
def test_the_speech_begins_with_the_sound(
    tmp_path: Path, picture: Fraction, sound: Fraction | None, *, is_noted: bool, offset: float
) -> None:
    """A source that is dubbed with its own sound has it where it was; with an offset, as much later."""
    source = make_source(tmp_path / "a.mp4", picture, sound)
    facts = probe(source)
    assert facts.video is not None
    options = SyncOptions(offset=offset)
    begin = facts.video.start_time if sound is None else facts.audio[0].start_time
    assert begin is not None
    assert speech_delay(facts, options) == pytest.approx(float(begin - facts.video.start_time) + offset)
    assert [f"{abs(float(begin - picture)):.3f} s" in note for note in describe_delay(facts)] == [True] * is_noted

    speech = make_sound(tmp_path / "s.wav", VOICE if sound is None else load_audio(source, 48000))
    ctx = StageContext(Job(source, speech), facts, StageStore(tmp_path / "sync", "sync"), {}, {})
    plan_output(ctx, options, round(1.2 * SAMPLE_RATE_HZ))
    start = Fraction(ctx.store.json("timeline")["speech_start"])
    piece, out = tmp_path / "0.nut", tmp_path / "out.mp4"
    write_segment(piece, ((f.picture, f.pts) for f in read_frames(source)), facts.video, VideoCodec())
    mux(PictureInput([piece]), SpeechInput(speech, start=start), SourceInput(source, facts), out)
    before = float(picture) if sound is None else locate_sound(source, VOICE)
    assert locate_sound(out, VOICE) == pytest.approx(before + offset, abs=1e-3)


@pytest.mark.parametrize(("codec", "is_noted"), [("aac", False), ("libopus", False), ("libmp3lame", True)])
def test_speech_of_a_fragmented_source_does_not_begin_early(tmp_path: Path, codec: str, *, is_noted: bool) -> None:
    """Its first packet is at zero, before pictures and sound begin; only MP3 has priming that nothing tells of."""
    source = make_video(
        tmp_path / "a.mp4",
        pts=range(30),
        sound=VOICE,
        sound_codec=codec,
        container_options={"movflags": "frag_keyframe+empty_moov", "strict": "experimental"},
    )
    facts = probe(source)
    assert facts.video is not None
    assert bool(describe_delay(facts)) is is_noted
    speech = make_sound(tmp_path / "s.wav", load_audio(source, 48000))
    start = facts.video.start_time + facts.sound_delay
    piece, out = tmp_path / "0.nut", tmp_path / "out.mp4"
    write_segment(piece, ((f.picture, f.pts) for f in read_frames(source)), facts.video, VideoCodec())
    mux(PictureInput([piece]), SpeechInput(speech, start=start), SourceInput(source, facts), out)
    assert locate_sound(out, VOICE) == pytest.approx(float(facts.video.start_time), abs=2e-3)


def test_sources_that_begin_together_are_dubbed_as_before(tmp_path: Path) -> None:
    """Rounding to whole milliseconds, as Matroska does it, is no difference; the offset is kept to the bit."""
    facts = probe(make_source(tmp_path / "a.mp4", Fraction(0), Fraction(0)))
    (sound,) = facts.audio
    rounded = replace(facts, audio=(replace(sound, start_time=Fraction(1, 1000)),))
    for same in (facts, rounded, replace(facts, audio=(replace(sound, start_time=None),)), replace(facts, audio=())):
        assert same.sound_delay == 0
        assert speech_delay(same, SyncOptions(offset=0.1)) == 0.1


@pytest.mark.parametrize(("length", "frames"), [("video", 12), ("longest", 12 + 11)])
def test_a_picture_whose_last_frame_is_held_is_as_long_as_it(tmp_path: Path, length: str, frames: int) -> None:
    """A screen recording that ends with a still screen: the last of 12 frames is shown for 1.52 s."""
    even = make_video(tmp_path / "even.mp4", pts=range(0, 12 * 512, 512), time_base=BASE, options={"bf": "0"})
    source = tmp_path / "a.mp4"
    held = r"setts=duration=if(eq(N\,11)\,38\,1)*512"
    subprocess.run([find_ffmpeg(), "-v", "error", "-i", even, "-c", "copy", "-bsf:v", held, source], check=True)
    ctx = StageContext(Job(source, source), probe(source), StageStore(tmp_path / "sync", "sync"), {}, {})
    shown, pts, _ = plan_output(ctx, SyncOptions(length=length), round(2.4 * SAMPLE_RATE_HZ))  # type: ignore[arg-type]
    assert pts[:12].tolist() == list(range(0, 12 * 512, 512))
    assert len(shown) == len(pts) == frames
    if length == "video":
        assert ctx.store.json("timeline")["last_duration"] == 38 * 512
        assert Fraction(ctx.store.json("timeline")["end"]) == Fraction(49, 25)
    else:
        assert pts[12] == 49 * 512
