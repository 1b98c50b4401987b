"""ParseNet: parity with the published network, and a small copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lipdub.networks.parsenet import ParseNet
from tests.networks.parity import fill


def test_small_copy() -> None:
    network = fill(ParseNet(halvings=3, width=8, widest=16, depth=2))
    image = torch.from_numpy(np.random.default_rng(6).uniform(-1, 1, (2, 3, 32, 48)).astype(np.float32))
    with torch.inference_mode():
        logits, picture = network(image)
        assert logits.shape == (2, 19, 32, 48) and picture.shape == (2, 3, 32, 48)
        assert bool(logits.isfinite().all()) and bool(picture.isfinite().all())
        assert torch.equal(logits, network(image)[0])
        assert torch.allclose(logits[1:], network(image[1:])[0], atol=1e-4)
    # pinned after parity held
    assert logits[1, [0, 7, 18], 9, 30].tolist() == pytest.approx([-1.535407, -4.322003, -0.979657], abs=1e-4)
    assert picture[1, :, 9, 30].tolist() == pytest.approx([1.732410, 4.022352, -1.520069], abs=1e-4)
