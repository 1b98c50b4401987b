"""Mesh warps."""

from __future__ import annotations

import numpy as np

from lipdub.faces import mesh, warp
from tests.faces.made_faces import make_grid


def test_nothing_moved_is_the_identity() -> None:
    points = make_grid()
    for step in (1, 2):
        x, y, inside = warp.compute_backward_map(points, points, mesh.triangulate(points), 200, 200, step)
        assert inside.all()
        assert np.abs(x - np.arange(200)).max() < 1e-3 and np.abs(y - np.arange(200)[:, None]).max() < 1e-3


def test_an_affine_motion_is_reproduced() -> None:
    target = make_grid()
    matrix = np.array([[1.1, 0.2], [-0.1, 0.9]])
    source = target @ matrix.T + (7, -3)
    x, y, inside = warp.compute_backward_map(source, target, mesh.triangulate(target), 180, 180)
    px, py = np.meshgrid(np.arange(180), np.arange(180))
    want = np.stack([px, py], -1) @ matrix.T + (7, -3)
    middle = (slice(2, -2), slice(2, -2))
    assert inside.all()
    assert np.abs(x - want[..., 0])[middle].max() < 0.05 and np.abs(y - want[..., 1])[middle].max() < 0.05


def test_outside_the_mesh_nothing_moves() -> None:
    points = make_grid(20, 60) + 60
    x, y, inside = warp.compute_backward_map(points + 5, points, mesh.triangulate(points), 200, 200)
    assert not inside[0, 0] and x[0, 0] == 0 and y[199, 199] == 199
    assert abs(x[90, 90] - 95) < 1e-3


def test_slivers_never_read_from_far_away() -> None:
    target = np.array([[10, 50], [90, 50], [50, 50.2], [50, 90]], float)
    source = np.array([[10, 30], [90, 30], [50, 70], [50, 90]], float)
    _x, y, _ = warp.compute_backward_map(source, target, np.array([[0, 1, 2], [0, 2, 3]]), 100, 100)
    assert y.min() >= -0.01 and y.max() <= 99.01
    assert np.abs(y - np.arange(100)[:, None]).max() <= 20.5
