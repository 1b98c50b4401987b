"""Tracks across gaps and cuts."""

from __future__ import annotations

import numpy as np

from lipdub.faces import tracking


def located(n: int) -> np.ndarray:
    """Two faces (n, 2, 3): one that moves to the right, and one that stays."""
    out = np.full((n, 2, 3), np.nan)
    out[:, 0] = np.stack([np.linspace(100, 150, n), np.full(n, 80), np.full(n, 60)], 1)
    out[:, 1] = (400, 90, 50)
    return out


def test_ids_survive_short_gaps_swapped_slots_and_not_cuts() -> None:
    n = 60
    faces = located(n)
    faces[20:26, 0] = np.nan
    faces[30:, [0, 1]] = faces[30:, [1, 0]]
    times = np.arange(n) / 25
    tracks = tracking.link_tracks(faces, times, [(0, n)])
    assert [t.id for t in tracks] == [1, 2]
    assert tracks[0].frames == [*range(20), *range(26, n)]
    assert tracks[0].slots[-1] == 1
    assert len(tracks[1].frames) == n
    cut = tracking.link_tracks(faces, times, [(0, 40), (40, n)])
    assert [(t.id, t.shot) for t in cut] == [(1, 0), (2, 0), (3, 1), (4, 1)]
    faces[20:45] = np.nan
    assert len(tracking.link_tracks(faces, times, [(0, n)])) == 4


def test_a_face_of_another_size_is_another_face_and_a_flash_is_none() -> None:
    n = 20
    faces = located(n)[:, :1]
    faces[10:, 0, 2] = 130
    faces[5, 0, 2] = 400
    tracks = tracking.link_tracks(faces, np.arange(n) / 25, [(0, n)])
    assert [t.frames for t in tracks] == [[*range(5), *range(6, 10)], list(range(10, n))]


def test_a_face_is_located_by_its_oval() -> None:
    from lipdub.faces import mesh

    face = np.zeros((mesh.VERTICES, 3))
    face[list(mesh.OVAL), 0] = np.linspace(100, 160, len(mesh.OVAL))
    face[list(mesh.OVAL), 1] = np.linspace(40, 140, len(mesh.OVAL))
    assert tracking.locate_face(face).tolist() == [130, 90, 100]


def test_short_gaps_are_filled_and_long_ones_left() -> None:
    points = np.full((30, 478, 3), np.nan, np.float32)
    points[:10], points[13:20], points[28:] = 1, 4, 9
    filled = tracking.fill_gaps(points)
    assert np.allclose(filled[10:13, 0, 0], [1.75, 2.5, 3.25])
    assert np.isnan(filled[20:28]).all()
    assert np.isnan(points[10]).all()
    assert tracking.fill_gaps(points[:10]).base is points
