"""How a head moves while it talks: turns, blinks, gaze, brows, and the faces of emotions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.training.rendered.voices import Manner

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array
    from lipdub.training.rendered.parts import Head

TURN_DEGREES = (0.44, 0.82, 0.23)
"""Standard deviation of yaw, pitch and roll within a clip, as MediaPipe measured it on 16 clips of GRID."""

LIVELINESS = (1.0, 7.0)
"""Factors on that motion. GRID's talkers sit still and read; others move more."""

POSTURE_DEGREES = (11.0, 5.0, 3.5)
"""Standard deviation of a clip's mean yaw, pitch and roll. GRID's talkers (1.5, 1.9, 0.8) look ahead; others do not."""

_TURN_SECONDS = (0.45, 0.30, 0.50)  # over which the turns change
_NOD_DEGREES = 0.5  # that go with the loudness
_MOST_YAW, _MOST_PITCH = 32.0, 16.0
_NECK_SHARE = 0.4  # of a turn
_BLINK_SECONDS, _BLINK_EVERY = 0.16, (1.2, 5.0)
_GAZE_EVERY, _GAZE_DEGREES = (0.4, 2.2), (7.0, 4.0)

_SIDES = ("R", "L")


@dataclass(frozen=True)
class Emotion:
    """An emotion, acted: weights of morphs, and what it does to the voice and to the mouth's motion.

    Attributes:
        face: weights at full strength, by name; those of the mouth's inside are given up where the lips shut.
        manner: of the voice.
        opening: factor on the mouth's opening.
    """

    face: dict[str, float]
    manner: Manner
    opening: float = 1.0


def _both(weights: dict[str, float]) -> dict[str, float]:
    return {side + name: weight for name, weight in weights.items() for side in _SIDES}


EMOTIONS = {
    "neutral": Emotion({}, Manner()),
    "smiling": Emotion(
        _both({"smileClose": 0.75, "squint": 0.4, "lowLid": 0.3, "browUp": 0.15}), Manner(1.12, 1.05, 1.0), 1.05
    ),
    "sad": Emotion(_both({"sad": 0.9, "mouthSad": 0.7, "pityful": 0.4}), Manner(0.90, 0.85, -4.0), 0.8),
    "disgusted": Emotion(
        _both({"disgust": 0.9, "nostril": 0.6, "browDown": 0.5, "squint": 0.5, "mouthSad": 0.3}),
        Manner(0.95, 0.92, 0.0),
        0.95,
    ),
    "angry": Emotion(
        {**_both({"browDown": 1.0, "squint": 0.35, "nostril": 0.5, "neckTension": 0.4}), "RRbrowDown": 0.5,
         "LLbrowDown": 0.5},
        Manner(1.06, 1.10, 4.0),
        1.15,
    ),
}  # fmt: skip
"""Emotions that talkers act."""


@dataclass(frozen=True)
class HeadMotion:
    """The motion of a head.

    Attributes:
        angles: (n, 3) float64 yaw, pitch and roll, radians.
        gaze: (n, 2) float64 yaw and pitch of the eyes against the head, radians.
        face: weights of morphs beside the mouth's, (n,) each, by name.
    """

    angles: F64
    gaze: F64
    face: dict[str, F64]


def draw_motion(rng: np.random.Generator, times: Array, loudness: Array, liveliness: float) -> HeadMotion:
    """Draw the motion of a head.

    Args:
        rng: random numbers.
        times: (n,) seconds of the frames, evenly spaced.
        loudness: (n,) 0 to 1, of the speech.
        liveliness: factor on all motion.
    """
    count, rate = len(times), 1 / max(times[1] - times[0], 1e-3) if len(times) > 1 else 25.0
    angles = np.zeros((count, 3))
    for i in range(3):
        slow = draw_smooth(rng, count, _TURN_SECONDS[i] * rate) * TURN_DEGREES[i] * liveliness
        angles[:, i] = rng.normal(0, POSTURE_DEGREES[i]) + slow
    angles[:, 1] += _NOD_DEGREES * liveliness * smooth(loudness, 0.08 * rate) * rng.choice([-1.0, 1.0])
    angles[:, 0] = np.clip(angles[:, 0], -_MOST_YAW, _MOST_YAW)
    angles[:, 1] = np.clip(angles[:, 1], -_MOST_PITCH, _MOST_PITCH)
    blink = _draw_blinks(rng, times)
    gaze = _draw_gaze(rng, times)
    brows = draw_smooth(rng, count, 0.25 * rate) * 0.08 * (1 + liveliness) + 0.25 * smooth(loudness, 0.12 * rate) - 0.1
    face = {f"{side}eyeClose": np.maximum(blink, np.clip(0.06 - gaze[:, 1], 0, 0.3)) for side in _SIDES}
    for side in _SIDES:
        for name in (f"{side}browUp", f"{side}{side}browUp"):
            face[name] = np.clip(brows, 0, 1)
        face[f"{side}browDown"] = np.clip(-brows, 0, 1)
    return HeadMotion(np.radians(angles), gaze, face)


def draw_smooth(rng: np.random.Generator, count: int, width: float) -> F64:
    """Draw smooth noise (count,) of standard deviation 1; `width` is how many frames it takes to change."""
    wide = int(4 * width) + 1
    noise = smooth(rng.standard_normal(count + 2 * wide), width)[wide : wide + count]
    result: F64 = noise * np.sqrt(2 * np.sqrt(np.pi) * max(width, 0.3))
    return result


def smooth(course: Array, width: float) -> F64:
    """Smooth a course (n,) by a Gaussian of a standard deviation in frames."""
    from scipy.ndimage import gaussian_filter1d

    result: F64 = gaussian_filter1d(np.asarray(course, np.float64), width, mode="nearest")
    return result


def _draw_blinks(rng: np.random.Generator, times: Array) -> F64:
    """Draw how far the eyes are shut, (n,) in 0..1."""
    shut = np.zeros(len(times))
    moment = rng.uniform(0.2, _BLINK_EVERY[1])
    while moment < times[-1]:
        after = times - moment
        down, up = 0.35 * _BLINK_SECONDS, 0.65 * _BLINK_SECONDS
        np.maximum(shut, np.clip(np.where(after < 0, 1 + after / down, 1.15 - after / up), 0, 1), out=shut)
        moment += rng.uniform(*_BLINK_EVERY)
    return shut


def _draw_gaze(rng: np.random.Generator, times: Array) -> F64:
    """Draw the gaze: it rests, and leaps."""
    gaze = np.zeros((len(times), 2))
    first = rng.normal(0, 0.5, 2)
    moment = 0.0
    while moment <= times[-1]:
        aim = np.radians(np.clip(first + rng.normal(0, 1, 2) * rng.choice([0.15, 1.0]), -2, 2) * _GAZE_DEGREES)
        gaze[times >= moment] = aim
        moment += rng.uniform(*_GAZE_EVERY)
    return gaze


def place_joints(head: Head, angles: F64, gaze: F64) -> F64:
    """Place the joints of a head in a pose.

    Args:
        head: the head.
        angles: (3,) yaw, pitch and roll, radians.
        gaze: (2,) yaw and pitch of the eyes, radians.

    Returns:
        (4, 4, 4) float64, the matrix of each of `parts.JOINTS` from rest to the pose.
    """
    neck = _turn_about(head.joints[0], *(angles * _NECK_SHARE))
    skull = neck @ _turn_about(head.joints[1], *(angles * (1 - _NECK_SHARE)))
    eyes = [skull @ _turn_about(place, gaze[0], -gaze[1], 0.0) for place in head.joints[2:]]
    return np.stack([neck, skull, *eyes])


def _turn_about(place: F64, yaw: float, pitch: float, roll: float) -> F64:
    from scipy.spatial.transform import Rotation

    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("YXZ", [yaw, pitch, roll]).as_matrix()
    turn[:3, 3] = place - turn[:3, :3] @ place
    return turn
