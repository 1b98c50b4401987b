"""The pyramid blend against the published one, which blends both pictures' bands where ours blends their
difference's.

The published count of levels includes the coarsest, ours does not.
"""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.blending import laplacian
from tests.networks import parity


def _blended(data: dict[str, np.ndarray], published_levels: int) -> np.ndarray:
    pictures = data["blend.image_b"], data["blend.image_a"]
    return laplacian.blend_laplacian(*pictures, data["blend.mask"], published_levels - 1)


def test_it_is_the_published_blend_in_float() -> None:
    facts, data = parity.fixture("preprocess")
    gap = np.abs(_blended(data, 6) - data["blend.result_f32_levels6"])
    assert gap.max() <= facts["tolerances"]["blend.*"]


@pytest.mark.parametrize("levels", [6, 8])
def test_the_published_rounding_at_every_level_is_all_that_is_left_out(levels: int) -> None:
    _, data = parity.fixture("preprocess")
    gap = np.abs(_blended(data, levels) - data[f"blend.result_u8_levels{levels}"])
    assert gap.max() < 0.5 and gap.mean() < 0.05
