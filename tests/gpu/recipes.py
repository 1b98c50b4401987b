"""Frames a second of the recipes with networks, on the device and on the processor of the same machine.

The sample is dubbed twice, for a short and a longer time, and the difference counts: what loading and starting take is
in both. The weights are filled by rule (`tests.bench.filled`), so only time means something. Measured are the stages
that run networks: neutralize, sync and enhance.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from lipdub.weights import manifest
from lipdub.weights.store import FOLDER_VARIABLE
from tests.bench import filled
from tests.gpu.parts import Clock, Report, Row, Setting, attempt
from tests.sample import SPEECH, TALKER
from tests.sample.short import write_short
from tests.stages import tiny_networks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lipdub.engine.job import Result

STAGES = ("neutralize", "sync", "enhance")
#: Seconds of the short and of the longer dub: on a GPU, on a processor, and in small.
LENGTHS = {
    "wav2lip": ((0.4, 4.4), (0.2, 1.4)),
    "stabilized": ((0.4, 4.4), (0.2, 1.4)),
    "retalking": ((0.2, 2.2), (0.08, 0.2)),
}
_TINY_LENGTHS = (0.08, 0.16)
_TINY_FRAMES = 8
_METHODS = {"wav2lip": "wav2lip", "retalking": "lnet", "stabilized": "stabilized"}  # of sync


def run(setting: Setting, clock: Clock) -> Report:
    """Measures the recipes one after the other."""
    report = Report()
    for recipe in LENGTHS:
        if clock.is_over():
            report.notes.append(f"{recipe}: left out, no time is left")
            continue
        with attempt(report, recipe), provide_weights(recipe, setting) as options:
            for device in dict.fromkeys((setting.device, "cpu")):
                if clock.is_over():
                    report.notes.append(f"{recipe} on {device}: left out, no time is left")
                    continue
                report.rows.append(measure(recipe, device, options, setting))
        _compare(report.rows, recipe)
    return report


@contextlib.contextmanager
def provide_weights(recipe: str, setting: Setting) -> Iterator[dict[str, Any]]:
    """Puts filled weights of a recipe into the store that is used, and gives the options with which it takes them."""
    folder = setting.scratch / f"weights-{recipe}"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)  # gigabytes
        stack.callback(manifest._read.cache_clear)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv(FOLDER_VARIABLE, str(folder))
        if setting.tiny:
            models = tiny_networks.PUBLISH[_METHODS[recipe]](patch, folder)
            options = models["sync"] if models else {}
            yield options | {"enhance": "none"}
        elif recipe == "stabilized":  # its weights ship
            yield {}
        else:
            filled.main([str(folder), "--users", recipe])
            yield {}


def measure(recipe: str, device: str, options: dict[str, Any], setting: Setting) -> Row:
    """Dubs the sample twice, and gives the rate of the difference as a row."""
    lengths = _TINY_LENGTHS if setting.tiny else LENGTHS[recipe][device == "cpu"]
    (short_count, short), (count, long) = (
        summarize(dub(recipe, device, seconds, options, setting)) for seconds in lengths
    )
    spent = {name: long[name] - short.get(name, 0.0) for name in long}
    seconds, frames = sum(spent.values()), count - short_count
    row: Row = {"recipe": recipe, "device": device, "frames": frames}
    row["frames/s"] = frames / seconds if seconds > 0 and frames > 0 else None
    row["over cpu"] = None
    return row | {f"{name} ms": 1000 * spent.get(name, 0.0) / max(frames, 1) for name in STAGES}


def dub(recipe: str, device: str, seconds: float, options: dict[str, Any], setting: Setting) -> Result:
    """Dubs the first seconds of the sample, whose faces are found once."""
    import lipdub

    name = f"{recipe}-{device}"
    video = TALKER
    if setting.tiny:
        video = setting.scratch / "short.nut"
        if not video.exists():
            write_short(video, _TINY_FRAMES)
    return lipdub.dub(
        video,
        SPEECH,
        setting.scratch / f"{name}.mp4",
        workspace=setting.scratch / f"{name}.lipdub",
        recipe=recipe,
        device="cpu" if device == "cpu" else "auto",
        end=seconds,
        length="shortest",
        overwrite=True,
        **options,
    )


def summarize(result: Result) -> tuple[int, dict[str, float]]:
    """How many frames a result has dubbed, and the seconds of each stage."""
    stages = {stage.name: stage for stage in result.stages}
    return int(stages["sync"].summary["dubbed"]), {name: stages[name].seconds for name in STAGES if name in stages}


def _compare(rows: list[Row], recipe: str) -> None:
    """Put the ratio to the processor's rate into the recipe's first row."""
    own = [row for row in rows if row["recipe"] == recipe]
    if len(own) == 2 and all(row["frames/s"] for row in own):
        own[0]["over cpu"] = own[0]["frames/s"] / own[1]["frames/s"]
