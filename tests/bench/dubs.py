"""Dubs every clip with every speech and draws a contact sheet of each, to be looked at one by one.

    python -m tests.bench.dubs FOLDER [--clips FILE ...] [--speeches FILE ...] [--no-score] [-- OPTIONS OF lipdub run]

Without lists: the clips of the development data (or the sample) with an English, a Japanese and a German speech.
FOLDER gets NAME.mp4 and NAME.png for each, and dubs.json with exit codes, notes and scores. A clip's workspace is
shared by its speeches, so faces are found once. Rows of a sheet: whole dubbed frames at regular times; below each other
the same places of source and dub, larger; then successive frames where the mouth moves most, and where it rests.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lipdub.workspace.folder import Workspace
from tests.bench import common

COLUMNS, FACE, WHOLE, RUN = (
    8,
    240,
    150,
    16,
)  # pictures in a row, pixels of a face, of a frame; frames of a run


def sheet(source: Path, result: Path, workspace: Path, title: list[str]) -> np.ndarray:
    """A contact sheet of one dub."""
    store = Workspace(workspace).store("sync")
    count = len(store.open("source"))
    order = store.open("source").read(0, count).astype(int)
    boxes = store.open("boxes").read(0, count).astype(int)
    times = store.open("time").read(0, count)
    wanted = store.open("wanted").read(0, count)[:, 0]
    regular = np.unique(np.linspace(0, count - 1, COLUMNS).round().astype(int))
    moving, resting = _liveliest(wanted), _stillest(wanted)
    runs = [np.arange(at, min(at + RUN, count)) for at in (moving, resting)]
    numbers = sorted({int(n) for group in (regular, *runs) for n in group})
    dubbed = dict(zip(numbers, _crops(result, numbers, numbers, boxes, whole=True), strict=True))
    firsts = {n: order[n] for n in regular}
    originals = _originals(source, firsts, boxes)
    rows = [common.line(text, COLUMNS * FACE) for text in title]
    rows.append(np.concatenate([common.label(dubbed[n][1], f"{times[n]:.2f} s") for n in regular], 1))
    rows.append(np.concatenate([common.label(originals[n], "source") for n in regular], 1))
    rows.append(np.concatenate([common.label(dubbed[n][0], "dub") for n in regular], 1))
    for name, run in zip(("moving", "resting"), runs, strict=True):
        text = f"{name}: {len(run)} successive frames from {times[run[0]]:.2f} s"
        rows += [
            common.line(text, COLUMNS * FACE),
            np.concatenate([common.fit(dubbed[n][0], 120) for n in run], 1),
        ]
    width = max(row.shape[1] for row in rows)
    return common.stack([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=24) for r in rows])


def _liveliest(wanted: np.ndarray) -> int:
    """Where a run of frames with the most motion begins."""
    change = np.abs(np.diff(np.nan_to_num(wanted), prepend=0))
    return int(np.argmax(np.convolve(change, np.ones(RUN), "valid"))) if len(wanted) > RUN else 0


def _stillest(wanted: np.ndarray) -> int:
    """Where a run of frames with the least opening begins."""
    opening = np.nan_to_num(wanted, nan=9.0)
    return int(np.argmin(np.convolve(opening, np.ones(RUN), "valid"))) if len(wanted) > RUN else 0


def _around(box: np.ndarray, boxes: np.ndarray, width: int, height: int) -> tuple[int, int, int, int]:
    """A square about the changed part of a dubbed place; the nearest dubbed one where this frame has none."""
    if box[2] <= box[0]:
        some = boxes[boxes[:, 2] > boxes[:, 0]]
        box = some[len(some) // 2] if len(some) else np.array([0, 0, width, height])
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    r = 0.42 * max(box[2] - box[0], box[3] - box[1])
    r = min(r, width / 2, height / 2)
    x = min(max(cx - r, 0), width - 2 * r)
    y = min(max(cy - r, 0), height - 2 * r)
    return int(x), int(y), int(x + 2 * r), int(y + 2 * r)


def _cut(picture: np.ndarray, box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = _around(box, boxes, picture.shape[1], picture.shape[0])
    return common.fit(picture[y0:y1, x0:x1], FACE)[:, :FACE]


def _crops(path: Path, numbers: list[int], rows: list[int], boxes: np.ndarray, *, whole: bool) -> list[Any]:
    out = []
    for row, picture in zip(rows, common.picked(path, numbers), strict=True):
        face = _cut(picture, boxes[row], boxes)
        out.append((face, common.fit(picture, WHOLE)) if whole else face)
    return out


def _originals(source: Path, frames: dict[int, int], boxes: np.ndarray) -> dict[int, np.ndarray]:
    """Output frame to the same place of its source frame."""
    numbers = sorted(set(frames.values()))
    pictures = dict(zip(numbers, common.picked(source, numbers), strict=True))
    return {n: _cut(pictures[s], boxes[n], boxes) for n, s in frames.items()}


def main(arguments: list[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    passed = given[given.index("--") + 1 :] if "--" in given else []
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=Path, nargs="+")
    parser.add_argument("--speeches", type=Path, nargs="+")
    parser.add_argument("--no-score", action="store_true")
    options = parser.parse_args(given[: given.index("--")] if "--" in given else given)
    data = common.shared()
    clips = options.clips or (sorted((data / "clips").glob("*.mp4")) if data else [common.SAMPLE / "talker.mp4"])
    names = ("speech_c_60s_16k.wav", "speech_ja.wav", "speech_de.wav")
    speeches = options.speeches or ([data / "clips" / n for n in names] if data else [common.SAMPLE / "speech.wav"])
    options.folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {}
    for clip in clips:
        for speech in speeches:
            name = f"{clip.stem}+{speech.stem}"
            long = [] if speech.stem != "speech_c_60s_16k" else ["--length", "video"]
            report[name] = _one(clip, speech, options.folder, name, [*long, *passed], not options.no_score)
            (options.folder / "dubs.json").write_text(json.dumps(report, indent=1))
    failed = [name for name, entry in report.items() if entry["code"]]
    print(f"{len(report)} dubs, {len(failed)} failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def _one(clip: Path, speech: Path, folder: Path, name: str, extra: list[str], scored: bool) -> dict[str, Any]:
    out, workspace = folder / f"{name}.mp4", folder / f"{clip.stem}.lipdub"
    done, result = common.dub(clip, speech, out, workspace, *extra)
    entry: dict[str, Any] = {
        "code": done.code,
        "seconds": round(done.wall, 1),
        "peak_mb": done.peak // 1_000_000,
    }
    if done.code:
        entry["error"] = (done.err.strip().splitlines() or [""])[-1]
        print(f"{name}: exit code {done.code}: {entry['error']}", flush=True)
        return entry
    entry["notes"] = [*result.get("warnings", []), *result.get("notes", [])]
    title = [f"{name}   {done.wall:.1f} s", *entry["notes"]]
    if scored:
        from lipdub.scoring.score import score

        entry["score"] = {row.id: row.value for row in score(out, workspace=workspace).rows}
        told = [f"{k} {v:.3g}" for k, v in entry["score"].items() if v is not None]
        title += ["   ".join(told[i : i + 6]) for i in range(0, len(told), 6)]
    common.save(folder / f"{name}.png", sheet(clip, out, workspace, title))
    agreement = entry.get("score", {}).get("opening_target_corr")
    print(
        f"{name}: {done.wall:.1f} s, wanted against achieved {agreement}, {'; '.join(entry['notes'])}",
        flush=True,
    )
    return entry


if __name__ == "__main__":
    sys.exit(main())
