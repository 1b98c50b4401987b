"""An emotion for the upper face in method `lnet`, by GANimation.

VideoReTalking (Cheng et al., SIGGRAPH Asia 2022, section 3.1) gives a talker other emotions by editing the upper face
with GANimation (Pumarola et al., ECCV 2018). The network works at 128 pixels. So only the change it makes is enlarged
and added to the face, which keeps its own detail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces import tensors
from lipdub.stages import inference

if TYPE_CHECKING:
    from lipdub.arrays import Array

SIZE = 128  # pixels of the network's faces
WEIGHTS = "ganimation"  # entry of the manifest
# Intensities of facial action units, as published. Units that are not named are 0.
EMOTIONS: dict[str, dict[int, float]] = {"surprise": {5: 0.2}, "angry": {4: 0.3}, "sad": {}}
TRAITS = inference.NetworkTraits(item_bytes=64 << 20, batch=1, accelerated=200)


def edit_emotion(network: Any, faces: list[Array], emotion: str) -> list[Array]:
    """Give faces an emotion.

    Args:
        network: `networks.ganimation.Ganimation`, prepared or not.
        faces: (h, w, 3) uint8 or uint16 RGB each.
        emotion: A key of `EMOTIONS`.

    Returns:
        The faces, of the same sizes and dtype.
    """
    import cv2
    import torch

    from lipdub.networks.ganimation import ACTION_UNITS

    image = torch.from_numpy(tensors.to_network_input(faces, SIZE)) * 2 - 1
    intensity = [EMOTIONS[emotion].get(unit, 0.0) for unit in ACTION_UNITS]
    units = torch.tensor(intensity).expand(len(faces), -1)
    changes = inference.run_network(network, _change, image, units).permute(0, 2, 3, 1).numpy()[..., ::-1]
    out = []
    for face, small in zip(faces, changes, strict=True):
        h, w = face.shape[:2]
        top = np.iinfo(face.dtype).max
        large = cv2.resize(np.ascontiguousarray(small), (w, h), interpolation=cv2.INTER_CUBIC) * top
        out.append(np.round(np.clip(face + large, 0, top)).astype(face.dtype))
    return out


def _change(network: Any, image: Any, units: Any) -> Any:
    """Return what the network adds to an image of -1..1, on a scale of 0..1."""
    from lipdub.networks.ganimation import fuse

    return (fuse(image, *network(image, units)) - image) / 2
