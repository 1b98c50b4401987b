"""The choice of references."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces.reference_choice import choose_spread


def test_mouths_are_spread_from_shut_to_open_and_sorted() -> None:
    openings = np.random.default_rng(0).permutation(np.linspace(0, 0.3, 101))
    rows = choose_spread(openings, np.zeros(101), 5)
    assert len(set(rows.tolist())) == 5
    np.testing.assert_allclose(openings[rows], [0.006, 0.078, 0.15, 0.222, 0.294], atol=2e-3)


def test_costs_choose_between_mouths_that_are_alike() -> None:
    openings = np.repeat([0.0, 0.1, 0.2], 3) + np.tile([0, 1e-4, 2e-4], 3)
    costs = np.tile([1.0, 0.0, 2.0], 3)
    assert choose_spread(openings, costs, 3).tolist() == [1, 4, 7]


def test_what_may_not_be_chosen_is_not() -> None:
    openings, costs = np.array([0.0, 0.1, np.nan, 0.3]), np.array([np.inf, 0.0, 0.0, 0.0])
    assert set(choose_spread(openings, costs, 2).tolist()) == {1, 3}


def test_of_few_faces_some_are_chosen_again() -> None:
    rows = choose_spread(np.array([0.2, 0.0]), np.zeros(2), 5)
    assert len(rows) == 5 and set(rows.tolist()) == {0, 1}
    assert (np.diff(np.array([0.2, 0.0])[rows]) >= 0).all()
    assert choose_spread(np.array([0.1]), np.zeros(1), 3).tolist() == [0, 0, 0]


def test_no_face_is_an_error() -> None:
    for openings, costs in ((np.array([np.nan]), np.zeros(1)), (np.zeros(2), np.full(2, np.inf))):
        with pytest.raises(ValueError, match="no face"):
            choose_spread(openings, costs, 3)
