"""ArcFace: parity with the published network, and a small copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lipdub.networks.arcface import ArcFace, pool_face
from tests.networks.parity import fill


def test_small_copy() -> None:
    network = fill(ArcFace(width=16))
    image = torch.from_numpy(np.random.default_rng(5).uniform(-1, 1, (2, 3, 112, 112)).astype(np.float32))
    with torch.inference_mode():
        out = network(image)
        assert out.shape == (2, 512)
        assert out.norm(dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)
        assert torch.equal(out, network(image))
        assert torch.allclose(out[1:], network(image[1:]), atol=1e-6)
    # pinned after parity held
    assert out[1, [3, 77, 200, 500]].tolist() == pytest.approx([-0.014222, -0.075820, -0.000203, 0.005958], abs=1e-5)


def test_only_the_face_is_looked_at() -> None:
    image = torch.ones(1, 1, 256, 256)
    image[..., 35:223, 32:220] = 0
    assert float(pool_face(image).abs().max()) == 0
    for row, column in ((35, 32), (35, 219), (222, 32), (222, 219)):
        image[..., row, column] = 1
    seen = pool_face(image)[0, 0]
    assert all(float(seen[r, c]) > 0 for r in (0, -1) for c in (0, -1))
    with pytest.raises(ValueError, match="256x256"):
        pool_face(torch.zeros(1, 3, 128, 128))
