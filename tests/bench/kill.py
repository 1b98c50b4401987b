"""Kills runs at random instants, lets them go on, and compares the frames with an undisturbed run's.

    python -m tests.bench.kill [--recipe NAME] [--times N] [--kills K] [--video FILE] [--speech FILE] [--folder FOLDER]
                               [--seed S] [-- OPTIONS OF lipdub run]

Each of N rounds begins with an empty workspace, is killed (SIGKILL, the whole process group) K times at instants drawn
evenly from the time an undisturbed run takes, then runs to its end. All decoded samples, frame times and the sound of
the result must be those of the undisturbed run; and no result may lie there before the end.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import common


def command(recipe: str, video: Path, speech: Path, folder: Path, extra: list[str]) -> list[str]:
    out = folder / "out.mp4"
    return [
        *common.LIPDUB,
        "run",
        str(video),
        str(speech),
        "-o",
        str(out),
        "-w",
        str(folder / "work"),
        "--overwrite",
        "--recipe",
        recipe,
        "--quiet",
        *extra,
    ]


def killed_after(order: list[str], seconds: float) -> bool:
    """Starts a run and kills it; False when it had ended by itself."""
    process = subprocess.Popen(
        order, cwd=common.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def main(arguments: list[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    extra = given[given.index("--") + 1 :] if "--" in given else []
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="builtin", help="others than builtin need LIPDUB_WEIGHTS")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--kills", type=int, default=1, help="kills in each round")
    parser.add_argument("--video", type=Path, default=common.SAMPLE / "talker.mp4")
    parser.add_argument("--speech", type=Path, default=common.SAMPLE / "speech.wav")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(given[: given.index("--")] if "--" in given else given)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="lipdub-kill-"))
    draw = random.Random(options.seed)
    whole = folder / "whole"
    whole.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    done = common.timed(command(options.recipe, options.video, options.speech, whole, extra))
    takes = time.monotonic() - start
    if done.code:
        print(f"the undisturbed run failed: {done.err.strip()}", file=sys.stderr)
        return 1
    expected = common.frames_digest(whole / "out.mp4")
    print(f"undisturbed: {takes:.1f} s, {expected[:16]}", flush=True)
    bad = 0
    for number in range(options.times):
        place = folder / f"round{number:02d}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        order = command(options.recipe, options.video, options.speech, place, extra)
        at, early = [], False
        for _ in range(options.kills):
            at.append(draw.uniform(0.05, 0.98) * takes)
            killed = killed_after(order, at[-1])
            early = early or (killed and _half_written(place / "out.mp4"))
        again = common.timed(order)
        same = again.code == 0 and common.frames_digest(place / "out.mp4") == expected
        left = sorted(p.name for p in place.iterdir() if p.name not in ("out.mp4", "work", "out.mp4.provenance.json"))
        bad += not same or early or bool(left)
        told = ", ".join(f"{t:.2f}" for t in at)
        print(
            f"round {number}: killed at {told} s; then {again.wall:.1f} s; "
            f"{'identical' if same else 'DIFFERENT'}{'; half written result' if early else ''}"
            f"{'; left behind ' + ', '.join(left) if left else ''}"
            f"{'' if again.code == 0 else '; ' + again.err.strip()}",
            flush=True,
        )
        if same and not left:
            shutil.rmtree(place)
    print(f"{options.times - bad} of {options.times} rounds identical")
    if options.folder is None and not bad:
        shutil.rmtree(folder)
    return 1 if bad else 0


def _half_written(path: Path) -> bool:
    """Whether a result lies there that does not play."""
    if not path.exists():
        return False
    from lipdub.errors import LipdubError

    try:
        common.frames_digest(path)
    except LipdubError:
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
