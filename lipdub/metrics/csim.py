"""CSIM: whether a result still shows the same person, by a face recognition network.

Cosine of ArcFace embeddings (Deng, Guo, Xue, Zafeiriou: "ArcFace: Additive Angular Margin Loss for Deep Face
Recognition", CVPR 2019) of the result's and the source's faces, as Ki, Min, "StyleLipSync: Style-based Personalized
Lip-sync Video Generation" (ICCV 2023, section 5.2) and others report it. The network is IR-SE50 of the weights store.
Faces are cut out by ArcFace's own five-point template, 112 pixels, with plain bilinear sampling as it was trained.
Numbers are comparable only if the same network was used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.alignment import five_point
from lipdub.faces.landmarks import to_ibug
from lipdub.media.pixels import to_eight_bits
from lipdub.metrics.evidence import Evidence, Feed, FrameObservation, PassSetup
from lipdub.metrics.metric import Measurement, Metric, MetricWeights, Need

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, U8, Array
    from lipdub.metrics.evidence import Image
    from lipdub.weights.store import WeightsStore

WEIGHTS = "arcface"
SIZE = 112  # pixels of a crop
# ArcFace's template: GPEN's template without the quarter of a side that it adds all around.
TEMPLATE = five_point.GPEN_TEMPLATE * (SIZE * 1.5 / five_point.SIZE) - SIZE / 4


def load_arcface(store: WeightsStore, device: str = "cpu") -> Any:
    """Load the network, an nn.Module for evaluation.

    Raises:
        WeightsError: it is not in the store, or has the wrong digest.
    """
    from lipdub.weights import manifest
    from lipdub.weights.checkpoint import load_network

    verified = store.verify(manifest.find_entry(WEIGHTS))
    return load_network(verified.path, verified.entry).to(device)


def crop_arcface(rgb: Image, landmarks: Array) -> Image:
    """Cut out the face as input of the network, black beyond the frame.

    Args:
        rgb: (h, w, 3).
        landmarks: (478, 2 or 3) of the mesh or (68, 2 or 3) of iBUG, pixels.

    Returns:
        (112, 112, 3) of the frame's type.

    Raises:
        ValueError: the landmarks are all at one place.
    """
    return five_point.align(five_point.select_five_points(to_ibug(landmarks))[:, :2], TEMPLATE, SIZE).crop(rgb)


def embed_faces(network: Any, crops: U8) -> F32:
    """Compute embeddings of unit length, (n, 512) float32, of crops (n, 112, 112, 3) uint8 RGB."""
    import torch

    device = next(network.parameters()).device
    with torch.inference_mode():
        batch = torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).to(device)
        embeddings: F32 = network(batch.float() / 127.5 - 1).cpu().numpy()
    return embeddings


def csim(result: Array, source: Array) -> F64:
    """Return the cosines of embeddings, frame by frame: 1 for the same picture, higher is better.

    Args:
        result: (n, features).
        source: (n, features), or (features,) for all frames.

    Returns:
        (n,) float64, -1..1.
    """
    a, b = np.asarray(result, np.float64), np.asarray(source, np.float64)
    length = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosines: F64 = (a * b).sum(-1) / np.maximum(length, 1e-12)
    return cosines


class FaceSimilarities:
    """Observer that compares the faces of close-ups with those of the source.

    Args:
        setup: of the pass.
    """

    def __init__(self, setup: PassSetup) -> None:
        self.values: list[float] = []
        self._network = setup.networks[WEIGHTS]

    def add(self, frame: FrameObservation, /) -> None:
        """Add a frame, if it has a close-up with a source."""
        close_up = frame.close_up
        if close_up is not None and close_up.source_rgb is not None:
            source_embedding, source = (
                self._embed(close_up.rgb, close_up.mesh),
                self._embed(close_up.source_rgb, close_up.mesh),
            )
            self.values.append(float(source_embedding @ source))

    def _embed(self, rgb: Image, mesh: F32) -> F32:
        crop = to_eight_bits(crop_arcface(to_eight_bits(rgb), mesh))
        embedding: F32 = embed_faces(self._network, crop[None])[0]
        return embedding


def _measure(evidence: Evidence) -> Measurement:
    values = evidence.get_observer(Feed.RESULT, FaceSimilarities).values
    if not values:
        return Measurement(note="no sampled frame shows a face beside the source's")
    return Measurement(float(np.mean(values)))


METRIC = Metric(
    id="csim",
    title="identity of the face, relative to the source (ArcFace)",
    region="crop",
    unit="cosine",
    better="higher",
    measure=_measure,
    needs=(Need.SOURCE,),
    observers={Feed.RESULT: FaceSimilarities},
    weights=MetricWeights(WEIGHTS, load_arcface),
    ideal=1.0,
)
