"""Faces as networks take them."""

from __future__ import annotations

import numpy as np

from lipdub.faces.tensors import to_network_input


def test_faces_are_resized_scaled_and_reversed() -> None:
    red = np.zeros((40, 30, 3), np.uint8)
    red[..., 0] = 255
    deep = np.zeros((20, 20, 3), np.uint16)
    deep[..., 2] = 65535
    tensor = to_network_input([red, deep], 16)
    assert tensor.shape == (2, 3, 16, 16)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert tensor.mean((2, 3)).tolist() == [[0, 0, 1], [1, 0, 0]]
