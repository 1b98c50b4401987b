"""LSE-D, LSE-C and the offset between sound and picture, from SyncNet's features of both.

Chung, Zisserman: "Out of time: automated lip sync in the wild" (ACCV workshops 2016), section 4; as scores of
lip sync: Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (2020),
section 4.2, which averages them over videos. The features are of frames at 25 fps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

REACH = 15  # frames each way that the sound is moved
SMOOTHING = 9  # frames over which a frame's confidence is taken
# What PyTorch's pairwise_distance, with which the published figures were made, adds to every difference.
_EPSILON = np.float32(1e-6)


class Scores(NamedTuple):
    """How well the lips of a video fit its sound."""

    distance: float
    """LSE-D: mean distance of the features at the best offset; less is better"""
    confidence: float
    """LSE-C: how far that lies under the median of all offsets; more is better"""
    offset: int
    """best offset in frames; negative: a sound comes so many frames later than the lips that belong to it"""


def feature_distances(lips: np.ndarray, sound: np.ndarray, reach: int = REACH) -> np.ndarray:
    """Distances of each frame's lips from the sound around it, float32 (2 * reach + 1, n).

    Row j, column i compares lips[i] with sound[i + j - reach]; the sound's features are zero before the first
    and after the last. lips, sound: (n, features). Raises ValueError on different shapes and for no frames.
    """
    if lips.shape != sound.shape or lips.ndim != 2 or not len(lips):
        raise ValueError(f"two equal series of features are needed, not {lips.shape} and {sound.shape}")
    seen = lips.astype(np.float32) + _EPSILON
    heard = np.pad(sound.astype(np.float32), ((reach, reach), (0, 0)))
    shifts = range(2 * reach + 1)
    return np.stack([np.linalg.norm(seen - heard[j : j + len(seen)], axis=1) for j in shifts])


def score_distances(distances: np.ndarray) -> Scores:
    """The scores of a video from its `distances` (2 * reach + 1, n)."""
    mean = distances.mean(1, dtype=np.float64)
    best = int(mean.argmin())
    return Scores(float(mean[best]), float(np.median(mean) - mean[best]), len(mean) // 2 - best)


def frame_confidence(distances: np.ndarray) -> np.ndarray:
    """Confidence of each frame (n,) at the video's best offset, from its `distances` (2 * reach + 1, n).

    The median of SMOOTHING frames; beyond the ends lie zeros.
    """
    mean = distances.mean(1, dtype=np.float64)
    own = np.pad(np.median(mean) - distances[mean.argmin()], SMOOTHING // 2)
    return np.median(np.lib.stride_tricks.sliding_window_view(own, SMOOTHING), axis=1)
