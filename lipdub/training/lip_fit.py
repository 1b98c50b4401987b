"""Fits the dominance model's numbers on measured lips, held close to the phonetic table, and then what context adds.

The same blend as `speech.lips.lips_of_phones`, in torch: targets, dominances, reaches and leads of opening,
width and jaw move; rounding and the lower lip, which a frontal outline does not show, keep the table's
numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

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
    from collections.abc import Callable

_FITTED = CONTEXT_SHAPES
_TAPS = 30  # frames each way that the fitted bells may reach


@dataclass(frozen=True)
class LipFitOptions:
    """hold: pull of the table (the larger the closer the numbers stay to it); steps, rate: optimiser."""

    hold: float = 0.004
    steps: int = 300
    rate: float = 0.03
    hold_reach: float = 0.1


def fit_lip_model(
    posteriors: np.ndarray,
    lips: np.ndarray,
    options: LipFitOptions | None = None,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> LipModel:
    """Fit on clips of equal length.

    posteriors: (clips, frames, phones) at 100 Hz; lips: (clips, video frames, 3): opening, width and jaw as
    measured, at 25 Hz, first frame at time zero, in any unit (only their course counts, not their size).
    Returns the fitted model.
    """
    options = options or LipFitOptions()
    torch.manual_seed(seed)
    start = LipModel.phonetic()
    columns = [viseme_targets.SHAPES.index(s) for s in _FITTED]
    sure = [suppress_unlikely(x) for x in posteriors]
    p = torch.from_numpy(np.stack(sure).astype(np.float32))
    open_share = torch.from_numpy(np.stack([1 - compute_lip_closure(x, start) for x in sure]).astype(np.float32))
    held = torch.from_numpy(np.stack([compute_pause_opening(x, start) for x in sure]).astype(np.float32))
    seen = torch.from_numpy(lips.astype(np.float32))
    t0 = torch.from_numpy(start.targets[:, columns].astype(np.float32))
    d0 = torch.from_numpy(np.log(start.dominance[:, columns]).astype(np.float32))
    r0 = torch.from_numpy(np.log(start.reach[columns]).astype(np.float32))
    a0 = torch.from_numpy(start.lead[columns].astype(np.float32))
    free = torch.ones(len(PHONES), 1)
    free[PHONE_INDEX["sil"]] = 0  # silence stays at rest
    bilabial = torch.zeros(len(PHONES), 1)
    for phone in BILABIALS:
        bilabial[PHONE_INDEX[phone]] = 1
    fixed_open = torch.cat([bilabial, torch.zeros(len(PHONES), 2)], 1)  # p b m: opening stays nought
    dt, dd = torch.zeros_like(t0, requires_grad=True), torch.zeros_like(d0, requires_grad=True)
    dr, da = torch.zeros_like(r0, requires_grad=True), torch.zeros_like(a0, requires_grad=True)
    optimiser = torch.optim.Adam([{"params": [dt, dd]}, {"params": [dr, da], "lr": options.rate / 4}], lr=options.rate)
    offsets = torch.arange(-_TAPS, _TAPS + 1) / FRAME_RATE
    step_frames = round(FRAME_RATE / 25)
    clips = len(p)
    for step in range(options.steps):
        pick = torch.randperm(clips)[: min(clips, 128)]
        targets = t0 + dt * free * (1 - fixed_open)
        pull = torch.exp(d0 + dd)
        reach = torch.exp(r0 + dr)
        ahead = a0 + da
        loss = torch.zeros(())
        worth = []
        for i, name in enumerate(_FITTED):
            weights = torch.exp(-0.5 * ((offsets - ahead[i]) / reach[i]) ** 2)
            wanted = p[pick] @ (pull[:, i] * targets[:, i])
            if name in ("opening", "jaw"):
                wanted = wanted + held[pick] * pull[PHONE_INDEX["sil"], i]
            both = torch.stack([wanted, p[pick] @ pull[:, i]], 1)
            both = functional.conv1d(
                functional.pad(both.flatten(0, 1)[:, None], (_TAPS, _TAPS), mode="replicate"),
                weights[None, None],
            )[:, 0].reshape(both.shape)
            course = both[:, 0] / both[:, 1]
            if name == "opening":
                course = course * open_share[pick]
            course = functional.avg_pool1d(functional.pad(course[:, None], (2, 2), mode="replicate"), 5, 1)[:, 0]
            guess = course[:, ::step_frames][:, : seen.shape[1]]
            own = seen[pick][:, : guess.shape[1], i]
            g, o = guess - guess.mean(1, keepdim=True), own - own.mean(1, keepdim=True)
            match = (g * o).sum(1) / (g.norm(dim=1) * o.norm(dim=1) + 1e-6)
            gain = (t0[:, i].std() - targets[:, i].std()) ** 2  # correlation leaves the size free: the table sets it
            loss = loss + 1 - match.mean() + gain
            worth.append(float(match.detach().mean()))
        loss = loss + options.hold * ((dt / 0.25) ** 2 + (dd / 0.7) ** 2).sum(0).sum() / 3
        loss = loss + options.hold_reach * ((dr / 0.5) ** 2 + (da / 0.04) ** 2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if progress and (step + 1) % 100 == 0:
            progress(f"lips: step {step + 1}, correlation " + ", ".join(f"{n} {w:.3f}" for n, w in zip(_FITTED, worth)))
    with torch.no_grad():
        model = LipModel(start.targets.copy(), start.dominance.copy(), start.reach.copy(), start.lead.copy())
        model.targets[:, columns] = (t0 + dt * free * (1 - fixed_open)).numpy()
        model.dominance[:, columns] = torch.exp(d0 + dd).numpy()
        model.reach[columns] = torch.exp(r0 + dr).numpy()
        model.lead[columns] = (a0 + da).numpy()
    return model


@dataclass(frozen=True)
class ContextOptions:
    """hold: pull towards no change at all on phones of any language (the larger the less is learnt from the one
    talker); channels, taps: size of the convolutions; steps, rate, decay, batch: optimiser.
    """

    hold: float = 30.0
    channels: int = 48
    taps: int = 9
    steps: int = 600
    rate: float = 2e-3
    decay: float = 1e-3
    batch: int = 48


class _Context(torch.nn.Module):
    """`speech.lips.context_shapes` in torch: (batch, frames, phones) -> (batch, frames, len(CONTEXT_SHAPES))."""

    def __init__(self, options: ContextOptions) -> None:
        super().__init__()
        n, k = options.channels, options.taps
        self.first = torch.nn.Conv1d(len(PHONES) - 1, n, k, padding=k // 2, bias=False)
        self.second = torch.nn.Conv1d(n, n, k, padding=2 * (k // 2), dilation=2, bias=False)
        self.last = torch.nn.Conv1d(n, len(CONTEXT_SHAPES), k, padding=k // 2, bias=False)
        torch.nn.init.zeros_(self.last.weight)

    def forward(self, p: torch.Tensor) -> torch.Tensor:
        spoken = [i for i in range(len(PHONES)) if i != PHONE_INDEX["sil"]]
        x = torch.relu(self.first(p[..., spoken].transpose(1, 2)))
        x = x + torch.relu(self.second(x))
        return self.last(x).transpose(1, 2)


def fit_context(
    posteriors: np.ndarray,
    lips: np.ndarray,
    labels: np.ndarray,
    model: LipModel,
    options: ContextOptions | None = None,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> LipModel:
    """What the lips of the clips do beyond the blend, learnt as a function of the phones around.

    posteriors, lips: as for `fit`; labels: uint8 (n, frames) phones of any speech, on which the change is held
    small, so that what one talker does in a few words stays with those; model: the blend. Returns it with its
    `context`.
    """
    options = options or ContextOptions()
    torch.manual_seed(seed)
    columns = [COEFFICIENTS.index(name) for name in CONTEXT_SHAPES]
    bare = replace(model, context=())
    rows = [blend_lip_shapes(p, bare)[:, columns] for p in posteriors]
    base = torch.from_numpy(np.stack(rows))
    sure = torch.from_numpy(np.stack([suppress_unlikely(p) for p in posteriors]).astype(np.float32))
    shut = torch.from_numpy(
        np.stack([compute_lip_closure(suppress_unlikely(p), bare) for p in posteriors]).astype(np.float32)
    )
    any_speech = functional.one_hot(torch.from_numpy(labels.astype(np.int64)), len(PHONES)).float()
    seen = torch.from_numpy(lips.astype(np.float32))
    network = _Context(options)
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=options.decay)
    for step in range(options.steps):
        for group in optimiser.param_groups:
            group["lr"] = options.rate * (0.5 + 0.5 * math.cos(math.pi * step / options.steps))
        pick = torch.randperm(len(base))[: options.batch]
        change = network(sure[pick])
        change = torch.cat([change[..., :1] * (1 - shut[pick])[..., None], change[..., 1:]], 2)
        course = functional.avg_pool1d(
            functional.pad((base[pick] + change).transpose(1, 2), (2, 2), mode="replicate"), 5, 1
        )[:, :, :: round(FRAME_RATE / 25)].transpose(1, 2)
        own = seen[pick]
        guess = course[:, : own.shape[1]]
        g, o = guess - guess.mean(1, keepdim=True), own - own.mean(1, keepdim=True)
        match = (g * o).sum(1) / (g.norm(dim=1) * o.norm(dim=1) + 1e-6)
        others = network(any_speech[torch.randint(0, len(any_speech), (options.batch // 2,))])
        loss = 2 * (1 - match).mean() + options.hold * (others**2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if progress and (step + 1) % 100 == 0:
            means = match.detach().mean(0).tolist()
            told = ", ".join(f"{n} {m:.3f}" for n, m in zip(CONTEXT_SHAPES, means, strict=True))
            progress(f"context: step {step + 1}, correlation {told}")
    layers = tuple(layer.weight.detach().numpy().copy() for layer in (network.first, network.second, network.last))
    return replace(model, context=layers)
