"""How much a motion trembles from frame to frame."""

from __future__ import annotations

import numpy as np


def jitter(values: np.ndarray) -> float:
    """Mean absolute second difference of a series (n,), in its unit; 0 for fewer than three values."""
    return float(np.abs(np.diff(values, 2)).mean()) if len(values) > 2 else 0.0
