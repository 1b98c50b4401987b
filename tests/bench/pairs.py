"""Measures dubs against talkers who really say the speech: every driver's own sound over other people's pictures.

    python -m tests.bench.pairs FOLDER [--sources FILE ...] [--drivers NAME[:OFFSET] ...] [--grid N] [--grid-sources N]

Needs the development data (LIPDUB_SHARED or ../shared). Drivers are the six talking clips whose offsets are known and N
GRID clips kept out of training (20 by default); a source is dubbed with each of the six, and with every GRID clip in
turn (`--grid-sources` sources for each). Prints, per pair and as means: correlation of mouth opening between the result
and the driver at the driver's own offset (and of width), the lag of best agreement, what no dubbing would score, wanted
against achieved. The definition is that of shared/tools/lipmeasure.py: opening is the distance of the inner lips
(points 13 and 14) in distances between the eyes, on a grid of 40 ms; positive lags: the driver's mouth comes later.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lipdub.media.pixels import to_eight_bits
from lipdub.metrics.correlation import correlation, resample_to_grid
from lipdub.metrics.mouth_motion import MouthMotion
from lipdub.workspace.folder import Workspace
from tests.bench import common
from tests.mouths import track_mouth

LIMIT = 1500  # frames measured of a video
REACH = 10  # steps of 40 ms tried each way


def measured(path: Path, keep: Path | None = None) -> MouthMotion:
    """Mouth motion of a video; read from the file `keep` where that is there, else noted there."""
    if keep is not None and keep.exists():
        with np.load(keep) as data:
            return MouthMotion(data["times"], data["opening"], data["width"], data["height"])
    from lipdub.media.read import read_frames

    motion = track_mouth((float(f.time), to_eight_bits(f.picture.rgb())) for f in read_frames(path, 0, LIMIT))
    if keep is not None:
        keep.parent.mkdir(parents=True, exist_ok=True)
        np.savez(keep, times=motion.times, opening=motion.opening, width=motion.width, height=motion.height)
    return motion


def compare(a: MouthMotion, b: MouthMotion, offset: int) -> dict[str, Any]:
    """Agreement of a with b, whose mouth comes `offset` steps of 40 ms later."""
    first, second = (resample_to_grid(m.times, np.stack([m.opening, m.width, m.height], 1)) for m in (a, b))
    values = {lag: correlation(first[:, 0], second[:, 0], lag) for lag in range(-REACH, REACH + 1)}
    lag = max(values, key=values.__getitem__)
    best = values[lag]
    opening, width, height = (correlation(first[:, j], second[:, j], offset) for j in range(3))
    return {"opening": opening, "width": width, "height": height, "best_lag": lag, "best": best}


def achieved(workspace: Path, result: MouthMotion) -> float:
    """Correlation of the wanted opening with the measured one on dubbed frames."""
    store = Workspace(workspace).store("sync")
    n = min(len(store.open("wanted")), len(result))
    wanted, amount = store.open("wanted").read(0, n)[:, 0], store.open("amount").read(0, n)
    ok = np.isfinite(wanted) & (amount > 0.99) & np.isfinite(result.opening[:n])
    return correlation(wanted[ok].astype(np.float64), result.opening[:n][ok])


def pair(source: Path, driver: Path, offset: int, folder: Path, extra: list[str]) -> dict[str, Any]:
    """Dubs one source with one driver's sound and measures it."""
    out, workspace = folder / f"{source.stem}+{driver.stem}.mp4", folder / f"{source.stem}.lipdub"
    done, _ = common.dub(source, driver, out, workspace, *extra)
    entry: dict[str, Any] = {
        "source": source.stem,
        "driver": driver.stem,
        "offset": offset,
        "code": done.code,
    }
    if done.code:
        entry["error"] = (done.err.strip().splitlines() or [""])[-1]
        return entry
    result = measured(out)
    talker = measured(driver, folder / "measured" / f"{driver.stem}.npz")
    untouched = measured(source, folder / "measured" / f"{source.stem}.npz")
    entry |= compare(result, talker, offset)
    entry["undubbed"] = compare(untouched, talker, offset)["opening"]
    entry["achieved"] = achieved(workspace, result)
    return entry


def show(rows: list[dict[str, Any]], title: str) -> None:
    good = [row for row in rows if not row["code"]]
    if not good:
        print(f"{title}: nothing measured")
        return
    mean = {key: float(np.mean([row[key] for row in good])) for key in ("opening", "width", "undubbed", "achieved")}
    near = np.mean([abs(row["best_lag"] - row["offset"]) <= 1 for row in good])
    print(
        f"{title}: {len(good)} pairs: opening {mean['opening']:.3f}, width {mean['width']:.3f}, no dubbing "
        f"{mean['undubbed']:.3f}, best lag within a frame of the offset in {near:.0%}, wanted against achieved "
        f"{mean['achieved']:.3f} (lowest {min(row['achieved'] for row in good):.3f})"
    )


def main(arguments: list[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    passed = given[given.index("--") + 1 :] if "--" in given else []
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sources", type=Path, nargs="+")
    parser.add_argument("--drivers", nargs="*", help="names of the talking clips, by default all")
    parser.add_argument("--grid", type=int, default=20, help="GRID clips kept out of training")
    parser.add_argument("--grid-sources", type=int, default=2, help="sources each of them is laid over")
    options = parser.parse_args(given[: given.index("--")] if "--" in given else given)
    data = common.shared()
    if data is None:
        print("no development data: set LIPDUB_SHARED", file=sys.stderr)
        return 3
    from lipdub.training.grid import held_out_clips
    from tests.bench.lip_motion_correlation import CLIPS

    options.folder.mkdir(parents=True, exist_ok=True)
    sources = options.sources or [data / "clips" / f"{n}.mp4" for n in [*CLIPS, "woman_garden_1080p_portrait"]]
    names = list(CLIPS) if options.drivers is None else options.drivers
    todo = [(s, data / "clips" / f"{n}.mp4", CLIPS[n]) for s in sources for n in names if s.stem != n]
    unseen = held_out_clips([p.stem for p in (data / "grid" / "clips").glob("*.mp4")])
    chosen = [unseen[i] for i in np.linspace(0, len(unseen) - 1, min(options.grid, len(unseen))).astype(int)]
    for i, name in enumerate(chosen):
        for k in range(min(options.grid_sources, len(sources))):
            source = sources[(i * options.grid_sources + k) % len(sources)]
            todo.append((source, data / "grid" / "clips" / f"{name}.mp4", 0))
    todo.sort(key=lambda item: sources.index(item[0]))  # a source's faces are found once
    rows: list[dict[str, Any]] = []
    for source, driver, offset in todo:
        # the result is as long as the driver: what comes after is not compared
        rows.append(pair(source, driver, offset, options.folder, ["--length", "speech", *passed]))
        row = rows[-1]
        if row["code"]:
            print(f"{source.stem} + {driver.stem}: exit code {row['code']}: {row['error']}", flush=True)
            continue
        print(
            f"{source.stem} + {driver.stem}: opening {row['opening']:.3f}, width {row['width']:.3f}, best lag "
            f"{row['best_lag']:+d} ({row['best']:.3f}; own {offset:+d}), no dubbing {row['undubbed']:.3f}, "
            f"wanted against achieved {row['achieved']:.3f}",
            flush=True,
        )
        (options.folder / "pairs.json").write_text(json.dumps(rows, indent=1))
    show([row for row in rows if row["driver"] in CLIPS], "talking clips")
    show([row for row in rows if row["driver"] not in CLIPS], "GRID")
    show(rows, "all")
    return 1 if any(row["code"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
