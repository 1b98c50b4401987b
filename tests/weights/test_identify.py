"""Files people bring are told by digest, or by the weights in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from scipy.io import savemat

from lipdub.errors import InputError, WeightsError
from lipdub.weights.identify import find_candidates, identify_file
from lipdub.weights.store import WeightsStore
from tests.weights import small

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsStore:
    file = small.saved(tmp_path / "published.pth", small.state(seed=9))
    small.publish(
        monkeypatch,
        tmp_path,
        small.entry("known", sha256=small.digest(file)),
        small.entry("small"),
        small.entry("wide", parts=(small.part(arguments={"width": 7}),)),
        small.entry("absent", parts=(small.part(network="lipdub.networks.nowhere:Net"),)),
        small.entry("template", file="template.mat", format="matlab", parts=(), keys=("centre", "mouth")),
        small.entry(
            "pair",
            parts=(small.part("a", prefix="a.", key=("both",)), small.part("b", prefix="b.", key=("both",))),
        ),
    )
    return WeightsStore(tmp_path / "store")


def test_by_digest_whatever_its_name(store: WeightsStore, tmp_path: Path) -> None:
    assert identify_file(tmp_path / "published.pth", store).name == "known"


def test_by_names_and_shapes(store: WeightsStore, tmp_path: Path) -> None:
    path = small.saved(tmp_path / "x.pth", {"state_dict": small.state()})
    assert identify_file(path, store).name == "small"
    assert identify_file(small.saved(path, small.state(width=7)), store).name == "wide"
    both = {f"{name}.{key}": value for name in "ab" for key, value in small.state().items()}
    assert identify_file(small.saved(path, {"both": both, "opts": {"x": 1}}), store).name == "pair"


def test_matlab(store: WeightsStore, tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"centre": [1.0], "mouth": [2.0], "more": [3.0]})
    assert identify_file(tmp_path / "x.mat", store).name == "template"
    savemat(tmp_path / "x.mat", {"centre": [1.0]})
    with pytest.raises(WeightsError, match="no weights lipdub knows"):
        identify_file(tmp_path / "x.mat", store)
    (tmp_path / "x.mat").write_bytes((tmp_path / "x.mat").read_bytes()[:140])
    with pytest.raises(WeightsError, match="cut short or damaged"):
        identify_file(tmp_path / "x.mat", store)


def test_another_copy_of_one_whose_digest_is_known(store: WeightsStore, tmp_path: Path) -> None:
    store.add(small.entry("small"), small.saved(tmp_path / "x.pth", small.state()))
    path = small.saved(tmp_path / "y.pth", small.state(seed=3))
    with pytest.raises(WeightsError, match=r"y.pth has the weights' names of known.pth or small.pth, but is not that"):
        identify_file(path, store)
    assert identify_file(tmp_path / "x.pth", store).name == "small"


def test_several_it_might_be(store: WeightsStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small.publish(monkeypatch, tmp_path, small.entry("one"), small.entry("two"))
    path = small.saved(tmp_path / "x.pth", small.state())
    with pytest.raises(WeightsError, match=r"any of one, two.*--as"):
        identify_file(path, store)
    assert identify_file(path.rename(tmp_path / "two.pth"), store).name == "two"


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_what_is_none(store: WeightsStore, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    with pytest.raises(InputError, match="no file"):
        identify_file(path, store)
    with pytest.raises(WeightsError, match="no weights lipdub knows"):
        identify_file(small.saved(path, small.state(width=4)), store)
    with pytest.raises(WeightsError, match="no weights lipdub knows"):
        identify_file(small.saved(path, {"epoch": 1}), store)
    torch.jit.save(torch.jit.script(small.Small().layer), str(path))
    with pytest.raises(WeightsError, match="TorchScript"):
        identify_file(path, store)


def test_candidates(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no files of weights"):
        find_candidates(tmp_path)
    for name in ("a.pth", "b.txt", "in/C.PT", "in/d.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in find_candidates(tmp_path)] == ["a.pth", "C.PT", "d.safetensors"]
