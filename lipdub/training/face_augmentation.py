"""Random changes to crops of faces and to mel spectrograms that keep the times of mouth motion and sound.

All frames and columns of a clip get the same change: only the speech differs between them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from lipdub.metrics.avsyncnet import sample_affine
from lipdub.speech import mel

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array

_DB = 2 * mel.PEAK / mel.SPAN  # of the spectrogram's values per decibel


@dataclass(frozen=True)
class FaceAugmentation:
    """The largest changes to either side.

    Attributes:
        shift: share of the crop's width.
        scale: power of e.
        stretch: width against height, power of e.
        turn: degrees.
        light: share.
        slope: change of light across the crop, share.
        contrast: share.
        blur: sigma in pixels.
        noise: standard deviation, share of white.
        flip: probability of mirroring.
        blurred: probability of blur.
        tint: change of each colour's light, share.
    """

    shift: float = 0.06
    scale: float = 0.15
    stretch: float = 0.12
    turn: float = 8.0
    light: float = 0.3
    slope: float = 0.3
    contrast: float = 0.4
    blur: float = 1.5
    noise: float = 0.03
    flip: float = 0.5
    blurred: float = 0.4
    tint: float = field(default=0.0, metadata={"added": True})


def augment_faces(
    crops: torch.Tensor, height: int, width: int, rng: np.random.Generator, changes: FaceAugmentation
) -> torch.Tensor:
    """Augment crops with a margin.

    Args:
        crops: (clips, n, H, W) in 0..1. All n pictures (or colours) of a clip get the same change.
        height: height of the result, pixels.
        width: width of the result, pixels.
        rng: random numbers.
        changes: the largest changes.

    Returns:
        (clips, n, height, width) in 0..1.
    """
    views = sample_affine(crops, height, width, draw_views(len(crops), width, rng, changes))
    return change_light(views, rng, changes)


ONE_PERSON = FaceAugmentation(
    shift=0.02,
    scale=0.02,
    stretch=0.0,
    turn=1.0,
    light=0.03,
    slope=0.0,
    contrast=0.0,
    blur=0.3,
    noise=0.0,
    flip=0.0,
    blurred=0.0,
)
"""For one person in one light: it only keeps a model from memorizing the video's pixels."""


def draw_views(count: int, width: int, rng: np.random.Generator, changes: FaceAugmentation) -> F64:
    """Draw how crops are moved, turned, scaled and mirrored.

    Args:
        count: number of clips.
        width: width of the views, pixels.
        rng: random numbers.
        changes: the largest changes.

    Returns:
        (count, 2, 3) float64 maps for `sample_affine`.
    """

    def draw(reach: float) -> F64:
        return rng.uniform(-reach, reach, count)

    angle = np.radians(draw(changes.turn))
    scale, stretch = np.exp(draw(changes.scale)), np.exp(draw(changes.stretch) / 2)
    across = scale * stretch * np.where(rng.random(count) < changes.flip, -1, 1)
    down = scale / stretch
    right, below = draw(changes.shift) * width, draw(changes.shift) * width
    return np.stack(
        [
            np.stack([across * np.cos(angle), -down * np.sin(angle), right], 1),
            np.stack([across * np.sin(angle), down * np.cos(angle), below], 1),
        ],
        1,
    )


def change_light(views: torch.Tensor, rng: np.random.Generator, changes: FaceAugmentation) -> torch.Tensor:
    """Change light, contrast, sharpness and noise of views (clips, n, height, width) in 0..1; the shape stays."""
    count, _, height, width = views.shape

    def draw(reach: float) -> F64:
        drawn: F64 = rng.uniform(-reach, reach, count)
        return drawn

    x = torch.linspace(-1, 1, width)[None, None, None]
    y = torch.linspace(-1, 1, height)[None, None, :, None]
    slopes = [_expand_to_images(draw(changes.slope)) for _ in range(2)]
    views = views ** _expand_to_images(np.exp(draw(changes.contrast)))
    views = views * _expand_to_images(1 + draw(changes.light)) * (1 + slopes[0] * x + slopes[1] * y)
    for i in np.flatnonzero(rng.random(count) < changes.blurred):
        views[i] = gaussian_blur(views[i][:, None], float(rng.uniform(0.3, changes.blur)))[:, 0]
    if changes.noise:
        grain = torch.from_numpy(rng.standard_normal(views.shape, np.float32))
        views = views + grain * _expand_to_images(rng.uniform(0, changes.noise, count))
    return views.clamp(0, 1)


def change_tint(pictures: torch.Tensor, rng: np.random.Generator, changes: FaceAugmentation) -> torch.Tensor:
    """Change the light of each colour of pictures (clips, n, 3, height, width). Values may exceed 1."""
    if changes.tint <= 0:
        return pictures
    tints = 1 + rng.uniform(-changes.tint, changes.tint, (len(pictures), 1, 3, 1, 1))
    return pictures * torch.from_numpy(tints).to(pictures)


def gaussian_blur(pictures: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur pictures (n, channels, H, W) by a Gaussian; sigma in pixels."""
    half = int(np.ceil(3 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-half, half + 1) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    kernel = kernel.to(pictures).expand(pictures.shape[1], 1, 1, -1)
    rows = functional.pad(pictures, (half, half, half, half), mode="replicate")
    across = functional.conv2d(rows, kernel, groups=len(kernel))
    return functional.conv2d(across, kernel.transpose(2, 3), groups=len(kernel))


def _expand_to_images(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))[:, None, None, None]


@dataclass(frozen=True)
class VoiceAugmentation:
    """The largest changes to a spectrogram.

    Attributes:
        tract: change of all frequencies to either side, power of e (a longer or shorter vocal tract).
        tone: decibels by which an equaliser changes bands to either side.
        louder: decibels.
        softer: decibels.
    """

    tract: float = 0.2
    tone: float = 8.0
    louder: float = 6.0
    softer: float = 15.0


def augment_spectrograms(mels: torch.Tensor, rng: np.random.Generator, changes: VoiceAugmentation) -> torch.Tensor:
    """Augment spectrograms (clips, n, 80, 16) in -4..4: other voices and microphones.

    Returns:
        the same shape and range.
    """
    out = torch.empty_like(mels)
    bands = np.arange(mel.BANDS)
    for i, window in enumerate(mels):
        at = _locate_scaled_bands(float(np.exp(rng.uniform(-changes.tract, changes.tract))))
        low = torch.from_numpy(np.floor(at).astype(np.int64)).clamp(max=mel.BANDS - 2)
        share = torch.from_numpy((at - low.numpy()).astype(np.float32))[None, :, None]
        tone = np.interp(bands, np.linspace(0, mel.BANDS - 1, 7), rng.uniform(-changes.tone, changes.tone, 7))
        added = torch.from_numpy(((tone + rng.uniform(-changes.softer, changes.louder)) * _DB).astype(np.float32))
        out[i] = window[:, low] * (1 - share) + window[:, low + 1] * share + added[None, :, None]
    return out.clamp(-mel.PEAK, mel.PEAK)


def _locate_scaled_bands(factor: float) -> F64:
    """Give the positions in a spectrogram of the bands' frequencies times a factor, (BANDS,) float64."""
    centres = _compute_band_centres()
    return np.interp(centres * factor, centres, np.arange(mel.BANDS))


@lru_cache(maxsize=1)
def _compute_band_centres() -> F64:
    """Give the centre frequencies of the bands, (BANDS,) float64 Hz."""
    import librosa

    return librosa.mel_frequencies(mel.BANDS + 2, fmin=mel.LOW, fmax=mel.HIGH)[1:-1]
