"""LSE-D, LSE-C and the offset between sound and picture, from SyncNet's features of both.

Chung, Zisserman: "Out of time: automated lip sync in the wild" (ACCV workshops 2016), section 4; as scores of
lip sync: Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (2020),
section 4.2, which averages them over videos. The features are of frames at 25 fps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

REACH = 15  # frames each way that the sound is moved
# PyTorch's pairwise_distance, which made the published figures, adds this to every difference.
_EPSILON = np.float32(1e-6)


class Scores(NamedTuple):
    """How well the lips of a video fit its sound.

    Attributes:
        distance: LSE-D, mean distance of the features at the best offset; less is better.
        confidence: LSE-C, how far that distance lies under the median of all offsets; more is better.
        offset: best offset in frames; negative if a sound comes so many frames later than its lips.
    """

    distance: float
    confidence: float
    offset: int


def feature_distances(lips: Array, sound: Array, reach: int = REACH) -> F32:
    """Compute the distances of each frame's lips from the sound around it.

    Args:
        lips: (n, features).
        sound: (n, features).
        reach: frames each way that the sound is moved.

    Returns:
        (2 * reach + 1, n) float32. Row j, column i compares lips[i] with sound[i + j - reach]; the sound's features are
        zero before the first and after the last.

    Raises:
        ValueError: the shapes differ or there are no frames.
    """
    if lips.shape != sound.shape or lips.ndim != 2 or not len(lips):
        raise ValueError(f"two equal series of features are needed, not {lips.shape} and {sound.shape}")
    lips = lips.astype(np.float32) + _EPSILON
    padded = np.pad(sound.astype(np.float32), ((reach, reach), (0, 0)))
    shifts = range(2 * reach + 1)
    return np.stack([np.linalg.norm(lips - padded[j : j + len(lips)], axis=1) for j in shifts])


def score_distances(distances: F32) -> Scores:
    """Compute the scores of a video from its `feature_distances` (2 * reach + 1, n)."""
    mean = distances.mean(1, dtype=np.float64)
    best = int(mean.argmin())
    return Scores(float(mean[best]), float(np.median(mean) - mean[best]), len(mean) // 2 - best)
