"""Files of talking-face models: what `lipdub train silent-lip`, `train stabilized` and `adapt` write, and the methods
`silent-lip` and `stabilized` read.

One safetensors file holds all that a talker needs: AVSyncNet (`sync.`), whose audio encoder the generators hear by and the
rest of which they are trained with, the silent-lip generator (`silent.`) and, unless only that was trained, the talking-face
generator (`talking.`). Its one metadata entry is JSON: the sizes of the
networks and `notes`, what they were trained on and how.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError
from lipdub.weights import safetensors_file

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.networks.face_generator import FaceGenerator


FORMAT = "lipdub-talker-1"
_KIND = ("talking-face model", "lipdub train stabilized (or lipdub adapt)")


@dataclass
class TalkingFaceModel:
    """The networks of a file, for evaluation. silent, talking: `networks.face_generator`, None where the file has none; notes: what
    was told of the training.
    """

    sync: AVSyncNet
    silent: FaceGenerator | None = None
    talking: FaceGenerator | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        """Of the faces."""
        generator = self.talking or self.silent
        assert generator is not None
        return generator.size.pixels

    def sound(self, mel: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, features) of mel windows (n, 80, 16), -4..4."""
        return self.sync.audio_features(mel[:, None])


def save(path: Path, model: TalkingFaceModel) -> Path:
    """Writes a file (weights in float16), whole or not at all. Returns its path."""
    parts = {"sync": model.sync, "silent": model.silent, "talking": model.talking}
    state = {
        f"{name}.{key}": value
        for name, part in parts.items()
        if part is not None
        for key, value in part.state_dict().items()
    }
    told = {
        "sync": asdict(model.sync.size),
        "silent": asdict(model.silent.size) if model.silent is not None else None,
        "talking": asdict(model.talking.size) if model.talking is not None else None,
        "notes": model.notes,
    }
    return safetensors_file.write(path, FORMAT, told, state)


def read_description(path: Path) -> dict[str, Any]:
    """What a file tells of itself: sizes and notes. Raises WeightsError when it is not one of these."""
    return safetensors_file.read_description(path, FORMAT, *_KIND)


def load(path: Path) -> TalkingFaceModel:
    """The networks of a file, in float32 on the CPU. Raises WeightsError when it is not one of these."""
    from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
    from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
    from lipdub.weights.checkpoint import load_into

    told, state = safetensors_file.read(path, FORMAT, *_KIND)

    def part(name: str) -> dict[str, torch.Tensor]:
        return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}

    def generator(name: str) -> FaceGenerator | None:
        if told.get(name) is None:
            return None
        made = FaceGenerator(FaceGeneratorSize(**told[name]))
        load_into(made, part(name), f"{path.name} ({name})")
        return made.eval()

    try:
        numbers: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told["sync"].items()}
        sync = AVSyncNet(AVSyncNetSize(**numbers))
        model = TalkingFaceModel(sync.eval(), generator("silent"), generator("talking"), dict(told.get("notes") or {}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{path} does not tell what its networks are like: {error}") from error
    load_into(sync, part("sync"), f"{path.name} (sync)")
    if model.silent is None and model.talking is None:
        raise WeightsError(f"{path} holds no generator")
    return model
