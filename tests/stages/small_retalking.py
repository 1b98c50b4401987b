"""VideoReTalking's networks in small, others that copy, and a weights store that publishes them.

Their sizes are the published ones, their widths are not: the whole recipe runs in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.io import savemat

from lipdub.faces import landmarks
from lipdub.faces.alignment import fan
from lipdub.networks.dnet import DNetOutput
from lipdub.networks.enet import ENet, ENetOutput
from lipdub.networks.lnet import LNet
from lipdub.weights import manifest
from lipdub.weights.checkpoint import build_network
from lipdub.weights.store import FOLDER_VARIABLE, WeightsStore
from tests.weights import small

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    from lipdub.weights.manifest import ManifestEntry

LNET = {"width": 2, "blocks": 1, "descriptor": 16}


class SmallENet(ENet):
    """An E-Net with a small L-Net inside."""

    def __init__(self) -> None:
        super().__init__(LNet(**LNET), width=8, style=8)


class Copying(torch.nn.Module):
    """Stands in for a network and gives back the face it was handed."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))


class CopyingDNet(Copying):
    def forward(self, source: torch.Tensor, coefficients: torch.Tensor) -> DNetOutput:
        assert source.shape[1:] == (3, 256, 256) and coefficients.shape[1:] == (73, 26)
        assert torch.all(coefficients[:, :64] == torch.linspace(-1, 1, 128)[:64, None])  # the template in every column
        return DNetOutput(source * self.scale, source, source)


class CopyingGPEN(Copying):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        assert image.shape[1:] == (3, 512, 512)
        return image * self.scale


class CopyingENet(Copying):
    def __init__(self) -> None:
        super().__init__()
        self.low_res = LNet(**LNET)

    def forward(self, mel: torch.Tensor, face: torch.Tensor, noise: float) -> ENetOutput:
        assert len(mel) == len(face) and noise == 0
        return ENetOutput(face[:, 3:] * self.scale, face)


class MixingDNet(Copying):
    """Stands in for D-Net, quickly: its face depends on all that it is given."""

    def forward(self, source: torch.Tensor, coefficients: torch.Tensor) -> DNetOutput:
        shade = torch.tanh(self.scale + coefficients.mean((1, 2)))[:, None, None, None]
        return DNetOutput(0.9 * source + 0.1 * shade, source, source[:, :2, ::4, ::4])


class MixingENet(Copying):
    """Stands in for E-Net, quickly: its face depends on all that it is given, and on the L-Net that it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.low_res = LNet(**LNET)
        self.probe = next(name for name, value in self.low_res.named_parameters() if value.ndim > 1)

    def forward(self, mel: torch.Tensor, face: torch.Tensor, noise: float) -> ENetOutput:
        assert len(mel) == len(face) and face.shape[1:] == (6, 384, 384) and noise == 0
        inside = self.low_res.get_parameter(self.probe).mean()
        shade = torch.tanh(self.scale + inside + mel.mean((1, 2, 3)))[:, None, None, None]
        return ENetOutput((0.7 * face[:, 3:] + 0.2 * face[:, :3] + 0.1 * shade).clamp(0, 1), face)


class Pointing(torch.nn.Module):
    """Stands in for FAN: every face has the points of a neutral one, which shake from picture to picture."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        assert images.shape[1:] == (3, 256, 256) and float(images.min()) >= 0 and float(images.max()) <= 1
        shaken = [neutral_in_crop() + 2 * float(torch.sin(1e4 * image.mean())) for image in images]
        return [torch.from_numpy(heatmaps(np.stack(shaken))) * self.scale]


def neutral_in_crop() -> np.ndarray:
    """iBUG points (68, 2) of the neutral face in FAN's crop of it."""
    points = landmarks.to_ibug(landmarks.load_neutral_face())[:, :2] * 60 + 300
    return fan.align(fan.fit_boxes(points[None])[0]).to_crop(points)


def heatmaps(points: np.ndarray, sigma: float = 1.0, cells: int = 64) -> np.ndarray:
    """Gaussians float32 (n, p, cells, cells) at points (n, p, 2) of FAN's crop; sigma in cells."""
    at = (points + 0.5) / (fan.SIZE / cells) - 0.5
    v, u = np.mgrid[:cells, :cells]
    away = (u - at[..., 0, None, None]) ** 2 + (v - at[..., 1, None, None]) ** 2
    return np.exp(-away / (2 * sigma**2)).astype(np.float32)


COPIES = {"dnet": "CopyingDNet", "gpen-512": "CopyingGPEN", "enet": "CopyingENet"}
MIXES = {"dnet": "MixingDNet", "enet": "MixingENet"}


def entries(stand_ins: Mapping[str, str] | None = None) -> dict[str, ManifestEntry]:
    """What the manifest has of the recipe's networks, in small, or the classes here that stand in for some."""
    small_ones: dict[str, tuple[str, dict[str, Any], str]] = {
        "face3d": ("lipdub.networks.recon:FaceRegressor", {"width": 4}, ""),
        "dnet": ("lipdub.networks.dnet:DNet", {"descriptor": 16, "warp_width": 4, "edit_width": 8, "widest": 16}, ""),
        "lnet": ("lipdub.networks.lnet:LNet", LNET, "low_res"),
        "enet": (f"{__name__}:SmallENet", {}, "low_res"),
        "ganimation": ("lipdub.networks.ganimation:Ganimation", {"width": 4, "depth": 1}, ""),
        "2dfan4": (f"{__name__}:Pointing", {}, ""),
        "2dfan4-script": (f"{__name__}:Pointing", {}, ""),
        "gpen-512": ("lipdub.networks.gpen:GPEN", {"size": 512, "style_dim": 16, "narrow": 1 / 64}, ""),
    }
    for name, stand_in in (stand_ins or {}).items():
        small_ones[name] = (f"{__name__}:{stand_in}", {}, small_ones[name][2])
    out = {
        name: small.entry(
            name, parts=(small.part(network=network, arguments=dict(arguments), key=("state_dict",), without=without),)
        )
        for name, (network, arguments, without) in small_ones.items()
    }
    out["expression"] = small.entry("expression", file="expression.mat", format="matlab", parts=())
    return out


def publish(patch: pytest.MonkeyPatch, folder: Path, names: tuple[str, ...], copying: bool = False) -> None:
    """Makes these networks the published ones, and puts those called so, untrained, into the store that is used."""
    small.publish(patch, folder, *entries(COPIES if copying else None).values())
    patch.setenv(FOLDER_VARIABLE, str(folder / "store"))
    for name in names:
        entry = manifest.find_entry(name)
        if name == "expression":
            source = folder / "mine.mat"
            rows = torch.linspace(-1, 1, 128).reshape(2, 64).numpy()
            savemat(source, {"expression_center": rows, "expression_mouth": rows[::-1]})
        else:
            torch.manual_seed(0)
            state: dict[str, Any] = build_network(entry.part()).state_dict()
            source = small.saved(folder / "mine.pth", {"state_dict": {f"module.{k}": v for k, v in state.items()}})
        WeightsStore().add(entry, source, own=True)
