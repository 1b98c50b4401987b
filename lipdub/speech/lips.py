"""Lip motion from speech: phones heard, then lips by a table of targets blended by dominance (numpy only).

Every phone pulls each mouth shape towards its target, in proportion to its probability and dominance, over a
bell in time; bilabials and rounded sounds pull hardest. Closures are then made full. Digital silence gives
exact rest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import WeightsError
from lipdub.speech import encoder, table
from lipdub.speech.features import (
    FRAME_RATE,
    HOP,
    LEVEL_SPAN,
    RATE,
    log_mel,
    mel_power,
    running_level,
    silent_frames,
)
from lipdub.speech.phones import BILABIALS, INDEX, PHONES, PhoneNetwork, convolve, segments
from lipdub.weights import shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.speech.hearing import Heard

COEFFICIENTS = ("opening", "width", "rounding", "jaw", "closure", "lower_lip")
"""opening: gap between the lips, 0 rest .. 1 wide open speech of this talker (a shout may pass 1); width: -1
.. 1 about rest, spread positive, rounded negative; rounding: lips rounded and put forward, 0 .. 1; jaw:
lowered, 0 rest .. 1; closure: 1 = lips pressed together (p b m), 0 = not; lower_lip: 1 = lower lip tucked
under the upper teeth (f v)."""

CONTEXT_SHAPES = ("opening", "width", "jaw")
"""Shapes that a learnt context may change (`LipModel.context`)."""

LOOK_AHEAD = encoder.LOOK_AHEAD + 1.5
"""Seconds of sound after a moment that its lips may depend on (the encoder's window, then network and bells)."""

FORMAT = "lipdub lip-motion 2"  # of the weights file: its metadata's `format`

_CHUNK = 2400  # frames taken at once: 24 s
_CERTAIN = 0.02  # posteriors under this count as nothing
_BELL = 3.0  # bells are cut off at so many standard deviations


@dataclass(frozen=True)
class LipMotion:
    """times: float64 (T,) seconds of speech time, 10 ms apart; values: float32 (T, len(names)); phones:
    (start s, end s, label) contiguous; names: the columns of values, as `COEFFICIENTS`.
    """

    times: np.ndarray
    values: np.ndarray
    phones: list[tuple[float, float, str]]
    names: tuple[str, ...] = COEFFICIENTS

    def column(self, name: str) -> np.ndarray:
        """One coefficient over time, float32 (T,)."""
        return self.values[:, self.names.index(name)]


@dataclass(frozen=True)
class LipModel:
    """Numbers of the dominance model; times in seconds.

    targets, dominance: (phones, shapes) as in `speech.table`; reach, ahead: (shapes,). closure_full:
    probability of a bilabial, averaged over its bell of closure_reach, at which the lips are shut;
    closure_early: how long before a bilabial that follows a silence they are; posture: opening held in a
    short silence, risen to over posture_before ahead of speech and given up over posture_after behind it.
    context: what neighbouring phones change beyond that, as the three layers of `context_shapes`, or none.
    """

    targets: np.ndarray
    dominance: np.ndarray
    reach: np.ndarray
    ahead: np.ndarray
    closure_reach: float = 0.018
    closure_ahead: float = 0.03
    closure_full: float = 0.50
    closure_early: float = 0.09
    posture: float = 0.30
    posture_before: float = 0.40
    posture_after: float = 0.20
    context: tuple[np.ndarray, ...] = ()

    @staticmethod
    def phonetic() -> LipModel:
        """The table as written, nothing fitted."""
        return LipModel(
            table.targets(),
            table.dominances(),
            np.array([table.REACH[s] for s in table.SHAPES]),
            np.array([table.AHEAD[s] for s in table.SHAPES]),
        )


def default_weights() -> Path:
    """The weights of this project's lip-motion network. Raises WeightsError when they are missing."""
    return shipped("lip-motion.safetensors")


def load_weights(path: Path | None = None) -> tuple[PhoneNetwork, LipModel]:
    """Read a weights file. WeightsError when it is missing, damaged or not a lip-motion file."""
    path = Path(path) if path is not None else default_weights()
    try:
        stat = path.stat()
    except OSError as error:
        raise WeightsError(f"no lip-motion weights at {path}", hint="Install lipdub again") from error
    return _load(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _load(path: Path, changed: int, size: int) -> tuple[PhoneNetwork, LipModel]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "numpy") as file:
            facts = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged ({error})") from error
    if facts.get("format") != FORMAT:
        raise WeightsError(f"{path} is not a lip-motion weights file of this version")
    arrays = {name: tensors.pop(f"lips.{name}") for name in ("targets", "dominance", "reach", "ahead")}
    layers = (
        tuple(tensors.pop(f"lips.context.{i}").astype(np.float64) for i in range(3))
        if "lips.context.0" in tensors
        else ()
    )
    model = LipModel(**arrays, context=layers, **json.loads(facts["lips"]))
    return PhoneNetwork({name.removeprefix("phones."): value for name, value in tensors.items()}), model


def phone_posteriors(audio: np.ndarray, network: PhoneNetwork, *, chunk: int = _CHUNK) -> np.ndarray:
    """Probabilities of the phones, float32 (frames, len(PHONES)), a frame each 10 ms, from mono 16 kHz audio.

    Worked off in chunks of so many frames (even), each read with enough on both sides that the result does
    not depend on the chunk. Frames sure to be silent are exactly silence. Raises WeightsError without the
    speech encoder.
    """
    count = len(audio) // HOP + 1 if len(audio) else 0
    encoded = encoder.encoder(audio)
    out = np.empty((count, len(PHONES)), np.float32)
    reach = network.reach + network.reach % 2
    around = LEVEL_SPAN + reach + 2
    for first in range(0, count, chunk):
        last = min(first + chunk, count)
        low, high = max(first - around, 0), min(last + around, count)
        low -= low % 2
        power = _power(audio, low, high, count)
        level = running_level(power)
        near_low, near_high = max(first - reach, 0), min(last + reach, count)
        inner = slice(near_low - low, near_high - low)
        known = encoded(near_low // 2, (near_high + 1) // 2)
        p = network.posteriors(log_mel(power[inner], level[inner]), known)
        silent = silent_frames(power)[inner]
        p[silent] = 0.0
        p[silent, INDEX["sil"]] = 1.0
        out[first:last] = p[first - near_low : last - near_low]
    return out


def _power(audio: np.ndarray, low: int, high: int, count: int) -> np.ndarray:
    """Mel power of frames low..high-1 of the whole audio, read with the samples that their windows reach
    to.
    """
    lead = min(low, 2)  # frames' windows reach over 200 samples: two frames
    begin = (low - lead) * HOP
    end = len(audio) if high == count else min((high + 2) * HOP, len(audio))
    return mel_power(audio[begin:end])[lead : lead + high - low]


def bell(reach: float, ahead: float, *, rate: float = FRAME_RATE) -> tuple[np.ndarray, int]:
    """Weights of a bell over frames and the offset of its first one: value[t] = sum_k w[k] p[t + first +
    k].
    """
    wide = int(np.ceil(_BELL * reach * rate))
    centre = ahead * rate
    first = int(np.floor(centre)) - wide
    offsets = np.arange(first, int(np.ceil(centre)) + wide + 1)
    weights = np.exp(-0.5 * ((offsets - centre) / (reach * rate)) ** 2)
    return weights / weights.sum(), first


def pulled(x: np.ndarray, weights: np.ndarray, first: int) -> np.ndarray:
    """What a bell makes of a course: sum_k weights[k] x[t + first + k], the ends held. x (T,) or (T, n)."""
    last = first + len(weights) - 1
    before, after = max(-first, 0), max(last, 0)
    padded = np.pad(x, [(before, after)] + [(0, 0)] * (x.ndim - 1), mode="edge")
    out = np.zeros(x.shape, np.float64)
    for k, w in enumerate(weights):
        start = before + first + k
        out += w * padded[start : start + len(x)]
    return out


def _near(x: np.ndarray, before: float, after: float) -> np.ndarray:
    """Largest of x (T,) near each frame, falling off in a straight line to nothing `before` seconds ahead of
    it and `after` seconds behind it.
    """
    out = x.copy()
    for span, sign in ((before, 1), (after, -1)):
        frames = int(span * FRAME_RATE)
        for d in range(1, min(frames, len(x) - 1) + 1):
            fall = 1 - d / (frames + 1)
            if sign > 0:
                np.maximum(out[:-d], x[d:] * fall, out=out[:-d])
            else:
                np.maximum(out[d:], x[:-d] * fall, out=out[d:])
    return out


def certain(posteriors: np.ndarray) -> np.ndarray:
    """Posteriors without their small change, float64, rows sum to one: so that silence is exactly silence."""
    p = np.where(posteriors < _CERTAIN, 0.0, posteriors).astype(np.float64)
    return p / p.sum(1, keepdims=True)


def posture(p: np.ndarray, model: LipModel) -> np.ndarray:
    """Opening that silent frames aim at, (frames,): a talker opens the lips some time before the first sound,
    and does not shut them in a short pause. p: from `certain`.
    """
    silence = p[:, INDEX["sil"]]
    return model.posture * silence * _near(1 - silence, model.posture_before, model.posture_after)


def closure(p: np.ndarray, model: LipModel) -> np.ndarray:
    """How far the lips are shut for p b m, 0 to 1, (frames,). p: from `certain`."""
    bilabial = p[:, [INDEX[x] for x in BILABIALS]].sum(1)
    # after silence the lips are shut before p b m can be heard
    bilabial = np.maximum(bilabial, p[:, INDEX["sil"]] * _near(bilabial, model.closure_early, 0.0))
    share = np.clip(pulled(bilabial, *bell(model.closure_reach, model.closure_ahead)) / model.closure_full, 0.0, 1.0)
    return share**2 * (3 - 2 * share)


def context_shapes(p: np.ndarray, layers: tuple[np.ndarray, ...]) -> np.ndarray:
    """What the phones' neighbours change in the lips beyond the blend, float64 (frames, len(CONTEXT_SHAPES)).

    p: from `certain`; layers: weights (out, in, taps) of three convolutions along time without biases, rectified,
    the second with dilation 2 and its input added. Silence gives no input, so it gives exactly nothing.
    """
    x = np.delete(p, INDEX["sil"], 1)
    first, second, last = layers
    x = np.maximum(convolve(x, first, np.zeros(len(first))), 0)
    x = x + np.maximum(convolve(x, second, np.zeros(len(second)), dilation=2), 0)
    return convolve(x, last, np.zeros(len(last)))


def lips_of_phones(posteriors: np.ndarray, model: LipModel) -> np.ndarray:
    """Lip coefficients, float32 (frames, len(COEFFICIENTS)), of phone probabilities (frames, len(PHONES))."""
    if not len(posteriors):
        return np.zeros((0, len(COEFFICIENTS)), np.float32)
    p = certain(posteriors)
    held = posture(p, model)
    shapes = {}
    for i, name in enumerate(table.SHAPES):
        pull = model.dominance[:, i].astype(np.float64)
        wanted = p @ (pull * model.targets[:, i])
        if name in ("opening", "jaw"):
            wanted = wanted + held * pull[INDEX["sil"]]
        both = pulled(np.stack([wanted, p @ pull], 1), *bell(float(model.reach[i]), float(model.ahead[i])))
        shapes[name] = both[:, 0] / both[:, 1]
    if model.context:
        for name, change in zip(CONTEXT_SHAPES, context_shapes(p, model.context).T, strict=True):
            shapes[name] = shapes[name] + change
    shut = closure(p, model)
    columns = {
        "opening": np.maximum(shapes["opening"], 0.0) * (1 - shut),
        "width": np.clip(shapes["width"], -1, 1),
        "rounding": np.clip(shapes["rounding"], 0, 1),
        "jaw": np.clip(shapes["jaw"], 0, None),
        "closure": shut,
        "lower_lip": np.clip(shapes["lower_lip"], 0, 1),
    }
    return np.stack([columns[name] for name in COEFFICIENTS], 1).astype(np.float32)


def lip_motion(
    audio: np.ndarray | None = None,
    rate: int = RATE,
    *,
    weights: Path | None = None,
    heard: Heard | None = None,
) -> LipMotion:
    """The lips that say this speech.

    audio: float (n,) in about [-1, 1], or (n, channels), of which the mean is taken; rate in Hz; weights:
    another weights file than `default_weights()`; heard: what `speech.hearing.hear` made of this sound at 16
    kHz, which then is not needed itself, by default what the phone network alone hears. Time zero is the first sample. ValueError on wrong
    shapes and values that are not finite.
    """
    network, model = load_weights(weights)
    if heard is None:
        if audio is None:
            raise ValueError("lips need a sound, or what was heard in it")
        posteriors = phone_posteriors(mono(audio, rate), network)
        return _motion(posteriors, segments(posteriors), model)
    return _motion(heard.posteriors, heard.phones, model)


def mono(audio: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Sound as the networks take it: float32 (n,) at 16 kHz, of (n,) or (n, channels) at `rate`. ValueError as
    `lip_motion`.
    """
    audio = np.asarray(audio, np.float32)
    if audio.ndim == 2:
        audio = audio.mean(1)
    if audio.ndim != 1:
        raise ValueError(f"audio must be (samples,) or (samples, channels); got shape {audio.shape}")
    if not np.isfinite(audio).all():
        raise ValueError("audio holds values that are not finite")
    if rate != RATE:
        import soxr

        audio = soxr.resample(audio, rate, RATE)
    return audio


def _motion(posteriors: np.ndarray, phones: list[tuple[float, float, str]], model: LipModel) -> LipMotion:
    values = lips_of_phones(posteriors, model)
    return LipMotion(np.arange(len(values)) / FRAME_RATE, values, phones)


def at_times(motion: LipMotion, times: Sequence[float] | np.ndarray) -> np.ndarray:
    """The lips at any times, float32 (len(times), len(motion.names)); rest (zeros) before and after the
    speech.

    times: seconds of speech time, ascending. Values are averaged over the spacing of the times (at most 60
    ms), so that no motion between two video frames is lost or folded; a closure shorter than that is kept
    whole.
    """
    times = np.asarray(times, np.float64)
    values = motion.values.astype(np.float64)
    if not len(times) or not len(values):
        return np.zeros((len(times), len(motion.names)), np.float32)
    spacing = float(np.median(np.diff(times))) if len(times) > 1 else 1 / 25
    half = min(max(spacing, 0.01), 0.06) / 2
    step = motion.times[1] - motion.times[0] if len(motion.times) > 1 else 1 / FRAME_RATE
    edge = motion.times[-1] + step
    # mean over [t - half, t + half] through the integral of the piecewise linear trajectory, zero outside the
    # speech
    knots = np.concatenate([[motion.times[0] - step], motion.times, [edge]])
    padded = np.pad(values, ((1, 1), (0, 0)))
    integral = np.concatenate(
        [
            np.zeros((1, values.shape[1])),
            np.cumsum((padded[1:] + padded[:-1]) / 2 * np.diff(knots)[:, None], 0),
        ]
    )

    def integrated(at: np.ndarray) -> np.ndarray:
        at = np.clip(at, knots[0], knots[-1])
        i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
        part = (at - knots[i])[:, None]
        slope = (padded[i + 1] - padded[i]) / (knots[i + 1] - knots[i])[:, None]
        return integral[i] + padded[i] * part + slope * part**2 / 2

    out = (integrated(times + half) - integrated(times - half)) / (2 * half)
    if {"opening", "closure"} <= set(motion.names):
        o, c = motion.names.index("opening"), motion.names.index("closure")
        offsets = np.linspace(-half, half, 9)
        near = np.stack([np.interp(times + d, knots, padded[:, c]) for d in offsets], 1).max(1)
        least = np.stack([np.interp(times + d, knots, padded[:, o]) for d in offsets], 1).min(1)
        out[:, c] = near
        out[:, o] = out[:, o] * (1 - near) + least * near
    out[(times < motion.times[0]) | (times >= edge)] = 0.0
    return out.astype(np.float32)
