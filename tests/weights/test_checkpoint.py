"""Checkpoints are read without running anything of them, and go into networks whole or not at all."""

from __future__ import annotations

import builtins
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from lipdub.errors import EnvironmentFailure, WeightsError
from lipdub.weights import checkpoint
from lipdub.weights.checkpoint import load_checkpoint, load_into, load_network
from tests.weights import small

if TYPE_CHECKING:
    from pathlib import Path

torch.set_num_threads(1)


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> bool:
    return set(found) == set(wanted) and all(torch.equal(found[key], wanted[key]) for key in wanted)


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return builtins.open, (str(self.mark), "w")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_would_run_code_is_not_loaded(legacy: bool, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = small.saved(tmp_path / "net.pth", {"state_dict": small.state(), "more": Hostile(mark)}, legacy)
    with pytest.raises(WeightsError, match=r"would run code \((io|_io|__builtin__|builtins).open\)"):
        load_checkpoint(path, small.entry())
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # it would have


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrapper", [None, *checkpoint.WRAPPERS])
def test_wrapped_states(wrapper: str | None, legacy: bool, tmp_path: Path) -> None:
    state = small.state()
    content = state if wrapper is None else {"epoch": 3, "optimizer": {"lr": 0.1}, wrapper: state}
    path = small.saved(tmp_path / "net.pth", content, legacy)
    assert same(load_checkpoint(path, small.entry()), state)


def test_the_published_key_comes_first(tmp_path: Path) -> None:
    path = small.saved(tmp_path / "net.pth", {"params": small.state(seed=1), "params_ema": small.state(seed=2)})
    first = small.entry(parts=(small.part(key=("missing", "params")),))
    assert same(load_checkpoint(path, first), small.state(seed=1))
    assert same(load_checkpoint(path, small.entry()), small.state(seed=2))


def test_safetensors(tmp_path: Path) -> None:
    save_file(small.state(), tmp_path / "net.pth")
    assert same(load_checkpoint(tmp_path / "net.pth", small.entry()), small.state())


def test_prefixes(tmp_path: Path) -> None:
    state = small.state()
    names = {f"module.encoder.{key}": value for key, value in state.items()}
    others = {f"module.decoder.{key}": value + 1 for key, value in state.items()}
    path = small.saved(tmp_path / "net.pth", {"state_dict": {**names, **others}, "latent_avg": torch.ones(2)})
    item = small.entry(parts=(small.part("encoder", prefix="encoder."), small.part("decoder", prefix="decoder.")))
    assert same(load_checkpoint(path, item, "encoder"), state)
    assert torch.equal(load_checkpoint(path, item, "decoder")["layer.bias"], state["layer.bias"] + 1)
    assert torch.equal(checkpoint.read_checkpoint(path)["latent_avg"], torch.ones(2))
    with pytest.raises(WeightsError, match=r"begin with other."):
        load_checkpoint(path, small.entry(parts=(small.part(prefix="other."),)))


def test_names_that_are_not_taken(tmp_path: Path) -> None:
    state = {**small.state(), "low_res.layer.weight": torch.ones(1), "x.low_res": torch.ones(1)}
    path = small.saved(tmp_path / "net.pth", state)
    item = small.entry(parts=(small.part(without="low_res"),))
    assert same(load_checkpoint(path, item), small.state())


def test_nothing_of_the_kind_inside(tmp_path: Path) -> None:
    path = small.saved(tmp_path / "net.pth", {"epoch": 3, "lr": 0.5})
    with pytest.raises(WeightsError, match=r"net.pth holds no state_dict, but epoch, lr"):
        load_checkpoint(path, small.entry(parts=(small.part(key=("state_dict",)),)))
    small.saved(path, [torch.ones(1)])
    with pytest.raises(WeightsError, match="holds a list instead"):
        load_checkpoint(path, small.entry())


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
def test_cut_short(keep: float, legacy: bool, tmp_path: Path) -> None:
    path = small.saved(tmp_path / "net.pth", small.state(width=300), legacy)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(WeightsError, match="cut short or damaged"):
        load_checkpoint(path, small.entry())


def test_torn_inside(tmp_path: Path) -> None:
    save_file(small.state(), tmp_path / "a.pth")
    (tmp_path / "a.pth").write_bytes((tmp_path / "a.pth").read_bytes()[:-8])
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02nonsense")
        archive.writestr("archive/version", b"3")
    (tmp_path / "c.pth").write_bytes(b"\x80\x02nonsense")
    for name in "abc":
        with pytest.raises(WeightsError, match=f"{name}.pth.*cut short or damaged"):
            load_checkpoint(tmp_path / f"{name}.pth", small.entry())


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_programs_are_read_only_as_the_published_file(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    network = small.Small().eval()
    torch.jit.save(torch.jit.script(network.layer), str(path))
    with pytest.raises(WeightsError, match="TorchScript archive, a program"):
        load_checkpoint(path, small.entry())
    unknown = small.entry(format="torchscript")
    with pytest.raises(WeightsError, match="not the published one"):
        load_checkpoint(path, unknown)
    found = load_checkpoint(path, small.entry(format="torchscript", sha256=small.digest(path)))
    assert same(found, network.layer.state_dict())


def test_into_a_network(tmp_path: Path) -> None:
    path = small.saved(tmp_path / "net.pth", {"state_dict": small.state(seed=5)})
    network = load_network(path, small.entry())
    assert not network.training and same(network.state_dict(), small.state(seed=5))


def test_counters_of_older_checkpoints_are_not_missed() -> None:
    state = {key: value for key, value in small.state(seed=5).items() if "num_batches" not in key}
    assert torch.equal(load_into(small.Small(), state).state_dict()["norm.weight"], state["norm.weight"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"norm.weight": None},
            r"net.pth is not a checkpoint of Small: it has no norm.weight, .* shape \(3,\)",
        ),
        ({"layer.weight": torch.ones(4, 2)}, r"layer.weight has shape \(4, 2\), expected is \(3, 2\)"),
        ({"extra.weight": torch.ones(1)}, "it has extra.weight, which is not expected"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], words: str) -> None:
    state = {key: value for key, value in {**small.state(), **change}.items() if value is not None}
    network = small.Small()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(WeightsError, match=words) as raised:
        load_into(network, state, "net.pth")
    assert raised.value.exit_code == 4 and "\n" not in str(raised.value)
    assert same(network.state_dict(), before)


@pytest.mark.parametrize("network", ["lipdub.networks.nowhere:Net", "tests.weights.small:Nobody"])
def test_a_network_that_is_not_installed(network: str) -> None:
    with pytest.raises(EnvironmentFailure, match="not in this installation"):
        checkpoint.build_network(small.part(network=network))
