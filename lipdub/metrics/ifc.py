"""Inter-frame consistency (IFC): whether a result changes from frame to frame as much as its ground truth does.

Yaman et al., "Audio-driven Talking Face Generation with Stabilized Synchronization Loss" (section 4, metrics): the
difference between the distances of consecutive frames in the generated and in the true video, after a training
objective of Zhou et al., "Responsive Listening Head Generation" (2022). Neither the norm nor the range of the pixels
is given there; here a distance is the root mean square over all samples of pixels 0..255, and the differences are
averaged as absolute values. So numbers compare among results scored here, not with the paper's table.
"""

from __future__ import annotations

import math

import numpy as np

from lipdub.metrics.psnr import squared_error


def frame_distance(before: np.ndarray, after: np.ndarray) -> float:
    """Distance of a frame from the one before it, both of one shape: root mean square of the differences, in grey
    levels. Raises ValueError when the shapes differ.
    """
    error, count = squared_error(before, after)
    return math.sqrt(error / count) if count else math.nan


def ifc(result: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute difference of the two series of frame distances (n,), in grey levels; less is better, 0 for a clip
    against itself. Pairs with a NaN (a cut, a missing frame) do not count; NaN when none is left. Raises ValueError on
    different shapes.
    """
    a, b = np.asarray(result, np.float64), np.asarray(truth, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two equal series of distances are needed, not {a.shape} and {b.shape}")
    gap = np.abs(a - b)
    gap = gap[np.isfinite(gap)]
    return float(gap.mean()) if len(gap) else math.nan
