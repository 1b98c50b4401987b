"""The recipe `wav2lip` against the published Wav2Lip script's own network and paste steps, with the same weights.

    python -m tests.bench.wav2lip VIDEO SPEECH [--weights FOLDER] [--batches 128 32] [--times N] [-- OPTION ...]

The two run in turn, N times, each in a process of its own; medians are told. Options after -- go to `lipdub run`.
Without --weights the store in use is taken; `python -m tests.bench.filled FOLDER --names wav2lip-gan --users` makes
one.

The published script's steps, written anew from what is known of them: every frame read by OpenCV and held in memory;
for each output frame a window of the mel spectrogram, and the face cut out, resized to 96 pixels, once with its lower
half zero; the network eagerly in float32, as it is loaded, in batches; its pictures resized to the box and put hard
into the frame; an AVI written by OpenCV with the codec DIVX; one pass of ffmpeg that encodes that to H.264 and adds
the speech. The boxes are lipdub's, handed over: detection is left out of what is compared, and on lipdub's side so
are its stages detect and neutralize, whose times are told too.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench import common

COMPARED = ("sync", "paste-back")  # the stages that do what the published script's steps do
SIZE, COLUMNS = 96, 16


def published(video: Path, speech: Path, plan: Path, out: Path, batch: int) -> dict[str, float]:
    """The published script's steps. plan: arrays source (n,), box (n, 4) and time (n,) of lipdub's. Returns seconds."""
    import cv2
    import torch

    from lipdub.media.audio import load_audio
    from lipdub.speech.mel import compute_spectrogram, find_window_starts
    from lipdub.stages.sync.wav2lip import weights_path
    from lipdub.weights import manifest
    from lipdub.weights.checkpoint import load_network

    marks = {"begin": time.monotonic()}
    capture, frames = cv2.VideoCapture(str(video)), []
    fps = capture.get(cv2.CAP_PROP_FPS)
    while True:
        there, frame = capture.read()
        if not there:
            break
        frames.append(frame)
    marks["read"] = time.monotonic()
    mel = compute_spectrogram(load_audio(speech, rate=16000), "reflect")
    marks["mel"] = time.monotonic()
    path = weights_path()
    entry = next(e for e in manifest.list_entries() if e.file == path.name)
    network = load_network(path, entry)
    marks["load"] = time.monotonic()
    with np.load(plan) as data:
        source, box, moments = data["source"], data["box"], data["time"]
    height, width = frames[0].shape[:2]
    avi = out.with_suffix(".avi")
    writer = cv2.VideoWriter(str(avi), cv2.VideoWriter_fourcc(*"DIVX"), fps, (width, height))
    begins = np.clip(find_window_starts(moments), 0, mel.shape[1] - COLUMNS)
    faces = np.flatnonzero(box[:, 2] > box[:, 0])
    spent, done = 0.0, 0
    for i in range(0, len(faces), batch):
        part = faces[i : i + batch]
        shown = np.stack([cv2.resize(_cut(frames[source[k]], box[k]), (SIZE, SIZE)) for k in part])
        hidden = shown.copy()
        hidden[:, SIZE // 2 :] = 0
        pictures = np.concatenate([hidden, shown], 3) / 255.0
        sounds = np.stack([mel[:, begins[k] : begins[k] + COLUMNS] for k in part])
        began = time.monotonic()
        with torch.no_grad():
            made = network(torch.FloatTensor(sounds)[:, None], torch.FloatTensor(pictures.transpose(0, 3, 1, 2)))
        spent += time.monotonic() - began
        for k, face in zip(part, made.numpy().transpose(0, 2, 3, 1) * 255.0, strict=True):
            for passing in range(done, k):  # frames without a face: the published script stops at them
                writer.write(frames[source[passing]])
            x0, y0, x1, y1 = box[k]
            frame = frames[source[k]].copy()
            frame[y0:y1, x0:x1] = cv2.resize(face.astype(np.uint8), (int(x1 - x0), int(y1 - y0)))
            writer.write(frame)
            done = k + 1
    for passing in range(done, len(source)):
        writer.write(frames[source[passing]])
    writer.release()
    marks["generate"] = time.monotonic()
    common.ffmpeg("-i", speech, "-i", avi, "-strict", "-2", "-q:v", "1", out)
    marks["mux"] = time.monotonic()
    names = list(marks)
    seconds = {name: marks[name] - marks[before] for before, name in itertools.pairwise(names)}
    return {**seconds, "network": spent, "all": marks["mux"] - marks["begin"]}


def _cut(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    return frame[box[1] : box[3], box[0] : box[2]]


def _plan(workspace: Path, path: Path) -> int:
    """Hands over lipdub's boxes. Returns how many frames have one."""
    from lipdub.workspace.stage_store import StageStore

    sync = StageStore(workspace / "sync", "sync")
    n = len(sync.open("boxes"))
    names = {"box": "boxes", "source": "source", "time": "time"}
    data = {key: sync.open(name).read(0, n) for key, name in names.items()}
    np.savez(path, **data)
    return int((data["box"][:, 2] > data["box"][:, 0]).sum())


def compare(video: Path, speech: Path, batches: list[int], times: int, options: list[str], folder: Path) -> None:
    """Runs both in turn and prints what they took."""
    plan, walls, parts = folder / "plan.npz", [], []
    theirs: dict[int, list[dict[str, Any]]] = {batch: [] for batch in batches}
    for number in range(times):
        work = folder / f"{number}.lipdub"
        done, result = common.dub(
            video,
            speech,
            folder / "ours.mp4",
            work,
            "--recipe",
            "wav2lip",
            "--length",
            "speech",
            "--device",
            "cpu",
            *options,
        )
        if done.code:
            raise SystemExit(f"lipdub: exit code {done.code}: {done.err.strip()}")
        walls.append(done.wall)
        parts.append({stage["name"]: stage["seconds"] for stage in result["stages"]})
        faces = _plan(work, plan)
        for batch in batches:
            command = [
                sys.executable,
                "-m",
                "tests.bench.wav2lip",
                video,
                speech,
                "--as-published",
                plan,
                folder / "theirs.mp4",
            ]
            other = common.timed([*command, "--batches", str(batch)])
            if other.code:
                raise SystemExit(f"published steps: exit code {other.code}: {other.err.strip()}")
            row = json.loads(other.out.splitlines()[-1])
            theirs[batch].append({**row, "wall": other.wall, "peak": other.peak})
    ours = {name: statistics.median(part[name] for part in parts) for name in parts[0]}
    mine = statistics.median(sum(part[name] for name in COMPARED) for part in parts)
    print(f"{video.name}, {speech.name}: {faces} faces, {times} times in turn, {os.cpu_count()} cores")
    print(
        f"  lipdub, whole process {statistics.median(walls):.2f} s, peak {done.peak / 1e6:.0f} MB: "
        + ", ".join(f"{name} {seconds:.2f}" for name, seconds in ours.items())
    )
    print(f"  lipdub, {' and '.join(COMPARED)}: {mine:.2f} s, {mine / faces * 1000:.1f} ms a face")
    for batch, rows in theirs.items():
        middle = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        pairs = [sum(part[name] for name in COMPARED) / row["all"] for part, row in zip(parts, rows, strict=True)]
        print(
            f"  published steps, batch {batch}: {middle['all']:.2f} s, {middle['all'] / faces * 1000:.1f} ms a face "
            f"(network {middle['network']:.2f}, read {middle['read']:.2f}, mel {middle['mel']:.2f}, "
            f"load {middle['load']:.2f}, mux {middle['mux']:.2f}); whole process "
            f"{middle['wall']:.2f} s, peak {middle['peak'] / 1e6:.0f} MB"
        )
        print(f"    ratio {statistics.median(pairs):.2f} (of {', '.join(f'{pair:.2f}' for pair in pairs)})", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--weights", type=Path, help="the store of weights")
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 32], help="of the published steps")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--as-published", type=Path, nargs=2, metavar=("PLAN", "OUT"), help=argparse.SUPPRESS)
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:cut])
    if options.weights is not None:
        os.environ["LIPDUB_WEIGHTS"] = str(options.weights.absolute())
    if options.as_published:
        print(json.dumps(published(options.video, options.speech, *options.as_published, options.batches[0])))
        return 0
    with tempfile.TemporaryDirectory(prefix="lipdub-bench-") as name:
        video, speech = options.video.absolute(), options.speech.absolute()
        compare(video, speech, options.batches, options.times, given[cut + 1 :], Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
