"""Mean squared error, the one the papers' tables name beside PSNR."""

from __future__ import annotations

import math


def mse(error: float, count: int) -> float:
    """Mean of squared differences, in squared grey levels, from the sums of :func:`lipdub.metrics.psnr.squared_error`.

    0 for equal pictures, NaN for none. G4G (tables of its section 4) gives it without its range; here samples are
    what they are in the pictures, 0..255 for eight bits.
    """
    return error / count if count else math.nan
