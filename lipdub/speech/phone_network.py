"""Phone network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.phone_features import MELS

if TYPE_CHECKING:
    from collections.abc import Mapping
from lipdub.speech.phones import PHONES


class PhoneNetwork:
    """The trained network: `posteriors(features, encoded)` gives phone probabilities."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        """tensors: names as in the torch module's state dict (see `training/phone_network.py`)."""
        self._t = {name: np.asarray(value, np.float32) for name, value in tensors.items()}
        self.dilations = tuple(int(d) for d in tensors["dilations"])
        if self._t["stem.weight"].shape[1] != MELS:
            raise ValueError(f"weights are for {self._t['stem.weight'].shape[1]} mel bands, not {MELS}")

    def tensors(self) -> dict[str, np.ndarray]:
        """The weights, float32, with the dilations."""
        return {**self._t, "dilations": np.array(self.dilations, np.int32)}

    @property
    def reach(self) -> int:
        """Frames of 10 ms on each side that one answer depends on: the network's look-ahead."""
        return 2 * sum(self.dilations) + 4

    def logits(self, features: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """features: float32 (frames, MELS); encoded: float32 ((frames + 1) // 2, encoder.WIDTH), of
        `speech.encoder`. Returns float32 (frames, len(PHONES)).
        """
        frames = len(features)
        if frames == 0:
            return np.zeros((0, len(PHONES)), np.float32)
        t = self._t
        if frames % 2:  # frames go in pairs
            features = np.concatenate([features, features[-1:]])
        x = convolve_time(features, t["stem.weight"], t["stem.bias"], stride=2)
        known = _layer_norm(encoded, t["known.weight"], t["known.bias"])
        x = x + known @ t["take.weight"].T + t["take.bias"]
        for i, dilation in enumerate(self.dilations):
            y = _layer_norm(x, t[f"blocks.{i}.norm.weight"], t[f"blocks.{i}.norm.bias"])
            y = np.maximum(
                convolve_time(y, t[f"blocks.{i}.wide.weight"], t[f"blocks.{i}.wide.bias"], dilation=dilation), 0
            )
            x = x + y @ t[f"blocks.{i}.mix.weight"][:, :, 0].T + t[f"blocks.{i}.mix.bias"]
        x = np.maximum(_layer_norm(x, t["norm.weight"], t["norm.bias"]), 0)
        out = x @ t["head.weight"][:, :, 0].T + t["head.bias"]
        return out.reshape(-1, len(PHONES))[:frames]

    def posteriors(self, features: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Probability of each phone, of what `logits` takes: float32 (frames, len(PHONES)), rows sum to one."""
        logits = self.logits(features, encoded)
        e = np.exp(logits - logits.max(1, keepdims=True, initial=-1e30))
        return e / e.sum(1, keepdims=True)


def convolve_time(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, stride: int = 1, dilation: int = 1
) -> np.ndarray:
    """Convolution along time, zero-padded to keep length: x (time, in), weight (out, in, taps) -> (time //
    stride, out).
    """
    taps = weight.shape[2]
    reach = dilation * (taps - 1) // 2
    padded = np.pad(x, ((reach, reach), (0, 0)))
    steps = len(x) // stride
    out = np.broadcast_to(bias, (steps, len(bias))).copy()
    for k in range(taps):
        out += padded[k * dilation : k * dilation + steps * stride : stride] @ weight[:, :, k].T
    return out


def _layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Layer norm over the channels of each time step (so that nothing depends on the length of the audio)."""
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * weight + bias


def decode_phones(
    posteriors: np.ndarray, *, frame_time: float = 0.01, switch: float = 4.0
) -> list[tuple[float, float, str]]:
    """Most probable sequence of phones: (start s, end s, label), contiguous.

    posteriors: (frames, len(PHONES)); switch: cost of changing phone in nats, so that flickers are no phones.
    """
    frames, count = posteriors.shape
    if frames == 0:
        return []
    score = np.log(np.maximum(posteriors, 1e-8))
    back = np.empty((frames, count), np.int16)
    best = score[0].copy()
    stay = np.arange(count)
    for i in range(frames):
        if i == 0:
            back[0] = stay
            continue
        top = int(best.argmax())
        jump = best[top] - switch
        came = np.where(best >= jump, stay, top)
        best = np.maximum(best, jump) + score[i]
        back[i] = came
    path = np.empty(frames, np.int64)
    path[-1] = int(best.argmax())
    for i in range(frames - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    edges = np.flatnonzero(np.diff(path)) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [frames]])
    return [(float(a * frame_time), float(b * frame_time), PHONES[path[a]]) for a, b in zip(starts, ends, strict=True)]
