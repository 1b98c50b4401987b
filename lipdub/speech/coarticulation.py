"""Lip shapes from phone probabilities: targets blended by dominance, as in Cohen and Massaro's model.

Each phone pulls each mouth shape towards its target. The pull is the phone's probability times its dominance, spread
over a Gaussian in time. Bilabials and rounded sounds pull hardest. Closures are then made complete. Digital silence
gives exact rest. NumPy only.

Cohen and Massaro, Modeling Coarticulation in Synthetic Visual Speech (Computer Animation 1993).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.speech import viseme_targets
from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phone_network import convolve_time
from lipdub.speech.phones import BILABIALS, PHONE_INDEX, SILENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lipdub.arrays import F32, F64, Array

COEFFICIENTS = ("opening", "width", "rounding", "jaw", "closure", "lower_lip")
"""Columns of the lip motion.

opening: gap between the lips, 0 at rest to 1 wide open; a shout may pass 1.
width: -1 to 1 about rest; spread lips are positive, rounded lips negative.
rounding: 0 to 1, lips rounded and protruded.
jaw: 0 at rest to 1 lowered.
closure: 1 where the lips are pressed together (p, b, m), else 0.
lower_lip: 1 where the lower lip is tucked under the upper teeth (f, v).
"""

CONTEXT_SHAPES = ("opening", "width", "jaw")
"""Shapes that a learnt context may change (`LipModel.context`)."""

_MIN_PROBABILITY = 0.02  # posteriors below this are treated as zero
_KERNEL_SIGMAS = 3.0  # Gaussians are cut off at so many standard deviations

_ARRAY_FIELDS = ("targets", "dominance", "reach", "lead")
# names in a weights file of format "lipdub lip-motion 2", where they differ from the fields of LipModel
_FILE_NAMES = {
    "lead": "ahead",
    "closure_lead": "closure_ahead",
    "closure_probability": "closure_full",
    "closure_lead_in_pause": "closure_early",
    "pause_opening": "posture",
    "pause_rise": "posture_before",
    "pause_fall": "posture_after",
}


@dataclass(frozen=True)
class LipModel:
    """Numbers of the dominance model.

    Attributes:
        targets: (len(PHONES), len(SHAPES)) float32, as in `lipdub.speech.viseme_targets`.
        dominance: (len(PHONES), len(SHAPES)) float32, greater than zero.
        reach: (len(SHAPES),) standard deviation of the Gaussian, in seconds.
        lead: (len(SHAPES),) how far the lips run ahead of the sound, in seconds.
        closure_reach: Standard deviation of the Gaussian over bilabials, in seconds.
        closure_lead: How far closures run ahead of the sound, in seconds.
        closure_probability: Averaged probability of a bilabial at which the lips are shut.
        closure_lead_in_pause: How long before a bilabial that follows a silence the lips are shut, in seconds.
        pause_opening: Opening held in a short silence.
        pause_rise: Time before speech over which that opening is reached, in seconds.
        pause_fall: Time after speech over which that opening is given up, in seconds.
        context: Weights of the three layers of `compute_context_offsets`, or nothing.
    """

    targets: F32
    dominance: F32
    reach: Array
    lead: Array
    closure_reach: float = 0.018
    closure_lead: float = 0.03
    closure_probability: float = 0.50
    closure_lead_in_pause: float = 0.09
    pause_opening: float = 0.30
    pause_rise: float = 0.40
    pause_fall: float = 0.20
    context: tuple[Array, ...] = ()

    @classmethod
    def phonetic(cls) -> LipModel:
        """Return the model of the phonetic table, with nothing fitted."""
        return cls(
            viseme_targets.build_target_matrix(),
            viseme_targets.build_dominance_matrix(),
            np.array([viseme_targets.REACH_SECONDS[s] for s in viseme_targets.SHAPES]),
            np.array([viseme_targets.LEAD_SECONDS[s] for s in viseme_targets.SHAPES]),
        )

    @classmethod
    def from_file(cls, arrays: Mapping[str, Array], numbers: Mapping[str, float]) -> LipModel:
        """Make a model from the content of a weights file.

        Args:
            arrays: Arrays by their names in the file, without the prefix "lips.".
            numbers: Scalars by their names in the file.

        Raises:
            KeyError: An array is missing.
        """
        layers = (f"context.{i}" for i in range(3))
        context = tuple(arrays[name].astype(np.float64) for name in layers) if "context.0" in arrays else ()
        field_names = {file: field for field, file in _FILE_NAMES.items()}
        values: dict[str, Any] = {name: arrays[_FILE_NAMES.get(name, name)] for name in _ARRAY_FIELDS}
        values |= {field_names.get(name, name): float(value) for name, value in numbers.items()}
        return cls(**values, context=context)

    def to_file(self) -> tuple[dict[str, Array], dict[str, float]]:
        """Return the arrays (float32, context float16) and the scalars by their names in a weights file."""
        arrays: dict[str, Array] = {
            _FILE_NAMES.get(name, name): np.ascontiguousarray(getattr(self, name), np.float32) for name in _ARRAY_FIELDS
        }
        for i, layer in enumerate(self.context):
            arrays[f"context.{i}"] = np.ascontiguousarray(layer, np.float16)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        numbers = {_FILE_NAMES.get(name, name): value for name, value in values.items() if isinstance(value, float)}
        return arrays, numbers


def make_gaussian_kernel(reach: float, lead: float, *, rate: float = FRAME_RATE) -> tuple[F64, int]:
    """Make the weights of a Gaussian over frames.

    Args:
        reach: Standard deviation in seconds.
        lead: Centre in seconds; positive is in the future.
        rate: Frames per second.

    Returns:
        The weights w, which sum to one, and the offset of the first:
        value[t] = sum over k of w[k] * x[t + first + k].
    """
    wide = int(np.ceil(_KERNEL_SIGMAS * reach * rate))
    centre = lead * rate
    first = int(np.floor(centre)) - wide
    offsets = np.arange(first, int(np.ceil(centre)) + wide + 1)
    weights = np.exp(-0.5 * ((offsets - centre) / (reach * rate)) ** 2)
    return weights / weights.sum(), first


def apply_kernel(x: Array, weights: F64, first: int) -> F64:
    """Correlate a course with a kernel along time; the ends are held.

    Args:
        x: (frames,) or (frames, n).
        weights: From `make_gaussian_kernel`.
        first: From `make_gaussian_kernel`.

    Returns:
        sum over k of weights[k] * x[t + first + k], float64 of the shape of x.
    """
    last = first + len(weights) - 1
    before, after = max(-first, 0), max(last, 0)
    padded = np.pad(x, [(before, after)] + [(0, 0)] * (x.ndim - 1), mode="edge")
    out = np.zeros(x.shape, np.float64)
    for k, w in enumerate(weights):
        start = before + first + k
        out += w * padded[start : start + len(x)]
    return out


def _ramp_maximum(x: F64, before: float, after: float) -> F64:
    """Return the largest value near each frame, weighted by a ramp.

    Args:
        x: (frames,).
        before: Seconds ahead of a value at which the ramp begins at zero.
        after: Seconds behind a value at which the ramp ends at zero.
    """
    out = x.copy()
    for span, is_before in ((before, True), (after, False)):
        frames = int(span * FRAME_RATE)
        for d in range(1, min(frames, len(x) - 1) + 1):
            fall = 1 - d / (frames + 1)
            if is_before:
                np.maximum(out[:-d], x[d:] * fall, out=out[:-d])
            else:
                np.maximum(out[d:], x[:-d] * fall, out=out[d:])
    return out


def suppress_unlikely(posteriors: Array) -> F64:
    """Set small posteriors to zero and renormalise, so that silence is exactly silence.

    Args:
        posteriors: (frames, len(PHONES)) probabilities. A row's largest is at least 1 / len(PHONES), which is more
            than `_MIN_PROBABILITY`, so that something is left of each.

    Returns:
        (frames, len(PHONES)) float64; rows sum to one.
    """
    p = np.where(posteriors < _MIN_PROBABILITY, 0.0, posteriors).astype(np.float64)
    probabilities: F64 = p / p.sum(1, keepdims=True)
    return probabilities


def compute_pause_opening(p: F64, model: LipModel) -> F64:
    """Compute the opening that silent frames aim at.

    A talker opens the lips some time before the first sound and does not shut them in a short pause.

    Args:
        p: (frames, len(PHONES)), from `suppress_unlikely`.
        model: The dominance model.

    Returns:
        (frames,).
    """
    silence = p[:, PHONE_INDEX[SILENCE]]
    opening: F64 = model.pause_opening * silence * _ramp_maximum(1 - silence, model.pause_rise, model.pause_fall)
    return opening


def compute_lip_closure(p: F64, model: LipModel) -> F64:
    """Compute how far the lips are shut for p, b and m.

    Args:
        p: (frames, len(PHONES)), from `suppress_unlikely`.
        model: The dominance model.

    Returns:
        (frames,) in 0 to 1.
    """
    bilabial = p[:, [PHONE_INDEX[x] for x in BILABIALS]].sum(1)
    # after a silence the lips are shut before p, b or m can be heard
    ahead = _ramp_maximum(bilabial, model.closure_lead_in_pause, 0.0)
    bilabial = np.maximum(bilabial, p[:, PHONE_INDEX[SILENCE]] * ahead)
    smooth = apply_kernel(bilabial, *make_gaussian_kernel(model.closure_reach, model.closure_lead))
    share = np.clip(smooth / model.closure_probability, 0.0, 1.0)
    closure: F64 = share**2 * (3 - 2 * share)
    return closure


def compute_context_offsets(p: F64, layers: tuple[Array, ...]) -> F64:
    """Compute the change of the lips by neighbouring phones, beyond the blend.

    Args:
        p: (frames, len(PHONES)), from `suppress_unlikely`.
        layers: Weights (out, in, taps) of three convolutions along time without biases. The first two are
            rectified; the second has dilation 2, and its input is added to its output.

    Returns:
        (frames, len(CONTEXT_SHAPES)) float64. Silence gives no input, so it gives exactly zero.
    """
    x: Array = np.delete(p, PHONE_INDEX[SILENCE], 1)
    first, second, last = layers
    x = np.maximum(convolve_time(x, first, np.zeros(len(first))), 0)
    x = x + np.maximum(convolve_time(x, second, np.zeros(len(second)), dilation=2), 0)
    return convolve_time(x, last, np.zeros(len(last)))


def blend_lip_shapes(posteriors: Array, model: LipModel) -> F32:
    """Compute the lip coefficients of phone probabilities.

    Args:
        posteriors: (frames, len(PHONES)) at 100 Hz.
        model: The dominance model.

    Returns:
        (frames, len(COEFFICIENTS)) float32.
    """
    if not len(posteriors):
        return np.zeros((0, len(COEFFICIENTS)), np.float32)
    p = suppress_unlikely(posteriors)
    pause = compute_pause_opening(p, model)
    shapes: dict[str, Array] = {}
    for i, name in enumerate(viseme_targets.SHAPES):
        pull = model.dominance[:, i].astype(np.float64)
        target = p @ (pull * model.targets[:, i])
        if name in ("opening", "jaw"):
            target = target + pause * pull[PHONE_INDEX[SILENCE]]
        kernel = make_gaussian_kernel(float(model.reach[i]), float(model.lead[i]))
        both = apply_kernel(np.stack([target, p @ pull], 1), *kernel)
        shapes[name] = both[:, 0] / both[:, 1]
    if model.context:
        for name, offset in zip(CONTEXT_SHAPES, compute_context_offsets(p, model.context).T, strict=True):
            shapes[name] = shapes[name] + offset
    closure = compute_lip_closure(p, model)
    columns = {
        "opening": np.maximum(shapes["opening"], 0.0) * (1 - closure),
        "width": np.clip(shapes["width"], -1, 1),
        "rounding": np.clip(shapes["rounding"], 0, 1),
        "jaw": np.clip(shapes["jaw"], 0, None),
        "closure": closure,
        "lower_lip": np.clip(shapes["lower_lip"], 0, 1),
    }
    motion: F32 = np.stack([columns[name] for name in COEFFICIENTS], 1).astype(np.float32)
    return motion
