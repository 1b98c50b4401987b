"""Parity with the published networks: the shared fixtures, and the digests of them that are committed.

A fixture holds the names and shapes of a published state, a rule that fills it, and inputs and outputs of the
published implementation. The fixtures lie in ``parity/`` of the folder that ``LIPDUB_SHARED`` names; tests that need
them are skipped without them. A digest (``digests/NAME.json``) holds a hash of the names and shapes, ranges of inputs
that are drawn anew, and some values of the outputs. ``python -m tests.networks.make_digests`` makes the digests, after
the full comparison has passed, so digests keep the parity where the fixtures are absent.

The fill rule draws the values of each entry from its name, so that no weights need to travel.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lipdub.arrays import Array
    from tests.networks.published import PublishedNetwork


Facts = dict[str, Any]

DIGESTS = Path(__file__).with_name("digests")
SAMPLES = 32  # values of each output that a digest holds
PREPROCESS = "preprocess"  # the fixture of features, alignment and blending
NO_FIXTURES = "no parity fixtures (LIPDUB_SHARED)"
CPU_MARGIN = 4.0  # times the fixture's tolerance: a digest's values come from one machine's rounding


def folder() -> Path | None:
    """Return the folder of the fixtures, or None if there is none."""
    for root in (os.environ.get("LIPDUB_SHARED"), Path(__file__).parents[2] / ".." / "shared"):
        if root and (Path(root) / "parity" / "README.md").is_file():
            return Path(root) / "parity"
    return None


def locate(name: str) -> Path:
    """Return the path of a file of the fixtures, shared or committed; skip the test where there is neither."""
    for home in (folder(), DIGESTS):
        if home is not None and (home / name).is_file():
            return home / name
    pytest.skip(NO_FIXTURES)


class CommittedArrays(dict[str, Any]):
    """The committed part of a fixture's arrays; to ask for another one skips the test."""

    def __missing__(self, key: str) -> Array:
        pytest.skip(f"{key}: {NO_FIXTURES}")


def fixture(name: str) -> tuple[Facts, dict[str, Array]]:
    """Return the facts and the arrays of a fixture; skip the test where there are none.

    The smaller arrays of ``preprocess`` are committed, so they are there without the shared fixtures.
    """
    home = folder()
    if home is None and name == PREPROCESS:
        with np.load(DIGESTS / f"{name}.npz") as data:
            return digest(name), CommittedArrays({key: data[key] for key in data.files})
    if home is None:
        pytest.skip(NO_FIXTURES)
    facts = json.loads((home / f"{name}.json").read_text(encoding="utf-8"))
    arrays = home / f"{name}.npz"
    if not arrays.exists():
        return facts, {}
    with np.load(arrays) as data:
        return facts, {key: data[key] for key in data.files}


def digest(name: str) -> Facts:
    """Return the committed digest of a fixture."""
    content: Facts = json.loads((DIGESTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def facts_of(name: str) -> Facts:
    """Return the facts about a published network that both its fixture and its digest hold."""
    facts: Facts = digest(name)["facts"]
    return facts


# The fill rule


def filled(state: dict[str, torch.Tensor], spec: Facts | None = None) -> dict[str, torch.Tensor]:
    """Return a state dict with the values the rule gives its names; entries to be left are as they were."""
    spec = spec or {}
    out = {name: _draw_values(name, value, spec) for name, value in state.items()}
    for name in [n for n in out if n.endswith("weight_u")]:
        stem = name.removesuffix("weight_u")
        weight = out[stem + "weight_orig"].double().flatten(1)
        v = torch.nn.functional.normalize(weight.T @ out[name].double(), dim=0)
        u = torch.nn.functional.normalize(weight @ v, dim=0)
        out[name], out[stem + "weight_v"] = u.float(), v.float()
    return out


def _draw_values(name: str, like: torch.Tensor, spec: Facts) -> torch.Tensor:
    if any(re.search(pattern, name) for pattern in spec.get("leave", ())):
        return like
    if not like.is_floating_point():
        return torch.zeros_like(like)
    shape = tuple(like.shape)
    x = np.asarray(_generator(name).standard_normal(shape)).astype(np.float32)
    for rule in spec.get("overrides", ()):
        if re.search(rule["match"], name):
            return torch.from_numpy(np.asarray(x * np.float32(rule["scale"]) + np.float32(rule.get("shift", 0.0))))
    if len(shape) >= 2:
        unit = spec.get("matrix", "fan_in") == "unit"
        x = x * np.float32(spec.get("gain", 1.0) * (1.0 if unit else 1.0 / np.sqrt(np.prod(shape[1:]))))
    elif not shape or name.endswith("weight"):
        x = 1 + np.float32(0.1) * x
    elif name.endswith("running_var"):
        x = 1 + np.float32(0.1) * np.abs(x)
    else:
        x = np.float32(0.1) * x
    return torch.from_numpy(np.asarray(x, np.float32))


def fill(network: torch.nn.Module, spec: Facts | None = None) -> torch.nn.Module:
    """Fill a network by the rule, strictly, and return it in evaluation mode."""
    network.load_state_dict(filled(network.state_dict(), spec), strict=True, assign=True)
    return network.eval()


def _generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


class _WithoutInitialValues(TorchFunctionMode):
    """Leaves out the initial values of a network that is built to be filled."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


# The full comparison


def list_entries(network: torch.nn.Module) -> list[tuple[str, list[int], str]]:
    """Return name, shape and type of each entry of a network's state, in order."""
    return [(k, list(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in network.state_dict().items()]


def same_entries(network: torch.nn.Module, facts: Facts) -> None:
    """Check that names, shapes and types of the network's state are the published ones."""
    own = {key: (shape, dtype) for key, shape, dtype in list_entries(network)}
    wanted = {key: (shape, dtype) for key, shape, dtype in facts["state_dict"]}
    assert wanted
    assert own == wanted


def outputs(facts: Facts, data: dict[str, Array]) -> Iterator[tuple[str, Array, int, float]]:
    """Yield each stored output: its name, values, the stride it was stored with, and its tolerance."""
    for name, about in facts["output"].items():
        if f"out.{name}" in data:
            yield (
                name,
                data[f"out.{name}"],
                int(about.get("stored_stride", 1)),
                float(facts["tolerance"].get(name, 0.0)),
            )


def strided(value: torch.Tensor | Array, stride: int) -> Array:
    """Return an output as the fixture stores it."""
    array = value.numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    return array[..., ::stride, ::stride] if stride > 1 else array


def close(found: dict[str, Any], facts: Facts, data: dict[str, Array]) -> None:
    """Check every stored output against what was found under its name."""
    names = []
    for name, wanted, stride, tolerance in outputs(facts, data):
        got = strided(found[name], stride)
        assert got.shape == wanted.shape, name
        if wanted.dtype.kind in "iu":
            part = float((got != wanted).mean())
            assert part <= tolerance, f"{name}: {part:.4%} of the labels differ"
        else:
            error = float(np.abs(got.astype(np.float64) - wanted).max())
            assert error <= tolerance, f"{name}: off by {error:.3g}, allowed {tolerance:.3g}"
        names.append(name)
    assert names


def compare_fully(name: str, published: PublishedNetwork, network: torch.nn.Module | None = None) -> None:
    """Compare a network with its fixture, one of `build_filled` if given; skip the test where there are no fixtures."""
    facts, data = fixture(name)
    if network is None:
        network = fill(published.build(), facts["fill"])
    else:
        assert facts["fill"] == digest(name)["fill"]
    same_entries(network, facts)
    inputs = {key.removeprefix("in."): torch.from_numpy(data[key]) for key in data if key.startswith("in.")}
    with torch.inference_mode():
        found = published.run(network, inputs)
    close(found, facts, data)


# The comparison with a digest


def hash_entries(network: torch.nn.Module) -> str:
    """Return the SHA-256 of names, shapes and types of a network's state, in order of the names."""
    return hashlib.sha256(json.dumps(sorted(list_entries(network))).encode()).hexdigest()


def draw_inputs(specs: Facts) -> dict[str, torch.Tensor]:
    """Return a digest's inputs: uniform between ``low`` and ``high``, seeded by their names."""
    inputs = {}
    for name, spec in specs.items():
        drawn = _generator(f"in.{name}").uniform(spec["low"], spec["high"], spec["shape"])
        inputs[name] = torch.from_numpy(drawn.astype(spec["dtype"]))
    return inputs


def sample(name: str, output: torch.Tensor) -> list[float]:
    """Return the values of an output that a digest holds, at places that its name decides."""
    flat = output.flatten()
    places = _generator(f"out.{name}").integers(0, len(flat), min(SAMPLES, len(flat)))
    return [float(flat[int(place)]) for place in places]


def build_filled(name: str, published: PublishedNetwork) -> torch.nn.Module:
    """Return a network filled as its digest says, after its names and shapes have been compared."""
    about = digest(name)
    with _WithoutInitialValues():
        network = published.build()
    assert hash_entries(network) == about["state_sha256"], "its names or shapes are not the published ones"
    return fill(network, about["fill"])


def compare_with_digest(name: str, published: PublishedNetwork, network: torch.nn.Module) -> None:
    """Compare a network of `build_filled` with the digest of its fixture."""
    about = digest(name)
    with torch.inference_mode():
        found = published.run(network, draw_inputs(about["inputs"]))
    assert found.keys() == about["outputs"].keys()
    for key, wanted in about["outputs"].items():
        assert list(found[key].shape) == wanted["shape"], key
        assert sample(key, found[key]) == pytest.approx(wanted["values"], rel=0, abs=wanted["tolerance"]), key
