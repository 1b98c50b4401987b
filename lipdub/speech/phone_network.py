"""The network that recognizes phones, in NumPy, and the decoding of its posteriors.

The network is a stack of dilated residual convolutions at 50 Hz. It reads two 10 ms frames at a time, together with
the output of a speech encoder for that moment, and answers for both frames. `lipdub.training.phone_network` holds
the same network in torch for training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.phone_features import MELS
from lipdub.speech.phones import PHONES
from lipdub.speech.word import Segment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lipdub.arrays import F32, F64, Array

FRAMES_PER_STEP = 2
"""Frames of 10 ms that the network reads, and answers for, at each step."""

SWITCH_COST = 4.0
"""Cost of a change of phone in nats. It keeps single-frame flickers out of the decoded sequence."""

_LAYER_NORM_EPSILON = 1e-5  # torch.nn.LayerNorm's default
_MIN_POSTERIOR = 1e-8  # keeps logarithms finite


class PhoneNetwork:
    """The trained network: `posteriors(features, encoding)` gives phone probabilities.

    Attributes:
        dilations: Dilation of each residual block, in steps of two frames.
    """

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        """Load the weights.

        Args:
            tensors: Weights by name, as in the state dict of `lipdub.training.phone_network`.

        Raises:
            ValueError: The weights are for another number of mel bands.
        """
        self._weights = {name: np.asarray(value, np.float32) for name, value in tensors.items()}
        self.dilations = tuple(int(d) for d in tensors["dilations"])
        if self._weights["stem.weight"].shape[1] != MELS:
            raise ValueError(f"the weights are for {self._weights['stem.weight'].shape[1]} mel bands, not {MELS}")

    def tensors(self) -> dict[str, Array]:
        """Return the weights, float32, with the dilations, int32."""
        return {**self._weights, "dilations": np.array(self.dilations, np.int32)}

    @property
    def reach(self) -> int:
        """Number of 10 ms frames on each side that one answer depends on."""
        return FRAMES_PER_STEP * sum(self.dilations) + 4

    def logits(self, features: F32, encoding: F32) -> F32:
        """Compute the logits of the phones.

        Args:
            features: (frames, MELS) float32, from `phone_features.log_mel`.
            encoding: ((frames + 1) // 2, encoder.WIDTH) float32, from `lipdub.speech.encoder`.

        Returns:
            (frames, len(PHONES)) float32.
        """
        frames = len(features)
        if frames == 0:
            return np.zeros((0, len(PHONES)), np.float32)
        w = self._weights
        if frames % FRAMES_PER_STEP:
            features = np.concatenate([features, features[-1:]])
        x = convolve_time(features, w["stem.weight"], w["stem.bias"], stride=FRAMES_PER_STEP)
        known = _layer_norm(encoding, w["known.weight"], w["known.bias"])
        x = x + known @ w["take.weight"].T + w["take.bias"]
        for i, dilation in enumerate(self.dilations):
            y = _layer_norm(x, w[f"blocks.{i}.norm.weight"], w[f"blocks.{i}.norm.bias"])
            y = convolve_time(y, w[f"blocks.{i}.wide.weight"], w[f"blocks.{i}.wide.bias"], dilation=dilation)
            y = np.maximum(y, 0)
            x = x + y @ w[f"blocks.{i}.mix.weight"][:, :, 0].T + w[f"blocks.{i}.mix.bias"]
        x = np.maximum(_layer_norm(x, w["norm.weight"], w["norm.bias"]), 0)
        out = x @ w["head.weight"][:, :, 0].T + w["head.bias"]
        logits: F32 = out.reshape(-1, len(PHONES))[:frames]
        return logits

    def posteriors(self, features: F32, encoding: F32) -> F32:
        """Compute the probability of each phone.

        Args:
            features: As for `logits`.
            encoding: As for `logits`.

        Returns:
            (frames, len(PHONES)) float32; rows sum to one.
        """
        logits = self.logits(features, encoding)
        e = np.exp(logits - logits.max(1, keepdims=True, initial=-1e30))
        posteriors: F32 = e / e.sum(1, keepdims=True)
        return posteriors


def convolve_time(x: Array, weight: Array, bias: Array, *, stride: int = 1, dilation: int = 1) -> Array:
    """Convolve along time, zero-padded to keep the length.

    Args:
        x: (time, channels in).
        weight: (channels out, channels in, taps).
        bias: (channels out,).
        stride: Steps of x for one step of the result.
        dilation: Steps of x between two taps.

    Returns:
        (time // stride, channels out).
    """
    taps = weight.shape[2]
    reach = dilation * (taps - 1) // 2
    padded = np.pad(x, ((reach, reach), (0, 0)))
    steps = len(x) // stride
    out: Array = np.broadcast_to(bias, (steps, len(bias))).copy()
    for k in range(taps):
        out += padded[k * dilation : k * dilation + steps * stride : stride] @ weight[:, :, k].T
    return out


def _layer_norm(x: F32, weight: F32, bias: F32) -> F32:
    """Normalise over the channels of each time step, so that nothing depends on the length of the audio."""
    centred = x - x.mean(1, keepdims=True)
    out: F32 = centred / np.sqrt((centred**2).mean(1, keepdims=True) + _LAYER_NORM_EPSILON) * weight + bias
    return out


def decode_phones(
    posteriors: F32 | F64, *, frame_seconds: float = 0.01, switch_cost: float = SWITCH_COST
) -> list[Segment]:
    """Find the most probable sequence of phones (Viterbi).

    Args:
        posteriors: (frames, len(PHONES)) probabilities.
        frame_seconds: Time between two frames, in seconds.
        switch_cost: Cost of a change of phone, in nats.

    Returns:
        Contiguous segments.
    """
    frames, count = posteriors.shape
    if frames == 0:
        return []
    score = np.log(np.maximum(posteriors, _MIN_POSTERIOR))
    origin = np.empty((frames, count), np.int16)
    best = score[0].copy()
    stay = np.arange(count)
    origin[0] = stay
    for i in range(1, frames):
        top = int(best.argmax())
        jump = best[top] - switch_cost
        origin[i] = np.where(best >= jump, stay, top)
        best = np.maximum(best, jump) + score[i]
    path = np.empty(frames, np.int64)
    path[-1] = int(best.argmax())
    for i in range(frames - 1, 0, -1):
        path[i - 1] = origin[i, path[i]]
    edges = np.flatnonzero(np.diff(path)) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [frames]])
    return [
        Segment(float(a * frame_seconds), float(b * frame_seconds), PHONES[path[a]])
        for a, b in zip(starts, ends, strict=True)
    ]
