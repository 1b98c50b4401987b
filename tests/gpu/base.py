"""Trains networks on a packed dataset, larger than on a processor, each with the file of the one before it.

The part `base` trains AVSyncNet, silent-lip and stabilized; the part `style` face-prior and stylelipsync.

`--set NAME.KEY=VALUE` changes a setting, such as `stabilized.sampling.windows=24`. Each training ends its schedule with
its share of the time. Weights (less than 16 MiB each), cards and one log lie in the folder of the results.
"""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.gpu.faces import choose_audio, count_variants, open_faces
from tests.gpu.parts import Clock, Report, Row, Setting, attempt, list_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_BYTES = 16 << 20  # of a file of weights
SCORER = "sync-scorer"
VARIANTS = 4  # of each sound, as `SyncScorerOptions` has by default
MEASURING = ("mediapipe",)  # what validation measures mouths with
_RESERVE = 0.1  # of the time: data, evaluation, files


@dataclass(frozen=True)
class Training:
    """A training of the chain.

    Attributes:
        name: of the network, as `lipdub train` has it.
        share: of the time.
        source: the argument that takes the file of the training before it; "": none.
        changes: its settings.
        tiny: its settings in small.
    """

    name: str
    share: float
    source: str
    changes: tuple[str, ...]
    tiny: tuple[str, ...]


_LOOP = ("loop.steps=1000000", "loop.workers=8", "loop.report_every=20", "loop.save_every=2000")
_GENERATOR = ("loop.sample_every=0", "loop.validate_every=400")
_TINY = ("loop.steps=2", "loop.warmup=1", "loop.report_every=1", "loop.workers=0")
_TINY_GENERATOR = ("size.width=4", "size.deepest=8", "sampling.windows=2", "loop.validate_every=2")
#: All three networks are in the file of stabilized, in float16: together at most 8.3 million parameters.
TRAININGS = (
    Training(
        SCORER,
        0.25,
        "",
        (*_LOOP, "size.height=64", "size.width=128", "clips=32"),
        (
            *_TINY,
            "size.height=12",
            "size.width=24",
            "size.image_width=4",
            "size.audio_width=4",
            "size.features=16",
            "clips=2",
            "moments=3",
        ),
    ),
    Training(
        "silent-lip",
        0.3,
        "sync",
        (*_LOOP, *_GENERATOR, "size.width=24", "size.deepest=88", "sampling.windows=64"),
        (*_TINY, *_TINY_GENERATOR),
    ),
    Training(
        "stabilized",
        0.45,
        "silent",
        (*_LOOP, *_GENERATOR, "sampling.windows=16"),
        (*_TINY, *_TINY_GENERATOR),
    ),
)


_PRIOR = ("faces=32", "discriminator.augment_pictures=200000", "fid_pictures=2048")
#: Prior and generator have 128 pixels, as the pack's faces, and twice the channels of the small size.
STYLE_TRAININGS = (
    Training(
        "face-prior",
        0.5,
        "",
        (*_LOOP, *_PRIOR, "size.narrow=0.5", "loop.sample_every=2000", "loop.validate_every=2000"),
        (
            *_TINY,
            "size.pixels=16",
            "size.style_dim=8",
            "size.narrow=0.015625",
            "faces=4",
            "fid_pictures=4",
            "loop.sample_every=0",
            "loop.validate_every=2",
        ),
    ),
    Training(
        "stylelipsync",
        0.5,
        "prior",
        (*_LOOP, *_GENERATOR, "sampling.windows=24"),
        (*_TINY, "size.audio_width=2", "size.audio_features=8", "sampling.windows=2", "loop.validate_every=0"),
    ),
)


def run(setting: Setting, clock: Clock) -> Report:
    """Trains AVSyncNet, silent-lip and stabilized."""
    return run_chain(TRAININGS, setting, clock, open_faces, "train.log")


def run_chain(
    trainings: Sequence[Training], setting: Setting, clock: Clock, open_data: Callable[[Setting], Path], log_name: str
) -> Report:
    """Trains one network after the other, each with the file of the one before it."""
    report = Report()
    if setting.pack is None and not setting.tiny:
        report.notes.append("no dataset: make one with python -m tests.gpu.pack, and name it with --pack")
        return report
    if list_missing(MEASURING):
        report.notes.append(f"generators are not validated: {MEASURING[0]} is not installed")
    faces, before, shares = open_data(setting), None, sum(training.share for training in trainings)
    with (setting.out / log_name).open("w", encoding="utf-8") as log:
        for training in trainings:
            if clock.is_over():
                report.notes.append(f"{training.name}: left out, no time is left")
                break
            minutes = clock.seconds_left / 60 * training.share / shares * (1 - _RESERVE)
            shares -= training.share
            with attempt(report, training.name):
                before, row = train(training, faces, before, setting, minutes, _make_log(log))
                report.rows.append(row)
                if before.stat().st_size >= MAX_BYTES:
                    report.faults.append(f"{before.name} has {before.stat().st_size} bytes: choose a smaller size")
            if len(report.rows) <= trainings.index(training):
                break  # the next one needs its file
    return report


def train(
    training: Training, faces: Path, before: Path | None, setting: Setting, minutes: float, tell: Any
) -> tuple[Path, Row]:
    """Trains a network and writes weights and card. Returns the weights file, and what came of it."""
    from lipdub.training.registry import TRAINABLES
    from lipdub.training.registry import train as train_network
    from lipdub.training.training_log import read_log

    arguments: dict[str, Any] = {"data": [faces], "workdir": setting.scratch / training.name, "minutes": minutes}
    arguments["changes"] = list_changes(training, faces, setting)
    if training.source:
        arguments[training.source] = before
    if training.name == SCORER:
        arguments["audio_feature"] = choose_audio(setting)
    out = setting.out / f"{training.name}.safetensors"
    shutil.rmtree(arguments["workdir"], ignore_errors=True)
    written = train_network(
        training.name, out, threads=count_threads(setting), device=setting.device, progress=tell, **arguments
    )
    card = TRAINABLES.get(training.name).render_card(written, format_command(training, arguments, out))
    written.with_suffix(".md").write_text(card, encoding="utf-8")
    (path,) = arguments["workdir"].rglob("log.csv")
    rows = read_log(path)
    last = {name: float(value) for row in rows for name, value in row.items() if value}
    return written, {
        "network": training.name,
        "steps": int(last["step"]),
        "minutes": last["seconds"] / 60,
        "steps/s": measure_rate(rows),
        "loss": last.get("loss"),
        "validation": last.get("validation"),
        "MiB": written.stat().st_size / (1 << 20),
    }


def list_changes(training: Training, faces: Path, setting: Setting) -> list[str]:
    """The settings of a training: its own, those that this machine asks for, and those of --set."""
    changes = list(training.tiny if setting.tiny else training.changes)
    if training.name == SCORER and choose_audio(setting) == "phonetic":
        changes.append(f"variants={count_variants(faces, VARIANTS)}")
    if training.source and list_missing(MEASURING):
        changes.append("loop.validate_every=0")
    prefix = f"{training.name}."
    return changes + [text.removeprefix(prefix) for text in setting.changes if text.startswith(prefix)]


def format_command(training: Training, arguments: dict[str, Any], out: Path) -> str:
    """The command of lipdub that does the same."""
    words = ["lipdub", "train", training.name, "--data", arguments["data"][0].name]
    if training.source:
        words += [f"--{training.source}", arguments[training.source].name]
    if training.name == SCORER:
        words += ["--audio-feature", arguments["audio_feature"]]
    words += ["--minutes", f"{arguments['minutes']:.2f}", "-o", out.name]
    for change in arguments["changes"]:
        words += ["--set", change]
    return shlex.join(words)


def measure_rate(rows: list[dict[str, str]]) -> float | None:
    """Steps a second of a log, without the steps up to its first row, in which libraries are loaded."""
    if len(rows) < 2:
        return None
    steps, seconds = (float(rows[-1][name]) - float(rows[0][name]) for name in ("step", "seconds"))
    return steps / seconds if seconds > 0 else None


def count_threads(setting: Setting) -> int:
    """Threads of the processor: one in small."""
    return 1 if setting.tiny else os.cpu_count() or 1


def _make_log(file: Any) -> Any:
    def tell(text: str) -> None:
        file.write(f"{text}\n")
        file.flush()

    return tell
