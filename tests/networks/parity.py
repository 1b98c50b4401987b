"""Parity fixtures: state dicts filled by the rule they state, and outputs of the published implementations.

The fixtures lie in the folder that LIPDUB_SHARED names, in `parity/`; without them those tests are skipped. The rule (its
README): each entry's values are drawn from its name, so that no weights need to travel.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

torch = pytest.importorskip("torch")


def folder() -> Path | None:
    """Where the fixtures lie, or None."""
    for root in (os.environ.get("LIPDUB_SHARED"), Path(__file__).parents[2] / ".." / "shared"):
        if root and (Path(root) / "parity" / "README.md").is_file():
            return Path(root) / "parity"
    return None


def fixture(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The facts and the arrays of a fixture; skips the test where there are none."""
    here = folder()
    if here is None:
        pytest.skip("no parity fixtures (LIPDUB_SHARED)")
    facts = json.loads((here / f"{name}.json").read_text(encoding="utf-8"))
    arrays = here / f"{name}.npz"
    if not arrays.exists():
        return facts, {}
    with np.load(arrays) as data:
        return facts, {key: data[key] for key in data.files}


def filled(state: dict[str, torch.Tensor], spec: dict[str, Any] | None = None) -> dict[str, torch.Tensor]:
    """A state dict with the values the rule gives its names; entries that are to be left are as they were."""
    spec = spec or {}
    out = {name: _values(name, value, spec) for name, value in state.items()}
    for name in [n for n in out if n.endswith("weight_u")]:
        stem = name.removesuffix("weight_u")
        weight = out[stem + "weight_orig"].double().flatten(1)
        v = torch.nn.functional.normalize(weight.T @ out[name].double(), dim=0)
        u = torch.nn.functional.normalize(weight @ v, dim=0)
        out[name], out[stem + "weight_v"] = u.float(), v.float()
    return out


def _values(name: str, like: torch.Tensor, spec: dict[str, Any]) -> torch.Tensor:
    if any(re.search(pattern, name) for pattern in spec.get("leave", ())):
        return like
    if not like.is_floating_point():
        return torch.zeros_like(like)
    shape = tuple(like.shape)
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    x = np.asarray(rng.standard_normal(shape)).astype(np.float32)
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


def fill(network: torch.nn.Module, spec: dict[str, Any] | None = None) -> torch.nn.Module:
    """The network filled by the rule, strictly, in evaluation mode."""
    network.load_state_dict(filled(network.state_dict(), spec), strict=True)
    return network.eval()


def same_entries(network: torch.nn.Module, facts: dict[str, Any]) -> None:
    """Checks that names, shapes and types of the network's state are the published ones."""
    own = {k: (list(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in network.state_dict().items()}
    wanted = {key: (shape, dtype) for key, shape, dtype in facts["state_dict"]}
    assert list(wanted) and own == wanted


def outputs(facts: dict[str, Any], data: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray, int, float]]:
    """Each stored output: its name, values, the stride it was stored with, and its tolerance."""
    for name, about in facts["output"].items():
        if f"out.{name}" in data:
            yield (
                name,
                data[f"out.{name}"],
                int(about.get("stored_stride", 1)),
                float(facts["tolerance"].get(name, 0.0)),
            )


def strided(value: torch.Tensor | np.ndarray, stride: int) -> np.ndarray:
    """An output as the fixture stores it."""
    array = value.numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    return array[..., ::stride, ::stride] if stride > 1 else array


def close(found: dict[str, Any], facts: dict[str, Any], data: dict[str, np.ndarray]) -> None:
    """Checks every stored output against what was found under its name."""
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
