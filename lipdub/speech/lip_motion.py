"""Lip motion from speech: phones are recognized, then blended into lip shapes. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech import encoder
from lipdub.speech.coarticulation import COEFFICIENTS, LipModel, blend_lip_shapes
from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phone_network import decode_phones
from lipdub.speech.phone_recognizer import compute_phone_posteriors, load_weights, to_mono_speech

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lipdub.arrays import F32, F64, Array
    from lipdub.speech.recognition import Recognition
    from lipdub.speech.word import Segment

LOOKAHEAD_SECONDS = encoder.LOOKAHEAD_SECONDS + 1.5
"""Seconds of sound after a moment that its lips may depend on: the encoder's window, the network and the kernels."""

_DEFAULT_SPACING = 1 / 25  # seconds, where a single time has no spacing of its own
_MIN_SPACING, _MAX_SPACING = 0.01, 0.06  # seconds over which values are averaged
_EXTREME_SAMPLES = 9  # places inside the spacing at which closures are looked for


@dataclass(frozen=True)
class LipMotion:
    """The motion of the lips over a speech.

    Attributes:
        times: (n,) float64 seconds of the speech, 10 ms apart.
        values: (n, len(names)) float32.
        phones: Contiguous segments.
        names: The columns of values.
    """

    times: F64
    values: F32
    phones: list[Segment]
    names: tuple[str, ...] = COEFFICIENTS

    def column(self, name: str) -> F32:
        """Return one coefficient over time, (n,) float32."""
        return self.values[:, self.names.index(name)]

    @property
    def mouth(self) -> F32:
        """Opening and width over time, (n, 2) float32."""
        return np.stack([self.column("opening"), self.column("width")], 1)


def predict_lip_motion(
    audio: Array | None = None,
    rate: int = SAMPLE_RATE_HZ,
    *,
    weights: Path | None = None,
    recognition: Recognition | None = None,
) -> LipMotion:
    """Predict the lip motion of a speech. Time zero is the first sample.

    Args:
        audio: (n,) or (n, channels) float in about -1 to 1; channels are averaged.
        rate: Sampling rate in Hz.
        weights: A weights file other than that of this project.
        recognition: Result of `lipdub.speech.recognition.recognize` for this speech. The audio is then not needed.

    Raises:
        ValueError: There is neither sound nor recognition, the shape is wrong, or a value is not finite.
        WeightsError: The weights or the speech encoder are missing or damaged.
    """
    network, model = load_weights(weights)
    if recognition is not None:
        return _blend(recognition.posteriors, recognition.phones, model)
    if audio is None:
        raise ValueError("predict_lip_motion needs audio or a recognition")
    posteriors = compute_phone_posteriors(to_mono_speech(audio, rate), network)
    return _blend(posteriors, decode_phones(posteriors), model)


def _blend(posteriors: F32, phones: list[Segment], model: LipModel) -> LipMotion:
    values = blend_lip_shapes(posteriors, model)
    return LipMotion(np.arange(len(values)) / FRAME_RATE, values, phones)


def sample_motion(motion: LipMotion, times: Sequence[float] | F64) -> F32:
    """Sample the lip motion at any times; before and after the speech the lips rest (zeros).

    Values are averaged over the spacing of the times, at most 60 ms, so that no motion between two video frames is
    lost or aliased. A closure shorter than that is kept in full.

    Args:
        motion: The lip motion.
        times: (n,) seconds of the speech, ascending.

    Returns:
        (n, len(motion.names)) float32.
    """
    times = np.asarray(times, np.float64)
    if not len(times) or not len(motion.values):
        return np.zeros((len(times), len(motion.names)), np.float32)
    spacing = float(np.median(np.diff(times))) if len(times) > 1 else _DEFAULT_SPACING
    half = min(max(spacing, _MIN_SPACING), _MAX_SPACING) / 2
    step = motion.times[1] - motion.times[0] if len(motion.times) > 1 else 1 / FRAME_RATE
    edge = motion.times[-1] + step
    knots = np.concatenate([[motion.times[0] - step], motion.times, [edge]])
    values = np.pad(motion.values.astype(np.float64), ((1, 1), (0, 0)))
    out = (_integrate(knots, values, times + half) - _integrate(knots, values, times - half)) / (2 * half)
    if {"opening", "closure"} <= set(motion.names):
        opening, closure = motion.names.index("opening"), motion.names.index("closure")
        offsets = np.linspace(-half, half, _EXTREME_SAMPLES)
        most_closed = np.stack([np.interp(times + d, knots, values[:, closure]) for d in offsets], 1).max(1)
        least_open = np.stack([np.interp(times + d, knots, values[:, opening]) for d in offsets], 1).min(1)
        out[:, closure] = most_closed
        out[:, opening] = out[:, opening] * (1 - most_closed) + least_open * most_closed
    out[(times < motion.times[0]) | (times >= edge)] = 0.0
    return out.astype(np.float32)


def _integrate(knots: F64, values: F64, times: F64) -> F64:
    """Integrate the piecewise linear motion from the first knot up to each time.

    Args:
        knots: (m,) seconds, ascending.
        values: (m, n) values at the knots.
        times: (k,) seconds; outside the knots the motion is zero.

    Returns:
        (k, n).
    """
    at_knots = np.concatenate(
        [
            np.zeros((1, values.shape[1])),
            np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(knots)[:, None], 0),
        ]
    )
    times = np.clip(times, knots[0], knots[-1])
    i = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, len(knots) - 2)
    part = (times - knots[i])[:, None]
    slope = (values[i + 1] - values[i]) / (knots[i + 1] - knots[i])[:, None]
    integral: F64 = at_knots[i] + values[i] * part + slope * part**2 / 2
    return integral
