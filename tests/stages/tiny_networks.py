"""The networks of the sync methods in small, filled by rule and published in a weights store of the test.

Each function of `PUBLISH` makes the networks of one method available, and returns the options, by stage, with which the
method takes them. A method without weights needs no entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize
from lipdub.networks.g4g import G4G, G4GSize
from lipdub.networks.latent_encoder import LatentEncoder
from lipdub.networks.style_lip_sync import StyleLipSync, StyleLipSyncSize
from lipdub.networks.stylegan2 import StyleGAN2, StyleGAN2Size
from lipdub.weights import g4g_file, manifest, style_lip_sync_file, stylegan_file, talking_face_file
from lipdub.weights.checkpoint import build_network
from lipdub.weights.store import FOLDER_VARIABLE, WeightsStore
from tests.networks.parity import fill, filled
from tests.stages import small_retalking
from tests.weights import small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import pytest

    from lipdub.weights.manifest import ManifestEntry

StageOptions = dict[str, dict[str, Any]]

WAV2LIP = {"width": 2}
RETALKING = ("face3d", "dnet", "lnet", "enet")
FACE_PIXELS = 48
STYLE_PIXELS = 64
# Gains that keep the narrow networks away from saturation, where a wrong input would not show.
PAINT = {"gain": 1.0, "overrides": [{"match": r"^paint\.bias$", "scale": 0.5, "shift": 1.0}]}


def publish_filled(
    patch: pytest.MonkeyPatch, folder: Path, entries: Iterable[ManifestEntry], names: Iterable[str]
) -> None:
    """Makes ``entries`` the published weights, and puts those called ``names`` into the store that is used, filled.

    The manifest's cache has to be cleared when ``patch`` is undone (`lipdub.weights.manifest._read`).
    """
    small.publish(patch, folder, *entries)
    patch.setenv(FOLDER_VARIABLE, str(folder / "store"))
    for name in names:
        entry = manifest.find_entry(name)
        state = filled(build_network(entry.part()).state_dict(), {"leave": [r"\.kernel$"]})
        source = small.saved(folder / "filled.pth", {"state_dict": state})
        WeightsStore().add(entry, source, own=True)


def publish_wav2lip(patch: pytest.MonkeyPatch, folder: Path) -> StageOptions:
    """Wav2Lip's generator with two channels at its start."""
    part = small.part(network="lipdub.networks.wav2lip:Wav2Lip", arguments=dict(WAV2LIP), key=("state_dict",))
    entries = [small.entry(name, parts=(part,)) for name in ("wav2lip-gan", "wav2lip")]
    publish_filled(patch, folder, entries, ("wav2lip",))
    return {}


def publish_lnet(patch: pytest.MonkeyPatch, folder: Path) -> StageOptions:
    """VideoReTalking's networks, without GPEN; D-Net and E-Net, which take long at their sizes, have stand-ins."""
    entries = small_retalking.entries(small_retalking.MIXES).values()
    publish_filled(patch, folder, entries, RETALKING)
    return {}


def publish_stabilized(patch: pytest.MonkeyPatch, folder: Path) -> StageOptions:
    """A talking-face model of `FACE_PIXELS`, given to the stages that draw with it."""
    patch.setenv(FOLDER_VARIABLE, str(folder / "store"))
    size = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
    silent, talking = (fill(FaceGenerator(FaceGeneratorSize(FACE_PIXELS, 4, 8, 16)), PAINT) for _ in range(2))
    content = talking_face_file.TalkingFaceModel(fill(AVSyncNet(size)), silent, talking, {"remark": "filled by rule"})
    model = talking_face_file.save(folder / "filled.safetensors", content)
    return {"neutralize": {"model": model}, "sync": {"model": model}}


def stylelipsync_size() -> StyleLipSyncSize:
    """The size of `stylelipsync_model`: eight channels, codes of eight."""
    return StyleLipSyncSize(StyleGAN2Size(STYLE_PIXELS, 8, 1, 1 / 64), audio_width=2, audio_features=8)


def stylelipsync_model() -> style_lip_sync_file.StyleLipSyncModel:
    """A StyleLipSync model of `STYLE_PIXELS`, filled by rule."""
    network = fill(StyleLipSync(stylelipsync_size()), {"leave": [r"\.kernel$"]})
    return style_lip_sync_file.StyleLipSyncModel(network, "pose", {"remark": "filled by rule"})


def publish_stylelipsync(patch: pytest.MonkeyPatch, folder: Path) -> StageOptions:
    """A StyleLipSync model, given to the stages that draw with it."""
    patch.setenv(FOLDER_VARIABLE, str(folder / "store"))
    model = style_lip_sync_file.save(folder / "filled.safetensors", stylelipsync_model())
    return {"neutralize": {"model": model}, "sync": {"model": model}}


def g4g_model() -> g4g_file.G4GModel:
    """A G4G model of 104 by 80 pixels, filled by rule."""
    size = G4GSize(8, 2, 3, 8, audio_width=2, shows_landmarks=True, moves=2)
    return g4g_file.G4GModel(fill(G4G(size)), "pose", {"remark": "filled by rule"})


def publish_g4g(patch: pytest.MonkeyPatch, folder: Path) -> StageOptions:
    """A G4G model, given to the stage that draws with it."""
    patch.setenv(FOLDER_VARIABLE, str(folder / "store"))
    return {"sync": {"model": g4g_file.save(folder / "filled.safetensors", g4g_model())}}


def stylegan_model() -> stylegan_file.StyleGANModel:
    """A StyleGAN model of 32 pixels, filled by rule."""
    size = StyleGAN2Size(32, 8, 1, 1 / 64)
    generator = fill(size.build(), {"leave": [r"\.kernel$"]})
    assert isinstance(generator, StyleGAN2)
    encoder = fill(LatentEncoder(size, torch.zeros(8)))
    assert isinstance(encoder, LatentEncoder)
    return stylegan_file.StyleGANModel(size, generator, encoder, {"remark": "filled by rule"})


STYLEGAN_STEPS = {"tuning_steps": 4, "edit_steps": 3, "stitching_steps": 4}


def publish_stylegan(patch: pytest.MonkeyPatch, folder: Path) -> StageOptions:
    """A StyleGAN model, given to the stage that edits with it, and few steps."""
    patch.setenv(FOLDER_VARIABLE, str(folder / "store"))
    return {"sync": {"model": stylegan_file.save(folder / "filled.safetensors", stylegan_model()), **STYLEGAN_STEPS}}


#: By the name of the sync method.
PUBLISH: Mapping[str, Callable[[pytest.MonkeyPatch, Path], StageOptions]] = {
    "wav2lip": publish_wav2lip,
    "lnet": publish_lnet,
    "stabilized": publish_stabilized,
    "stylelipsync": publish_stylelipsync,
    "g4g": publish_g4g,
    "stylegan": publish_stylegan,
}
