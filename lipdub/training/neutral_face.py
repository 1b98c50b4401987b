"""The neutral face (`weights/neutral-face.md`): where the mesh's points lie on a face at rest.

The mean face of GRID's talker, made mirror-symmetric, its mouth brought to rest: what lip landmarks are drawn
on where no video says whose lips they are.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import geometry, landmarks, mesh, mouth_rendering, mouth_shapes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def match_mirror_vertices(canonical: np.ndarray) -> np.ndarray:
    """For each vertex of a nearly frontal canonical face (478, 3) its partner across the middle, int (478,).

    Partners are matched one to one, so that lips which touch are not taken for one another; those of the lip
    rings and of `mesh.MIRROR` are known.
    """
    from scipy.optimize import linear_sum_assignment

    known = dict(mesh.MIRROR)
    for ring in mesh.LIP_RINGS:
        known |= {ring[i]: ring[(mesh.RIGHT_CORNER - i) % mesh.LIP_RING_SIZE] for i in range(mesh.LIP_RING_SIZE)}
    known |= {b: a for a, b in known.items()}
    index, face = np.arange(len(canonical)), canonical
    for _ in range(3):
        apart = np.linalg.norm((face * (-1, 1, 1))[:, None] - face[None], axis=2)
        apart += apart.T
        for a, b in known.items():
            apart[a], apart[a, b] = 1e3, 0.0
        index = linear_sum_assignment(apart)[1]
        face = (canonical + canonical[index] * (-1, 1, 1)) / 2
    return index


def fit_neutral_face(seen: np.ndarray, prior: mouth_shapes.MouthPrior) -> np.ndarray:
    """The neutral face, float64 (478, 3) canonical, from pixel landmarks (n, 478, 3) of a talker."""
    canonical = geometry.estimate_canonical_face(seen)
    mirror = match_mirror_vertices(canonical)
    canonical = (canonical + canonical[mirror] * (-1, 1, 1)) / 2
    at_rest = mouth_shapes.MouthResponse(canonical, mouth_shapes.measure(canonical[None])[0], prior.gain).shape(
        prior.rest[None]
    )
    face = mouth_rendering.set_opening(mouth_rendering.set_width(at_rest, prior.rest[1:]), prior.rest[:1])[0]
    return (face + face[mirror] * (-1, 1, 1)) / 2


def train(out: Path, *, grid: Path, workdir: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Reads GRID (clips not held out), fits, and writes safetensors to `out`; `workdir` keeps the landmarks,
    which the other trainings use too.
    """
    from safetensors.numpy import save_file

    from lipdub.training import grid as corpus

    words = corpus.load_word_times(grid)
    kept_out = set(corpus.held_out_clips(words))
    names = [name for name in sorted(words) if name not in kept_out]
    sentences = corpus.load_sentences(grid, workdir, names, progress=progress)
    points = np.concatenate([s.landmarks[np.isfinite(s.landmarks[:, 0, 0])][::25] for s in sentences])
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(out.name + ".tmp")
    save_file(
        {landmarks.NEUTRAL_FACE_ARRAY: fit_neutral_face(points, mouth_shapes.load_prior()).astype(np.float32)}, beside
    )
    os.replace(beside, out)
    return out
