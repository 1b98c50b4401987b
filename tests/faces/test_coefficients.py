"""The input of D-Net."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import coefficients
from tests.networks import parity


def test_windows_are_the_published_ones() -> None:
    facts, data = parity.fixture("preprocess")
    tolerance = facts["tolerances"]["semantic.*"]
    vectors = data["semantic.coeffs"]
    rows = coefficients.build_rows(vectors)
    template = coefficients.replace_expression(rows, data["semantic.expression_template"])
    ratio = coefficients.estimate_crop_ratio(vectors[0], vectors[3:])
    found = {
        "windows": coefficients.build_windows(template, np.arange(len(rows))),
        "window_frame4_no_template": coefficients.build_windows(rows, np.array([4]))[0],
        "ratio_external": np.array([ratio]),
        "window_ratio_external": coefficients.build_windows(coefficients.build_rows(vectors, ratio), np.array([4]))[0],
        "one_shot_ratio": np.array([coefficients.estimate_crop_ratio(vectors[0], vectors)]),
        "crop_norm_ratio": np.array([coefficients.estimate_crop_ratio(v, vectors) for v in vectors]),
        "ratio_single_target": np.array([coefficients.estimate_crop_ratio(vectors[0], v[None]) for v in vectors]),
    }
    for name, value in found.items():
        wanted = data[f"semantic.{name}"]
        assert value.shape == wanted.shape and np.abs(value - wanted).max() <= tolerance, name


def _vectors(count: int) -> np.ndarray:
    """Vectors (count, 262) whose values are 1000 times the frame plus the position."""
    values = np.arange(coefficients.VECTOR_LENGTH)[None] + 1000 * np.arange(count)[:, None]
    return coefficients.join_vectors(*np.split(values, [coefficients.COEFFICIENT_COUNT], axis=1))


def test_rows_are_expression_pose_and_crop() -> None:
    rows = coefficients.build_rows(_vectors(2), ratio=2)
    assert rows.shape == (2, coefficients.ROW_LENGTH) and rows.dtype == np.float32
    wanted = [*range(80, 144), 224, 225, 226, 254, 255, 256, 2 * 259, 260, 261]
    assert rows[0].tolist() == wanted and rows[1, 70] == 2 * 1259
    rested = coefficients.replace_expression(rows, np.zeros(64))
    assert not rested[:, :64].any() and np.array_equal(rested[:, 64:], rows[:, 64:]) and rows[0, 0] == 80


def test_windows_repeat_the_ends() -> None:
    rows = coefficients.build_rows(_vectors(30))
    found = coefficients.build_windows(rows, np.array([0, 15, 29]))
    assert found.shape == (3, coefficients.ROW_LENGTH, 26)
    frames = found[:, 0] // 1000
    assert frames[0].tolist() == [0] * 14 + list(range(1, 13))
    assert frames[1].tolist() == list(range(2, 28))
    assert frames[2].tolist() == list(range(16, 30)) + [29] * 12


def test_crop_ratio_is_to_the_most_similar_frame() -> None:
    vectors = np.zeros((3, coefficients.VECTOR_LENGTH), np.float32)
    vectors[:, 259] = 1.0, 0.5, 4.0
    vectors[:, 80:144] = np.array([0, 2, 0])[:, None]  # costs 0.6
    vectors[:, 224:227] = np.array([0, 0, 1])[:, None]  # costs 0.7
    assert coefficients.estimate_crop_ratio(vectors[0], vectors[1:]) == 2
    vectors[2, 224:227] = 0.8
    assert coefficients.estimate_crop_ratio(vectors[0], vectors[1:]) == pytest.approx(0.25)
