"""Figures on the mouths that a generator draws, for the report of a training.

An error in grey levels does not tell whether a mouth follows its sound or its reference. The face mesh measures the
opening of the drawn mouths, of the true ones and of the references. Each face is drawn twice, from two references: how
far the two results differ, as a share of how far the references do, is what leaks of the mouth that is shown.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from lipdub.faces.mesh import VERTICES
from lipdub.metrics.correlation import correlation
from lipdub.metrics.mouth_motion import measure_mouth_shape
from lipdub.metrics.speckles import speckles

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, U8
    from lipdub.faces.detectors.mediapipe import CropMeshFitter

_MIN_FACES = 12  # fewer tell nothing


def measure_mouths(drawn: U8, true: U8, references: U8, redrawn: U8, second: U8) -> dict[str, float]:
    """Measure the mouths of faces.

    Args:
        drawn: (n, P, P, 3) uint8 RGB that a generator drew.
        true: (n, P, P, 3) uint8 RGB that it should have drawn.
        references: (n, P, P, 3) uint8 RGB that it drew them from, before their mouths were closed.
        redrawn: (n, P, P, 3) uint8 RGB that it drew from the second references.
        second: (n, P, P, 3) uint8 RGB, other references: best the first ones with another mouth.

    Returns:
        Figures by name: ``opening``, correlation of the opening with the true one; ``range``, its deviation over the
        true one's; ``leak``, the share of the reference's opening that comes through; ``speckles``, the share of the
        mouth that speckles cover (`metrics.speckles`), beyond that of the true faces. None where too few faces are
        found.
    """
    from lipdub.faces.detectors.mediapipe import CropMeshFitter

    fitter = CropMeshFitter()
    try:
        meshes = [[_fit(fitter, face) for face in faces] for faces in (drawn, true, references, redrawn, second)]
    finally:
        fitter.close()
    openings = np.array([[measure_mouth_shape(mesh)[0] for mesh in found] for found in meshes])
    is_known = np.isfinite(openings).all(0)
    if is_known.sum() < _MIN_FACES:
        return {}
    spots = [speckles(*face) for face in zip(drawn, true, meshes[1], strict=True)]
    own, right, shown, again, other = openings[:, is_known]
    leak = fit_leak(own - again, shown - other)
    return fit_openings(own, right, shown) | {"leak": leak, "speckles": float(np.nanmean(spots))}


def fit_openings(drawn: F64, true: F64, references: F64) -> dict[str, float]:
    """Fit drawn openings (n,) by the true ones and the references'. Returns figures; see `measure_mouths`."""
    known = np.stack([true, references, np.ones_like(true)], 1)
    (_, leak, _), *_ = np.linalg.lstsq(known, drawn, rcond=None)
    deviation = float(true.std())
    return {
        "opening": correlation(drawn, true),
        "range": float(drawn.std()) / deviation if deviation > 0 else math.nan,
        "leak": float(leak),
    }


def fit_leak(drawn: F64, shown: F64) -> float:
    """Fit differences of drawn openings (n,) by those of the references: 0 if nothing comes through, 1 if all does."""
    reach = float((shown**2).sum())
    return float((drawn * shown).sum()) / reach if reach > 0 else math.nan


def pick_ends(faces: torch.Tensor, windows: int) -> torch.Tensor:
    """Pick the first and the last face of each window (windows F, 3, P, P): (windows or 2 windows, 3, P, P)."""
    each = faces.unflatten(0, (windows, -1))
    return torch.cat([each[:, 0], each[:, -1]]) if each.shape[1] > 1 else each[:, 0]


def to_pictures(faces: torch.Tensor) -> U8:
    """Turn faces (n, 3, P, P), RGB in 0..1, into pictures (n, P, P, 3) uint8 RGB."""
    pictures: U8 = (faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return pictures


def _fit(fitter: CropMeshFitter, face: U8) -> F32:
    """Fit the mesh of one face, (478, 3) float32; NaN where none is found."""
    found = fitter.fit(face)
    return found[0] if found else np.full((VERTICES, 3), np.nan, np.float32)
