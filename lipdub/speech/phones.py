"""Phones heard in speech: the inventory, and the network that gives their posteriors (numpy only).

The network is a stack of dilated residual convolutions at 50 Hz that reads two 10 ms frames at a time, with what
a speech encoder knows of that moment, and answers for both; `training/phone_network.py` holds the same network in
torch, which trains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.features import MELS

if TYPE_CHECKING:
    from collections.abc import Mapping

# fmt: off
PHONES = (
    "sil",
    "iy", "ih", "ey", "eh", "ae", "a", "aa", "ao", "ow", "uh", "uw", "y", "oe", "ax", "ah", "er",
    "p", "b", "m", "f", "v", "th", "dh", "t", "d", "n", "s", "z", "sh", "zh", "ch", "jh", "l", "r", "rr",
    "k", "g", "ng", "h", "w", "j", "x",
)
# fmt: on
INDEX = {phone: i for i, phone in enumerate(PHONES)}
BILABIALS = ("p", "b", "m")
_DIPHTHONG_SPLIT = 0.55  # share of a diphthong's time that its first vowel has
LABIODENTALS = ("f", "v")
VOWELS = PHONES[1:17]

# fmt: off
_ARPABET = {
    "pau": ("sil",), "sil": ("sil",), "h#": ("sil",), "aa": ("aa",), "ae": ("ae",), "ah": ("ah",),
    "ao": ("ao",), "aw": ("a", "uh"), "ax": ("ax",), "axr": ("er",), "ay": ("a", "ih"), "eh": ("eh",),
    "er": ("er",), "ey": ("ey", "ih"), "ih": ("ih",), "ix": ("ih",), "iy": ("iy",), "ow": ("ow", "uh"),
    "oy": ("ao", "ih"), "uh": ("uh",), "uw": ("uw",), "hh": ("h",), "hv": ("h",), "y": ("j",),
    "el": ("ax", "l"), "em": ("m",), "en": ("n",), "dx": ("rr",), "nx": ("n",),
}
# fmt: on
# fmt: off
_IPA = {
    "i": "iy", "ɪ": "ih", "ɨ": "ih", "ɯ": "ih", "ᵻ": "ih", "e": "ey", "ɛ": "eh", "æ": "ae", "a": "a",
    "ä": "a", "ɐ": "ah", "ɑ": "aa", "ɒ": "ao", "ɔ": "ao", "o": "ow", "ɵ": "oe", "ʊ": "uh", "u": "uw",
    "ʉ": "uw", "y": "y", "ʏ": "y", "ø": "oe", "œ": "oe", "ə": "ax", "ɘ": "ax", "ɤ": "ah", "ʌ": "ah",
    "ɜ": "er", "ɝ": "er", "ɚ": "er", "ɞ": "oe", "p": "p", "b": "b", "β": "b", "m": "m", "ɱ": "m", "f": "f",
    "ɸ": "f", "v": "v", "ʋ": "v", "θ": "th", "ð": "dh", "t": "t", "ʈ": "t", "d": "d", "ɖ": "d", "n": "n",
    "ɳ": "n", "ɲ": "n", "s": "s", "z": "z", "ʃ": "sh", "ʂ": "sh", "ɕ": "sh", "ʒ": "zh", "ʐ": "zh", "ʑ": "zh",
    "l": "l", "ɭ": "l", "ʎ": "l", "ɫ": "l", "ɬ": "l", "ɹ": "r", "ɻ": "r", "r": "rr", "ɾ": "rr", "ɽ": "rr",
    "k": "k", "c": "k", "q": "k", "g": "g", "ɡ": "g", "ɟ": "g", "ɣ": "g", "ɢ": "g", "ŋ": "ng", "ɴ": "ng",
    "h": "h", "ɦ": "h", "ħ": "h", "ʕ": "h", "ʔ": "h", "w": "w", "ʍ": "w", "ɥ": "w", "ɰ": "w", "j": "j",
    "ʝ": "j", "x": "x", "χ": "x", "ç": "x", "ʁ": "x", "ʀ": "x",
}
# fmt: on
_AFFRICATES = {"tʃ": "ch", "dʒ": "jh", "tɕ": "ch", "dʑ": "jh", "tʂ": "ch", "dʐ": "jh"}


def from_arpabet(name: str) -> tuple[str, ...]:
    """Phones of one ARPAbet phone (lower case, as flite prints it); a diphthong gives two. KeyError if
    unknown.
    """
    name = name.lower().rstrip("012")
    if name in _ARPABET:
        return _ARPABET[name]
    if name in INDEX:
        return (name,)
    raise KeyError(name)


def from_ipa(symbols: str) -> tuple[str, ...]:
    """Phones of a short IPA string; marks of stress, length and colour are passed over. Empty when nothing is
    known.
    """
    phones: list[str] = []
    i = 0
    while i < len(symbols):
        pair = symbols[i : i + 2]
        if pair in _AFFRICATES:
            phones.append(_AFFRICATES[pair])
            i += 2
            continue
        phone = _IPA.get(symbols[i])
        if phone and (not phones or phones[-1] != phone):
            phones.append(phone)
        i += 1
    return tuple(phones)


def spread(phones: tuple[str, ...], start: float, end: float) -> list[tuple[float, float, str]]:
    """Share the time of one sound out among its phones (a diphthong's first vowel gets a little more)."""
    if len(phones) == 1:
        return [(start, end, phones[0])]
    share = _DIPHTHONG_SPLIT if len(phones) == 2 else 1.0 / len(phones)
    rest = (1 - share) / (len(phones) - 1)
    cuts = [start + (end - start) * (share + rest * i) for i in range(len(phones) - 1)]
    edges = [start, *cuts, end]
    return [(a, b, p) for p, a, b in zip(phones, edges[:-1], edges[1:], strict=True)]


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
        x = convolve(features, t["stem.weight"], t["stem.bias"], stride=2)
        known = _normalise(encoded, t["known.weight"], t["known.bias"])
        x = x + known @ t["take.weight"].T + t["take.bias"]
        for i, dilation in enumerate(self.dilations):
            y = _normalise(x, t[f"blocks.{i}.norm.weight"], t[f"blocks.{i}.norm.bias"])
            y = np.maximum(convolve(y, t[f"blocks.{i}.wide.weight"], t[f"blocks.{i}.wide.bias"], dilation=dilation), 0)
            x = x + y @ t[f"blocks.{i}.mix.weight"][:, :, 0].T + t[f"blocks.{i}.mix.bias"]
        x = np.maximum(_normalise(x, t["norm.weight"], t["norm.bias"]), 0)
        out = x @ t["head.weight"][:, :, 0].T + t["head.bias"]
        return out.reshape(-1, len(PHONES))[:frames]

    def posteriors(self, features: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Probability of each phone, of what `logits` takes: float32 (frames, len(PHONES)), rows sum to one."""
        logits = self.logits(features, encoded)
        e = np.exp(logits - logits.max(1, keepdims=True, initial=-1e30))
        return e / e.sum(1, keepdims=True)


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, stride: int = 1, dilation: int = 1) -> np.ndarray:
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


def _normalise(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Layer norm over the channels of each time step (so that nothing depends on the length of the audio)."""
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * weight + bias


def segments(
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
