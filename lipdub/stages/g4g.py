"""The model of the method `g4g`: how it is loaded, and what it draws from pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import WeightsError
from lipdub.faces.alignment.tall_face import cut_columns
from lipdub.speech.sound_windows import SoundWindows, sound_windows
from lipdub.stages import inference
from lipdub.weights import g4g_file

if TYPE_CHECKING:
    import torch

    from lipdub.arrays import F32, U8
    from lipdub.networks.g4g import G4GSize
    from lipdub.stages.base import StageContext
    from lipdub.weights.g4g_file import G4GModel

TRAITS = inference.NetworkTraits(item_bytes=96 << 20, batch=8, channels_last=True)


@dataclass(frozen=True)
class CropPair:
    """A face twice, as squares of the crop's height: as the network sees it, and at the footage's own size.

    Attributes:
        small: (H, H, 3) uint8 RGB.
        full: (h, h, 3) uint8 RGB; the small one itself where the footage has no more pixels.
    """

    small: U8
    full: U8


def read_size(model: str) -> G4GSize:
    """Return the sizes of a model file.

    Raises:
        WeightsError: The file holds no G4G model.
    """
    from lipdub.networks.g4g import G4GSize

    try:
        return G4GSize(**g4g_file.read_description(Path(model))["size"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{model} does not say what its networks are like: {error}") from error


def read_mask(model: str) -> str:
    """Return the mask that a model file was trained with, a name in `faces.masks.MASKS`."""
    return str(g4g_file.read_description(Path(model))["mask"])


def find_sound_windows(model: str) -> SoundWindows:
    """Return the windows of sound that a model file hears.

    Raises:
        WeightsError: The file holds no G4G model.
        UsageError: This version of lipdub does not have these windows.
    """
    size = read_size(model)
    return sound_windows(size.audio, size.audio_columns, size.audio_rows)


def load_model(ctx: StageContext, model: str) -> G4GModel:
    """Load a model file on the run's device."""
    import torch

    torch.set_num_threads(ctx.threads)
    loaded = g4g_file.load(Path(model))
    loaded.network.to(ctx.device)
    return loaded


def draw_faces(
    network: Any, size: G4GSize, sounds: F32, faces: list[CropPair], masks: U8, references: list[CropPair], images: U8
) -> F32:
    """Draw faces of one person.

    Args:
        network: A `G4G`, prepared or not.
        size: Its sizes.
        sounds: (n, rows, columns) float32, the windows of sound around the frames.
        faces: n faces.
        masks: (n, H, H) uint8, 1 where they are drawn anew.
        references: Of the person, as many as the network takes, sorted by the opening of their mouths. All full crops,
            those of the faces too, have one size.
        images: (n, H, H) uint8, landmark images of the faces to draw.

    Returns:
        (n, h, h, 3) float32 RGB 0..1, of the full crops' size. Left and right of the crop they are the source's.
    """
    import torch

    full = np.stack([face.full for face in faces])
    columns = cut_columns(full.shape[1])
    inputs = [
        torch.from_numpy(np.ascontiguousarray(sounds, np.float32)),
        _to_tensor([face.small for face in faces]),
        _to_tensor(list(masks[..., None])) * 255,
        _repeat(_to_tensor([reference.small for reference in references]), len(faces)),
        _to_tensor(list(images[..., None])),
        _to_tensor(list(full)),
        _repeat(_to_tensor([reference.full for reference in references]), len(faces)),
    ]
    made = inference.run_network(network, _draw, *inputs).permute(0, 2, 3, 1).numpy().clip(0, 1)
    out: F32 = full.astype(np.float32) / 255
    out[:, :, columns] = made
    return out


def _draw(
    network: Any,
    sounds: torch.Tensor,
    sources: torch.Tensor,
    masks: torch.Tensor,
    references: torch.Tensor,
    images: torch.Tensor,
    pictures: torch.Tensor,
    full: torch.Tensor,
) -> torch.Tensor:
    """Draw faces, at their full size where the network moves pixels."""
    from lipdub.networks.g4g import draw_at_size

    drawn = network(sounds, sources, masks, references, images)
    if pictures.shape[2:] == sources.shape[2:]:
        faces: torch.Tensor = drawn.faces
        return faces
    return draw_at_size(drawn, sources, masks, pictures, full)


def _to_tensor(squares: list[U8]) -> torch.Tensor:
    """Turn squares (h, h, c) uint8 into the crops of them, (n, c, h, w) in 0..1."""
    import torch

    crops = np.stack(squares)[:, :, cut_columns(len(squares[0]))]
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float() / 255


def _repeat(references: torch.Tensor, count: int) -> torch.Tensor:
    return references[None].expand(count, -1, -1, -1, -1)
