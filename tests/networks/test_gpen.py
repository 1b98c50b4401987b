"""GPEN: parity with the published networks, and a small copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lipdub.networks.gpen import GPEN
from tests.networks.parity import fill

FILL = {
    "matrix": "unit",
    "overrides": [{"match": r"generator\.style\.\d+\.weight$", "scale": 100.0}],
    "leave": [r"\.kernel$"],
}


def _small() -> tuple[GPEN, torch.Tensor]:
    network = fill(GPEN(32, style_dim=24, narrow=1 / 32), FILL)
    image = np.random.default_rng(3).uniform(-1, 1, (2, 3, 32, 32)).astype(np.float32)
    return network, torch.from_numpy(image)


def test_small_copy() -> None:
    network, image = _small()
    with torch.inference_mode():
        out = network(image)
        assert out.shape == (2, 3, 32, 32) and bool(out.isfinite().all())
        assert torch.equal(out, network(image))
        assert torch.allclose(out[1:], network(image[1:]), atol=1e-5)
    # pinned after parity held
    assert out[1, :, 11, 20].tolist() == pytest.approx([-0.833197, -5.151703, -1.844014], abs=1e-4)


def test_the_encoder_reaches_the_picture_at_each_size() -> None:
    network, image = _small()
    strengths = [name for name, _ in network.named_parameters() if name.endswith("noise.weight")]
    assert len(strengths) == 7
    with torch.inference_mode():
        base = network(image)
        for name in strengths:
            weight = network.get_parameter(name)
            kept = weight.clone()
            weight.zero_()
            assert float((network(image) - base).abs().max()) > 1e-3, name
            weight.copy_(kept)
