"""Runs the recipes of published networks over clips, end to end, with weights that nobody trained.

    python -m tests.bench.recipes FOLDER [--recipes wav2lip retalking] [--clips FILE ...] [--seconds S] [-- OPTIONS OF
        lipdub run]

LIPDUB_WEIGHTS names a store (`python -m tests.bench.filled STORE` makes one). Each clip is dubbed losslessly for its
first S seconds; what is looked at: the exit code, whether the output says whose weights they are, samples changed
outside the mask (none may be), seconds per dubbed frame of each stage. Then one finished chunk of each stage is taken
away and the run goes on: the result must be the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lipdub.scoring.score import score
from lipdub.workspace.folder import Workspace
from tests.bench import common

ARRAYS = {"detect": "landmarks", "neutralize": "reference-1", "sync": "crops", "enhance": "crops"}


def one(recipe: str, clip: Path, speech: Path, folder: Path, seconds: float, extra: list[str]) -> dict[str, Any]:
    """What came of one clip."""
    out, workspace = folder / f"{clip.stem}.{recipe}.mkv", folder / f"{clip.stem}.{recipe}.work"
    options = [
        "--recipe",
        recipe,
        "--lossless",
        "--preset",
        "ultrafast",
        "--length",
        "video",
        "--from",
        "0",
        "--to",
        f"{seconds:g}",
    ]
    done, result = common.dub(clip, speech, out, workspace, *options, *extra)
    entry: dict[str, Any] = {"code": done.code, "wall": done.wall, "error": done.err.strip() if done.code else ""}
    if done.code:
        return entry
    said = [*result["warnings"], *result["notes"]]
    entry["labelled"] = any("not the published ones but a file of your own" in text for text in said)
    stages = {stage["name"]: stage for stage in result["stages"]}
    dubbed = entry["dubbed"] = stages["sync"]["summary"]["dubbed"]
    entry["seconds_a_frame"] = {name: stage["seconds"] / max(1, dubbed) for name, stage in stages.items()}
    entry["changed_outside"] = score(out, workspace=workspace, source=clip).row("unmasked_changed_samples").value
    before = common.frames_digest(out)
    taken = _take_chunks(workspace)
    again, _ = common.dub(clip, speech, out, workspace, *options, *extra)
    entry["resumed"] = {
        "taken": taken,
        "code": again.code,
        "same": again.code == 0 and common.frames_digest(out) == before,
    }
    return entry


def _take_chunks(folder: Path) -> list[str]:
    """Removes the first chunk of an array of each stage, and says that these were interrupted."""
    workspace = Workspace(folder)
    taken = []
    for stage, name in ARRAYS.items():
        store = workspace.store(stage)
        if store.has(name):
            store.open(name).file(0).unlink()
            taken.append(stage)
    record = folder / "workspace.json"
    record.write_text(record.read_text().replace('"done"', '"running"'))
    return taken


def main(arguments: list[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    extra = given[given.index("--") + 1 :] if "--" in given else []
    shared = common.shared()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipes", nargs="+", default=["wav2lip", "retalking"])
    parser.add_argument("--clips", nargs="+", type=Path)
    parser.add_argument("--speech", type=Path)
    parser.add_argument("--seconds", type=float, default=0.3)
    options = parser.parse_args(given[: given.index("--")] if "--" in given else given)
    clips = options.clips or (sorted((shared / "clips").glob("*.mp4")) if shared else [common.SAMPLE / "talker.mp4"])
    speech = options.speech or (shared / "clips" / "speech_a_44k.wav" if shared else common.SAMPLE / "speech.wav")
    options.folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {}
    bad = 0
    for recipe in options.recipes:
        for clip in clips:
            entry = report[f"{recipe} {clip.stem}"] = one(recipe, clip, speech, options.folder, options.seconds, extra)
            good = (
                entry["code"] == 0 and entry["labelled"] and entry["changed_outside"] == 0 and entry["resumed"]["same"]
            )
            bad += not good
            print(f"{recipe} {clip.stem}: {'good' if good else 'BAD'} {json.dumps(entry)}", flush=True)
            (options.folder / "recipes.json").write_text(json.dumps(report, indent=1))
    print(f"{len(report) - bad} of {len(report)} good")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
