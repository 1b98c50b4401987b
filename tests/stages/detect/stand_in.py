"""Stand-ins for the networks of detectors, published to a weights store of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lipdub.weights import manifest
from lipdub.weights.store import FOLDER_VARIABLE, WeightsStore
from tests.weights import small

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class CentredFace(torch.nn.Module):
    """Stands in for RetinaFace and finds a face in the middle of every square part of pictures that are not black."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.mean_tensor = torch.zeros(1)

    def batched_detect_faces(self, pictures: Any, *_: float) -> tuple[list[Any], list[Any]]:
        """Boxes and points, as of `networks.retinaface`."""
        h, w = pictures.shape[1:3]
        parts = range(max(1, round(w / h)))
        side = w / len(parts)
        boxes = [[(i + 0.3) * side, 0.25 * h, (i + 0.7) * side, 0.75 * h, 0.9] for i in parts]
        five = ((0.4, 0.4), (0.6, 0.4), (0.5, 0.5), (0.4, 0.6), (0.6, 0.6))
        points = [[v for x, y in five for v in ((i + x) * side, y * h)] for i in parts]
        counts = [len(parts) if picture.any() else 0 for picture in pictures]
        return [np.array(boxes, np.float32)[:n] for n in counts], [np.array(points, np.float32)[:n] for n in counts]


STAND_INS = {"retinaface": CentredFace}


def publish(patch: pytest.MonkeyPatch, folder: Path, name: str, network: str, state: dict[str, Any]) -> None:
    """Make this network with these weights the published one of that name, in the store that is used."""
    small.publish(patch, folder, small.entry(name, parts=(small.part(network=network),)))
    patch.setenv(FOLDER_VARIABLE, str(folder / "store"))
    source = small.saved(folder / "mine.pth", {f"module.{key}": value for key, value in state.items()})
    WeightsStore().add(manifest.find_entry(name), source, own=True)


def publish_stand_in(patch: pytest.MonkeyPatch, folder: Path, name: str) -> None:
    """Publish the stand-in for a detector's network."""
    network = STAND_INS[name]
    publish(patch, folder, name, f"{__name__}:{network.__name__}", network().state_dict())
