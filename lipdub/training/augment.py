"""Changes to mel power that a listener would not mind: other throats, microphones, lines, rooms, noise and
levels."""

from __future__ import annotations

import torch
from torch.nn import functional

from lipdub.speech.features import (
    FEATURE_CEILING,
    FEATURE_FLOOR,
    FEATURE_SCALE,
    LEVEL_FLOOR,
    LEVEL_SPAN,
    MELS,
)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _smooth_curve(batch: int, knots: int, spread: float, generator: torch.Generator) -> torch.Tensor:
    """Random smooth curves over the mel bands, in dB: (batch, MELS)."""
    points = torch.randn((batch, 1, knots), generator=generator) * spread
    return functional.interpolate(points, MELS, mode="linear", align_corners=True)[:, 0]


def warp_bands(decibel: torch.Tensor, generator: torch.Generator, spread: float = 0.12) -> torch.Tensor:
    """Vocal-tract length: the mel axis stretched by a factor of about 1 +- spread, with a little bend."""
    batch = len(decibel)
    base = torch.linspace(0, 1, MELS)[None]
    scale = 1 + _uniform((batch, 1), -spread, spread, generator)
    bend = _uniform((batch, 1), -0.06, 0.06, generator)
    place = base * scale + bend * torch.sin(base * torch.pi)
    position = (place * (MELS - 1)).clamp(0, MELS - 1.001)
    low = position.floor().long()
    weight = (position - low)[:, None, :]
    take = low[:, None, :].expand(-1, decibel.shape[1], -1)
    return decibel.gather(2, take) * (1 - weight) + decibel.gather(2, take + 1) * weight


def augment(decibel: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """decibel: (batch, frames, MELS) of clean speech at about -20 dB; returns changed dB of the same
    shape."""
    batch, frames, _ = decibel.shape
    x = warp_bands(decibel, generator)
    power = 10 ** (x / 10)
    # room: a part of each band's energy rings on
    ring = _uniform((batch, 1, 1), 0.75, 0.95, generator)
    share = 10 ** _uniform((batch, 1, 1), -1.7, 0.0, generator) * (
        torch.rand((batch, 1, 1), generator=generator) < 0.4
    )
    taps = 40
    kernel = (1 - ring) * ring ** torch.arange(taps).flip(0)[None, None]
    late = functional.conv1d(
        functional.pad(power.permute(2, 0, 1), (taps, -1)), kernel, groups=batch
    ).permute(1, 2, 0)
    power = power + share * late
    # other sound beside the voice: steady noise with a colour, fluttering, or another part of the batch
    # (babble, music-like)
    loud = power.sum(2).mean(1)[:, None, None]
    colour = 10 ** (_smooth_curve(batch, 4, 8.0, generator) / 10)
    colour = (colour / colour.sum(1, keepdim=True))[:, None, :]
    flutter = -torch.log(torch.rand((batch, frames, MELS), generator=generator).clamp_min(1e-4))
    flutter = 0.5 * flutter + 0.5 * flutter.roll(1, 1)
    swell = 10 ** (
        functional.interpolate(
            torch.randn((batch, 1, 2 + frames // 60), generator=generator) * 4,
            frames,
            mode="linear",
            align_corners=True,
        )[:, 0, :, None]
        / 10
    )
    ratio = 10 ** (-_uniform((batch, 1, 1), 3.0, 45.0, generator) / 10)
    noisy = torch.rand((batch, 1, 1), generator=generator) < 0.8
    power = power + noisy * ratio * loud * colour * flutter * swell
    other = torch.randperm(batch, generator=generator)
    babble = 10 ** (-_uniform((batch, 1, 1), 8.0, 30.0, generator) / 10) * (
        torch.rand((batch, 1, 1), generator=generator) < 0.2
    )
    power = power + babble * (10 ** (decibel / 10))[other]
    # microphone and line: equaliser, band limits
    curve = _smooth_curve(batch, 6, 5.0, generator) + _uniform(
        (batch, 1), -12, 12, generator
    ) * torch.linspace(-0.5, 0.5, MELS)
    x = 10 * torch.log10(power + 1e-12) + curve[:, None, :]
    kind = torch.rand((batch, 1), generator=generator)
    bands = torch.arange(MELS)[None]
    top = torch.where(
        kind < 0.12,
        29,
        torch.where(kind < 0.25, torch.randint(30, MELS, (batch, 1), generator=generator), MELS),
    )
    bottom = torch.where(
        kind < 0.12, 4, torch.where(kind > 0.9, torch.randint(0, 6, (batch, 1), generator=generator), 0)
    )
    outside = (bands > top) | (bands < bottom)
    x = torch.where(outside[:, None, :], x - 45.0, x)
    # some bands lost altogether, so that no phone hangs on one of them
    masked = torch.rand((batch, 1), generator=generator) < 0.4
    first = torch.randint(0, MELS - 2, (batch, 1), generator=generator)
    width = torch.randint(1, 7, (batch, 1), generator=generator)
    x = torch.where((masked & (bands >= first) & (bands < first + width))[:, None, :], x - 45.0, x)
    # a floor, as of quantisation or a codec, and a level
    floor = 10 * torch.log10(loud) - _uniform((batch, 1, 1), 40.0, 75.0, generator)
    x = torch.maximum(x, floor - 15 + 3 * torch.randn(x.shape, generator=generator))
    return x + _uniform((batch, 1, 1), -18.0, 12.0, generator)


def features(decibel: torch.Tensor) -> torch.Tensor:
    """The features that `speech.features.log_mel` gives, for batches: dB (batch, frames, MELS) in and out."""
    total = (10 ** (decibel / 10)).sum(2, dtype=torch.float64)
    frames = total.shape[1]
    sums = functional.pad(total.cumsum(1), (1, 0))
    index = torch.arange(frames)
    low, high = (index - LEVEL_SPAN).clamp_min(0), (index + LEVEL_SPAN + 1).clamp_max(frames)
    mean = (sums[:, high] - sums[:, low]) / (high - low)
    level = (10 * torch.log10(mean.clamp_min(1e-12))).clamp_min(LEVEL_FLOOR).float()
    return (decibel - level[..., None] + 10.0).clamp(FEATURE_FLOOR, FEATURE_CEILING) / FEATURE_SCALE
