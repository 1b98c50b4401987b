"""The networks of the parity are all that there are, and none makes tensors on another device than its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import lipdub.networks
from tests.gpu import networks
from tests.gpu.networks import Case, list_cases
from tests.networks import published

CASES = {case.name: case for case in list_cases(tiny=True)}
PIECES = re.compile(r"__init__|compat|blocks_\w+|face_colours|face_warp")  # parts of networks


def test_each_file_of_networks_has_a_case() -> None:
    named = ""
    for module in (networks, published):
        assert module.__file__ is not None
        named += Path(module.__file__).read_text(encoding="utf-8")
    files = [path.stem for path in Path(lipdub.networks.__path__[0]).glob("*.py")]
    left = [name for name in files if not PIECES.fullmatch(name)]
    assert len(left) > 20
    assert [name for name in left if not re.search(rf"lipdub\.networks(\.| import .*\b){name}\b", named)] == []


def test_full_sizes_are_more_than_small_ones() -> None:
    sizes = [case.size for case in list_cases(tiny=False)]
    assert sizes.count("small") == len(CASES) < sizes.count("full")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_all_its_tensors_are_on_its_device(case: Case) -> None:
    network = case.build().eval().to("meta")
    inputs = {name: value.to("meta") for name, value in case.inputs().items()}
    with torch.inference_mode():
        outputs = case.run(network, inputs)
    assert outputs and all(value.is_meta for value in outputs.values())
