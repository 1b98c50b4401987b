"""The lips of a speech as a file: the trajectory for networks and plots, mouth shapes by time for animators.

`FORMATS` lists them. JSON, whose schema is stable (fields are added, never changed, within one `SCHEMA`)::

    {"schema": 1, "tool": "lipdub 0.1.0", "source": "speech.wav", "duration": 4.23,
     "heard": {"way": "text", "share_of_words": 0.87, "language": "en"},
     "rate": 100.0, "start": 0.0, "names": ["opening", "width", ...],
     "values": [[0.0, 0.0, ...], ...],      row i is the lips at start + i / rate; see lips.COEFFICIENTS
     "phones": [[start, end, "p"], ...],    contiguous, of phones.PHONES
     "words": [{"text": "please", "start": 0.0, "end": 0.46, "fit": 0.9}, ...],    fit null where unknown
     "visemes": [[start, end, "PP"], ...],  contiguous, of visemes.VISEMES
     "mouths": [[start, end, "A"], ...]}    contiguous, of visemes.MOUTHS (Rhubarb's shapes)

All times are seconds from the first sample of the speech.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np

from lipdub.errors import UsageError, printable
from lipdub.speech.lip_motion import LipMotion, sample_motion
from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.visemes import Cue, build_rhubarb_cues, build_viseme_cues, clip_cues
from lipdub.workspace.json_values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lipdub.speech.recognition import Recognition
    from lipdub.speech.word import Word

SCHEMA = 1
FPS_LIMITS = (1.0, 1000.0)


@dataclass(frozen=True)
class LipTrajectory:
    """The lips of a speech, or of a part of it.

    source: the file; duration: seconds of the whole speech; times: float64 (n,) seconds of the speech, rate a
    second; values: float32 (n, len(names)); phones, visemes, mouths (Rhubarb's): (start s, end s, label)
    contiguous; words: in order; way, share, language: how it was heard (`speech.hearing`), language: of its
    text, None without one.
    """

    source: Path
    duration: float
    rate: float
    times: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    phones: tuple[Cue, ...]
    words: tuple[Word, ...]
    visemes: tuple[Cue, ...]
    mouths: tuple[Cue, ...]
    way: str = "sound"
    share: float = 0.0
    language: str | None = None

    def column(self, name: str) -> np.ndarray:
        """One coefficient over time, float32 (n,)."""
        return self.values[:, self.names.index(name)]


def build_trajectory(
    source: Path,
    duration: float,
    heard: Recognition,
    motion: LipMotion,
    *,
    rate: float | None = None,
    start: float | None = None,
    end: float | None = None,
) -> LipTrajectory:
    """The lips of a speech of `duration` seconds.

    rate: rows a second, by default the trajectory's own 100; others are averaged over their spacing, closures
    kept (`lips.at_times`). start, end: only this part, in the speech's own times. Raises UsageError for a
    rate out of `FPS_LIMITS` and a part that is empty.
    """
    if rate is not None and not FPS_LIMITS[0] <= rate <= FPS_LIMITS[1]:
        raise UsageError(f"--fps must be {FPS_LIMITS[0]:g} to {FPS_LIMITS[1]:g}, not {rate:g}")
    low, high = start or 0.0, duration if end is None else min(end, duration)
    if high <= low:
        raise UsageError(
            f"there is nothing between --from {low:g} and --to {high:g}",
            hint=f"The speech lasts {duration:.2f} s.",
        )
    per_second = FRAME_RATE if rate is None else rate
    first = int(np.ceil(low * per_second - 1e-6))
    last = max(int(np.ceil(high * per_second - 1e-6)), first + 1)
    times = np.arange(first, last) / per_second
    values = motion.values[first:last] if rate is None else sample_motion(motion, times)
    part = [(a, min(b, duration), label) for a, b, label in motion.phones if a < duration]
    return LipTrajectory(
        source,
        duration,
        per_second,
        times[: len(values)],
        values,
        motion.names,
        tuple(clip_cues(part, low, high)),
        tuple(word for word in heard.words if word.end > low and word.start < high),
        tuple(clip_cues(build_viseme_cues(motion, until=duration), low, high)),
        tuple(clip_cues(build_rhubarb_cues(motion, until=duration), low, high)),
        heard.way,
        heard.share,
        heard.language or None,
    )


def encode_json(lips: LipTrajectory) -> bytes:
    """The whole, as this module's head tells."""
    from lipdub import __version__

    def row(cue: Cue) -> str:
        return json.dumps([_short(cue[0]), _short(cue[1]), cue[2]])

    facts = {
        "schema": SCHEMA,
        "tool": f"lipdub {__version__}",
        "source": printable(lips.source.name),
        "duration": _short(lips.duration),
        "heard": {"way": lips.way, "share_of_words": _short(lips.share), "language": lips.language},
        "rate": lips.rate,
        "start": _short(float(lips.times[0])) if len(lips.times) else 0.0,
        "names": list(lips.names),
    }
    words = [
        {"text": w.text, "start": _short(w.start), "end": _short(w.end), "fit": to_plain(_short(w.fit))}
        for w in lips.words
    ]
    lists = {
        "values": [json.dumps([_short(float(x)) for x in values]) for values in lips.values],
        "phones": [row(cue) for cue in lips.phones],
        "words": [json.dumps(word, ensure_ascii=False) for word in words],
        "visemes": [row(cue) for cue in lips.visemes],
        "mouths": [row(cue) for cue in lips.mouths],
    }
    # a row a line: to be read by people too
    head = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    body = [f' "{key}": [' + ",".join(f"\n  {item}" for item in items) + "]" for key, items in lists.items()]
    return ("{\n" + ",\n".join(head + body) + "\n}\n").encode()


def encode_csv(lips: LipTrajectory) -> bytes:
    """A heading, then a line for each time: seconds and the coefficients."""
    lines = [",".join(("time", *lips.names))]
    for time, row in zip(lips.times, lips.values, strict=True):
        lines.append(",".join([f"{time:.4f}", *(f"{value:.4f}" for value in row)]))
    return ("\n".join(lines) + "\n").encode()


def encode_npz(lips: LipTrajectory) -> bytes:
    """NumPy's archive: times float64 (n,), values float32 (n, names), names."""
    return encode_arrays(times=lips.times, values=lips.values, names=np.array(lips.names))


def encode_srt(lips: LipTrajectory) -> bytes:
    """Subtitles with a cue for each viseme; none in silence."""
    return _srt([cue for cue in lips.visemes if cue[2] != "sil"])


def encode_word_srt(lips: LipTrajectory) -> bytes:
    """Subtitles with a cue for each word. Raises UsageError where no words were heard."""
    if not lips.words:
        raise UsageError(
            f"no words were heard in {lips.source.name}",
            hint="The format srt has a cue for each mouth shape instead.",
        )
    return _srt([(word.start, word.end, word.text) for word in lips.words])


def encode_rhubarb_tsv(lips: LipTrajectory) -> bytes:
    """Rhubarb Lip Sync's tab-separated values: when which shape begins; the last line is the end of the
    sound.
    """
    lines = [f"{start:.2f}\t{shape}\n" for start, _, shape in _whole(lips)]
    return ("".join(lines) + f"{_hundredths(lips.duration):.2f}\tX\n").encode()


def encode_rhubarb_xml(lips: LipTrajectory) -> bytes:
    """Rhubarb Lip Sync's XML."""
    cues = [f'    <mouthCue start="{a:.2f}" end="{b:.2f}">{shape}</mouthCue>\n' for a, b, shape in _whole(lips)]
    name = escape(_absolute(lips.source), {'"': "&quot;", "'": "&apos;"})
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<rhubarbResult>\n  <metadata>\n'
        f"    <soundFile>{name}</soundFile>\n    <duration>{_hundredths(lips.duration):.2f}</duration>\n"
        f"  </metadata>\n  <mouthCues>\n{''.join(cues)}  </mouthCues>\n</rhubarbResult>\n"
    ).encode()


def encode_rhubarb_json(lips: LipTrajectory) -> bytes:
    """Rhubarb Lip Sync's JSON."""
    cues = [f'    {{ "start": {a:.2f}, "end": {b:.2f}, "value": "{shape}" }}' for a, b, shape in _whole(lips)]
    name, seconds = json.dumps(_absolute(lips.source), ensure_ascii=False), _hundredths(lips.duration)
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


def resolve_format(out: Path | None, wanted: str | None = None) -> str:
    """The format's name in `FORMATS`: the wanted one, else by the file's ending; JSON where there is no file.

    Raises UsageError for an unknown one.
    """
    if wanted is not None:
        if wanted not in FORMATS:
            raise UsageError(f"there is no format {wanted!r}", hint=f"Formats are {', '.join(FORMATS)}.")
        return wanted
    if out is None:
        return "json"
    found = FORMAT_BY_SUFFIX.get(out.suffix.lower())
    if found is None:
        raise UsageError(
            f"no format is known by the ending of {out.name}",
            hint=f"End it with {', '.join(FORMAT_BY_SUFFIX)}, or give --format {', '.join(FORMATS)}.",
        )
    return found


def encode_arrays(**arrays: np.ndarray) -> bytes:
    """NumPy's compressed archive of the arrays."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _short(value: float) -> float:
    return round(float(value), 4) + 0.0  # no minus zero


def _srt(cues: Sequence[Cue]) -> bytes:
    return "".join(f"{i}\n{_clock(a)} --> {_clock(b)}\n{text}\n\n" for i, (a, b, text) in enumerate(cues, 1)).encode()


def _clock(seconds: float) -> str:
    """hh:mm:ss,mmm."""
    total = round(seconds * 1000)
    return f"{total // 3600000:02d}:{total // 60000 % 60:02d}:{total // 1000 % 60:02d},{total % 1000:03d}"


def _whole(lips: LipTrajectory) -> list[Cue]:
    """Rhubarb's cues over the whole sound: idle outside the part that is told, neighbours different, at least
    one.
    """
    end = _hundredths(lips.duration)
    row = [(round(a, 2), min(round(b, 2), end), shape) for a, b, shape in lips.mouths]
    row = [cue for cue in row if cue[1] > cue[0]]
    if not row:
        return [(0.0, end, "X")]
    if row[0][0] > 0:
        row.insert(0, (0.0, row[0][0], "X"))
    if row[-1][1] < end:
        row.append((row[-1][1], end, "X"))
    out: list[Cue] = []
    for cue in row:
        if out and out[-1][2] == cue[2]:
            out[-1] = (out[-1][0], cue[1], cue[2])
        else:
            out.append(cue)
    return out


def _hundredths(seconds: float) -> float:
    return int(seconds * 100 + 1e-6) / 100


def _absolute(path: Path) -> str:
    return printable(path.absolute())
