"""Makes the digests of the parity fixtures anew: ``python -m tests.networks.make_digests [NAME...]``.

It needs the shared fixtures. A digest is written only after the network has passed the full comparison.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tests.networks import parity
from tests.networks.published import NETWORKS, STATE_ONLY, PublishedNetwork

if TYPE_CHECKING:
    from lipdub.arrays import Array

FACTS = ("name", "source", "source_commit", "published_checkpoint", "classes", "split", "masks_used")
MAX_ARRAY_BYTES = 80_000
RELATIVE_TOLERANCE = 3e-6  # of an output's range, as the fixtures' rule has it


def make_digest(name: str, published: PublishedNetwork) -> dict[str, Any]:
    """Return the digest of a fixture. Raises AssertionError if the network is not the published one."""
    parity.compare_fully(name, published)
    facts, data = parity.fixture(name)
    inputs = {
        key.removeprefix("in."): _describe(data[key], published.sizes.get(key.removeprefix("in.")))
        for key in data
        if key.startswith("in.")
    }
    network = parity.fill(published.build(), facts["fill"])
    with torch.inference_mode():
        found = published.run(network, parity.draw_inputs(inputs))
    outputs = {
        key: {
            "shape": list(value.shape),
            "tolerance": _tolerance(value, float(facts["tolerance"].get(key, 0.0))),
            "values": parity.sample(key, value),
        }
        for key, value in found.items()
    }
    return {**_describe_state(network, facts), "fill": facts["fill"], "inputs": inputs, "outputs": outputs}


def copy_small_arrays() -> None:
    """Copy the facts, the small files and the smaller arrays of ``preprocess``, which are no network's."""
    facts, data = parity.fixture(parity.PREPROCESS)
    home = parity.folder()
    assert home is not None
    small = {key: value for key, value in data.items() if value.nbytes <= MAX_ARRAY_BYTES}
    np.savez_compressed(parity.DIGESTS / f"{parity.PREPROCESS}.npz", **small)
    kept = {key: value for key, value in facts.items() if key != "arrays"}
    _write(parity.PREPROCESS, kept)
    for row in facts["g_cpbd"]["values"]:
        shutil.copyfile(home / row["file"], parity.DIGESTS / row["file"])


def _describe_state(network: torch.nn.Module, facts: dict[str, Any]) -> dict[str, Any]:
    parity.same_entries(network, facts)
    kept = {key: facts[key] for key in FACTS if key in facts}
    return {"facts": kept | {"input": facts["input"]}, "state_sha256": parity.hash_entries(network)}


def _describe(array: Array, shape: tuple[int, ...] | None) -> dict[str, Any]:
    low, high = math.floor(float(array.min())), math.ceil(float(array.max()))
    return {"shape": list(shape or array.shape), "dtype": str(array.dtype), "low": low, "high": high}


def _tolerance(output: torch.Tensor, published: float) -> float:
    if not output.is_floating_point():
        return 0.0
    extent = float(output.max() - output.min())
    return float(f"{parity.CPU_MARGIN * max(published, RELATIVE_TOLERANCE * extent):.2g}")


def main(names: list[str]) -> None:
    """Write the digests of these fixtures, by default of all."""
    parity.DIGESTS.mkdir(exist_ok=True)
    for name in names or [*NETWORKS, *STATE_ONLY, parity.PREPROCESS]:
        if name in NETWORKS:
            _write(name, make_digest(name, NETWORKS[name]))
        elif name in STATE_ONLY:
            _write(name, _describe_state(STATE_ONLY[name](), parity.fixture(name)[0]))
        else:
            copy_small_arrays()
        print(name)


def _write(name: str, content: dict[str, Any]) -> None:
    path = parity.DIGESTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
