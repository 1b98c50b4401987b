"""The input of D-Net for each frame: expression, pose and crop, with the expression replaced by a template.

Cheng et al., VideoReTalking: Audio-based Lip Synchronization for Talking Head Video Editing In the Wild (SIGGRAPH Asia
2022), section 3.1, after Ren et al., PIRenderer: Controllable Portrait Image Generation via Semantic Neural Rendering
(ICCV 2021). The layout is that of the published code.

A frame's vector has 262 values: the regressor's 257 coefficients (80 identity, 64 expression, 80 texture, 3 angles, 27
light, 3 translation) and the five of its placement in the frame. A row has the 73 of them that D-Net takes: 64
expression, 3 angles, 3 translation, 3 crop (scale, x, y).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F32, I64, Array

COEFFICIENT_COUNT = 257
VECTOR_LENGTH = 262
# Parts of a frame's vector.
EXPRESSION = slice(80, 144)
ANGLES = slice(224, 227)
TRANSLATION = slice(254, 257)
CROP = slice(259, 262)
# Parts of a row.
ROW_LENGTH = 73
ROW_EXPRESSION = slice(0, 64)
ROW_CROP_SCALE = 70
# Frames of a window around its own, 26 in all.
FRAMES_BEFORE, FRAMES_AFTER = 13, 12
WINDOW_FRAMES = FRAMES_BEFORE + 1 + FRAMES_AFTER
# Weights of expression and pose when two frames are compared.
_EXPRESSION_WEIGHT, _POSE_WEIGHT = 0.3, 0.7


def join_vectors(coefficients: Array, placements: Array) -> F32:
    """Join coefficients (n, 257) and placements (n, 5) of frames to vectors (n, 262) float32."""
    return np.concatenate([coefficients, placements], axis=1).astype(np.float32)


def build_rows(vectors: F32, ratio: float = 1.0) -> F32:
    """Build the rows of frames.

    Args:
        vectors: (n, 262) frame vectors.
        ratio: factor of the crop scales, of `estimate_crop_ratio`; the published script's is always 1.

    Returns:
        (n, 73) float32.
    """
    parts = [vectors[:, part] for part in (EXPRESSION, ANGLES, TRANSLATION, CROP)]
    out: F32 = np.concatenate(parts, axis=1).astype(np.float32)
    out[:, ROW_CROP_SCALE] *= np.float32(ratio)
    return out


def estimate_crop_ratio(source: F32, targets: F32) -> float:
    """Estimate the factor that brings the crop scale of other frames to that of the face to redraw.

    It is the source's crop scale over that of the most similar target, by expression and pose; 1 when the source is
    among the targets.

    Args:
        source: (262,) frame vector.
        targets: (n, 262) frame vectors.
    """
    expression, pose = (np.abs(targets[:, part] - source[part]).mean(1) for part in (EXPRESSION, ANGLES))
    nearest = targets[(_EXPRESSION_WEIGHT * expression + _POSE_WEIGHT * pose).argmin()]
    return float(source[CROP][0] / nearest[CROP][0])


def replace_expression(rows: F32, template: Array) -> F32:
    """Replace the expression of all rows (n, 73) by a template (64,): a rest mouth, a smile, a picture's."""
    out = rows.copy()
    out[:, ROW_EXPRESSION] = template
    return out


def build_windows(rows: F32, frames: I64) -> F32:
    """Build D-Net's windows: 13 rows before a frame's, its own, and 12 after.

    Args:
        rows: (n, 73) rows of one face in one shot; the first and the last one are repeated beyond the ends.
        frames: (k,) numbers of rows.

    Returns:
        (k, 73, 26) float32.
    """
    window = np.asarray(frames)[:, None] + np.arange(-FRAMES_BEFORE, FRAMES_AFTER + 1)
    windows: F32 = rows[np.clip(window, 0, len(rows) - 1)].transpose(0, 2, 1).astype(np.float32)
    return windows
