"""Mesh warps."""

from __future__ import annotations

import numpy as np

from lipdub.faces import mesh, mouth_rendering, warp


def grid(step: int = 40, size: int = 200) -> np.ndarray:
    x, y = np.meshgrid(np.arange(0, size + 1, step), np.arange(0, size + 1, step))
    return np.stack([x.ravel(), y.ravel()], 1).astype(float)


def test_nothing_moved_is_the_identity() -> None:
    points = grid()
    for step in (1, 2):
        x, y, inside = warp.compute_backward_map(points, points, mesh.triangulate(points), 200, 200, step)
        assert inside.all()
        assert np.abs(x - np.arange(200)).max() < 1e-3 and np.abs(y - np.arange(200)[:, None]).max() < 1e-3


def test_an_affine_motion_is_reproduced() -> None:
    target = grid()
    matrix = np.array([[1.1, 0.2], [-0.1, 0.9]])
    source = target @ matrix.T + (7, -3)
    x, y, inside = warp.compute_backward_map(source, target, mesh.triangulate(target), 180, 180)
    px, py = np.meshgrid(np.arange(180), np.arange(180))
    want = np.stack([px, py], -1) @ matrix.T + (7, -3)
    middle = (slice(2, -2), slice(2, -2))
    assert inside.all()
    assert np.abs(x - want[..., 0])[middle].max() < 0.05 and np.abs(y - want[..., 1])[middle].max() < 0.05


def test_outside_the_mesh_nothing_moves() -> None:
    points = grid(20, 60) + 60
    x, y, inside = warp.compute_backward_map(points + 5, points, mesh.triangulate(points), 200, 200)
    assert not inside[0, 0] and x[0, 0] == 0 and y[199, 199] == 199
    assert abs(x[90, 90] - 95) < 1e-3


def test_slivers_never_read_from_far_away() -> None:
    target = np.array([[10, 50], [90, 50], [50, 50.2], [50, 90]], float)
    source = np.array([[10, 30], [90, 30], [50, 70], [50, 90]], float)
    x, y, _ = warp.compute_backward_map(source, target, np.array([[0, 1, 2], [0, 2, 3]]), 100, 100)
    assert y.min() >= -0.01 and y.max() <= 99.01
    assert np.abs(y - np.arange(100)[:, None]).max() <= 20.5


def lips_at(centre: tuple[float, float], gap: float) -> np.ndarray:
    points = np.zeros((478, 2))
    angle = np.linspace(np.pi, -np.pi, 21)[:-1]
    for r, ring in enumerate(mesh.LIP_RINGS):
        wide, tall = 40 - 5 * r, 14 - 4 * r + gap / 2
        points[list(ring)] = np.stack([centre[0] + wide * np.cos(angle), centre[1] - tall * np.sin(angle)], 1)
    return points


def test_a_mouth_laid_over_itself_changes_nothing() -> None:
    y, x = np.mgrid[:120, :160]
    image = np.stack([128 + 60 * np.sin(x / 9), 128 + 60 * np.cos(y / 7), 100 + x / 2 + y / 3], -1).astype(np.uint8)
    points = mouth_rendering.extract_mouth_points(lips_at((80, 60), 12))
    out = image.copy()
    mask, painted = mouth_rendering.composite_mouth(out, points, [mouth_rendering.MouthUnit(image, points, 1.0)])
    assert painted == 0 and mask.max() > 0.99
    assert np.abs(out.astype(int) - image).max() <= 2


def test_only_the_mouth_is_changed_and_an_unseen_inside_is_painted_dark() -> None:
    image = np.full((120, 160, 3), 170, np.uint8)
    shut, wide = (mouth_rendering.extract_mouth_points(lips_at((80, 60), g)) for g in (0.5, 24))
    out = image.copy()
    mask, painted = mouth_rendering.composite_mouth(out, wide, [mouth_rendering.MouthUnit(image, shut, 1.0)])
    x0, y0, x1, y1 = mouth_rendering.compute_mouth_box(wide, 120, 160)
    assert painted == 1.0 and mask.shape == (y1 - y0, x1 - x0)
    assert out[68, 80].mean() < 120
    outside = np.ones((120, 160), bool)
    outside[y0:y1, x0:x1] = mask <= 0
    assert (out[outside] == 170).all()


def test_teeth_keep_their_proportions_in_a_narrower_mouth() -> None:
    unit, narrow = (
        mouth_rendering.extract_mouth_points(lips_at((80, 60), 12)),
        mouth_rendering.extract_mouth_points(lips_at((80, 60), 12)),
    )
    narrow[:, 0] = 80 + (narrow[:, 0] - 80) * 0.6
    ring = mouth_rendering._interior_source_ring(unit, narrow, 1.0)
    assert np.isclose(np.ptp(ring[:, 0]), np.ptp(narrow[80:, 0]), rtol=1e-6)
    assert np.allclose(mouth_rendering._interior_source_ring(narrow, unit, 1.0), narrow[80:])


def test_skin_is_bent_where_it_moves_and_is_the_same_object_elsewhere() -> None:
    points = grid(25, 100) + 40
    skin = mouth_rendering.SkinMesh(
        np.arange(len(points)), np.zeros((0, 3)), mesh.triangulate(points), np.ones(len(points))
    )
    image = np.random.default_rng(0).integers(0, 256, (200, 180, 3), dtype=np.uint8)
    none, still = mouth_rendering.warp_skin(image, skin, points, points, np.zeros((0, 2)))
    assert none is image and (still == 0).all()
    target = points.copy()
    middle = np.flatnonzero((points == 90).all(1))[0]
    target[middle] += (0, 8)
    bent, moved = mouth_rendering.warp_skin(image, skin, points, target, np.zeros((0, 2)), step=1)
    assert abs(moved[98, 90] - 8) < 0.6 and (moved[:60] == 0).all() and (moved[:, :60] == 0).all()
    assert np.array_equal(bent[moved == 0], image[moved == 0]) and (bent[98, 90] != image[98, 90]).any()
