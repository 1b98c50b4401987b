"""The lips of a speech as a file: the trajectory for networks and plots, mouth shapes by time for animators.

`FORMATS` lists the formats. The schema of the JSON is stable: within one `SCHEMA`, fields are added and never changed::

    {"schema": 1, "tool": "lipdub 0.1.0", "source": "speech.wav", "duration": 4.23,
     "heard": {"way": "text", "share_of_words": 0.87, "language": "en"},
     "rate": 100.0, "start": 0.0, "names": ["opening", "width", ...],
     "values": [[0.0, 0.0, ...], ...],      row i is the lips at start + i / rate; see coarticulation.COEFFICIENTS
     "phones": [[start, end, "p"], ...],    contiguous, of phones.PHONES
     "words": [{"text": "please", "start": 0.0, "end": 0.46, "fit": 0.9}, ...],    fit is null where unknown
     "visemes": [[start, end, "PP"], ...],  contiguous, of visemes.VISEMES
     "mouths": [[start, end, "A"], ...]}    contiguous, of visemes.MOUTHS (Rhubarb's shapes)

All times are seconds from the first sample of the speech.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np

from lipdub._version import __version__
from lipdub.errors import UsageError, printable
from lipdub.speech.lip_motion import LipMotion, sample_motion
from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phones import SILENCE
from lipdub.speech.visemes import RHUBARB_SHAPES, build_rhubarb_cues, build_viseme_cues, clip_cues
from lipdub.speech.word import Segment, Word
from lipdub.workspace.json_values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lipdub.arrays import F32, F64
    from lipdub.speech.recognition import Recognition

SCHEMA = 1
FPS_LIMITS = (1.0, 1000.0)
"""Lowest and highest rate of rows per second."""

_FRAME_EPSILON = 1e-6  # frames: rounding of a time must not add a frame
_DECIMALS = 4  # of numbers in JSON


@dataclass(frozen=True)
class LipTrajectory:
    """The lips of a speech, or of a part of it.

    Attributes:
        source: The file of the speech.
        duration: Length of the whole speech in seconds.
        rate: Rows per second.
        times: (n,) float64 seconds of the speech.
        values: (n, len(names)) float32.
        names: The columns of values.
        phones: Contiguous segments.
        words: Words of the transcript, in order.
        visemes: Contiguous segments.
        mouths: Contiguous segments of Rhubarb's mouth shapes.
        recognition_source: "text" if a transcript was used, else "sound".
        text_coverage: Share of the speaking time that the words cover, 0 to 1.
        language: Language of the transcript; None without one.
    """

    source: Path
    duration: float
    rate: float
    times: F64
    values: F32
    names: tuple[str, ...]
    phones: tuple[Segment, ...]
    words: tuple[Word, ...]
    visemes: tuple[Segment, ...]
    mouths: tuple[Segment, ...]
    recognition_source: str = "sound"
    text_coverage: float = 0.0
    language: str | None = None

    def column(self, name: str) -> F32:
        """Return one coefficient over time, (n,) float32."""
        return self.values[:, self.names.index(name)]


def build_trajectory(
    source: Path,
    duration: float,
    recognition: Recognition,
    motion: LipMotion,
    *,
    rate: float | None = None,
    start: float | None = None,
    end: float | None = None,
) -> LipTrajectory:
    """Collect the lip data of a speech.

    Args:
        source: The file of the speech.
        duration: Length of the speech in seconds.
        recognition: The recognized speech.
        motion: The lip motion.
        rate: Rows per second; by default the 100 of the motion. Other rates average over their spacing and keep
            closures (`sample_motion`).
        start: Beginning of the part, in seconds of the speech.
        end: End of the part, in seconds of the speech.

    Raises:
        UsageError: The rate is outside `FPS_LIMITS`, or the part is empty.
    """
    if rate is not None:
        check_rate(rate)
    low, high = start or 0.0, duration if end is None else min(end, duration)
    if high <= low:
        raise UsageError(
            f"there is nothing between --from {low:g} and --to {high:g}",
            hint=f"The speech lasts {duration:.2f} s.",
        )
    per_second = FRAME_RATE if rate is None else rate
    first = int(np.ceil(low * per_second - _FRAME_EPSILON))
    last = max(int(np.ceil(high * per_second - _FRAME_EPSILON)), first + 1)
    times = np.arange(first, last) / per_second
    values = motion.values[first:last] if rate is None else sample_motion(motion, times)
    phones = [Segment(a, min(b, duration), label) for a, b, label in motion.phones if a < duration]
    return LipTrajectory(
        source=source,
        duration=duration,
        rate=per_second,
        times=times[: len(values)],
        values=values,
        names=motion.names,
        phones=tuple(clip_cues(phones, low, high)),
        words=tuple(word for word in recognition.words if word.end > low and word.start < high),
        visemes=tuple(clip_cues(build_viseme_cues(motion, duration=duration), low, high)),
        mouths=tuple(clip_cues(build_rhubarb_cues(motion, duration=duration), low, high)),
        recognition_source=recognition.source,
        text_coverage=recognition.text_coverage,
        language=recognition.language or None,
    )


def check_rate(rate: float) -> None:
    """Check a rate of rows per second.

    Raises:
        UsageError: The rate is outside `FPS_LIMITS`.
    """
    lowest, highest = FPS_LIMITS
    if not lowest <= rate <= highest:
        raise UsageError(f"--fps must be {lowest:g} to {highest:g}, not {rate:g}")


def encode_json(lips: LipTrajectory) -> bytes:
    """Encode everything as JSON; the docstring of this module describes the schema."""

    def encode_cue(cue: Segment) -> str:
        return json.dumps([_round(cue.start), _round(cue.end), cue.label])

    recognition = {
        "way": lips.recognition_source,
        "share_of_words": _round(lips.text_coverage),
        "language": lips.language,
    }
    facts = {
        "schema": SCHEMA,
        "tool": f"lipdub {__version__}",
        "source": printable(lips.source.name),
        "duration": _round(lips.duration),
        "heard": recognition,
        "rate": lips.rate,
        "start": _round(float(lips.times[0])) if len(lips.times) else 0.0,
        "names": list(lips.names),
    }
    words = [
        {"text": w.text, "start": _round(w.start), "end": _round(w.end), "fit": to_plain(_round(w.fit))}
        for w in lips.words
    ]
    lists = {
        "values": [json.dumps([_round(float(x)) for x in values]) for values in lips.values],
        "phones": [encode_cue(cue) for cue in lips.phones],
        "words": [json.dumps(word, ensure_ascii=False) for word in words],
        "visemes": [encode_cue(cue) for cue in lips.visemes],
        "mouths": [encode_cue(cue) for cue in lips.mouths],
    }
    # one row on each line, so that people can read it too
    head = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    body = [f' "{key}": [' + ",".join(f"\n  {item}" for item in items) + "]" for key, items in lists.items()]
    return ("{\n" + ",\n".join(head + body) + "\n}\n").encode()


def encode_csv(lips: LipTrajectory) -> bytes:
    """Encode the trajectory as CSV: a heading, then seconds and coefficients on each line."""
    lines = [",".join(("time", *lips.names))]
    for time, row in zip(lips.times, lips.values, strict=True):
        lines.append(",".join([f"{time:.4f}", *(f"{value:.4f}" for value in row)]))
    return ("\n".join(lines) + "\n").encode()


def encode_npz(lips: LipTrajectory) -> bytes:
    """Encode the trajectory as NumPy's archive: times (n,) float64, values (n, names) float32, names."""
    return encode_arrays(times=lips.times, values=lips.values, names=np.array(lips.names))


def encode_srt(lips: LipTrajectory) -> bytes:
    """Encode the visemes as subtitles, one cue each; silence has none."""
    return _encode_subtitles([cue for cue in lips.visemes if cue.label != SILENCE])


def encode_word_srt(lips: LipTrajectory) -> bytes:
    """Encode the words as subtitles, one cue each.

    Raises:
        UsageError: There are no words.
    """
    if not lips.words:
        raise UsageError(
            f"no words were found in {lips.source.name}",
            hint="Give it with --transcript, or take the format srt, which has a cue for each mouth shape.",
        )
    return _encode_subtitles([Segment(word.start, word.end, word.text) for word in lips.words])


def encode_rhubarb_tsv(lips: LipTrajectory) -> bytes:
    """Encode Rhubarb Lip Sync's tab-separated values: the beginning of each shape; the last line is the end."""
    lines = [f"{start:.2f}\t{shape}\n" for start, _, shape in _fill_whole(lips)]
    return ("".join(lines) + f"{_truncate_to_hundredths(lips.duration):.2f}\t{RHUBARB_SHAPES.rest}\n").encode()


def encode_rhubarb_xml(lips: LipTrajectory) -> bytes:
    """Encode Rhubarb Lip Sync's XML."""
    cues = [f'    <mouthCue start="{a:.2f}" end="{b:.2f}">{shape}</mouthCue>\n' for a, b, shape in _fill_whole(lips)]
    name = escape(_absolute_name(lips.source), {'"': "&quot;", "'": "&apos;"})
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<rhubarbResult>\n  <metadata>\n'
        f"    <soundFile>{name}</soundFile>\n    <duration>{_truncate_to_hundredths(lips.duration):.2f}</duration>\n"
        f"  </metadata>\n  <mouthCues>\n{''.join(cues)}  </mouthCues>\n</rhubarbResult>\n"
    ).encode()


def encode_rhubarb_json(lips: LipTrajectory) -> bytes:
    """Encode Rhubarb Lip Sync's JSON."""
    cues = [f'    {{ "start": {a:.2f}, "end": {b:.2f}, "value": "{shape}" }}' for a, b, shape in _fill_whole(lips)]
    name = json.dumps(_absolute_name(lips.source), ensure_ascii=False)
    seconds = _truncate_to_hundredths(lips.duration)
    return (
        f'{{\n  "metadata": {{\n    "soundFile": {name},\n    "duration": {seconds:.2f}\n  }},\n'
        '  "mouthCues": [\n' + ",\n".join(cues) + "\n  ]\n}\n"
    ).encode()


FORMATS: dict[str, Callable[[LipTrajectory], bytes]] = {
    "json": encode_json,
    "csv": encode_csv,
    "npz": encode_npz,
    "srt": encode_srt,
    "srt-words": encode_word_srt,
    "rhubarb-tsv": encode_rhubarb_tsv,
    "rhubarb-xml": encode_rhubarb_xml,
    "rhubarb-json": encode_rhubarb_json,
}
FORMAT_BY_SUFFIX = {
    ".json": "json",
    ".csv": "csv",
    ".npz": "npz",
    ".srt": "srt",
    ".tsv": "rhubarb-tsv",
    ".xml": "rhubarb-xml",
}


def resolve_format(out: Path | None, name: str | None = None) -> str:
    """Return the name of the format in `FORMATS`.

    Args:
        out: The file, whose suffix decides if no format is named.
        name: The requested format. Without file and name it is JSON.

    Raises:
        UsageError: There is no such format, or the suffix is unknown.
    """
    if name is not None:
        if name not in FORMATS:
            raise UsageError(f"there is no format {name!r}", hint=f"Formats are {', '.join(FORMATS)}.")
        return name
    if out is None:
        return "json"
    by_suffix = FORMAT_BY_SUFFIX.get(out.suffix.lower())
    if by_suffix is None:
        raise UsageError(
            f"the ending of {out.name} names no format",
            hint=f"End it with {', '.join(FORMAT_BY_SUFFIX)}, or give --format {', '.join(FORMATS)}.",
        )
    return by_suffix


def encode_arrays(**arrays: Any) -> bytes:
    """Encode arrays as NumPy's compressed archive."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _round(value: float) -> float:
    return round(float(value), _DECIMALS) + 0.0  # no minus zero


def _encode_subtitles(cues: Sequence[Segment]) -> bytes:
    return "".join(
        f"{i}\n{_format_clock(start)} --> {_format_clock(end)}\n{text}\n\n"
        for i, (start, end, text) in enumerate(cues, 1)
    ).encode()


def _format_clock(seconds: float) -> str:
    """Return hh:mm:ss,mmm."""
    total = round(seconds * 1000)
    return f"{total // 3600000:02d}:{total // 60000 % 60:02d}:{total // 1000 % 60:02d},{total % 1000:03d}"


def _fill_whole(lips: LipTrajectory) -> list[Segment]:
    """Return Rhubarb's cues over the whole sound: idle outside the part, different neighbours, at least one cue."""
    idle = RHUBARB_SHAPES.rest
    end = _truncate_to_hundredths(lips.duration)
    row = [Segment(round(a, 2), min(round(b, 2), end), shape) for a, b, shape in lips.mouths]
    row = [cue for cue in row if cue.end > cue.start]
    if not row:
        return [Segment(0.0, end, idle)]
    if row[0].start > 0:
        row.insert(0, Segment(0.0, row[0].start, idle))
    if row[-1].end < end:
        row.append(Segment(row[-1].end, end, idle))
    cues: list[Segment] = []
    for cue in row:
        if cues and cues[-1].label == cue.label:
            cues[-1] = cues[-1]._replace(end=cue.end)
        else:
            cues.append(cue)
    return cues


def _truncate_to_hundredths(seconds: float) -> float:
    return int(seconds * 100 + 1e-6) / 100


def _absolute_name(path: Path) -> str:
    return printable(path.absolute())
