"""PSNR and squared errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.metrics.psnr import psnr, sum_squared_errors
from lipdub.networks.compat import fix_torchvision
from tests.metrics.made_pictures import make_pictures

torch = pytest.importorskip("torch")
fix_torchvision()  # the libraries compared with import it


@pytest.mark.slow
def test_mse_and_psnr_are_those_of_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.image")
    regression = pytest.importorskip("torchmetrics.regression")
    a, b = make_pictures(2, 1), make_pictures(2, 2)
    error, count = sum_squared_errors(a, b)
    x, y = (torch.from_numpy(v).double() for v in (a, b))
    assert error / count == pytest.approx(float(regression.MeanSquaredError()(x, y)), rel=1e-6)
    expected = image.PeakSignalNoiseRatio(data_range=255.0)(x, y)
    assert psnr(error, count) == pytest.approx(float(expected), rel=1e-6)


def test_psnr_of_one_step_everywhere() -> None:
    a = np.full((20, 30, 3), 100, np.uint8)
    error, count = sum_squared_errors(a, a + 1)
    assert (error, count) == (1800.0, 1800)
    assert psnr(error, count) == pytest.approx(48.1308, abs=1e-4)


def test_psnr_of_equal_and_of_no_pictures() -> None:
    assert psnr(0.0, 100) == math.inf
    assert math.isnan(psnr(0.0, 0))
    with pytest.raises(ValueError, match="different shapes"):
        sum_squared_errors(np.zeros((2, 2)), np.zeros((2, 3)))
