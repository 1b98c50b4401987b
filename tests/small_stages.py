"""Small real stages for tests of the pipeline: the whole chain on a few bytes per frame, in milliseconds.

Each frame's "face" is its index and the source's digest of content; every stage does arithmetic on what it reads, so
that a wrong, stale or lost chunk anywhere changes the result file.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub import stages

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.stages.base import StageContext, StageSpec

FRAMES = 40
CHUNK = 4
WIDTH = 257
TRUST = 1.0  # how far the talker opens the mouth, as neutralize tells it
RUNS: list[str] = []  # names of the stages that ran, in order, in this process


def _slowly() -> None:
    time.sleep(float(os.environ.get("LIPDUB_TEST_PAUSE", "0")))


def _seed(path: Path) -> int:
    return int.from_bytes(hashlib.blake2b(path.read_bytes(), digest_size=4).digest(), "big")


def _fill(ctx: StageContext, make: Any) -> dict[str, Any]:
    """Writes the missing chunks of ``values``; ``make(a, b)`` gives frames a to b."""
    RUNS.append(ctx.stage)
    values = ctx.store.array("values", shape=(FRAMES, WIDTH), dtype="int64", chunk=CHUNK)
    for i in values.missing():
        _slowly()
        values.write(i, make(*values.span(i)))
        ctx.progress(values.span(i)[1], FRAMES)
    return {"frames": FRAMES}


def detect(ctx: StageContext, options: Any) -> dict[str, Any]:
    seed = _seed(ctx.job.video)
    summary = _fill(ctx, lambda a, b: seed + np.arange(a, b)[:, None] * np.arange(WIDTH) * options.max_faces)
    ctx.store.put_json("shots", [[0, FRAMES]])
    ctx.warn("2 frames show no face")
    tracks = [] if os.environ.get("LIPDUB_TEST_FACELESS") else [{"id": 1, "first": 0, "last": FRAMES - 1}]
    return {**summary, "tracks": tracks, "faceless": [[0.4, 0.48]]}


def neutralize(ctx: StageContext, options: Any) -> dict[str, Any]:
    source = ctx.upstream["detect"].open("values")
    ctx.upstream["detect"].json("shots")
    summary = _fill(ctx, lambda a, b: source.read(a, b) // 3)
    return {**summary, "tracks": [{"id": 1, "usable": True, "trust": TRUST}]}


def sync(ctx: StageContext, options: Any) -> dict[str, Any]:
    faces, rest = (ctx.upstream[name].open("values") for name in ("detect", "neutralize"))
    assert ctx.job.speech is not None
    seed = _seed(ctx.job.speech) + round(1000 * options.strength)
    summary = _fill(ctx, lambda a, b: faces.read(a, b) * 7 + rest.read(a, b) * seed)
    return {**summary, "notes": ["the mouth interior was synthesised"]}


def enhance(ctx: StageContext, options: Any) -> dict[str, Any]:
    crops = ctx.upstream["sync"].open("values")
    return _fill(ctx, lambda a, b: crops.read(a, b) + 1)


def paste_back(ctx: StageContext, options: Any) -> dict[str, Any]:
    crops = ctx.upstream["enhance"].open("values")
    faces = ctx.upstream["detect"].open("values")
    summary = _fill(ctx, lambda a, b: crops.read(a, b) - faces.read(a, b) + round(100 * options.feather))
    values = ctx.store.open("values")
    temporary = ctx.job.result().with_suffix(".partial")
    with temporary.open("wb") as file:
        file.writelines(block.tobytes() for _, block in values.each())
    temporary.replace(ctx.job.result())
    return summary


def _small(name: str, run: Any) -> StageSpec:
    """The project's stage with its own options, and with work that takes milliseconds."""
    spec = stages.load(name)
    return replace(
        spec,
        version=1,
        run=run,
        weights=lambda options: [],
        files=lambda options: [],
        check=lambda job, facts, options: None,
        rehearse=None if spec.rehearse is None else lambda job, facts, options: None,
        prefetch=None,
        resolve=lambda options, job, digest: options,
        uses_networks=lambda options: False,
    )


WORK = {"detect": detect, "neutralize": neutralize, "sync": sync, "enhance": enhance, "paste-back": paste_back}
SPECS = {name: _small(name, run) for name, run in WORK.items()}


def install() -> dict[str, str]:
    """Puts these stages in the place of the project's; returns what was there."""
    before = dict(stages.STAGES)
    for name, spec in SPECS.items():
        module = ModuleType(f"lipdub_test_{spec.run.__name__}")
        module.SPEC = spec  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
        stages.STAGES[name] = module.__name__
    return before


def write_video(path: Path, frames: int = 6) -> Path:
    """A small real video without a face."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(frames):
            picture = np.full((48, 64, 3), 40 * i % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


if __name__ == "__main__":  # the command line over these stages
    install()
    from lipdub.cli import main

    main()
