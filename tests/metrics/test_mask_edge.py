"""The edge of a mask over a face."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.faces.masks import outlines
from lipdub.metrics import regions
from lipdub.metrics.mask_edge import REACH, SECTORS, find_mask_edge
from tests.metrics.drawn_faces import SIZE, draw_disc, find_edge


def test_the_edge_of_a_disc(face: np.ndarray) -> None:
    edge = find_edge(face, draw_disc())
    assert edge.unit == pytest.approx(1)
    x0, y0, x1, y1 = edge.box
    y, x = np.mgrid[y0:y1, x0:x1] - SIZE / 2
    radius = np.hypot(x, y)
    near = edge.counts & (np.abs(edge.distance) > 2)
    assert np.abs(edge.distance - (110 - radius))[near].max() < 2
    assert ((edge.inwards[0] * -x + edge.inwards[1] * -y) / np.maximum(radius, 1))[near].min() > 0.95
    assert (
        np.abs(110 - radius)[edge.counts] <= REACH + 3
    ).all() and edge.counts.sum() > 2 * math.pi * 110 * 2 * REACH * 0.95
    assert np.bincount(edge.sector[edge.counts], minlength=SECTORS).min() > edge.counts.sum() / SECTORS * 0.9


def test_without_a_mask_it_is_the_lower_face(face: np.ndarray) -> None:
    edge, wanted = find_edge(face), find_edge(face, outlines.draw_lower_face(face, SIZE, SIZE).astype(np.float32))
    assert edge.box == wanted.box and (edge.distance == wanted.distance).all()


def test_of_skin_neither_eyes_nor_what_is_behind_the_face_count(face: np.ndarray) -> None:
    edge = find_edge(face, skin=True)
    shown = np.zeros((SIZE, SIZE), bool)
    edge.part(shown)[edge.counts] = True
    assert 500 < shown.sum() < find_edge(face).counts.sum()
    assert not shown[outlines.draw_face(face, SIZE, SIZE) == 0].any()
    assert not shown[regions.fill_hull(face[list(regions.LEFT_EYE)], SIZE, SIZE)].any()


def test_there_is_no_edge_where_no_mask_is(face: np.ndarray) -> None:
    for mask in (np.zeros((SIZE, SIZE)), np.ones((SIZE, SIZE))):
        assert find_mask_edge(face, SIZE, SIZE, mask) is None
    assert find_mask_edge(face + 9000, SIZE, SIZE) is None
    assert find_mask_edge(face * np.nan, SIZE, SIZE) is None
