"""Face boxes of successive frames as Wav2Lip and VideoReTalking treat them: padded, then smoothed.

Boxes are (left, top, right, bottom) in pixels. For a smoothing without lag that keeps fractions,
`smooth.savgol` takes them too.
"""

from __future__ import annotations

import numpy as np

SPAN = 5  # frames; both published scripts
WAV2LIP_PADS = (0, 10, 0, 0)
RETALKING_PADS = (0, 20, 0, 0)


def padded(boxes: np.ndarray, pads: tuple[int, int, int, int], width: int, height: int) -> np.ndarray:
    """Boxes (n, 4) grown by pads = (top, bottom, left, right) pixels and cut to a width x height frame."""
    top, bottom, left, right = pads
    grown = boxes + np.array([-left, -top, right, bottom])
    return np.clip(grown, 0, [width, height, width, height])


def forward_mean(boxes: np.ndarray, span: int = SPAN) -> np.ndarray:
    """Each box as the mean of itself and those after it, `span` in all: int64 (n, 4), fractions cut off.

    That is the published scripts' rule to the letter, with its two oddities: near the end the last `span`
    boxes are taken, among them ones already smoothed, and where there are fewer than `span`, the last span -
    n.
    """
    out = np.array(boxes, np.int64)
    count = len(out)
    for i in range(count):
        # A negative start counts from the end, in the scripts as here.
        window = out[i : i + span] if i + span <= count else out[count - span :]
        out[i] = window.mean(0)
    return out
