"""Files of talking-face models.

The models are those of Yaman et al., Audio-Driven Talking Face Generation with Stabilized Synchronization Loss (ECCV
2024).

`lipdub train silent-lip`, `lipdub train stabilized` and `lipdub adapt` write them; the methods ``silent-lip`` and
``stabilized`` read them. One safetensors file holds all networks that draw a talker:

- ``sync.``: AVSyncNet. Its audio encoder gives the generators the speech; the rest of it serves training.
- ``silent.``: the silent-lip generator.
- ``talking.``: the talking-face generator, unless only the silent-lip generator was trained.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError
from lipdub.weights import safetensors_file
from lipdub.weights.user_models import ModelFamily

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.networks.face_generator import FaceGenerator


FORMAT = "lipdub-talker-1"
_TITLE = "talking-face model"
_MAKERS = "lipdub adapt or lipdub train stabilized"


@dataclass
class TalkingFaceModel:
    """The networks of a file, for evaluation.

    Attributes:
        sync: AVSyncNet.
        silent: The silent-lip generator, None where the file has none.
        talking: The talking-face generator, None where the file has none.
        notes: Notes on the training, as plain values.
    """

    sync: AVSyncNet
    silent: FaceGenerator | None = None
    talking: FaceGenerator | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        """Side length of the square faces in pixels."""
        generator = self.talking or self.silent
        assert generator is not None
        return generator.size.pixels

    @property
    def lead(self) -> float:
        """Seconds by which the model must hear ahead, because the mouths that it learnt from came late."""
        return float(self.notes.get("lead", 0.0))

    def sound(self, audio: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of windows of sound.

        Args:
            audio: (n, rows, columns) float32 of the model's audio feature; mel: (n, 80, 16), -4..4.

        Returns:
            (n, features) float32 of unit length.
        """
        return self.sync.audio_features(audio)


def save(path: Path, model: TalkingFaceModel) -> Path:
    """Write a file with weights in float16, whole or not at all, and return its path."""
    parts = {"sync": model.sync, "silent": model.silent, "talking": model.talking}
    state = {
        f"{name}.{key}": value
        for name, part in parts.items()
        if part is not None
        for key, value in part.state_dict().items()
    }
    description = {
        "sync": asdict(model.sync.size),
        "silent": asdict(model.silent.size) if model.silent is not None else None,
        "talking": asdict(model.talking.size) if model.talking is not None else None,
        "notes": model.notes,
    }
    return safetensors_file.write(path, FORMAT, description, state)


def read_description(path: Path) -> dict[str, Any]:
    """Return the sizes of a file's networks and its notes.

    Raises:
        WeightsError: The file holds no talking-face model.
    """
    return safetensors_file.read_description(path, FORMAT, _TITLE, _MAKERS)


def read_audio(path: Path) -> tuple[str, int, int]:
    """Return the audio feature that a file's networks hear, and the rows and columns of its windows.

    Raises:
        WeightsError: The file holds no talking-face model.
    """
    from lipdub.networks.avsyncnet import BANDS, COLUMNS

    size = read_description(path).get("sync")
    if not isinstance(size, dict):
        raise WeightsError(f"{path} does not say what its networks are like")
    # Files of lipdub 0.1 do not name what they hear.
    return size.get("audio", "mel"), size.get("audio_rows", BANDS), size.get("audio_columns", COLUMNS)


def load(path: Path) -> TalkingFaceModel:
    """Return the networks of a file, in float32 on the CPU.

    Raises:
        WeightsError: The file holds no talking-face model.
    """
    from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
    from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
    from lipdub.weights.checkpoint import load_into

    description, state = safetensors_file.read(path, FORMAT, _TITLE, _MAKERS)

    def load_generator(name: str) -> FaceGenerator | None:
        if description.get(name) is None:
            return None
        generator = FaceGenerator(FaceGeneratorSize(**description[name]))
        load_into(generator, safetensors_file.select(state, name), f"{path.name} ({name})")
        generator.eval()
        return generator

    try:
        size: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in description["sync"].items()
        }
        sync = AVSyncNet(AVSyncNetSize(**size))
        notes = dict(description.get("notes") or {})
        model = TalkingFaceModel(sync.eval(), load_generator("silent"), load_generator("talking"), notes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{path} does not say what its networks are like: {error}") from error
    load_into(sync, safetensors_file.select(state, "sync"), f"{path.name} (sync)")
    if model.silent is None and model.talking is None:
        raise WeightsError(f"{path} holds no generator")
    return model


FAMILY = ModelFamily("stabilized", _TITLE, _MAKERS, read_description, shipped="stabilized.safetensors")
"""The models of the methods ``stabilized`` and ``silent-lip``."""
