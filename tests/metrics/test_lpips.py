"""LPIPS against its package."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from lipdub.errors import WeightsError
from lipdub.metrics import lpips
from lipdub.networks.compat import fix_torchvision
from lipdub.weights import manifest
from lipdub.weights.store import WeightsStore
from tests.metrics.made_pictures import make_pictures

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
fix_torchvision()  # the libraries compared with import it


@pytest.mark.slow
def test_lpips_is_that_of_its_package_with_the_backbone_of_the_store(tmp_path: Path) -> None:
    package = pytest.importorskip("lpips")
    import torchvision

    torch.manual_seed(3)
    published = torchvision.models.alexnet(weights=None)  # what torchvision publishes, in other numbers
    torch.save(published.state_dict(), tmp_path / "own.pth")
    store = WeightsStore(tmp_path / "store")
    store.add(manifest.find_entry("alexnet"), tmp_path / "own.pth", own=True)
    network = lpips.load_lpips(store)
    a, b = make_pictures(5, 4), make_pictures(5, 5)
    found = lpips.lpips_distance(network, a, b)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = package.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    features = iter(layer for layer in published.features if isinstance(layer, torch.nn.Conv2d))
    for layer in (m for m in reference.net.modules() if isinstance(m, torch.nn.Conv2d)):
        layer.load_state_dict(next(features).state_dict())
    x, y = (torch.from_numpy(v).permute(0, 3, 1, 2).float() / 255 for v in (a, b))
    with torch.inference_mode():
        expected = reference(x, y, normalize=True).flatten().numpy()
    assert found == pytest.approx(expected, rel=1e-4) and (found > 1e-4).all()


@pytest.mark.slow
def test_lpips_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"alexnet-owt-7be5be79\.pth are not in the store"):
        lpips.load_lpips(WeightsStore(tmp_path))
    store = WeightsStore(tmp_path)
    torch.save({"features.0.weight": torch.zeros(2, 2)}, tmp_path / "wrong.pth")
    store.add(manifest.find_entry("vgg16"), tmp_path / "wrong.pth", own=True)
    pytest.importorskip("lpips")
    with pytest.raises(WeightsError, match="is not a checkpoint of torchvision's vgg"):
        lpips.load_lpips(store, "vgg")


def lpips_network(seed: int = 0, backbone: str = "alex") -> torch.nn.Module:
    pytest.importorskip("lpips")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = lpips.build_lpips(backbone)
        for parameter in network.net.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return network


def test_lpips_refuses_what_it_cannot_compare() -> None:
    network = lpips_network()
    for a, b in (
        (make_pictures(1, 0), make_pictures(2, 0)),
        (make_pictures(1, 0, 32),) * 2,
        (make_pictures(1, 0) / 255.0,) * 2,
    ):
        with pytest.raises(ValueError, match=r"eight bits are needed|smaller"):
            lpips.lpips_distance(network, a, b)
