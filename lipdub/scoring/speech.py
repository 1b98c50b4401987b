"""A mouth against the speech it should follow: sync, stillness, and how much it moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.scoring.rows import Row, finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from lipdub.metrics.mouth import MouthMotion
    from lipdub.metrics.sync import Compared
    from lipdub.scoring.watch import Watched

RATE = 16000
#: Agreement and confidence under these are no better than chance. Of 60 clips beside another speech 95 % lie below.
CHANCE_AGREEMENT, CHANCE_CONFIDENCE = 0.3, 0.3
NOTE = "lipdub's own scorer, not comparable to published LSE"


@dataclass(frozen=True)
class Spoken:
    """A speech. sound: float32 (n,) mono at `RATE`; begins: seconds after the picture's first frame; times (m,), on the
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
        return self.begins + len(self.sound) / RATE

    def silent(self, until: float) -> list[tuple[float, float]]:
        """Spans without speech from the first frame until a time, seconds."""
        from lipdub.metrics.silence import silent_spans

        spans = [(a + self.begins, b + self.begins) for a, b in silent_spans(self.sound, RATE)]
        before = [(0.0, self.begins)] if self.begins > 0 else []
        after = [(self.ends, until)] if until > self.ends else []
        return [*before, *spans, *after]

    def sounding(self) -> list[tuple[float, float]]:
        """Spans in which speech sounds, seconds after the first frame."""
        from lipdub.metrics.silence import sounding_spans

        return [(a + self.begins, b + self.begins) for a, b in sounding_spans(self.sound, RATE)]


def spoken(path: Path, begins: float, origin: str) -> Spoken:
    """Hears a speech. Raises InputError when there is no sound in the file."""
    from lipdub.media.audio import load_audio
    from lipdub.speech.hearing import hear
    from lipdub.speech.lips import lip_motion

    sound = load_audio(path, rate=RATE)
    motion = lip_motion(sound, RATE, heard=hear(sound))
    lips = np.stack([motion.column("opening"), motion.column("width")], 1)
    return Spoken(sound, begins, motion.times + begins, lips, origin)


def own_sound(video: Path, origin: str) -> Spoken | None:
    """Hears what a video itself sounds like, on its own clock; None where it has no sound."""
    from lipdub.media.audio import audio_source
    from lipdub.media.probe import probe

    facts = probe(video)
    if not facts.audio or facts.video is None:
        return None
    return spoken(video, float(audio_source(video).start - facts.video.start_time), origin)


def compared(watched: Watched, speech: Spoken) -> Compared:
    """The watched mouth laid beside the speech."""
    from lipdub.metrics.sync import compare

    mouth = np.stack([watched.motion.opening, watched.motion.width], 1)
    return compare(watched.times, mouth, speech.times, speech.lips, (speech.begins, speech.ends))


def sync_rows(whole: Compared, spans: Sequence[tuple[float, float]], anchor: Compared | None) -> list[Row]:
    """av_sync, av_offset_ms and av_confidence, with their intervals over the spans; of the anchor beside them."""
    from lipdub.metrics.bootstrap import interval
    from lipdub.metrics.sync import sync

    found, real = sync(whole), sync(anchor) if anchor is not None else None
    parts = [sync(whole, a, b) for a, b in spans]
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
        around = interval(np.array(windows, np.float64))
        rows.append(
            Row(
                name,
                title,
                "mouth",
                finite(value),
                unit,
                better,  # type: ignore[arg-type]
                finite(around.low),
                finite(around.high),
                finite(own),
                note,
            )
        )
    return rows


def motion_rows(watched: Watched, speech: Spoken, source: MouthMotion | None, anchor: Spoken | None) -> list[Row]:
    """Stillness in pauses, standing still in speech, range of motion against the source's and jitter."""
    from lipdub.metrics.articulation import articulation
    from lipdub.metrics.correlation import on_grid
    from lipdub.metrics.frozen import frozen
    from lipdub.metrics.jitter import jitter
    from lipdub.metrics.silence import leak

    mouth, until = watched.motion, float(watched.times[-1]) if len(watched) else 0.0
    pauses = speech.silent(until)
    stood = frozen(mouth.times, mouth.opening, mouth.width, sounding=speech.sounding())
    own_leak = own_stood = own_jitter = None
    if source is not None and len(source):
        own_jitter = jitter(on_grid(source.times, source.opening))
        if anchor is not None:
            own = anchor.silent(float(source.times[-1]))
            own_leak = leak(source.times, source.opening, own)
            own_stood = frozen(source.times, source.opening, source.width, sounding=anchor.sounding()).share
    left = leak(mouth.times, mouth.opening, pauses)
    rows = [
        Row(
            "silence_leak",
            "mouth moves in pauses, against speech",
            "mouth",
            finite(left),
            "share",
            "lower",
            anchor=finite(own_leak),
            note="" if np.isfinite(left) else "the speech has no long pause, or the mouth is not seen",
        ),
        Row(
            "frozen_mouth",
            "mouth stands still while speech sounds",
            "mouth",
            finite(stood.share),
            "share",
            "lower",
            anchor=finite(own_stood),
            note=f"{stood.seconds:.1f} s of unbroken speech",
        ),
        Row(
            "jitter",
            "opening trembles by",
            "mouth",
            finite(jitter(on_grid(mouth.times, mouth.opening))),
            "eye distances",
            "lower",
            anchor=finite(own_jitter),
        ),
    ]
    if source is not None and len(source):
        ratio = articulation(mouth.opening, source.opening)
        rows.append(
            Row(
                "articulation",
                "range of the opening against the source's",
                "mouth",
                finite(ratio),
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
    from lipdub.metrics.articulation import articulation
    from lipdub.metrics.correlation import correlation

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
            finite(articulation(b, a)),
            "ratio",
            "near one",
        ),
    ]


def sync_windows(whole: Compared, spans: Iterable[tuple[float, float]]) -> list[Mapping[str, float | None]]:
    """The numbers of each span, by row id."""
    from lipdub.metrics.sync import sync

    out: list[Mapping[str, float | None]] = []
    for start, end in spans:
        found = sync(whole, start, end)
        sure = found.confidence >= CHANCE_CONFIDENCE
        out.append(
            {
                "start": start,
                "end": end,
                "av_sync": finite(found.agreement),
                "av_offset_ms": finite(found.offset * 1000) if sure else None,
                "av_confidence": finite(found.confidence),
            }
        )
    return out
