"""The dubs whose frames are recorded: the drawn sample by each recipe, with small networks filled by rule.

Nothing in these dubs depends on a random number generator, on downloaded weights, or on the number of cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import lipdub
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
from lipdub.weights import manifest, talking_face_file
from lipdub.weights.checkpoint import build_network
from lipdub.weights.store import FOLDER_VARIABLE, WeightsStore
from tests.networks.parity import fill, filled
from tests.sample import SPEECH, TALKER
from tests.sounds import write_beginning
from tests.stages import small_retalking
from tests.weights import small

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.weights.manifest import ManifestEntry

#: Options of every dub: what can be compared exactly, with arithmetic that is the same on every run.
EXACT: dict[str, Any] = {
    "threads": 2,
    "length": "shortest",
    "lossless": True,
    "preset": "ultrafast",
    "precision": "fp32",
    "accel": "none",
}
WAV2LIP = {"width": 2}
FACE_PIXELS = 48
SHORT_SECONDS = 0.8  # of the speech, for the recipes whose networks take long
# Gains that keep the narrow networks away from saturation, where a wrong input would not show.
_PAINT = {"gain": 1.0, "overrides": [{"match": r"^paint\.bias$", "scale": 0.5, "shift": 1.0}]}


def dub_builtin(folder: Path) -> lipdub.Result:
    """The whole sample by the recipe ``builtin``."""
    return lipdub.dub(TALKER, SPEECH, folder / "out.mkv", recipe="builtin", **EXACT)


def dub_wav2lip(folder: Path) -> lipdub.Result:
    """Twenty frames, the first 15 dubbed, by the recipe ``wav2lip``."""
    part = small.part(network="lipdub.networks.wav2lip:Wav2Lip", arguments=dict(WAV2LIP), key=("state_dict",))
    return _with_networks(
        folder,
        [small.entry(name, parts=(part,)) for name in ("wav2lip-gan", "wav2lip")],
        ("wav2lip",),
        recipe="wav2lip",
        end=0.6,
    )


def dub_retalking(folder: Path) -> lipdub.Result:
    """Twenty frames, six of them dubbed, by the recipe ``retalking``, restored by GPEN."""
    names = ("face3d", "dnet", "lnet", "enet", "gpen-512")
    entries = list(small_retalking.entries(copying=False).values())
    return _with_networks(
        folder,
        entries,
        names,
        recipe="retalking",
        start=0.2,
        end=0.4,
        enhance="gpen",
        enhance_mask="mesh",
    )


def dub_stabilized(folder: Path) -> lipdub.Result:
    """Twenty frames by the recipe ``stabilized``, with a model of 48 pixels."""
    size = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
    silent, talking = (fill(FaceGenerator(FaceGeneratorSize(FACE_PIXELS, 4, 8, 16)), _PAINT) for _ in range(2))
    model = talking_face_file.TalkingFaceModel(fill(AVSyncNet(size)), silent, talking, {"remark": "filled by rule"})
    path = talking_face_file.save(folder / "filled.safetensors", model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder / "store"))
        return _dub_beginning(folder, recipe="stabilized", model=path, enhance="none")


DUBS: dict[str, Callable[[Path], lipdub.Result]] = {
    "builtin": dub_builtin,
    "wav2lip": dub_wav2lip,
    "retalking": dub_retalking,
    "stabilized": dub_stabilized,
}


def _with_networks(folder: Path, entries: list[ManifestEntry], names: tuple[str, ...], **options: Any) -> lipdub.Result:
    """A dub in which ``entries`` are the published weights, and those called ``names`` are in the store, filled."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            small.publish(patch, folder, *entries)
            patch.setenv(FOLDER_VARIABLE, str(folder / "store"))
            for name in names:
                entry = manifest.find_entry(name)
                state = filled(build_network(entry.part()).state_dict(), {"leave": [r"\.kernel$"]})
                source = small.saved(folder / "filled.pth", {"state_dict": state})
                WeightsStore().add(entry, source, own=True)
            return _dub_beginning(folder, **options)
        finally:
            manifest._read.cache_clear()


def _dub_beginning(folder: Path, **options: Any) -> lipdub.Result:
    """A dub with the first `SHORT_SECONDS` of the sample's speech."""
    speech = write_beginning(folder / "short.wav", SPEECH, SHORT_SECONDS)
    return lipdub.dub(TALKER, speech, folder / "out.mkv", **{**EXACT, **options})
