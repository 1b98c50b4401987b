"""SSIM against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.metrics.ssim import ssim


def _noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("kind", ["noise", "shift", "flat"])
def test_ssim_is_that_of_scikit_image(kind: str) -> None:
    from skimage.metrics import structural_similarity

    a = _noise((64, 90), 1)
    b = {
        "noise": np.clip(a + np.random.default_rng(2).normal(0, 25, a.shape), 0, 255).astype(np.uint8),
        "shift": np.roll(a, 1, 1),
        "flat": np.full_like(a, 128),
    }[kind]
    expected = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(a, b) == pytest.approx(expected, abs=2e-4)


def test_ssim_of_equal_pictures_is_one() -> None:
    a = _noise((40, 40), 3)
    assert ssim(a, a) == pytest.approx(1.0, abs=1e-6)


def test_ssim_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(ValueError, match="one shape"):
        ssim(np.zeros((40, 40)), np.zeros((40, 41)))
    with pytest.raises(ValueError, match="smaller"):
        ssim(np.zeros((8, 40)), np.zeros((8, 40)))
