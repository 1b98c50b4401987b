"""The 3DMM regressor: the published state and outputs, and what each of the 257 coefficients is."""

from __future__ import annotations

import torch

from lipdub.networks.recon import FaceRegressor, split_coefficients
from tests.networks import parity


def test_coefficients_are_split_by_meaning() -> None:
    parts = split_coefficients(torch.arange(2 * 257).reshape(2, 257))
    assert [part.shape for part in parts] == [(2, n) for n in (80, 64, 80, 3, 27, 3)]
    assert parts.expression[0, 0] == 80 and parts.angle[0].tolist() == [224, 225, 226]
    assert parts.light[0, 0] == 227 and parts.translation[0].tolist() == [254, 255, 256]
    assert torch.cat(parts, dim=1)[1].tolist() == list(range(257, 514))


def test_a_small_one_gives_the_pinned_numbers() -> None:
    network = FaceRegressor(width=4)
    parity.fill(network)
    with torch.inference_mode():
        found = network(torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)))
    assert found.shape == (2, 257)
    # pinned after parity held: the first of each meaning
    first = torch.cat([part[0, :1] for part in split_coefficients(found)])
    wanted = torch.tensor([0.24136, 0.20578, -0.89025, 0.45741, -0.85355, -0.71604])
    torch.testing.assert_close(first, wanted, rtol=0, atol=1e-4)
