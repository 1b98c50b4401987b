"""The dubs whose frames are recorded: the drawn sample by each recipe, with small networks filled by rule.

Nothing in these dubs depends on a random number generator, on downloaded weights, or on the number of cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import lipdub
from lipdub.weights import manifest
from tests.sample import SPEECH, TALKER
from tests.sounds import write_beginning
from tests.stages import small_retalking, tiny_networks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Options of every dub: what can be compared exactly, with arithmetic that is the same on every run.
EXACT: dict[str, Any] = {
    "threads": 2,
    "length": "shortest",
    "lossless": True,
    "preset": "ultrafast",
    "precision": "fp32",
    "cpu_backend": "none",
}
SHORT_SECONDS = 0.8  # of the speech, for the recipes whose networks take long


def dub_builtin(folder: Path) -> lipdub.Result:
    """The whole sample by the recipe ``builtin``."""
    return lipdub.dub(TALKER, SPEECH, folder / "out.mkv", recipe="builtin", **EXACT)


def dub_wav2lip(folder: Path) -> lipdub.Result:
    """Twenty frames, the first 15 dubbed, by the recipe ``wav2lip``."""
    return _dub_beginning(folder, tiny_networks.publish_wav2lip, recipe="wav2lip", end=0.6)


def dub_retalking(folder: Path) -> lipdub.Result:
    """Twenty frames, four of them dubbed, by the recipe ``retalking``, restored by GPEN."""
    return _dub_beginning(
        folder, _publish_retalking, recipe="retalking", start=0.2, end=0.4, enhance="gpen", enhance_mask="mesh"
    )


def dub_stabilized(folder: Path) -> lipdub.Result:
    """Twenty frames by the recipe ``stabilized``, with a model of 48 pixels."""
    return _dub_beginning(folder, _publish_model, recipe="stabilized", enhance="none")


def dub_stylelipsync(folder: Path) -> lipdub.Result:
    """Twenty frames by the recipe ``stylelipsync``, with a model of 64 pixels."""
    return _dub_beginning(folder, _publish_style_model, recipe="stylelipsync", enhance="none")


def dub_g4g(folder: Path) -> lipdub.Result:
    """Twenty frames by the recipe ``g4g``, with a model of 104 by 80 pixels."""
    return _dub_beginning(folder, _publish_g4g_model, recipe="g4g", enhance="none")


def dub_stylegan(folder: Path) -> lipdub.Result:
    """Twenty frames by the recipe ``stylegan``, with a model of 32 pixels and few steps."""
    return _dub_beginning(folder, _publish_stylegan_model, recipe="stylegan")


DUBS: dict[str, Callable[[Path], lipdub.Result]] = {
    "builtin": dub_builtin,
    "wav2lip": dub_wav2lip,
    "retalking": dub_retalking,
    "stabilized": dub_stabilized,
    "stylelipsync": dub_stylelipsync,
    "g4g": dub_g4g,
    "stylegan": dub_stylegan,
}


def _publish_retalking(patch: pytest.MonkeyPatch, folder: Path) -> None:
    entries = small_retalking.entries().values()
    tiny_networks.publish_filled(patch, folder, entries, (*tiny_networks.RETALKING, "gpen-512"))


def _publish_model(patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    return tiny_networks.publish_stabilized(patch, folder)["sync"]


def _publish_style_model(patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    return tiny_networks.publish_stylelipsync(patch, folder)["sync"]


def _publish_g4g_model(patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    return tiny_networks.publish_g4g(patch, folder)["sync"]


def _publish_stylegan_model(patch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    return tiny_networks.publish_stylegan(patch, folder)["sync"]


def _dub_beginning(
    folder: Path, publish: Callable[[pytest.MonkeyPatch, Path], dict[str, Any] | None], **options: Any
) -> lipdub.Result:
    """A dub with the first `SHORT_SECONDS` of the sample's speech, by networks that are published for its time."""
    speech = write_beginning(folder / "short.wav", SPEECH, SHORT_SECONDS)
    with pytest.MonkeyPatch.context() as patch:
        try:
            given = publish(patch, folder) or {}
            return lipdub.dub(TALKER, speech, folder / "out.mkv", **{**EXACT, **options, **given})
        finally:
            manifest._read.cache_clear()
