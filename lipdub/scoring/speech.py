"""A mouth against the speech it should follow: sync, stillness, and how much it moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.scoring.rows import Row, finite_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from lipdub.metrics.mouth import MouthMotion
    from lipdub.metrics.sync import Comparison
    from lipdub.scoring.video_pass import PassResult

#: Agreement and confidence under these are no better than chance. Of 60 clips beside another speech 95 % lie below.
CHANCE_AGREEMENT, CHANCE_CONFIDENCE = 0.3, 0.3
NOTE = "lipdub's own scorer, not comparable to published LSE"


@dataclass(frozen=True)
class SpeechTrack:
    """A speech. sound: float32 (n,) mono at `SAMPLE_RATE_HZ`; begins: seconds after the picture's first frame; times (m,), on the
    same clock, and lips (m, 2): the opening and width it asks for; origin: in words.
    """

    sound: np.ndarray
    begins: float
    times: np.ndarray
    lips: np.ndarray
    origin: str

    @property
    def ends(self) -> float:
        """Seconds after the first frame."""
        return self.begins + len(self.sound) / SAMPLE_RATE_HZ

    def silent(self, until: float) -> list[tuple[float, float]]:
        """Spans without speech from the first frame until a time, seconds."""
        from lipdub.metrics.silence import find_pauses

        spans = [(a + self.begins, b + self.begins) for a, b in find_pauses(self.sound, SAMPLE_RATE_HZ)]
        before = [(0.0, self.begins)] if self.begins > 0 else []
        after = [(self.ends, until)] if until > self.ends else []
        return [*before, *spans, *after]

    def sounding(self) -> list[tuple[float, float]]:
        """Spans in which speech sounds, seconds after the first frame."""
        from lipdub.metrics.silence import find_speech

        return [(a + self.begins, b + self.begins) for a, b in find_speech(self.sound, SAMPLE_RATE_HZ)]


def load_speech(path: Path, begins: float, origin: str) -> SpeechTrack:
    """Hears a speech. Raises InputError when there is no sound in the file."""
    from lipdub.media.audio import load_audio
    from lipdub.speech.lip_motion import predict_lip_motion
    from lipdub.speech.recognition import recognize

    sound = load_audio(path, rate=SAMPLE_RATE_HZ)
    motion = predict_lip_motion(sound, SAMPLE_RATE_HZ, recognition=recognize(sound))
    lips = np.stack([motion.column("opening"), motion.column("width")], 1)
    return SpeechTrack(sound, begins, motion.times + begins, lips, origin)


def load_own_sound(video: Path, origin: str) -> SpeechTrack | None:
    """Hears what a video itself sounds like, on its own clock; None where it has no sound."""
    from lipdub.media.audio import probe_audio_source
    from lipdub.media.probe import probe

    facts = probe(video)
    if not facts.audio or facts.video is None:
        return None
    return load_speech(video, float(probe_audio_source(video).start - facts.video.start_time), origin)


def compare_with_speech(watched: PassResult, speech: SpeechTrack) -> Comparison:
    """The watched mouth laid beside the speech."""
    from lipdub.metrics.sync import compare_motion

    mouth = np.stack([watched.motion.opening, watched.motion.width], 1)
    return compare_motion(watched.times, mouth, speech.times, speech.lips, (speech.begins, speech.ends))


def sync_rows(whole: Comparison, spans: Sequence[tuple[float, float]], anchor: Comparison | None) -> list[Row]:
    """av_sync, av_offset_ms and av_confidence, with their intervals over the spans; of the anchor beside them."""
    from lipdub.metrics.bootstrap import bootstrap_interval
    from lipdub.metrics.sync import estimate_sync

    found, real = estimate_sync(whole), estimate_sync(anchor) if anchor is not None else None
    parts = [estimate_sync(whole, a, b) for a, b in spans]
    sure = found.confidence >= CHANCE_CONFIDENCE
    values = {
        "av_sync": (found.agreement, [p.agreement for p in parts], real.agreement if real else None),
        "av_offset_ms": (
            found.offset * 1000 if sure else np.nan,
            [p.offset * 1000 if p.confidence >= CHANCE_CONFIDENCE else np.nan for p in parts],
            real.offset * 1000 if real and real.confidence >= CHANCE_CONFIDENCE else None,
        ),
        "av_confidence": (found.confidence, [p.confidence for p in parts], real.confidence if real else None),
    }
    doubt = "" if sure else "no better than by chance; "
    words = {
        "av_sync": ("mouth agrees with the speech", "correlation", "higher", NOTE),
        "av_offset_ms": ("picture comes after its sound by", "ms", "near zero", f"{doubt}{NOTE}"),
        "av_confidence": ("confidence of that offset", "", "higher", f"by chance under {CHANCE_CONFIDENCE:g}; {NOTE}"),
    }
    rows = []
    for name, (value, windows, own) in values.items():
        title, unit, better, note = words[name]
        around = bootstrap_interval(np.array(windows, np.float64))
        rows.append(
            Row(
                name,
                title,
                "mouth",
                finite_or_none(value),
                unit,
                better,  # type: ignore[arg-type]
                finite_or_none(around.low),
                finite_or_none(around.high),
                finite_or_none(own),
                note,
            )
        )
    return rows


def motion_rows(
    watched: PassResult, speech: SpeechTrack, source: MouthMotion | None, anchor: SpeechTrack | None
) -> list[Row]:
    """Stillness in pauses, standing still in speech, range of motion against the source's and jitter."""
    from lipdub.metrics.correlation import on_grid
    from lipdub.metrics.frozen_share import frozen_share
    from lipdub.metrics.jitter import jitter
    from lipdub.metrics.opening_range import range_ratio
    from lipdub.metrics.silence import silence_motion_ratio

    mouth, until = watched.motion, float(watched.times[-1]) if len(watched) else 0.0
    pauses = speech.silent(until)
    stood = frozen_share(mouth.times, mouth.opening, mouth.width, sounding=speech.sounding())
    own_leak = own_stood = own_jitter = None
    if source is not None and len(source):
        own_jitter = jitter(on_grid(source.times, source.opening))
        if anchor is not None:
            own = anchor.silent(float(source.times[-1]))
            own_leak = silence_motion_ratio(source.times, source.opening, own)
            own_stood = frozen_share(source.times, source.opening, source.width, sounding=anchor.sounding()).share
    left = silence_motion_ratio(mouth.times, mouth.opening, pauses)
    rows = [
        Row(
            "silence_leak",
            "mouth moves in pauses, against speech",
            "mouth",
            finite_or_none(left),
            "share",
            "lower",
            anchor=finite_or_none(own_leak),
            note="" if np.isfinite(left) else "the speech has no long pause, or the mouth is not seen",
        ),
        Row(
            "frozen_mouth",
            "mouth stands still while speech sounds",
            "mouth",
            finite_or_none(stood.share),
            "share",
            "lower",
            anchor=finite_or_none(own_stood),
            note=f"{stood.seconds:.1f} s of unbroken speech",
        ),
        Row(
            "jitter",
            "opening trembles by",
            "mouth",
            finite_or_none(jitter(on_grid(mouth.times, mouth.opening))),
            "eye distances",
            "lower",
            anchor=finite_or_none(own_jitter),
        ),
    ]
    if source is not None and len(source):
        ratio = range_ratio(mouth.opening, source.opening)
        rows.append(
            Row(
                "articulation",
                "range of the opening against the source's",
                "mouth",
                finite_or_none(ratio),
                "ratio",
                "near one",
                anchor=1.0,
                note="says little where the source hardly speaks",
            )
        )
    return rows


def wanted_rows(times: np.ndarray, wanted: np.ndarray, got: np.ndarray, origin: str) -> list[Row]:
    """What was asked of the mouth against what it does: (n,) openings in distances of the eyes at the result's times, NaN
    where nothing was asked.
    """
    from lipdub.metrics.correlation import correlation
    from lipdub.metrics.opening_range import range_ratio

    both = np.isfinite(wanted) & np.isfinite(got)
    note = f"{int(both.sum())} of {len(times)} frames, asked for by {origin}"
    if both.sum() < 3:
        return [Row("followed", "opening as asked for", "mouth", None, "correlation", "higher", note=f"only {note}")]
    a, b = wanted[both], got[both]
    return [
        Row("followed", "opening as asked for", "mouth", correlation(a, b), "correlation", "higher", note=note),
        Row(
            "missed_by",
            "opening misses what was asked by",
            "mouth",
            float(np.abs(a - b).mean()),
            "eye distances",
            "lower",
        ),
        Row(
            "articulation_wanted",
            "range of the opening against what was asked",
            "mouth",
            finite_or_none(range_ratio(b, a)),
            "ratio",
            "near one",
        ),
    ]


def sync_windows(whole: Comparison, spans: Iterable[tuple[float, float]]) -> list[Mapping[str, float | None]]:
    """The numbers of each span, by row id."""
    from lipdub.metrics.sync import estimate_sync

    out: list[Mapping[str, float | None]] = []
    for start, end in spans:
        found = estimate_sync(whole, start, end)
        sure = found.confidence >= CHANCE_CONFIDENCE
        out.append(
            {
                "start": start,
                "end": end,
                "av_sync": finite_or_none(found.agreement),
                "av_offset_ms": finite_or_none(found.offset * 1000) if sure else None,
                "av_confidence": finite_or_none(found.confidence),
            }
        )
    return out
