"""What D-Net is told of each frame: expression, pose and crop, with the expression replaced by a template.

Cheng et al., "VideoReTalking: Audio-based Lip Synchronization for Talking Head Video Editing In the Wild"
(SIGGRAPH Asia 2022), section 3.1, after PIRenderer (Ren et al. 2021); the layout is that of the published
code.

A frame's vector has 262 values: the regressor's 257 coefficients (80 identity, 64 expression, 80 texture, 3
angles, 27 light, 3 translation) and the five of its `align3d.Placement`. A row has the 73 of them that D-Net
takes: 64 expression, 3 angles, 3 translation, 3 crop (scale, x, y).
"""

from __future__ import annotations

import numpy as np

COEFFICIENT_COUNT = 257
VECTOR_LENGTH = 262
ROW_LENGTH = 73
EXPRESSION = slice(80, 144)
ANGLES = slice(224, 227)
TRANSLATION = slice(254, 257)
CROP = slice(259, 262)
FRAMES_BEFORE, FRAMES_AFTER = 13, 12  # frames of a window around its own, 26 in all
# Weights of expression and pose when two frames are compared.
_ALIKE = (0.3, 0.7)


def join_vectors(coefficients: np.ndarray, placements: np.ndarray) -> np.ndarray:
    """Frame vectors (n, 262) of regressed coefficients (n, 257) and their placements (n, 5)."""
    return np.concatenate([coefficients, placements], axis=1).astype(np.float32)


def build_rows(vectors: np.ndarray, ratio: float = 1.0) -> np.ndarray:
    """Rows float32 (n, 73) of frame vectors (n, 262), their crop scales times `ratio`.

    The published script's ratio, for which see `crop_ratio`, is always 1.
    """
    taken = [vectors[:, part] for part in (EXPRESSION, ANGLES, TRANSLATION, CROP)]
    out = np.concatenate(taken, axis=1).astype(np.float32)
    out[:, -3] *= np.float32(ratio)
    return out


def estimate_crop_ratio(source: np.ndarray, targets: np.ndarray) -> float:
    """What brings the crop scale of other frames to that of the face that is redrawn.

    The scale of `source` (262,) over that of the one of `targets` (n, 262) whose expression and pose are most
    like its own; 1 when the source is among them.
    """
    expression, pose = (np.abs(targets[:, part] - source[part]).mean(1) for part in (EXPRESSION, ANGLES))
    nearest = targets[(_ALIKE[0] * expression + _ALIKE[1] * pose).argmin()]
    return float(source[CROP][0] / nearest[CROP][0])


def replace_expression(rows: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Rows (n, 73) that all have the expression of a template (64,): of a rest mouth, a smile, a picture."""
    out = rows.copy()
    out[:, :64] = template
    return out


def build_windows(rows: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """D-Net's windows float32 (k, 73, 26) of some of the rows (n, 73): 13 before, the row itself, 12 after.

    frames: (k,) whole numbers of these rows. The first and the last row are repeated beyond the ends; rows of
    another shot or face do not belong here.
    """
    at = np.asarray(frames)[:, None] + np.arange(-FRAMES_BEFORE, FRAMES_AFTER + 1)
    return rows[np.clip(at, 0, len(rows) - 1)].transpose(0, 2, 1).astype(np.float32)
