"""The neutral face (`weights/neutral-face.md`): where the points of the face mesh lie on a face at rest.

It is the mean face of GRID's speaker, made mirror-symmetric, with its mouth at rest. Lip landmarks are drawn on it
where there is no video of the talker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import geometry, landmarks, mesh, mouth_rendering, mouth_shapes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.arrays import F64, I64, Array


def match_mirror_vertices(canonical: Array) -> I64:
    """Match each vertex of a nearly frontal canonical face (478, 3) with its mirror partner. Returns (478,) int.

    Partners are matched one to one, so that touching lips are not confused. Those of the lip rings and of `mesh.MIRROR`
    are known.
    """
    from scipy.optimize import linear_sum_assignment

    known = dict(mesh.MIRROR)
    for ring in mesh.LIP_RINGS:
        known |= {ring[i]: ring[(mesh.RIGHT_CORNER - i) % mesh.LIP_RING_SIZE] for i in range(mesh.LIP_RING_SIZE)}
    known |= {b: a for a, b in known.items()}
    index, face = np.arange(len(canonical)), canonical
    for _ in range(3):
        distance = np.linalg.norm((face * (-1, 1, 1))[:, None] - face[None], axis=2)
        distance += distance.T
        for a, b in known.items():
            distance[a], distance[a, b] = 1e3, 0.0
        index = linear_sum_assignment(distance)[1]
        face = (canonical + canonical[index] * (-1, 1, 1)) / 2
    return index


def fit_neutral_face(points: Array, prior: mouth_shapes.MouthPrior) -> F64:
    """Fit the neutral face.

    Args:
        points: (n, 478, 3) pixel landmarks of one speaker.
        prior: how a face follows its mouth.

    Returns:
        (478, 3) float64, canonical.
    """
    canonical = geometry.estimate_canonical_face(points)
    mirror = match_mirror_vertices(canonical)
    canonical = (canonical + canonical[mirror] * (-1, 1, 1)) / 2
    at_rest = mouth_shapes.MouthResponse(canonical, mouth_shapes.measure(canonical[None])[0], prior.gain).shape(
        prior.rest[None]
    )
    face = mouth_rendering.set_opening(mouth_rendering.set_width(at_rest, prior.rest[1:]), prior.rest[:1])[0]
    result: F64 = (face + face[mirror] * (-1, 1, 1)) / 2
    return result


def train(out: Path, *, grid: Path, workdir: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Fit the neutral face on GRID's clips that are not held out, and write it.

    Args:
        out: the safetensors file to write.
        grid: folder of the GRID clips.
        workdir: folder that keeps the landmarks, which other trainings use too.
        progress: called with one line of text now and then.

    Returns:
        `out`.
    """
    from safetensors.numpy import save_file

    from lipdub.training import grid as corpus

    words = corpus.load_word_times(grid)
    kept_out = set(corpus.held_out_clips(words))
    names = [name for name in sorted(words) if name not in kept_out]
    sentences = corpus.load_sentences(grid, workdir, names, progress=progress)
    points = np.concatenate([s.landmarks[np.isfinite(s.landmarks[:, 0, 0])][::25] for s in sentences])
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(out.name + ".tmp")
    save_file(
        {landmarks.NEUTRAL_FACE_ARRAY: fit_neutral_face(points, mouth_shapes.load_prior()).astype(np.float32)}, partial
    )
    partial.replace(out)
    return out
