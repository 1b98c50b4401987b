"""e4e: parity with the published encoder, and a small copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lipdub.networks.e4e import E4E
from tests.networks.parity import fill

FILL = {"overrides": [{"match": r"^styles\.\d+\.linear\.weight$", "scale": 1.0}]}


@pytest.mark.slow
def test_small_copy() -> None:
    network = fill(E4E(styles=14, width=16), FILL)
    image = torch.from_numpy(np.random.default_rng(4).uniform(-1, 1, (1, 3, 256, 256)).astype(np.float32))
    with torch.inference_mode():
        out = network(image)
        assert out.shape == (1, 14, 128) and bool(out.isfinite().all())
        assert torch.equal(out, network(image))
        # pinned after parity held
        assert out[0, [0, 2, 5, 13], 17].tolist() == pytest.approx(
            [-0.310551, 0.747255, -0.281185, -0.503155], abs=1e-4
        )
        # what a latent adds to the common one is its reader's alone
        network.styles[5].linear.weight.zero_()
        network.styles[5].linear.bias.zero_()
        changed = network(image)
    assert torch.equal(changed[:, 5], out[:, 0])
    others = [i for i in range(14) if i != 5]
    assert torch.equal(changed[:, others], out[:, others])
