"""Lip motion from speech: phones heard, then lips by a table of targets blended by dominance (numpy only).

Every phone pulls each mouth shape towards its target, in proportion to its probability and dominance, over a
bell in time; bilabials and rounded sounds pull hardest. Closures are then made full. Digital silence gives
exact rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech import encoder
from lipdub.speech.coarticulation import COEFFICIENTS, LipModel, blend_lip_shapes
from lipdub.speech.phone_features import (
    FRAME_RATE,
)
from lipdub.speech.phone_network import decode_phones
from lipdub.speech.phone_recognizer import compute_phone_posteriors, load_weights, to_mono_speech

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.speech.recognition import Recognition


LOOKAHEAD_SECONDS = encoder.LOOKAHEAD_SECONDS + 1.5
"""Seconds of sound after a moment that its lips may depend on (the encoder's window, then network and bells)."""


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


def predict_lip_motion(
    audio: np.ndarray | None = None,
    rate: int = SAMPLE_RATE_HZ,
    *,
    weights: Path | None = None,
    heard: Recognition | None = None,
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
        posteriors = compute_phone_posteriors(to_mono_speech(audio, rate), network)
        return _motion(posteriors, decode_phones(posteriors), model)
    return _motion(heard.posteriors, heard.phones, model)


def _motion(posteriors: np.ndarray, phones: list[tuple[float, float, str]], model: LipModel) -> LipMotion:
    values = blend_lip_shapes(posteriors, model)
    return LipMotion(np.arange(len(values)) / FRAME_RATE, values, phones)


def sample_motion(motion: LipMotion, times: Sequence[float] | np.ndarray) -> np.ndarray:
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
