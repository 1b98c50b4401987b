"""Latents whose pictures have the landmarks that are wanted (Su et al., Eq. 5 to 7).

Each frame's latent starts at its pivot, the latent that draws the frame itself. Three terms pull on it: the picture is
to look like the frame, its landmarks are to be those wanted, and it is to be near the latent of the frame before. The
generator does not change.

The paper takes 300 steps a frame, one frame after the other (`EditOptions.published`). The fast way
(`EditOptions.fast`) begins a frame where the one before was moved to, takes several frames at once, looks a few frames
ahead so that none has a free end, and stops when the landmarks are met. Both depend on the frames so far only through
the latent before, so an interrupted run resumes exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from lipdub.faces.editing.landmark_loss import HeatMapper, heatmap_distance, landmark_weights
from lipdub.faces.perceptual import perceptual

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn


@dataclass(frozen=True)
class EditOptions:
    """How latents are optimised.

    Attributes:
        perceptual: Weight of the likeness to the frame, lambda_LPIPS of Eq. 5.
        landmarks: Weight of the heat maps' distance, lambda_fan.
        smoothness: Weight of the distance from frame to frame, lambda_smooth.
        smooths: What is to change little from frame to frame: the latents (Eq. 7), the pictures (L^F_smooth of Table
            II), or nothing.
        learning_rate: Of Adam.
        steps: At most, for each frame or window.
        window: Frames that are optimised at once.
        ahead: Frames after the window that are optimised with it and then forgotten.
        carries_on: Whether a frame begins at its pivot plus what the frame before was moved by.
        tolerance: Mean distance of the landmarks, as a share of the picture, at which a window is done; 0: never.
        patience: Steps without a better landmark distance after which a window is done; 0: it never is.

    Raises:
        ValueError: A value is out of range.
    """

    perceptual: float = 1.0
    landmarks: float = 5e-3
    smoothness: float = 1e-4
    smooths: Literal["latents", "frames", "nothing"] = "latents"
    learning_rate: float = 1e-3
    steps: int = 300
    window: int = 1
    ahead: int = 0
    carries_on: bool = False
    tolerance: float = 0.0
    patience: int = 0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.window < 1 or self.ahead < 0 or self.learning_rate <= 0:
            raise ValueError(f"no such optimisation: {self}")

    @classmethod
    def published(cls) -> EditOptions:
        """Return the paper's options."""
        return cls()

    @classmethod
    def fast(cls) -> EditOptions:
        """Return options for a small part of the time."""
        return cls(learning_rate=1e-2, steps=40, window=8, ahead=2, carries_on=True, tolerance=0.008, patience=12)


@dataclass(frozen=True)
class Editor:
    """What edits a video.

    Attributes:
        generator: Maps latents (n, L, D) to pictures (n, 3, P, P), RGB in -1..1. It does not change.
        features: Frozen perceptual network (`faces.perceptual.load_features`).
        mapper: Finds heat maps.
        options: How latents are optimised.
    """

    generator: Callable[[torch.Tensor], torch.Tensor]
    features: nn.Module
    mapper: HeatMapper
    options: EditOptions


class Edit(NamedTuple):
    """A frame that was edited.

    Attributes:
        pivot: (L, D), the latent that draws the frame itself.
        latent: (L, D), the one whose picture has the landmarks that were wanted.
    """

    pivot: torch.Tensor
    latent: torch.Tensor


def edit_frames(
    editor: Editor,
    pivots: torch.Tensor,
    frames: torch.Tensor,
    points: torch.Tensor,
    before: Edit | None = None,
    count: int | None = None,
) -> torch.Tensor:
    """Optimise the latents of the successive frames of a shot, window by window.

    Args:
        editor: What edits.
        pivots: (n, L, D).
        frames: (n, 3, P, P), RGB in -1..1.
        points: (n, 68, 2), the landmarks that are wanted, shares of the picture.
        before: The frame before; None at the beginning of a shot.
        count: Frames to edit; those after them are only looked ahead at. None: all.

    Returns:
        (count, L, D).
    """
    options, made = editor.options, []
    count = len(pivots) if count is None else count
    for start in range(0, count, options.window):
        end = min(start + options.window, count)
        seen = slice(start, end + options.ahead)
        latents = edit_window(editor, pivots[seen], frames[seen], points[seen], before)[: end - start]
        made.append(latents)
        before = Edit(pivots[start + len(latents) - 1], latents[-1])
    return torch.cat(made)


def edit_window(
    editor: Editor, pivots: torch.Tensor, frames: torch.Tensor, points: torch.Tensor, before: Edit | None = None
) -> torch.Tensor:
    """Optimise the latents (n, L, D) of a few successive frames at once; the arguments are those of `edit_frames`."""
    options = editor.options
    begin = pivots
    if before is not None and options.carries_on:
        begin = pivots + (before.latent - before.pivot)
    latents = begin.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=options.learning_rate)
    with torch.no_grad():
        true = editor.features((frames + 1) / 2)
        last = editor.generator(before.latent[None]) if before is not None and options.smooths == "frames" else None
    best, since = float("inf"), 0
    for _ in range(options.steps):
        pictures = editor.generator(latents)
        heatmaps = editor.mapper.compute(pictures, points)
        if options.tolerance or options.patience:
            error = landmark_error(editor.mapper, heatmaps.detach(), points)
            best, since = (error, 0) if error < best else (best, since + 1)
            if error <= options.tolerance or (options.patience and since >= options.patience):
                break
        optimizer.zero_grad(set_to_none=True)
        edit_loss(editor, latents, pictures, heatmaps, (true, points), (before, last)).backward()
        optimizer.step()
    return latents.detach()


def edit_loss(
    editor: Editor,
    latents: torch.Tensor,
    pictures: torch.Tensor,
    heatmaps: torch.Tensor,
    wanted: tuple[Sequence[torch.Tensor], torch.Tensor],
    before: tuple[Edit | None, torch.Tensor | None] = (None, None),
) -> torch.Tensor:
    """Compute Eq. 5 for successive frames, as a sum over them.

    Args:
        editor: Its networks and weights.
        latents: (n, L, D).
        pictures: (n, 3, P, P), RGB in -1..1, drawn from them.
        heatmaps: (n, 68, h, h), of the pictures.
        wanted: The feature maps of the frames, and the landmarks (n, 68, 2).
        before: The frame before, and its picture (1, 3, P, P) where the smoothness is that of pictures.
    """
    options, (true, points) = editor.options, wanted
    likeness = len(latents) * perceptual(editor.features((pictures + 1) / 2), true)
    target = editor.mapper.draw_wanted(points, heatmaps.shape[-1])
    apart = heatmap_distance(heatmaps, target, landmark_weights(heatmaps.device)).sum()
    total = options.perceptual * likeness + options.landmarks * apart
    if options.smooths == "latents":
        total = total + options.smoothness * step_sizes(latents, None if before[0] is None else before[0].latent)
    elif options.smooths == "frames":
        total = total + options.smoothness * step_sizes(pictures, None if before[1] is None else before[1][0])
    return total


def step_sizes(values: torch.Tensor, before: torch.Tensor | None) -> torch.Tensor:
    """Compute Eq. 7 for successive values (n, ...): the sum of the squared distances from one to the next.

    Args:
        values: (n, ...).
        before: The value (...) before the first; None: there is none.
    """
    steps = values.diff(dim=0).square().sum()
    return steps if before is None else steps + (values[0] - before).square().sum()


def landmark_error(mapper: HeatMapper, heatmaps: torch.Tensor, points: torch.Tensor) -> float:
    """Measure how far the landmarks in heat maps (n, 68, h, h) are from `points` (n, 68, 2), shares of the picture.

    Mouth and eyes count more, as in the loss.
    """
    apart = (mapper.find_points(heatmaps, points) - points).norm(dim=2)
    return float((apart * landmark_weights(apart.device)).mean())
