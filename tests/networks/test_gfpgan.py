"""GFPGAN as its package builds it: parity with the published network, a small copy, loading from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from lipdub.networks.gfpgan import gfpgan
from lipdub.weights import checkpoint, manifest
from tests.networks.parity import fill

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_small() -> None:
    network = fill(gfpgan(size=32, style_dim=16, narrow=0.0625))
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        out, rgbs = network(image, return_rgb=False, randomize_noise=False)
        again, _ = network(image, return_rgb=False, randomize_noise=False)
        second, _ = network(image[1:], return_rgb=False, randomize_noise=False)
    assert out.shape == (2, 3, 32, 32) and not rgbs and bool(out.isfinite().all())
    assert torch.equal(out, again) and torch.allclose(out[1:], second, atol=1e-4)
    assert float((out[0] - out[1]).abs().max()) > 0.05
    # pinned after parity held
    assert out[1, :, 20, 11].tolist() == pytest.approx([0.11541, -2.09795, 0.26157], abs=1e-4)


@pytest.mark.slow
def test_a_file_of_the_published_form_is_loaded(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = gfpgan().state_dict()
    state = {name: torch.tensor(0.5).expand(value.shape) for name, value in shapes.items()}  # a small file
    torch.save({"params_ema": state}, tmp_path / "mine.pth")
    for name in ("gfpgan-1.3", "gfpgan-1.4"):
        entry = manifest.find_entry(name)
        assert checkpoint.infer_shapes(entry.part()) == {key: tuple(value.shape) for key, value in shapes.items()}
    network = checkpoint.load_network(tmp_path / "mine.pth", entry)
    assert type(network).__name__ == "GFPGANv1Clean" and not network.training
    assert all(bool((value == 0.5).all()) for value in network.state_dict().values())
