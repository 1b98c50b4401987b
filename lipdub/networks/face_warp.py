"""A smooth and bounded motion of a picture's lower face, for the face generator (`face_generator`)."""

from __future__ import annotations

import torch
from torch.nn.functional import grid_sample, interpolate

REACH = 0.15  # largest motion along each side, as a share of it; a jaw that drops moves the chin by up to 0.12
# In shares of the crop (`faces.alignment.full_face`): the region fades in below the nose's bridge and out at the sides.
_TOP, _BELOW = 0.46, 0.60
_SIDE, _INSIDE = 0.03, 0.17


def warp(pictures: torch.Tensor, flow: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Move the lowest rows of pictures (B, c, P, P).

    Args:
        pictures: The pictures. Beyond their sides the last pixel is repeated.
        flow: (B, 2, h, w), unbounded: how far to the right and below a pixel's colour is taken. It is bounded to
            `REACH` here, and enlarged bilinearly, so that a small map moves smoothly.
        region: (rows, P), weight of the motion.

    Returns:
        (B, c, rows, P).
    """
    rows, width = region.shape
    reach = 2 * REACH * torch.tanh(flow / 4)  # grid coordinates span two
    moved = interpolate(reach, (rows, width), mode="bilinear", align_corners=False) * region
    y, x = _place_pixels(pictures.shape[2], pictures)[-rows:], _place_pixels(width, pictures)
    places = torch.stack([x.expand(rows, width) + moved[:, 0], y[:, None] + moved[:, 1]], 3)
    return grid_sample(pictures, places, mode="bilinear", padding_mode="border", align_corners=False)


def draw_lower_face_region(pictures: torch.Tensor) -> torch.Tensor:
    """Draw the weights (P, P) of what speech changes in aligned faces (..., P, P): 1 around mouth and chin, soft."""
    side = torch.linspace(0, 1, pictures.shape[-1], device=pictures.device)
    across = _ramp((0.5 - (side - 0.5).abs() - _SIDE) / (_INSIDE - _SIDE))
    down = _ramp((side - _TOP) / (_BELOW - _TOP))
    return down[:, None] * across[None]


def _place_pixels(side: int, like: torch.Tensor) -> torch.Tensor:
    """Give the middles of a side's pixels in grid coordinates, -1..1."""
    return (torch.arange(side, device=like.device, dtype=torch.float32) * 2 + 1) / side - 1


def _ramp(share: torch.Tensor) -> torch.Tensor:
    """Smoothstep: 0 to 1 without corners."""
    share = share.clamp(0, 1)
    return share.square() * (3 - 2 * share)
