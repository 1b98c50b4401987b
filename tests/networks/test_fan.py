"""FAN as face-alignment builds it: nothing is fetched for it, and a published program gives its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from lipdub.networks.fan import fan
from lipdub.weights import checkpoint, manifest
from tests.networks.parity import fill
from tests.weights import small

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    small.offline(monkeypatch)


@pytest.mark.slow
def test_on_a_small_one() -> None:
    network = fill(fan(2))
    image = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        heatmaps = network(image)
        again = network(image)[-1]
    assert [tuple(value.shape) for value in heatmaps] == [(2, 68, 64, 64)] * 2
    assert bool(heatmaps[-1].isfinite().all()) and torch.equal(heatmaps[-1], again)


@pytest.mark.parametrize("name", ["2dfan4", "2dfan4-script"])
def test_the_manifest_knows_its_entries(name: str) -> None:
    shapes = checkpoint.infer_shapes(manifest.find_entry(name).part())
    assert len(shapes) == 1129 and shapes["conv1.weight"] == (64, 3, 7, 7) and shapes["l3.weight"] == (68, 256, 1, 1)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("program", [False, True])
def test_both_kinds_of_file_give_the_same_network(tmp_path: Path, program: bool) -> None:
    """A TorchScript archive is read only where its digest is the published one."""
    network = fill(fan(1))
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    path = tmp_path / "file.zip"
    part = small.part(network="lipdub.networks.fan:fan", arguments={"hourglasses": 1})
    if program:
        with torch.no_grad():
            torch.jit.trace(network, image, strict=False, check_trace=False).save(str(path))
        entry = small.entry(format="torchscript", sha256=small.digest(path), parts=(part,))
    else:
        small.saved(path, network.state_dict())
        entry = small.entry(parts=(part,))
    loaded = checkpoint.load_network(path, entry)
    with torch.inference_mode():
        assert torch.equal(loaded(image)[-1], network(image)[-1])
