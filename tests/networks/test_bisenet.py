"""BiSeNet: parity with the published network, and a small copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lipdub.networks.bisenet import BiSeNet
from tests.networks.parity import fill


def test_small_copy() -> None:
    network = fill(BiSeNet(width=8), {"gain": 1.2})
    image = torch.from_numpy(np.random.default_rng(8).standard_normal((2, 3, 64, 96)).astype(np.float32))
    with torch.inference_mode():
        heads = network(image)
        assert all(h.shape == (2, 19, 64, 96) and bool(h.isfinite().all()) for h in heads)
        assert torch.equal(heads[0], network(image)[0])
        assert torch.allclose(heads[0][1:], network(image[1:])[0], atol=1e-5)
    # pinned after parity held
    found = [float(h[1, c, 20, 50]) for h in heads for c in (0, 9)]
    assert found == pytest.approx([2.053838, 1.565436, 1.271281, 0.836307, 0.734314, 0.128234], abs=1e-4)
