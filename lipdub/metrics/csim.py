"""CSIM: whether the face in a result is still the same person's, by a face recognition network.

Cosine of ArcFace embeddings (Deng, Guo, Xue, Zafeiriou: "ArcFace: Additive Angular Margin Loss for Deep Face
Recognition", CVPR 2019) of the result's and the source's faces, as StyleLipSync (section 5.2) and others report it.
The network is IR-SE50 of the weights store; faces are cut out by ArcFace's own five-point template, 112 pixels, with
plain bilinear sampling as it was trained. Networks differ: numbers compare only where the same one was used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.alignment import five_point
from lipdub.faces.landmarks import to_ibug

if TYPE_CHECKING:
    from lipdub.weights.store import WeightsStore

WEIGHTS = "arcface"
SIZE = 112  # pixels of a crop
# ArcFace's template: GPEN's without the quarter it adds all around.
TEMPLATE = five_point.GPEN_TEMPLATE * (SIZE * 1.5 / five_point.SIZE) - SIZE / 4


def load_arcface(store: WeightsStore, device: str = "cpu") -> Any:
    """The network, an nn.Module for evaluation. Raises WeightsError when it is not in the store, or is not what it
    should be.
    """
    from lipdub.weights import manifest
    from lipdub.weights.checkpoint import load_network

    kept = store.verify(manifest.find_entry(WEIGHTS))
    return load_network(kept.path, kept.entry).to(device)


def crop_arcface(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The face as the network sees it, RGB (112, 112, 3) of the frame's type; black beyond the frame.

    rgb: (h, w, 3); landmarks: (478, 2 or 3) of the mesh or (68, 2 or 3) of iBUG, pixels. Raises ValueError when they
    are all at one place.
    """
    points = to_ibug(landmarks) if len(landmarks) == 478 else landmarks
    return five_point.align(five_point.select_five_points(points)[:, :2], TEMPLATE, SIZE).crop(rgb)


def embed_faces(network: Any, crops: np.ndarray) -> np.ndarray:
    """Embeddings float32 (n, 512) of unit length of crops, RGB uint8 (n, 112, 112, 3)."""
    import torch

    device = next(network.parameters()).device
    with torch.inference_mode():
        batch = torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).to(device)
        return network(batch.float() / 127.5 - 1).cpu().numpy()


def csim(result: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Cosines (n,) of embeddings (n, features) frame by frame, in -1..1: 1 for the same picture, higher is better.
    `source` may be one embedding (features,) for all.
    """
    a, b = np.asarray(result, np.float64), np.asarray(source, np.float64)
    length = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return (a * b).sum(-1) / np.maximum(length, 1e-12)
