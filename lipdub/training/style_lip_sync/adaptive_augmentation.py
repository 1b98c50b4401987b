"""Adaptive discriminator augmentation: what keeps a discriminator from learning a small dataset by heart.

Karras et al., "Training Generative Adversarial Networks with Limited Data" (NeurIPS 2020). The discriminator sees real
and generated pictures only after random changes, each made with a probability p. While p is well below 1, a generator
cannot learn the changes. The probability follows the discriminator: it rises where the share of real pictures with
positive logits says that it overfits (section 3, r_t).

The changes are the paper's geometric and colour ones. Quarter turns are left out, and pictures are sampled bilinearly,
without the paper's wavelet filters.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

_FLIP_SHARE = 0.5
_SHIFT_PIXELS = 0.125  # largest whole shift, share of the side
_SHIFT_DEVIATION = 0.125  # of the fractional shift, share of the side
_SCALE_DEVIATION = 0.2  # of the power of two
_BRIGHTNESS_DEVIATION = 0.2
_CONTRAST_DEVIATION = 0.5  # of the power of two
_SATURATION_DEVIATION = 1.0  # of the power of two


class AdaptiveAugmentation(nn.Module):
    """Random changes of pictures with a probability that follows the discriminator.

    Args:
        target: Share of positive minus negative logits of real pictures that is aimed at, the paper's 0.6.
        pictures: Real pictures over which the probability changes by 1 at most, the paper's 500,000.
        highest: The largest probability. From 0.8 on, changes begin to show in generated pictures.
    """

    probability: torch.Tensor

    def __init__(self, target: float = 0.6, pictures: int = 500_000, highest: float = 0.8) -> None:
        super().__init__()
        self.target, self.pictures, self.highest = target, pictures, highest
        self.register_buffer("probability", torch.zeros(()))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Change pictures (n, 3, P, P), RGB in -1..1; each change with the present probability."""
        p = float(self.probability)
        if p <= 0:
            return pictures
        count, device = len(pictures), pictures.device
        views = _draw_views(count, pictures.shape[-1], p, device)
        grid = functional.affine_grid(views[:, :2], list(pictures.shape), align_corners=False)
        seen = functional.grid_sample(pictures.float(), grid, padding_mode="reflection", align_corners=False)
        colours = _draw_colours(count, p, device)
        flat = torch.einsum("nij,njp->nip", colours[:, :3, :3], seen.flatten(2)) + colours[:, :3, 3:]
        return flat.unflatten(2, seen.shape[2:])

    @torch.no_grad()
    def adapt(self, logits: torch.Tensor) -> None:
        """Move the probability by the logits (n,) of a batch of real pictures."""
        overfit = logits.sign().mean() - self.target
        self.probability.add_(overfit.sign() * len(logits) / self.pictures).clamp_(0, self.highest)


def _draw_views(count: int, side: int, p: float, device: torch.device) -> torch.Tensor:
    """Draw maps from places in the changed pictures to places in the pictures, (n, 3, 3), of coordinates in -1..1."""
    views = torch.eye(3, device=device).repeat(count, 1, 1)
    is_flipped = _happens(count, _FLIP_SHARE * p, device)
    views = views @ _scale(torch.where(is_flipped, -1.0, 1.0), torch.ones(count, device=device))
    reach = int(side * _SHIFT_PIXELS)
    whole = torch.randint(-reach, reach + 1, (count, 2), device=device) * (2 / side)
    views = views @ _shift(whole * _happens(count, p, device)[:, None])
    size = _power(count, _SCALE_DEVIATION, p, device)
    views = views @ _scale(size, size)
    # Turns before and after the stretching; together they happen with probability p.
    turn_share = 1 - math.sqrt(1 - p)
    views = views @ _turn(_angle(count, turn_share, device))
    stretch = _power(count, _SCALE_DEVIATION, p, device)
    views = views @ _scale(stretch, 1 / stretch)
    views = views @ _turn(_angle(count, turn_share, device))
    moved = torch.randn(count, 2, device=device) * (2 * _SHIFT_DEVIATION)
    return views @ _shift(moved * _happens(count, p, device)[:, None])


def _draw_colours(count: int, p: float, device: torch.device) -> torch.Tensor:
    """Draw maps of colours, (n, 4, 4): brightness, contrast, inverted brightness, hue and saturation."""
    eye = torch.eye(4, device=device)
    grey = torch.full((3, 3), 1 / 3, device=device)
    out = eye.repeat(count, 1, 1)
    out[:, :3, 3] = (torch.randn(count, device=device) * _BRIGHTNESS_DEVIATION * _happens(count, p, device))[:, None]
    contrast = _power(count, _CONTRAST_DEVIATION, p, device)
    out = eye.repeat(count, 1, 1).index_copy(1, torch.arange(3, device=device), eye[:3] * contrast[:, None, None]) @ out
    inverted = _happens(count, _FLIP_SHARE * p, device).float()
    out = _linear(torch.eye(3, device=device) - 2 * grey * inverted[:, None, None]) @ out
    out = _linear(_turn_about_grey(_angle(count, p, device))) @ out
    saturation = _power(count, _SATURATION_DEVIATION, p, device)[:, None, None]
    return _linear(grey + (torch.eye(3, device=device) - grey) * saturation) @ out


def _linear(matrices: torch.Tensor) -> torch.Tensor:
    """Extend maps of colours (n, 3, 3) to (n, 4, 4)."""
    out = torch.eye(4, device=matrices.device).repeat(len(matrices), 1, 1)
    out[:, :3, :3] = matrices
    return out


def _turn_about_grey(angles: torch.Tensor) -> torch.Tensor:
    """Return turns (n, 3, 3) of colours about the line of greys."""
    axis = 1 / math.sqrt(3)
    cos, sin = angles.cos()[:, None, None], angles.sin()[:, None, None]
    cross = torch.tensor([[0, -axis, axis], [axis, 0, -axis], [-axis, axis, 0]], device=angles.device)
    return torch.eye(3, device=angles.device) * cos + cross * sin + (1 - cos) / 3


def _happens(count: int, p: float, device: torch.device) -> torch.Tensor:
    return torch.rand(count, device=device) < p


def _power(count: int, deviation: float, p: float, device: torch.device) -> torch.Tensor:
    """Draw powers of two of normal numbers; 1 where the change is not made."""
    return torch.exp2(torch.randn(count, device=device) * deviation * _happens(count, p, device))


def _angle(count: int, p: float, device: torch.device) -> torch.Tensor:
    return (torch.rand(count, device=device) * 2 - 1) * math.pi * _happens(count, p, device)


def _scale(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], 1))


def _shift(by: torch.Tensor) -> torch.Tensor:
    out = torch.eye(3, device=by.device).repeat(len(by), 1, 1)
    out[:, :2, 2] = by
    return out


def _turn(angles: torch.Tensor) -> torch.Tensor:
    cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    rows = [torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1), torch.stack([zero, zero, zero + 1], 1)]
    return torch.stack(rows, 1)
