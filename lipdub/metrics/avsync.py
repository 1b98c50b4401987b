"""How well a mouth goes with its sound by AVSyncNet (paper 003, section 3.4), with weights of `lipdub train sync-scorer`.

Cosines are of five frames at 25 a second and of the fifth of a second of sound that begins with them, or so much earlier
or later. They are lipdub's own numbers and not comparable to published LSE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.alignment import lower_face
from lipdub.speech import mel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
    from lipdub.networks.syncnet_scorer import SyncNetScorer

FORMAT = "lipdub-avsyncnet-1"
RATE = 25.0  # frames a second
_LEVEL = 0.1  # root mean square at which sounds are heard
_BATCH = 64


def load_avsyncnet(path: Path) -> AVSyncNet | SyncNetScorer:
    """The network of a weights file, for evaluation. Raises WeightsError when it is not one of these."""
    from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
    from lipdub.networks.syncnet_scorer import SyncNetScorer
    from lipdub.weights import safetensors_file
    from lipdub.weights.checkpoint import load_into

    told, state = safetensors_file.read(path, FORMAT, "weights of AVSyncNet", "lipdub train sync-scorer")
    numbers: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told["size"].items()}
    network = SyncNetScorer(told["syncnet"]) if "syncnet" in told else AVSyncNet(AVSyncNetSize(**numbers))
    load_into(network, state, path.name)
    return network.eval()


def crop_lower_faces(
    frames: Sequence[np.ndarray], points: np.ndarray, interval: float, size: AVSyncNetSize
) -> np.ndarray:
    """Lower half faces with their margin, (n, H, W) of grey frames or (n, H, W, 3) of RGB ones, `interval` seconds apart.

    points: the face's mesh landmarks (n, 478, 3), NaN where it is not seen. ValueError when it is never seen.
    """
    high, wide = lower_face.add_margin(size.height), lower_face.add_margin(size.width)
    places = lower_face.fit_placements(points, interval)
    pairs = zip(frames, places, strict=True)
    return np.stack([lower_face.align(p, wide, high, lower_face.MARGIN).crop(f) for f, p in pairs])


def sample_affine(crops: torch.Tensor, height: int, width: int, affine: np.ndarray) -> torch.Tensor:
    """Middles of crops (clips, n, H, W) as (clips, n, height, width), each clip through its affine map (clips, 2, 3).

    The maps take pixels of the result to pixels of the crop, both counted from the middle; beyond the crop its edge is
    repeated.
    """
    import torch
    from torch.nn import functional

    tall, wide = crops.shape[2:]
    matrix = np.array(affine, np.float64)
    matrix[:, :, 0] *= width  # affine_grid counts from -1 to 1 over a picture's length
    matrix[:, :, 1] *= height
    matrix[:, :, 2] *= 2
    matrix /= np.array([wide, tall])[:, None]
    grid = functional.affine_grid(
        torch.from_numpy(matrix.astype(np.float32)), [len(crops), 1, height, width], align_corners=False
    )
    return functional.grid_sample(crops, grid, padding_mode="border", align_corners=False)


def crop_middle(
    crops: torch.Tensor, height: int, width: int, shift: tuple[float, float] = (0.0, 0.0), turn: float = 0.0
) -> torch.Tensor:
    """Crops with a margin (n, H, W) without it, (n, height, width), the view moved right and down by that many pixels and
    turned about its middle by so many degrees.
    """
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    affine = np.array([[[cos, -sin, shift[0]], [sin, cos, shift[1]]]], np.float64)
    return sample_affine(crops[None], height, width, affine)[0]


def embed_mouths(
    network: AVSyncNet | SyncNetScorer, crops: np.ndarray, shift: tuple[float, float] = (0.0, 0.0), turn: float = 0.0
) -> torch.Tensor:
    """Embeddings (n - 4, features) of the five frames from each on. crops: uint8, of `lower_faces`, at 25 fps; shift, turn:
    pixels of the network's input and degrees by which the view is moved.
    """
    import torch

    from lipdub.networks.avsyncnet import FRAMES

    size = network.size
    out = []
    with torch.no_grad():
        for first in range(0, len(crops) - FRAMES + 1, _BATCH):
            part = torch.from_numpy(crops[first : first + _BATCH + FRAMES - 1]).float() / 255
            flat = part.permute(0, 3, 1, 2).flatten(0, 1) if part.ndim == 4 else part
            seen = crop_middle(flat, size.height, size.width, shift, turn).reshape(
                len(part), -1, size.height, size.width
            )
            stacks = seen.unfold(0, FRAMES, 1).permute(0, 4, 1, 2, 3).flatten(1, 2)
            out.append(network.image_features(stacks))
    return torch.cat(out) if out else torch.zeros(0, size.features)


def normalized_spectrogram(audio: np.ndarray) -> np.ndarray:
    """`speech.mel` of a sound (n,) at 16 kHz brought to one level: float32 (80, columns)."""
    audio = np.asarray(audio, np.float32)
    return mel.compute_spectrogram(audio * (_LEVEL / (np.sqrt(np.mean(audio**2)) + 1e-6)))


def embed_sounds(network: AVSyncNet | SyncNetScorer, audio: np.ndarray) -> torch.Tensor:
    """Embeddings (columns, features) of the windows that begin with each column, 80 a second; audio: (n,) at 16 kHz."""
    import torch

    whole = normalized_spectrogram(audio)
    out = []
    with torch.no_grad():
        for first in range(0, whole.shape[1] - mel.COLUMNS + 1, _BATCH):
            starts = np.arange(first, min(first + _BATCH, whole.shape[1] - mel.COLUMNS + 1))
            out.append(network.audio_features(torch.from_numpy(mel.cut_windows(whole, starts))[:, None]))
    return torch.cat(out) if out else torch.zeros(0, network.size.features)


def compute_similarities(mouths: torch.Tensor, sounds: torch.Tensor, lags: np.ndarray) -> np.ndarray:
    """Cosines float64 (moments, lags) of each moment's mouth with the sound `lags` seconds earlier, between the columns;
    NaN where there is none. A clip's mouth lags its sound by the lag where they are greatest.
    """
    cosine = (mouths @ sounds.T).double().numpy()
    if cosine.shape[1] < 2:
        return np.full((len(cosine), len(lags)), np.nan)
    at = (np.arange(len(cosine))[:, None] / RATE - np.asarray(lags)) * mel.COLUMN_RATE
    low = np.clip(np.floor(at).astype(int), 0, cosine.shape[1] - 2)
    rows = np.arange(len(cosine))[:, None]
    found = cosine[rows, low] * (1 - (at - low)) + cosine[rows, low + 1] * (at - low)
    return np.where((at >= 0) & (at <= cosine.shape[1] - 1), found, np.nan)
