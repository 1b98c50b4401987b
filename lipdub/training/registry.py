"""The networks that can be trained here, by name. A new one is a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.errors import UsageError
from lipdub.registry import Registry
from lipdub.training.trainable import Runtime, Trainable, TrainArguments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAINABLES: Registry[Trainable] = Registry(
    "trainable network",
    Trainable,
    {
        "lip-motion": "lipdub.training.trainables.lip_motion:LIP_MOTION",
        "mouth-response": "lipdub.training.trainables.grid_faces:MOUTH_RESPONSE",
        "neutral-face": "lipdub.training.trainables.grid_faces:NEUTRAL_FACE",
        "sync-scorer": "lipdub.training.trainables.sync_scorer:SYNC_SCORER",
        "face-features": "lipdub.training.trainables.face_features:FACE_FEATURES",
        "landmark-heatmaps": "lipdub.training.trainables.landmark_heatmaps:LANDMARK_HEATMAPS",
        "silent-lip": "lipdub.training.trainables.talking_face:SILENT_LIP",
        "stabilized": "lipdub.training.trainables.talking_face:STABILIZED",
        "face-prior": "lipdub.training.trainables.style_lip_sync:FACE_PRIOR",
        "stylelipsync": "lipdub.training.trainables.style_lip_sync:STYLELIPSYNC",
        "stylegan": "lipdub.training.trainables.stylegan:STYLEGAN",
        "g4g": "lipdub.training.trainables.g4g:G4G",
    },
)


def train(
    name: str,
    out: Path,
    *,
    settings: Any = None,
    threads: int = 2,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
    **arguments: Any,
) -> Path:
    """Train a network of the registry, or resume its training.

    Args:
        name: name of the network, as `lipdub train` has it.
        out: the weights file to write; it is replaced as a whole at the end.
        settings: a dataclass of settings, over those of the arguments.
        threads: threads of the processor.
        device: "auto", or PyTorch's name of a device.
        progress: called with one line of text now and then.
        **arguments: the network's arguments, by name: `data`, `workdir`, `seed`.

    Returns:
        the weights file.

    Raises:
        UsageError: the network, an argument or a setting is unknown or out of range.
        InputError: the data cannot be used.
        WeightsError: a network that the training needs cannot be used.
    """
    trainable = TRAINABLES.get(name)
    values = make_arguments(trainable, arguments)
    chosen_settings = trainable.settings(values) if settings is None else settings
    runtime = Runtime(threads, device, progress) if progress else Runtime(threads, device)
    return trainable.train(out, values, chosen_settings, runtime)


def make_arguments(trainable: Trainable, values: dict[str, Any]) -> TrainArguments:
    """Make and check a network's arguments.

    Raises:
        UsageError: an argument is unknown, missing or out of range.
    """
    try:
        arguments = trainable.arguments(**values)
    except TypeError as error:
        raise UsageError(f"{trainable.name}: {error}") from error
    for name in trainable.required:
        if getattr(arguments, name) is None:
            raise UsageError(f"lipdub train {trainable.name} needs --{name.replace('_', '-')}")
    trainable.check(arguments)
    return arguments
