"""RetinaFace as facexlib builds it: parity with the published network; nothing is fetched for it."""

from __future__ import annotations

import pytest
import torch

from lipdub.networks.retinaface import retinaface
from lipdub.weights import checkpoint, manifest
from tests.networks.parity import fill

MEAN = torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)


@pytest.mark.slow
def test_on_a_small_picture() -> None:
    network = fill(retinaface(), {"overrides": [{"match": r"^body\.conv1\.weight$", "scale": 0.001}]})
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 255 - MEAN
    with torch.inference_mode():
        boxes, conf, points = network(image)
        again = network(image)[0]
    anchors = 2 * (8 * 12 + 4 * 6 + 2 * 3)
    assert [tuple(value.shape) for value in (boxes, conf, points)] == [(2, anchors, n) for n in (4, 2, 10)]
    assert all(bool(value.isfinite().all()) for value in (boxes, conf, points)) and torch.equal(boxes, again)
    assert torch.allclose(conf.sum(2), torch.ones(2, anchors), atol=1e-5)
    # pinned after parity held
    assert boxes[1, 100].tolist() == pytest.approx([-0.22519, -0.17423, -0.30864, 0.88142], abs=1e-4)


def test_the_manifest_knows_its_entries() -> None:
    shapes = checkpoint.infer_shapes(manifest.find_entry("retinaface").part())
    assert shapes == {name: tuple(value.shape) for name, value in retinaface().state_dict().items()}
