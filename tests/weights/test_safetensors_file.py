"""Files of own networks: what goes in comes out, and every other file is refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from lipdub.errors import LipdubError, WeightsError
from lipdub.weights import safetensors_file
from tests.properties import repeatable

FORM = "lipdub-test-1"
WHAT = (FORM, "test network", "lipdub test")
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
SHAPES = st.lists(st.integers(0, 4), max_size=3)
STATES = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
    SHAPES,
    max_size=4,
)


def make_state(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator).half().float() for name, shape in shapes.items()}


@pytest.mark.slow
@repeatable
@given(st.dictionaries(st.text(max_size=6), PLAIN, max_size=4), STATES)
def test_what_goes_in_comes_out(description: dict[str, Any], shapes: dict[str, list[int]]) -> None:
    state = make_state(shapes)
    with TemporaryDirectory() as folder:
        path = safetensors_file.write(Path(folder) / "deep" / "net.safetensors", FORM, description, state)
        found, tensors = safetensors_file.read(path, *WHAT)
        assert found == safetensors_file.read_description(path, *WHAT) == description
    assert tensors.keys() == state.keys()
    for name, value in state.items():
        assert tensors[name].dtype == torch.float32
        assert torch.equal(tensors[name], value)


def test_integers_stay_integers_and_a_file_is_always_the_same(tmp_path: Path) -> None:
    state = {"b": torch.arange(3), "a": torch.ones(2)}
    first = safetensors_file.write(tmp_path / "1", FORM, {"b": 1, "a": 2}, state)
    second = safetensors_file.write(tmp_path / "2", FORM, {"a": 2, "b": 1}, state)
    assert first.read_bytes() == second.read_bytes()
    assert safetensors_file.read(first, *WHAT)[1]["b"].dtype == torch.int64


def test_notes_are_those_of_any_format(tmp_path: Path) -> None:
    path = safetensors_file.write(tmp_path / "net", FORM, {"notes": {"remark": "for tests"}}, {})
    assert safetensors_file.read_notes(path) == {"remark": "for tests"}
    assert safetensors_file.read_notes(safetensors_file.write(path, FORM, {"notes": 3}, {})) == {}
    path.write_bytes(save({"x": torch.ones(1)}))
    with pytest.raises(WeightsError, match="holds no network trained with lipdub"):
        safetensors_file.read_notes(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_a_damaged_description_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "net"
    path.write_bytes(save({"x": torch.ones(1)}, {FORM: text}))
    with pytest.raises(WeightsError, match="does not say what its networks are like"):
        safetensors_file.read(path, *WHAT)


HEADERS = st.builds(
    lambda header, body: len(header).to_bytes(8, "little") + header + body,
    st.one_of(st.binary(max_size=60), PLAIN.map(lambda value: json.dumps(value).encode())),
    st.binary(max_size=40),
)


@repeatable
@given(st.binary(max_size=200) | HEADERS)
def test_any_bytes_are_refused_in_words(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        path.write_bytes(content)
        for read in (safetensors_file.read, safetensors_file.read_description):
            with pytest.raises(LipdubError, match=r"net\.safetensors"):
                read(path, *WHAT)
        with pytest.raises(LipdubError, match=r"net\.safetensors"):
            safetensors_file.read_notes(path)
