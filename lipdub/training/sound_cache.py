"""The audio features of a training's sounds, each computed once.

Features that take long (`AudioFeature.version`) are kept beside the shards, by the content of the sound:

    features/phonetic-1a2b3c4d/0f/0f….safetensors    values: float16 (rows, columns)

So several trainings share them, and clips that share a sound too. The folder's name holds a digest of all that the
feature depends on. Processes may write at the same time. A dataset that cannot be written is used as it is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import EnvironmentFailure
from lipdub.speech import encoder
from lipdub.weights import verify_shipped
from lipdub.workspace.atomic_files import write_atomically
from lipdub.workspace.keys import digest_bytes, digest_file

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

    from lipdub.arrays import F32, Array
    from lipdub.speech.audio_features import AudioFeature

FOLDER = "features"
_MAX_SOUNDS = 8192  # kept in memory: 40 kB for a clip of three seconds
_KEY_DIGITS = 8


class SoundCache:
    """The features of sounds, in memory and on the disk.

    Args:
        feature: the audio feature, with time along its second axis.
    """

    def __init__(self, feature: AudioFeature) -> None:
        self._feature = feature
        self._kept: dict[Hashable, Array] = {}

    def find(self, name: Hashable) -> F32 | None:
        """Return the feature that was computed under a name, (rows, columns) float32; None if it is not in memory."""
        values = self._kept.get(name)
        return None if values is None else values.astype(np.float32)

    def compute(self, name: Hashable, audio: F32, folder: Path) -> F32:
        """Compute the feature of a sound, or read it, and keep it in memory under a name.

        Args:
            name: of the sound, for `find`.
            audio: (n,) float32 at 16 kHz.
            folder: folder of the dataset.

        Returns:
            (rows, columns) float32 of float16's precision.
        """
        path = self._find_path(audio, folder)
        values = read_values(path) if path is not None else None
        if values is None:
            values = self._feature.compute(audio).astype(np.float16)
            if path is not None:
                write_values(path, values)
        self._kept[name] = values
        # Several threads may run this: what is dropped is computed again.
        if len(self._kept) > _MAX_SOUNDS:
            self._kept.pop(next(iter(self._kept)), None)
        return values.astype(np.float32)

    def _find_path(self, audio: F32, folder: Path) -> Path | None:
        if not self._feature.version:
            return None
        digest = digest_bytes(np.ascontiguousarray(audio, np.float32).tobytes())
        return folder / FOLDER / name_feature(self._feature) / digest[:2] / f"{digest}.safetensors"


@lru_cache(maxsize=8)
def name_feature(feature: AudioFeature) -> str:
    """Name the folder of a feature by all that its values depend on."""
    parts = [str(feature.version), encoder.DIGEST, *(digest_file(verify_shipped(name)) for name in feature.weights)]
    return f"{feature.name}-{digest_bytes(' '.join(parts).encode())[:_KEY_DIGITS]}"


def read_values(path: Path) -> Array | None:
    """Read the values of a file; None if there is none or it is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(path.read_bytes())["values"]
    except (OSError, SafetensorError, KeyError):
        return None


def write_values(path: Path, values: Array) -> None:
    """Write the values of a file, whole or not at all, where the folder can be written."""
    from safetensors.numpy import save

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({"values": np.ascontiguousarray(values)}))
    except (OSError, EnvironmentFailure):
        return
