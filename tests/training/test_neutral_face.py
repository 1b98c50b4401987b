"""The neutral face's fit."""

from __future__ import annotations

import numpy as np

from lipdub.faces import landmarks, mouth_shapes
from lipdub.training import neutral_face


def test_a_leaning_face_is_matched_to_its_mirror_image() -> None:
    face = landmarks.load_neutral_face()
    rng = np.random.default_rng(0)
    index = neutral_face.match_mirror_vertices(face + rng.normal(0, 0.004, face.shape))
    np.testing.assert_array_equal(index[index], np.arange(478))
    assert index[61] == 291 and index[33] == 263 and index[70] == 300 and index[13] == 13 and index[159] == 386
    still = np.repeat(face[None] * 100 + (200, 150, 0), 3, 0)
    fitted = neutral_face.fit_neutral_face(still, mouth_shapes.load_prior())
    np.testing.assert_allclose(fitted, face, atol=0.01)
