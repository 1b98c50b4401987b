"""Fit the coarticulation model to measured lips, close to the phonetic table, and then the effect of context.

The blend is that of `speech.coarticulation.blend_lip_shapes`, in PyTorch. Targets, dominances, reaches and leads of
opening, width and jaw are fitted. Rounding and the lower lip keep the table's numbers, as a frontal outline does not
show them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from lipdub.offline import import_torch_compiler
from lipdub.speech import viseme_targets
from lipdub.speech.coarticulation import (
    COEFFICIENTS,
    CONTEXT_SHAPES,
    LipModel,
    blend_lip_shapes,
    compute_lip_closure,
    compute_pause_opening,
    suppress_unlikely,
)
from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phones import BILABIALS, PHONE_INDEX, PHONES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lipdub.arrays import F32, F64, U8, Array

_FITTED = CONTEXT_SHAPES
_KERNEL_FRAMES = 30  # 10 ms frames each way that the fitted kernels may reach
_FIT_BATCH = 128  # clips of a step
_VIDEO_FPS = 25
_STRIDE = round(FRAME_RATE / _VIDEO_FPS)  # 10 ms frames of a video frame
_REPORT_EVERY = 100  # steps
# How far the numbers may move before the pull of the table is one.
_TARGET_SPREAD, _DOMINANCE_SPREAD, _REACH_SPREAD, _LEAD_SPREAD = 0.25, 0.7, 0.5, 0.04
_TINY = 1e-6


@dataclass(frozen=True)
class LipFitOptions:
    """How the coarticulation model is fitted.

    Attributes:
        hold: pull of the table on targets and dominances; the larger, the closer they stay to it.
        steps: optimiser steps.
        learning_rate: Adam's learning rate.
        hold_reach: pull of the table on reaches and leads.
    """

    hold: float = 0.004
    steps: int = 300
    learning_rate: float = 0.03
    hold_reach: float = 0.1


class _Blend(torch.nn.Module):
    """`speech.coarticulation.blend_lip_shapes` of opening, width and jaw, with changes to the model's numbers."""

    def __init__(self, start: LipModel) -> None:
        super().__init__()
        self.columns = [viseme_targets.SHAPES.index(shape) for shape in _FITTED]
        self.targets = torch.from_numpy(start.targets[:, self.columns].astype(np.float32))
        self.dominance = torch.from_numpy(np.log(start.dominance[:, self.columns]).astype(np.float32))
        self.reach = torch.from_numpy(np.log(start.reach[self.columns]).astype(np.float32))
        self.lead = torch.from_numpy(start.lead[self.columns].astype(np.float32))
        self.target_changes = torch.nn.Parameter(torch.zeros_like(self.targets))
        self.dominance_changes = torch.nn.Parameter(torch.zeros_like(self.dominance))
        self.reach_changes = torch.nn.Parameter(torch.zeros_like(self.reach))
        self.lead_changes = torch.nn.Parameter(torch.zeros_like(self.lead))
        self.free = torch.ones(len(PHONES), 1)
        self.free[PHONE_INDEX["sil"]] = 0  # silence stays at rest
        bilabial = torch.zeros(len(PHONES), 1)
        for phone in BILABIALS:
            bilabial[PHONE_INDEX[phone]] = 1
        self.fixed = torch.cat([bilabial, torch.zeros(len(PHONES), 2)], 1)  # the opening of p, b, m stays zero
        self.offsets = torch.arange(-_KERNEL_FRAMES, _KERNEL_FRAMES + 1) / FRAME_RATE

    def compute_targets(self) -> torch.Tensor:
        """Give the changed targets (phones, 3)."""
        return self.targets + self.target_changes * self.free * (1 - self.fixed)

    def compute_pull(self, options: LipFitOptions) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the cost of the changes: of targets and dominances, and of reaches and leads."""
        numbers = (self.target_changes / _TARGET_SPREAD) ** 2 + (self.dominance_changes / _DOMINANCE_SPREAD) ** 2
        times = (self.reach_changes / _REACH_SPREAD) ** 2 + (self.lead_changes / _LEAD_SPREAD) ** 2
        return options.hold * numbers.sum(0).sum() / 3, options.hold_reach * times.sum()

    def forward(
        self, posteriors: torch.Tensor, open_share: torch.Tensor, posture: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Blend the shapes of clips.

        Args:
            posteriors: (n, frames, phones) at 100 Hz.
            open_share: (n, frames), 0 where the lips are closed.
            posture: (n, frames), how much of a pause counts as rest.

        Returns:
            the course of each shape, (n, frames) at 100 Hz, and the targets (phones, 3).
        """
        targets = self.compute_targets()
        pull = torch.exp(self.dominance + self.dominance_changes)
        reach = torch.exp(self.reach + self.reach_changes)
        lead = self.lead + self.lead_changes
        courses = []
        for i, name in enumerate(_FITTED):
            kernel = torch.exp(-0.5 * ((self.offsets - lead[i]) / reach[i]) ** 2)
            wanted = posteriors @ (pull[:, i] * targets[:, i])
            if name in ("opening", "jaw"):
                wanted = wanted + posture * pull[PHONE_INDEX["sil"], i]
            both = torch.stack([wanted, posteriors @ pull[:, i]], 1)
            padded = functional.pad(both.flatten(0, 1)[:, None], (_KERNEL_FRAMES, _KERNEL_FRAMES), mode="replicate")
            both = functional.conv1d(padded, kernel[None, None])[:, 0].reshape(both.shape)
            course = both[:, 0] / both[:, 1]
            if name == "opening":
                course = course * open_share
            courses.append(functional.avg_pool1d(functional.pad(course[:, None], (2, 2), mode="replicate"), 5, 1)[:, 0])
        return courses, targets

    @torch.no_grad()
    def to_model(self, start: LipModel) -> LipModel:
        """Give the fitted model."""
        model = LipModel(start.targets.copy(), start.dominance.copy(), start.reach.copy(), start.lead.copy())
        model.targets[:, self.columns] = self.compute_targets().numpy()
        model.dominance[:, self.columns] = torch.exp(self.dominance + self.dominance_changes).numpy()
        model.reach[self.columns] = torch.exp(self.reach + self.reach_changes).numpy()
        model.lead[self.columns] = (self.lead + self.lead_changes).numpy()
        return model


def fit_lip_model(
    posteriors: F32,
    lips: F64,
    options: LipFitOptions | None = None,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> LipModel:
    """Fit the coarticulation model to clips of equal length.

    Args:
        posteriors: (clips, frames, phones) at 100 Hz.
        lips: (clips, video frames, 3) opening, width and jaw as measured, at 25 Hz from time zero, in any unit: only
            their course counts, not their size.
        options: how to fit.
        seed: seed of the batches.
        progress: called with one line of text every hundred steps.
    """
    options = options or LipFitOptions()
    torch.manual_seed(seed)
    start = LipModel.phonetic()
    certain = [suppress_unlikely(clip) for clip in posteriors]
    phones = _stack(certain)
    open_share = _stack([1 - compute_lip_closure(clip, start) for clip in certain])
    posture = _stack([compute_pause_opening(clip, start) for clip in certain])
    measured = torch.from_numpy(lips.astype(np.float32))
    blend = _Blend(start)
    import_torch_compiler()
    optimizer = torch.optim.Adam(
        [
            {"params": [blend.target_changes, blend.dominance_changes]},
            {"params": [blend.reach_changes, blend.lead_changes], "lr": options.learning_rate / 4},
        ],
        lr=options.learning_rate,
    )
    for step in range(options.steps):
        pick = torch.randperm(len(phones))[: min(len(phones), _FIT_BATCH)]
        courses, targets = blend(phones[pick], open_share[pick], posture[pick])
        loss = torch.zeros(())
        matches = []
        for i, course in enumerate(courses):
            guess = course[:, ::_STRIDE][:, : measured.shape[1]]
            match = _correlation(guess, measured[pick][:, : guess.shape[1], i])
            # Correlation does not determine the size, so the table does.
            size = (blend.targets[:, i].std() - targets[:, i].std()) ** 2
            loss = loss + 1 - match.mean() + size
            matches.append(float(match.detach().mean()))
        numbers, times = blend.compute_pull(options)
        loss = loss + numbers
        loss = loss + times
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        _report("lips", step, matches, progress)
    result: LipModel = blend.to_model(start)
    return result


@dataclass(frozen=True)
class ContextOptions:
    """How the context network is fitted.

    Attributes:
        hold: pull towards no change for phones of any language; the larger, the less is learnt from the one speaker.
        channels: channels of the convolutions.
        taps: taps of the convolutions.
        steps: optimiser steps.
        learning_rate: AdamW's learning rate.
        weight_decay: AdamW's weight decay.
        batch: clips of a step.
    """

    hold: float = 30.0
    channels: int = 48
    taps: int = 9
    steps: int = 600
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    batch: int = 48


class _Context(torch.nn.Module):
    """`speech.coarticulation.context_offsets`: (batch, frames, phones) to (batch, frames, len(CONTEXT_SHAPES))."""

    def __init__(self, options: ContextOptions) -> None:
        super().__init__()
        n, k = options.channels, options.taps
        self.first = torch.nn.Conv1d(len(PHONES) - 1, n, k, padding=k // 2, bias=False)
        self.second = torch.nn.Conv1d(n, n, k, padding=2 * (k // 2), dilation=2, bias=False)
        self.last = torch.nn.Conv1d(n, len(CONTEXT_SHAPES), k, padding=k // 2, bias=False)
        torch.nn.init.zeros_(self.last.weight)

    def forward(self, posteriors: torch.Tensor) -> torch.Tensor:
        spoken = [i for i in range(len(PHONES)) if i != PHONE_INDEX["sil"]]
        x = torch.relu(self.first(posteriors[..., spoken].transpose(1, 2)))
        x = x + torch.relu(self.second(x))
        offsets: torch.Tensor = self.last(x)
        return offsets.transpose(1, 2)


def fit_context(
    posteriors: F32,
    lips: F64,
    labels: U8,
    model: LipModel,
    options: ContextOptions | None = None,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> LipModel:
    """Fit the motion of the lips beyond the blend, as a function of the neighbouring phones.

    Args:
        posteriors: (clips, frames, phones) at 100 Hz.
        lips: (clips, video frames, 3), as for `fit_lip_model`.
        labels: (n, frames) uint8 phones of any speech, on which the change is held small, so that one speaker's habits
            in a few words stay with those words.
        model: the blend.
        options: network and optimiser.
        seed: seed of the network and the batches.
        progress: called with one line of text every hundred steps.

    Returns:
        the model with its `context`.
    """
    options = options or ContextOptions()
    torch.manual_seed(seed)
    columns = [COEFFICIENTS.index(name) for name in CONTEXT_SHAPES]
    plain = replace(model, context=())
    base = torch.from_numpy(np.stack([blend_lip_shapes(clip, plain)[:, columns] for clip in posteriors]))
    certain = [suppress_unlikely(clip) for clip in posteriors]
    phones = _stack(certain)
    closed = _stack([compute_lip_closure(clip, plain) for clip in certain])
    any_speech = functional.one_hot(torch.from_numpy(labels.astype(np.int64)), len(PHONES)).float()
    measured = torch.from_numpy(lips.astype(np.float32))
    network = _Context(options)
    import_torch_compiler()
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * (0.5 + 0.5 * math.cos(math.pi * step / options.steps))
        pick = torch.randperm(len(base))[: options.batch]
        change = network(phones[pick])
        change = torch.cat([change[..., :1] * (1 - closed[pick])[..., None], change[..., 1:]], 2)
        padded = functional.pad((base[pick] + change).transpose(1, 2), (2, 2), mode="replicate")
        course = functional.avg_pool1d(padded, 5, 1)[:, :, ::_STRIDE].transpose(1, 2)
        target = measured[pick]
        match = _correlation(course[:, : target.shape[1]], target)
        others = network(any_speech[torch.randint(0, len(any_speech), (options.batch // 2,))])
        loss = 2 * (1 - match).mean() + options.hold * (others**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        _report("context", step, match.detach().mean(0).tolist(), progress)
    layers = tuple(layer.weight.detach().numpy().copy() for layer in (network.first, network.second, network.last))
    return replace(model, context=layers)


def _stack(clips: Sequence[Array]) -> torch.Tensor:
    return torch.from_numpy(np.stack(clips).astype(np.float32))


def _correlation(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Compute the correlation of courses along their second axis."""
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + _TINY)


def _report(name: str, step: int, matches: list[float], progress: Callable[[str], None] | None) -> None:
    if progress and (step + 1) % _REPORT_EVERY == 0:
        values = ", ".join(f"{shape} {match:.3f}" for shape, match in zip(CONTEXT_SHAPES, matches, strict=True))
        progress(f"{name}: step {step + 1}, correlation {values}")
