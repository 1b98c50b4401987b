"""Every network that was published takes the published state and computes what the published one computes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from lipdub.networks.ganimation import ACTION_UNITS
from lipdub.networks.parsenet import CLASSES
from lipdub.networks.recon import split_coefficients
from tests.networks import parity
from tests.networks.published import NETWORKS, STATE_ONLY

if TYPE_CHECKING:
    from pathlib import Path

BY_WEIGHT = [pytest.param(name, marks=[pytest.mark.slow] * NETWORKS[name].is_heavy) for name in NETWORKS]


@pytest.fixture(scope="module", params=BY_WEIGHT)
def name(request: pytest.FixtureRequest) -> str:
    """The name of a network."""
    return str(request.param)


@pytest.fixture(scope="module")
def network(name: str) -> torch.nn.Module:
    """The network, filled by rule."""
    return parity.build_filled(name, NETWORKS[name])


def test_it_computes_what_the_digest_says(name: str, network: torch.nn.Module) -> None:
    if parity.folder() is not None and NETWORKS[name].is_heavy and not NETWORKS[name].sizes:
        pytest.skip("the fixture's inputs are as large, and its outputs are compared whole")
    parity.compare_with_digest(name, NETWORKS[name], network)


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.skipif(parity.folder() is None, reason=parity.NO_FIXTURES)
def test_it_computes_what_the_published_one_does(name: str, network: torch.nn.Module) -> None:
    parity.compare_fully(name, NETWORKS[name], network)


@pytest.mark.parametrize("other", STATE_ONLY)
def test_it_takes_the_other_published_checkpoint(other: str) -> None:
    with torch.device("meta"):
        network = STATE_ONLY[other]()
    assert parity.hash_entries(network) == parity.digest(other)["state_sha256"]


def test_there_is_a_digest_of_every_fixture() -> None:
    assert {path.stem for path in parity.DIGESTS.glob("*.json")} == {*NETWORKS, *STATE_ONLY, parity.PREPROCESS}


def test_classes_and_action_units_are_in_the_published_order() -> None:
    for name in ("gpen_parsenet", "gpen_bisenet"):  # both networks have the same classes
        assert list(CLASSES) == parity.facts_of(name)["classes"]
    order = parity.facts_of("ganimation")["input"]["aus"]["order"]
    assert order == "AU" + ",".join(f"{number:02}" for number in ACTION_UNITS)


def test_coefficients_are_split_as_published() -> None:
    ends = {name: (start, end) for name, start, end in parity.facts_of("vrt_recon")["split"]}
    parts = split_coefficients(np.arange(257))
    for part, name in zip(parts[:5], ("id", "exp", "tex", "angle", "gamma"), strict=True):
        assert (part[0], part[-1] + 1) == ends[name]
    assert (parts.translation[0], parts.translation[-1] + 1) == (ends["tx,ty"][0], ends["tz"][1])


def test_a_network_that_computes_something_else_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about: dict[str, Any] = parity.digest("wav2lip_disc")
    values = about["outputs"]["real_probability"]["values"]
    values[0] += 1e-3
    (tmp_path / "wav2lip_disc.json").write_text(json.dumps(about))
    network = parity.build_filled("wav2lip_disc", NETWORKS["wav2lip_disc"])
    monkeypatch.setattr(parity, "DIGESTS", tmp_path)
    with pytest.raises(AssertionError, match="real_probability"):
        parity.compare_with_digest("wav2lip_disc", NETWORKS["wav2lip_disc"], network)
