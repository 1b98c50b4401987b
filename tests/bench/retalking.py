"""Seconds a frame of each stage of the recipe `retalking`.

    python -m tests.bench.retalking VIDEO SPEECH [--weights FOLDER] [--seconds S] [--device auto] [-- OPTION ...]

The first S seconds are dubbed, in a process of its own. Options after -- go to `lipdub run`, such as `--accel none` or
`--precision bf16`. Without --weights the store in use is taken; `python -m tests.bench.filled FOLDER` makes one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import common


def _drawn(workspace: Path) -> int:
    """How many references neutralize drew."""
    from lipdub.workspace.stage_store import StageStore

    store = StageStore(workspace / "neutralize", "neutralize")
    boxes = [store.open(path.name) for path in store.path.glob("box-*")]
    return sum(int((box.read(0, len(box))[:, 2] > 0).sum()) for box in boxes)


def measure(video: Path, speech: Path, seconds: float, device: str, options: list[str], folder: Path) -> None:
    """Runs the recipe and prints what its stages took."""
    work = folder / "work.lipdub"
    how = ["--recipe", "retalking", "--to", f"{seconds:g}", "--length", "shortest", "--device", device]
    done, result = common.dub(video, speech, folder / "out.mp4", work, *how, *options)
    if done.code:
        raise SystemExit(f"exit code {done.code}: {done.err.strip()}")
    stages: dict[str, dict[str, Any]] = {stage["name"]: stage for stage in result["stages"]}
    dubbed = stages["sync"]["summary"]["dubbed"]
    frames = {"neutralize": _drawn(work), "sync": dubbed, "enhance": dubbed}
    print(
        f"{video.name}: {done.wall:.1f} s, {done.cpu:.1f} s of processor, peak {done.peak / 1e6:.0f} MB, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {device} {' '.join(options)}"
    )
    for name, stage in stages.items():
        count = frames.get(name, stages["sync"]["summary"]["frames"])
        print(f"  {name}: {stage['seconds']:.2f} s, {count} frames, {stage['seconds'] / max(count, 1):.3f} s a frame")
        for text in stage.get("warnings", ()):
            print(f"    {text}")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--weights", type=Path, help="the store of weights")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--device", default="auto")
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:cut])
    if options.weights is not None:
        os.environ["LIPDUB_WEIGHTS"] = str(options.weights.absolute())
    video, speech = options.video.absolute(), options.speech.absolute()
    with tempfile.TemporaryDirectory(prefix="lipdub-bench-") as name:
        measure(video, speech, options.seconds, options.device, given[cut + 1 :], Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
