"""Steps a second of the trainings, at the size that is the default and at the paper's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.gpu.base import TRAININGS, Training, count_threads, measure_rate
from tests.gpu.faces import choose_audio, open_faces
from tests.gpu.parts import Clock, Report, Row, Setting, attempt

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.networks.avsyncnet import AVSyncNetSize
    from lipdub.networks.face_generator import FaceGeneratorSize

SECONDS = 10.0  # of each measurement at most
_TINY_SECONDS = 0.25
_LOOP: dict[str, Any] = {"steps": 1_000_000, "save_every": 1_000_000, "validate_every": 0, "sample_every": 0}


def run(setting: Setting, clock: Clock) -> Report:
    """Measures each training at each size."""
    import torch

    report, faces = Report(), open_faces(setting)
    torch.set_num_threads(count_threads(setting))
    cases = [(training, is_full) for is_full in (False, True) for training in TRAININGS]
    for number, (training, is_full) in enumerate(cases):
        size = "full" if is_full else "small"
        if clock.is_over():
            report.notes.append(f"{training.name} ({size}): left out, no time is left")
            continue
        most = _TINY_SECONDS if setting.tiny else SECONDS
        seconds = min(most, clock.seconds_left / (len(cases) - number))
        with attempt(report, f"{training.name} ({size})"):
            report.rows.append(measure(training, faces, setting, seconds, is_full=is_full))
    return report


def measure(training: Training, faces: Path, setting: Setting, seconds: float, *, is_full: bool) -> Row:
    """Trains for some seconds, and gives the rate as a row."""
    from lipdub.training.config import apply_settings
    from lipdub.training.dataset import open_dataset
    from lipdub.training.registry import TRAINABLES
    from lipdub.training.trainable import DatasetTrainable, Runtime
    from lipdub.training.training_log import read_log

    trainable = TRAINABLES.get(training.name)
    assert isinstance(trainable, DatasetTrainable)
    hears, draws = _choose_sizes(setting, is_full=is_full)
    data = open_dataset(faces, split="train")
    arguments = trainable.arguments(full=is_full)
    settings = trainable.default_settings(arguments)
    settings = replace(settings, size=draws if training.source else hears)
    changes = training.tiny if setting.tiny else ("loop.workers=8",)
    settings = apply_settings(settings, None, [text for text in changes if not text.startswith("size.")])
    if not training.source:
        settings = replace(settings, variants=1)  # augmented sounds are heard once a training
    if training.name == "silent-lip":
        settings = replace(settings.for_silent_lip(), begin="new")
    loop = replace(settings.loop, **_LOOP, max_minutes=seconds / 60, report_every=1 if setting.tiny else 5)
    folder = setting.scratch / f"steps-{training.name}-{is_full}"
    inputs = _make_inputs(training, hears, replace(draws, pixels=data.size, sound=hears.features))
    runtime = Runtime(count_threads(setting), setting.device)
    trainable.train_network(data, None, inputs, folder, replace(settings, loop=loop), 0, runtime)
    rate = measure_rate(read_log(folder / "log.csv"))
    faces_a_step = (
        settings.sampling.windows * settings.sampling.frames
        if training.source
        else 5 * settings.clips * settings.moments
    )
    return {
        "network": training.name,
        "size": "full" if is_full else "small",
        "pixels": data.size if training.source else hears.width,
        "precision": settings.loop.precision,
        "steps/s": rate,
        "faces/s": None if rate is None else rate * faces_a_step,
    }


def _choose_sizes(setting: Setting, *, is_full: bool) -> tuple[AVSyncNetSize, FaceGeneratorSize]:
    """The sizes of AVSyncNet and of the generators."""
    from lipdub.networks.avsyncnet import AVSyncNetSize
    from lipdub.networks.face_generator import FaceGeneratorSize
    from lipdub.training.sync_scorer import hear_feature

    hears = AVSyncNetSize() if is_full else AVSyncNetSize.small()
    draws = FaceGeneratorSize(draws_change=True) if is_full else FaceGeneratorSize.small()
    if setting.tiny:
        hears = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=not is_full)
        draws = FaceGeneratorSize(24, 4, 8, 16, draws_change=True)
    return hear_feature(hears, choose_audio(setting)), draws


def _make_inputs(training: Training, hears: AVSyncNetSize, draws: FaceGeneratorSize) -> Any:
    """The untrained networks that a training needs."""
    import torch

    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.networks.face_generator import FaceGenerator
    from lipdub.weights.talking_face_file import TalkingFaceModel

    if not training.source:
        return None
    torch.manual_seed(0)
    silent = FaceGenerator(draws) if training.source == "silent" else None
    return TalkingFaceModel(AVSyncNet(hears), silent)
