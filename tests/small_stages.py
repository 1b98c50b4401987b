"""Small real stages for tests of the pipeline: the whole chain on a few bytes per frame, in milliseconds.

Each frame's "face" is its index and the source's digest of content; every stage does arithmetic on what it reads, so
that a wrong, stale or lost chunk anywhere changes the result file.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub import stages
from lipdub.errors import UsageError
from lipdub.stages.base import StageContext, StageSpec

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = 40
CHUNK = 4
WIDTH = 257
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


@dataclass(frozen=True)
class DetectOptions:
    method: str = "mediapipe"
    max_faces: int = 4


def detect(ctx: StageContext, options: DetectOptions) -> dict[str, Any]:
    seed = _seed(ctx.job.video)
    summary = _fill(ctx, lambda a, b: seed + np.arange(a, b)[:, None] * np.arange(WIDTH) * options.max_faces)
    ctx.store.put_json("shots", [[0, FRAMES]])
    ctx.warn("2 frames show no face")
    tracks = [] if os.environ.get("LIPDUB_TEST_FACELESS") else [{"id": 1, "first": 0, "last": FRAMES - 1}]
    return {**summary, "tracks": tracks, "faceless": [[0.4, 0.48]]}


@dataclass(frozen=True)
class NeutralizeOptions:
    method: str = "rest"
    expression: str = "neutral"
    face: str = "largest"
    start: float | None = None
    end: float | None = None
    talker: str | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("face", "largest"),
            ("start", None),
            ("end", None),
            ("talker", None),
        ):  # its method makes no use of them
            object.__setattr__(self, name, value)


def neutralize(ctx: StageContext, options: NeutralizeOptions) -> dict[str, Any]:
    source = ctx.upstream["detect"].open("values")
    ctx.upstream["detect"].json("shots")
    return _fill(ctx, lambda a, b: source.read(a, b) // 3)


@dataclass(frozen=True)
class SyncOptions:
    method: str = "units"
    face: str = "largest"
    start: float | None = None
    end: float | None = None
    strength: float = 1.0
    offset: float = 0.0
    length: str = "longest"
    extend: str = "pingpong"
    text: str | None = None
    language: str = "auto"
    emotion: str | None = None
    talker: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 2:
            raise UsageError(f"strength must be 0 to 2, not {self.strength}")


def sync(ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
    faces, rest = (ctx.upstream[name].open("values") for name in ("detect", "neutralize"))
    assert ctx.job.speech is not None
    seed = _seed(ctx.job.speech) + round(1000 * options.strength)
    summary = _fill(ctx, lambda a, b: faces.read(a, b) * 7 + rest.read(a, b) * seed)
    return {**summary, "notes": ["the mouth interior was synthesised"]}


@dataclass(frozen=True)
class EnhanceOptions:
    method: str = "none"
    region: str = "mouth"
    strength: float = 1.0


def enhance(ctx: StageContext, options: EnhanceOptions) -> dict[str, Any]:
    crops = ctx.upstream["sync"].open("values")
    return _fill(ctx, lambda a, b: crops.read(a, b) + 1)


@dataclass(frozen=True)
class PasteOptions:
    method: str = "laplacian"
    feather: float = 0.5
    colour_match: bool = True
    codec: str = "auto"
    crf: int | None = None
    preset: str | None = None
    lossless: bool = False
    audio_codec: str = "auto"
    audio_bitrate: int | None = None
    keep_audio: str = "none"


def paste_back(ctx: StageContext, options: PasteOptions) -> dict[str, Any]:
    crops = ctx.upstream["enhance"].open("values")
    faces = ctx.upstream["detect"].open("values")
    summary = _fill(ctx, lambda a, b: crops.read(a, b) - faces.read(a, b) + round(100 * options.feather))
    values = ctx.store.open("values")
    temporary = ctx.job.result().with_suffix(".partial")
    with open(temporary, "wb") as file:
        file.writelines(block.tobytes() for _, block in values.each())
    os.replace(temporary, ctx.job.result())
    return summary


SPECS = {
    "detect": StageSpec("detect", 1, (), ("video",), DetectOptions, detect),
    "neutralize": StageSpec("neutralize", 1, ("detect",), ("video",), NeutralizeOptions, neutralize),
    "sync": StageSpec("sync", 1, ("detect", "neutralize"), ("video", "speech"), SyncOptions, sync),
    "enhance": StageSpec("enhance", 1, ("sync",), (), EnhanceOptions, enhance),
    "paste-back": StageSpec(
        "paste-back",
        1,
        ("detect", "sync", "enhance"),
        ("video", "speech", "mix"),
        PasteOptions,
        paste_back,
        writes_output=True,
    ),
}


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
