"""How well a mouth fits its sound by AVSyncNet, with weights of `lipdub train sync-scorer`.

AVSyncNet is that of Yaman et al., "Audio-driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV
2024, section 3.4). Cosines compare five frames at 25 a second with the sound around them, or earlier or later by a lag.
They are lipdub's own numbers and not comparable to published LSE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.alignment import lower_face
from lipdub.speech.sound_windows import SoundWindows, sound_windows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from lipdub.arrays import F64, Array
    from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
    from lipdub.networks.syncnet_scorer import SyncNetScorer

FORMAT = "lipdub-avsyncnet-1"
RATE = 25.0  # frames a second
_BATCH = 64


def load_avsyncnet(path: Path) -> AVSyncNet | SyncNetScorer:
    """Load the network of a weights file, for evaluation.

    Raises:
        WeightsError: the file holds another network.
    """
    from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
    from lipdub.networks.syncnet_scorer import SyncNetScorer
    from lipdub.weights import safetensors_file
    from lipdub.weights.checkpoint import load_into

    description, state = safetensors_file.read(path, FORMAT, "weights of AVSyncNet", "lipdub train sync-scorer")
    numbers: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in description["size"].items()}
    network: AVSyncNet | SyncNetScorer
    network = SyncNetScorer(description["syncnet"]) if "syncnet" in description else AVSyncNet(AVSyncNetSize(**numbers))
    load_into(network, state, path.name)
    network.eval()
    return network


def find_sound_windows(size: AVSyncNetSize) -> SoundWindows:
    """Return the windows of sound that a network of this size hears.

    Raises:
        UsageError: This version of lipdub does not have these windows.
    """
    return sound_windows(size.audio, size.audio_columns, size.audio_rows)


def crop_lower_faces(frames: Sequence[Array], points: Array, interval: float, size: AVSyncNetSize) -> Array:
    """Cut out lower half faces with their margin.

    Args:
        frames: (h, w) grey or (h, w, 3) RGB.
        points: (n, 478, 3) mesh landmarks, pixels, NaN without a face.
        interval: seconds between frames.
        size: of the network.

    Returns:
        (n, H, W) of grey frames, (n, H, W, 3) of RGB ones.

    Raises:
        ValueError: no frame shows the face.
    """
    high, wide = lower_face.add_margin(size.height), lower_face.add_margin(size.width)
    places = lower_face.fit_placements(points, interval)
    pairs = zip(frames, places, strict=True)
    return np.stack([lower_face.align(p, wide, high, lower_face.MARGIN).crop(f) for f, p in pairs])


def sample_affine(crops: torch.Tensor, height: int, width: int, affine: F64) -> torch.Tensor:
    """Sample the middles of crops, each clip through its own affine map. Beyond the crop its edge is repeated.

    Args:
        crops: (clips, n, H, W).
        height: of the result.
        width: of the result.
        affine: (clips, 2, 3) maps from pixels of the result to pixels of the crop, both counted from the middle.

    Returns:
        (clips, n, height, width).
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
    """Cut the margin off crops.

    Args:
        crops: (n, H, W).
        height: of the result.
        width: of the result.
        shift: pixels by which the view is moved right and down.
        turn: degrees by which the view is turned about its middle.

    Returns:
        (n, height, width).
    """
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    affine = np.array([[[cos, -sin, shift[0]], [sin, cos, shift[1]]]], np.float64)
    return sample_affine(crops[None], height, width, affine)[0]


def embed_mouths(
    network: AVSyncNet | SyncNetScorer, crops: Array, shift: tuple[float, float] = (0.0, 0.0), turn: float = 0.0
) -> torch.Tensor:
    """Compute the embedding of the five frames that begin with each.

    Args:
        network: of `load_avsyncnet`.
        crops: (n, H, W) or (n, H, W, 3) uint8 of `crop_lower_faces`, at 25 fps.
        shift: pixels of the network's input by which the view is moved.
        turn: degrees by which the view is turned.

    Returns:
        (n - 4, features).
    """
    import torch

    from lipdub.networks.avsyncnet import FRAMES

    size = network.size
    out = []
    with torch.no_grad():
        for first in range(0, len(crops) - FRAMES + 1, _BATCH):
            part = torch.from_numpy(crops[first : first + _BATCH + FRAMES - 1]).float() / 255
            flat = part.permute(0, 3, 1, 2).flatten(0, 1) if part.ndim == 4 else part
            views = crop_middle(flat, size.height, size.width, shift, turn).reshape(
                len(part), -1, size.height, size.width
            )
            stacks = views.unfold(0, FRAMES, 1).permute(0, 4, 1, 2, 3).flatten(1, 2)
            out.append(network.image_features(stacks))
    return torch.cat(out) if out else torch.zeros(0, size.features)


def embed_sounds(network: AVSyncNet | SyncNetScorer, audio: Array) -> torch.Tensor:
    """Compute the embedding of the sound of the five frames that begin with each column of the audio feature.

    Args:
        network: of `load_avsyncnet`.
        audio: (n,) at 16 kHz.

    Returns:
        (columns, features); `find_sound_windows` knows the columns of a second.
    """
    import torch

    windows = find_sound_windows(network.size)
    whole = windows.compute(audio)
    count = whole.shape[1] - windows.span + 1
    out = []
    with torch.no_grad():
        for first in range(0, count, _BATCH):
            starts = np.arange(first, min(first + _BATCH, count))
            out.append(network.audio_features(torch.from_numpy(windows.cut(whole, starts))))
    return torch.cat(out) if out else torch.zeros(0, network.size.features)


def compute_similarities(mouths: torch.Tensor, sounds: torch.Tensor, lags: F64, rate: float) -> F64:
    """Compute the cosines of each moment's mouth with the sound at each lag, interpolated between columns.

    A clip's mouth lags its sound by the lag at which they are greatest.

    Args:
        mouths: (moments, features).
        sounds: (columns, features).
        lags: (k,) seconds by which the sound is earlier.
        rate: columns of a second.

    Returns:
        (moments, k) float64, NaN if there is no such sound.
    """
    cosine = (mouths @ sounds.T).double().numpy()
    if cosine.shape[1] < 2:
        return np.full((len(cosine), len(lags)), np.nan)
    column = (np.arange(len(cosine))[:, None] / RATE - np.asarray(lags)) * rate
    low = np.clip(np.floor(column).astype(int), 0, cosine.shape[1] - 2)
    rows = np.arange(len(cosine))[:, None]
    cosines = cosine[rows, low] * (1 - (column - low)) + cosine[rows, low + 1] * (column - low)
    return np.where((column >= 0) & (column <= cosine.shape[1] - 1), cosines, np.nan)
