"""The fit of how a face's landmarks follow its mouth, for `lipdub train mouth-response`, on GRID's speaker.

It is a linear regression of canonical landmarks on mouth opening and width, made symmetric. The file also holds the
triangles of the skin mesh, which are the same for everybody. The gains serve footage that shows too little (a still
picture, a silent shot). Other footage is fitted on its own frames, with these gains as prior.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import geometry, mesh, mouth_rendering, mouth_shapes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.arrays import I64, Array


def nearest_mirror_index(canonical: Array) -> I64:
    """Find for each vertex of a frontal canonical face (478, 3) the one nearest to its mirror image.

    Returns:
        (478,) int.
    """
    flipped = canonical * (-1, 1, 1)
    return np.array([int(((canonical - p) ** 2).sum(1).argmin()) for p in flipped])


def fit_prior(landmarks: Array) -> dict[str, Array]:
    """Fit the arrays of the prior (`lipdub.faces.mouth_shapes.MouthPrior`).

    Args:
        landmarks: (clips, frames, 478, 3) pixels of one speaker, NaN where no face was found.

    Returns:
        the arrays of the weights file, by name.
    """
    clips = [clip[np.isfinite(clip[:, 0, 0])].astype(np.float64) for clip in landmarks]
    clips = [clip for clip in clips if len(clip) > 10]
    canonical = geometry.estimate_canonical_face(np.concatenate([clip[::25] for clip in clips]))
    xx, xy, measured = np.zeros((2, 2)), np.zeros((2, mesh.VERTICES * 3)), []
    for clip in clips:
        shape = geometry.estimate_head_pose(canonical, clip).invert(clip)
        shapes = mouth_shapes.measure(shape)
        a, b = shapes - shapes.mean(0), (shape - shape.mean(0)).reshape(len(shape), -1)
        xx, xy = xx + a.T @ a, xy + a.T @ b
        measured.append(shapes)
    gain = np.linalg.solve(xx, xy).reshape(2, mesh.VERTICES, 3)
    gain = (gain + gain[:, nearest_mirror_index(canonical)] * (-1, 1, 1)) / 2
    measures = np.concatenate(measured)
    closed = measures[measures[:, mouth_shapes.OPENING] < mouth_shapes.CLOSED_MOUTH_OPENING]
    vertices, triangles = mouth_rendering.build_skin_topology(canonical)
    return {
        "skin_vertices": vertices,
        "skin_triangles": triangles,
        "gain": gain,
        "low": np.array([0.0, np.percentile(measures[:, 1], 3)]),
        "rest": np.array([0.0, np.median(closed[:, 1])]),
        "high": np.percentile(measures, 97, axis=0),
    }


def train(out: Path, *, grid: Path, workdir: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Fit the mouth response on GRID's clips that are not held out, and write it.

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
    sentences = [s for s in corpus.load_sentences(grid, workdir, progress=progress) if s.name not in kept_out]
    arrays = fit_prior(np.stack([s.landmarks for s in sentences]))
    out.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: np.ascontiguousarray(value, np.float32 if value.dtype.kind == "f" else np.int32)
        for name, value in arrays.items()
    }
    partial = out.with_name(out.name + ".tmp")
    save_file(tensors, partial)
    partial.replace(out)
    return out
