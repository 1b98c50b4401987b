"""What a synchronization loss compares with a sound: AVSyncNet's embedding of five faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import interpolate

from lipdub.training.face_augmentation import gaussian_blur

if TYPE_CHECKING:
    import torch

    from lipdub.networks.avsyncnet import AVSyncNet


def embed_lips(sync: AVSyncNet, faces: torch.Tensor, blur: float = 0.0) -> torch.Tensor:
    """Embed windows of faces.

    Args:
        sync: AVSyncNet.
        faces: (n, 5, 3, P, P), RGB in 0..1.
        blur: sigma in pixels of AVSyncNet's faces, applied before it sees them. Without it, a generator learns to
            satisfy AVSyncNet with high-frequency patterns that are not lips.

    Returns:
        (n, features) float32 of unit length.
    """
    size, half = sync.size, faces.shape[3] // 2
    lower = faces.flatten(0, 1)[:, :, half:]
    if lower.shape[2:] != (size.height, size.width):
        lower = interpolate(lower, (size.height, size.width), mode="bilinear", antialias=True)
    if blur > 0:
        lower = gaussian_blur(lower, blur)
    embeddings: torch.Tensor = sync.image_features(lower.unflatten(0, faces.shape[:2]).flatten(1, 2))
    return embeddings.float()
