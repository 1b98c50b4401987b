"""Draws the made-up talker of the demo and the tests, and has flite speak for him.

    python tests/sample/draw.py                 writes talker.mp4 and speech.wav beside this file
    python tests/sample/draw.py --still 40 a.png   draws one frame

The portrait is a height field with painted colours: every frame bends the mouth, jaw and lids of the canonical
(frontal) head, lights it, turns it in space and lays it over neck, jumper and background. No person was its model.
Needs numpy, OpenCV, ffmpeg and flite. Lengths are in units of half the width of the face; x right, y down, z to the
viewer; the origin lies between the eyes.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
SIZE, FPS = 512, 25  # frame size in pixels, frames per second
SUPER = 2  # supersampling of the painting
UNIT = 98.0  # pixels of the result per unit of length
CENTRE = (256.0, 232.0)  # where the origin of a head at rest lies in the frame
LEFT, TOP, RIGHT, BOTTOM = -1.5, -1.95, 1.5, 2.05  # part of the plane the head is painted on
KEY = np.array([-0.50, -0.55, 0.67], np.float32)  # direction to the main light
CAMERA = 9.0  # distance of the camera in units

TALKER_TEXT = "Good morning. This film shows a quiet village by the sea, and five old boats."
TALKER_VOICE = "awb"
SPEECH_TEXT = "Please keep my paper map, before we move to the farm above the valley."
SPEECH_VOICE = "rms"

# What each phone of flite does to the mouth: opening (0..1), spreading (+) or narrowing (-), rounding (0..1).
_VISEMES = {
    "pau": (0.00, 0.00, 0.0),
    "aa": (0.95, 0.05, 0.0),
    "ae": (0.85, 0.30, 0.0),
    "ah": (0.65, 0.05, 0.0),
    "ao": (0.75, -0.35, 0.6),
    "aw": (0.80, -0.10, 0.3),
    "ax": (0.40, 0.00, 0.0),
    "ay": (0.85, 0.15, 0.0),
    "b": (0.00, 0.00, 0.0),
    "ch": (0.25, -0.30, 0.6),
    "d": (0.22, 0.10, 0.0),
    "dh": (0.22, 0.05, 0.0),
    "eh": (0.60, 0.25, 0.0),
    "er": (0.35, -0.25, 0.4),
    "ey": (0.50, 0.40, 0.0),
    "f": (0.08, 0.05, 0.0),
    "g": (0.30, 0.05, 0.0),
    "hh": (0.40, 0.05, 0.0),
    "ih": (0.35, 0.25, 0.0),
    "iy": (0.28, 0.50, 0.0),
    "jh": (0.25, -0.30, 0.6),
    "k": (0.30, 0.05, 0.0),
    "l": (0.35, 0.10, 0.0),
    "m": (0.00, 0.00, 0.0),
    "n": (0.22, 0.10, 0.0),
    "ng": (0.25, 0.05, 0.0),
    "ow": (0.50, -0.55, 0.9),
    "oy": (0.60, -0.40, 0.6),
    "p": (0.00, 0.00, 0.0),
    "r": (0.30, -0.30, 0.4),
    "s": (0.16, 0.25, 0.0),
    "sh": (0.22, -0.35, 0.7),
    "t": (0.20, 0.10, 0.0),
    "th": (0.20, 0.05, 0.0),
    "uh": (0.35, -0.35, 0.6),
    "uw": (0.25, -0.65, 1.0),
    "v": (0.08, 0.05, 0.0),
    "w": (0.15, -0.65, 1.0),
    "y": (0.25, 0.35, 0.0),
    "z": (0.16, 0.25, 0.0),
    "zh": (0.22, -0.35, 0.7),
}
_PRESSED = {"b", "p", "m"}
_BITTEN = {"f", "v"}


# ---------------------------------------------------------------- what moves


@dataclass(frozen=True)
class Pose:
    """State of the talker at one instant; angles in radians, lengths in units."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    opening: float = 0.0  # 0 closed .. 1 wide open in speech
    spread: float = 0.0
    rounding: float = 0.0
    bite: float = 0.0  # lower lip under the upper teeth
    lids: float = 1.0  # 1 open .. 0 closed
    gaze: tuple[float, float] = (0.0, 0.0)
    brow: float = 0.0


def flite_phones(text: str, voice: str) -> list[tuple[float, float, str]]:
    """Phones of a sentence as flite speaks it: (start, end, name), seconds."""
    done = subprocess.run(
        ["flite", "-voice", voice, "-psdur", "-t", text, "/dev/null"],
        check=True,
        capture_output=True,
        text=True,
    )
    phones, start = [], 0.0
    for item in done.stdout.split():
        name, _, end = item.partition(":")
        phones.append((start, float(end), name))
        start = float(end)
    return phones


def mouth_motion(phones: list[tuple[float, float, str]], times: np.ndarray) -> np.ndarray:
    """Opening, spread, rounding and bite at the given times: (len(times), 4)."""
    rate = 200
    count = int((max(times[-1], phones[-1][1]) + 0.5) * rate)
    wanted = np.zeros((count, 4))
    shut = np.zeros(count)
    for start, end, name in phones:
        # the lips are ahead of the sound by some 30 ms
        a, b = (max(0, round((t - 0.03) * rate)) for t in (start, end))
        wanted[a:b, :3] = _VISEMES.get(name, _VISEMES["ax"])
        wanted[a:b, 3] = name in _BITTEN
        shut[a:b] = name in _PRESSED

    def smooth(x: np.ndarray, seconds: float) -> np.ndarray:
        return cv2.GaussianBlur(x.astype(np.float64), (1, 0), seconds * rate, sigmaX=0.01, sigmaY=seconds * rate)

    def blur(x: np.ndarray, seconds: float) -> np.ndarray:
        reach = np.arange(-int(4 * seconds * rate), int(4 * seconds * rate) + 1)
        kernel = np.exp(-0.5 * (reach / (seconds * rate)) ** 2)
        return np.convolve(np.pad(x, len(reach) // 2, mode="edge"), kernel / kernel.sum(), "valid")

    moved = np.stack(
        [
            blur(wanted[:, 0], 0.035),
            blur(wanted[:, 1], 0.05),
            blur(wanted[:, 2], 0.05),
            blur(wanted[:, 3], 0.03),
        ],
        1,
    )
    # full closures survive the smoothing of their neighbours
    moved[:, 0] *= 1 - np.clip(blur(shut, 0.025) * 1.25, 0, 1)
    at = np.clip((np.asarray(times) * rate).astype(int), 0, count - 1)
    return moved[at]


def performance(count: int, phones: list[tuple[float, float, str]]) -> list[Pose]:
    """The whole act: speech, slow head motion, blinks, glances."""
    t = np.arange(count) / FPS
    mouth = mouth_motion(phones, t)
    wave = lambda period, phase: np.sin(2 * np.pi * (t / period + phase))  # noqa: E731
    stress = np.convolve(np.pad(mouth[:, 0], 6, mode="edge"), np.hanning(13) / np.hanning(13).sum(), "valid")
    yaw = 0.13 * wave(4.3, 0.02) + 0.04 * wave(1.9, 0.3)
    pitch = 0.035 * wave(3.1, 0.15) + 0.10 * (stress - stress.mean())
    roll = 0.035 * wave(5.2, 0.55) + 0.012 * wave(2.3, 0.1)
    dx, dy = 0.07 * wave(4.6, 0.9), 0.025 * wave(2.7, 0.4) + 0.06 * (stress - stress.mean())
    lids = np.ones(count)
    for at in (0.62, 2.35, 3.1, 4.55):
        lids = np.minimum(lids, np.clip(np.abs(t - at) / 0.11 - 0.25, 0, 1) ** 0.8)
    gaze_x = -0.35 * yaw + 0.012 * np.sign(wave(1.7, 0.2))
    brow = 0.05 * np.clip(stress - 0.3, 0, 1) + 0.008 * wave(2.2, 0.6)
    return [
        Pose(
            yaw[i],
            pitch[i],
            roll[i],
            dx[i],
            dy[i],
            *mouth[i, :3],
            mouth[i, 3],
            lids[i],
            (gaze_x[i], 0.0),
            brow[i],
        )
        for i in range(count)
    ]


# ---------------------------------------------------------------- small painting tools


def step(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """Smooth step from 0 at a to 1 at b (a may be the larger)."""
    s = np.clip((x - a) / (b - a), 0, 1)
    return s * s * (3 - 2 * s)


def mix(a: np.ndarray, b: np.ndarray, w: np.ndarray) -> np.ndarray:
    """a where w is 0, b where it is 1; w has no colour axis."""
    w = np.asarray(w, np.float32)[..., None]
    return a * (1 - w) + np.asarray(b, np.float32) * w


def bump(x: np.ndarray, y: np.ndarray, cx: float, cy: float, sx: float, sy: float, turn: float = 0.0) -> np.ndarray:
    """Gaussian hill of height 1."""
    c, s = np.cos(turn), np.sin(turn)
    u, v = c * (x - cx) + s * (y - cy), -s * (x - cx) + c * (y - cy)
    return np.exp(-0.5 * ((u / sx) ** 2 + (v / sy) ** 2))


def blur(image: np.ndarray, units: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), max(units * UNIT * SUPER, 0.3))


def noise(shape: tuple[int, int], sigma: float | tuple[float, float], seed: int) -> np.ndarray:
    """Smooth noise of standard deviation 1; sigma in painted pixels (x, y)."""
    sx, sy = (sigma, sigma) if isinstance(sigma, (int, float)) else sigma
    n = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    n = cv2.GaussianBlur(n, (0, 0), sigmaX=sx, sigmaY=sy, borderType=cv2.BORDER_REFLECT)
    return (n - n.mean()) / n.std()


def curve(points: list[tuple[float, float]], steps: int = 24) -> np.ndarray:
    """Closed smooth (Catmull-Rom) curve through points: (n, 2)."""
    p = np.asarray(points, float)
    out = []
    for i in range(len(p)):
        a, b, c, d = (p[(i + k) % len(p)] for k in (-1, 0, 1, 2))
        t = np.linspace(0, 1, steps, endpoint=False)[:, None]
        out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(out)


def mirror(half: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Outline of a symmetric shape from its right half, top to bottom (ends on the axis)."""
    return half + [(-x, y) for x, y in half[-2:0:-1]]


def inflate(mask: np.ndarray, scale: float) -> np.ndarray:
    """Height of a soft cushion with the given outline (square root of a Poisson solution)."""
    small = cv2.resize(mask.astype(np.float32), None, fx=1 / 6, fy=1 / 6, interpolation=cv2.INTER_AREA)
    inside, h = (small > 0.5).astype(np.float32), np.zeros_like(small)
    cell = 6 / (UNIT * SUPER)
    kernel = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
    for _ in range(4000):
        h = (cv2.filter2D(h, -1, kernel, borderType=cv2.BORDER_REPLICATE) + cell * cell) * inside
    h = cv2.resize(np.sqrt(h * 2), mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
    h = scale * cv2.GaussianBlur(np.maximum(h, 0), (0, 0), 5)
    return np.sqrt(h * h + 0.02) - 0.141  # a finite slope where the surface turns away: projecting it converges


def grid(left: float, top: float, right: float, bottom: float) -> tuple[np.ndarray, np.ndarray]:
    k = UNIT * SUPER
    xs = (np.arange(int((right - left) * k)) + 0.5) / k + left
    ys = (np.arange(int((bottom - top) * k)) + 0.5) / k + top
    x, y = np.meshgrid(xs.astype(np.float32), ys.astype(np.float32))
    return x, y


def fill(outline: np.ndarray, shape: tuple[int, int], left: float, top: float) -> np.ndarray:
    """Antialiased mask 0..1 of an outline given in units."""
    k = UNIT * SUPER
    points = ((outline - (left, top)) * k * 256 - 128).astype(np.int32)
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [points], 255, lineType=cv2.LINE_AA, shift=8)
    return mask.astype(np.float32) / 255


def look_up(image: np.ndarray, x: np.ndarray, y: np.ndarray, left: float, top: float) -> np.ndarray:
    """Samples a painted image at positions in units."""
    k = UNIT * SUPER
    return cv2.remap(
        image,
        ((x - left) * k - 0.5).astype(np.float32),
        ((y - top) * k - 0.5).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def normals(z: np.ndarray) -> np.ndarray:
    k = UNIT * SUPER
    zx = cv2.Sobel(z, cv2.CV_32F, 1, 0, ksize=3) * (k / 8)
    zy = cv2.Sobel(z, cv2.CV_32F, 0, 1, ksize=3) * (k / 8)
    n = np.stack([-zx, -zy, np.ones_like(z)], -1)
    return n / np.linalg.norm(n, axis=-1, keepdims=True)


def shadow(z: np.ndarray, light: np.ndarray, reach: float = 0.7, steps: int = 14, soft: float = 0.05) -> np.ndarray:
    """Light that reaches each point of a height field: 1 lit .. 0 in cast shadow."""
    k, worst = UNIT * SUPER, np.full_like(z, -1.0)
    flat = np.hypot(light[0], light[1])
    for i in range(1, steps + 1):
        r = reach * (i / steps) ** 1.5
        move = np.float32([[1, 0, -light[0] / flat * r * k], [0, 1, -light[1] / flat * r * k]])
        ahead = cv2.warpAffine(z, move, z.shape[::-1], borderMode=cv2.BORDER_CONSTANT, borderValue=-2)
        worst = np.maximum(worst, (ahead - z - r * light[2] / flat) / (soft + 0.35 * r))
    return 1 - step(worst, -0.15, 1.0)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rx = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    rz = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (rz @ rx @ ry).astype(np.float32)


# ---------------------------------------------------------------- the head at rest

SKIN = np.array([0.80, 0.565, 0.435], np.float32)  # linear-ish RGB
LIP = np.array([0.66, 0.33, 0.29], np.float32)
HAIR = np.array([0.105, 0.062, 0.042], np.float32)
IRIS = np.array([0.20, 0.33, 0.34], np.float32)
MOUTH_Y, MOUTH_W = 0.875, 0.37
EYE_X, EYE_Y, EYE_W = 0.43, -0.04, 0.205


def lip_line(x: np.ndarray) -> np.ndarray:
    """Height of the line between closed lips; the corners are a little higher: a friendly rest."""
    t = np.clip(np.abs(x) / MOUTH_W, 0, 1.6)
    return MOUTH_Y + 0.012 * np.exp(-((x / 0.06) ** 2)) - 0.030 * t**2 + 0.004


def arch(x: np.ndarray, power: float) -> np.ndarray:
    return np.clip(1 - (x / MOUTH_W) ** 2, 0, 1) ** power


@dataclass(frozen=True)
class Head:
    """Painted head at rest, without what moves over it (mouth cavity, eyes)."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    colour: np.ndarray
    gloss: np.ndarray
    alpha: np.ndarray
    hair: np.ndarray


@lru_cache(maxsize=1)
def head() -> Head:
    x, y = grid(LEFT, TOP, RIGHT, BOTTOM)
    shape = x.shape
    face = fill(
        curve(
            mirror(
                [
                    (0, -1.55),
                    (0.45, -1.47),
                    (0.80, -1.18),
                    (0.945, -0.72),
                    (0.975, -0.25),
                    (0.950, 0.20),
                    (0.900, 0.55),
                    (0.805, 0.89),
                    (0.65, 1.17),
                    (0.43, 1.385),
                    (0.20, 1.50),
                    (0, 1.52),
                ]
            )
        ),
        shape,
        LEFT,
        TOP,
    )
    z = inflate(face, 1.16)
    a = np.abs(x)
    # bones and flesh
    z += 0.045 * bump(a, y, 0.34, -0.33, 0.26, 0.075) + 0.03 * bump(x, y, 0, -0.28, 0.12, 0.09)
    z -= 0.125 * bump(a, y, 0.42, -0.06, 0.20, 0.115) + 0.05 * bump(a, y, 0.20, -0.10, 0.07, 0.12)
    z += 0.050 * bump(a, y, 0.43, -0.035, 0.135, 0.085)  # the ball of the eye under its lids
    z += 0.050 * bump(a, y, 0.58, 0.30, 0.22, 0.16) - 0.040 * bump(a, y, 0.66, 0.72, 0.16, 0.22)
    z += 0.060 * bump(x, y, 0, 0.90, 0.34, 0.22)  # the teeth behind the lips
    z += 0.075 * bump(x, y, 0, 1.32, 0.20, 0.12) - 0.045 * bump(x, y, 0, 1.115, 0.20, 0.05)
    # nose
    along = np.clip((y + 0.22) / 0.64, 0, 1)
    ridge = (0.06 + 0.24 * along**1.25) * step(y, -0.36, -0.10) * step(y, 0.60, 0.44)
    z += ridge * np.exp(-0.5 * (a / (0.085 + 0.055 * along)) ** 2)
    z += 0.105 * bump(x, y, 0, 0.435, 0.100, 0.085) + 0.125 * bump(a, y, 0.165, 0.475, 0.060, 0.070)
    z -= 0.050 * bump(a, y, 0.255, 0.47, 0.035, 0.09) + 0.03 * bump(x, y, 0, 0.575, 0.06, 0.02)
    # folds beside the mouth, groove of the upper lip
    fold = a - (0.245 + 0.235 * step(y, 0.46, 0.92))
    z -= 0.011 * np.exp(-0.5 * (fold / 0.032) ** 2) * step(y, 0.42, 0.56) * step(y, 0.98, 0.78)
    z += 0.014 * np.exp(-0.5 * ((fold - 0.09) / 0.07) ** 2) * step(y, 0.42, 0.56) * step(y, 0.98, 0.74)
    z -= 0.016 * bump(x, y, 0, 0.70, 0.035, 0.07)
    # lips
    line, up, low = lip_line(x), 0.088 * arch(x, 0.85), 0.125 * arch(x, 0.70)
    up = up * (1 - 0.20 * np.exp(-((x / 0.055) ** 2)))
    above, below = (
        np.clip((line - y) / np.maximum(up, 1e-3), -1, 2),
        np.clip((y - line) / np.maximum(low, 1e-3), -1, 2),
    )
    hill = lambda s: np.where((s > 0) & (s < 1), np.abs(np.sin(np.pi * np.clip(s, 0, 1))) ** 0.8, 0)  # noqa: E731
    lips_z = 0.050 * hill(above) * arch(x, 0.5) + 0.070 * hill(below) * arch(x, 0.5)
    z += blur(lips_z.astype(np.float32), 0.008)
    z -= 0.035 * np.exp(-0.5 * ((y - line) / 0.012) ** 2) * step(a, MOUTH_W + 0.03, MOUTH_W - 0.05)
    z -= 0.020 * bump(a, y, MOUTH_W + 0.01, MOUTH_Y - 0.025, 0.03, 0.03)

    # colour of the skin: warm cheeks and nose, cooler beard shadow, pores
    colour = np.broadcast_to(SKIN, (*shape, 3)).astype(np.float32).copy()
    colour = mix(colour, (0.84, 0.45, 0.36), 0.42 * bump(a, y, 0.60, 0.36, 0.24, 0.19))
    colour = mix(colour, (0.82, 0.44, 0.36), 0.38 * bump(x, y, 0, 0.44, 0.15, 0.12))
    colour = mix(colour, (0.70, 0.44, 0.36), 0.40 * bump(a, y, 0.43, 0.09, 0.20, 0.055))
    beard = step(np.maximum(step(y, 0.50, 0.80) * step(fold, -0.18, 0.06), step(y, 1.05, 1.22)), 0.1, 1)
    beard = np.maximum(beard, 0.9 * bump(x, y, 0, 0.69, 0.24, 0.06))
    beard = blur((beard * step(y, 0.30, 0.75)).astype(np.float32), 0.06)
    colour = mix(colour, (0.52, 0.40, 0.34), 0.34 * beard * (0.88 + 0.12 * noise(shape, 1.2, 4)))
    fine, wide = noise(shape, 1.3, 1), noise(shape, 14, 2)
    colour *= (1 + 0.018 * fine + 0.022 * wide)[..., None]
    colour *= 1 + 0.012 * np.stack([noise(shape, 9, 7), noise(shape, 9, 8), noise(shape, 9, 9)], -1)
    rng = np.random.default_rng(12)
    for _ in range(70):  # freckles
        cx, cy = rng.normal(0, 0.42), rng.normal(0.24, 0.16)
        colour = mix(colour, SKIN * (0.70, 0.60, 0.55), rng.uniform(0.1, 0.35) * bump(x, y, cx, cy, 0.009, 0.009))
    # lips: painted with a soft border, darker in the line between
    lips = blur((((above > 0) & (above < 1) | (below >= 0) & (below < 1)) & (a < MOUTH_W)).astype(np.float32), 0.010)
    grain = noise(shape, (1.1, 9), 5)
    tone = LIP * (1 + 0.05 * grain)[..., None]
    tone = mix(tone, LIP * (0.86, 0.80, 0.80), step(above, 0.0, 0.4))
    colour = colour * (1 - 0.80 * lips[..., None]) + tone * 0.80 * lips[..., None]
    gloss = 0.16 + 0.22 * lips + 0.22 * bump(x, y, 0, 0.36, 0.09, 0.16) + 0.10 * bump(x, y, 0, -0.62, 0.45, 0.2)
    # nostrils and the shadow in the corner of the wings
    hole = bump(a, y, 0.085, 0.548, 0.040, 0.019, -0.25)
    colour = mix(colour, (0.13, 0.045, 0.03), np.clip(hole * 1.5 - 0.35, 0, 1))
    colour *= (1 - 0.20 * bump(a, y, 0.245, 0.50, 0.022, 0.05))[..., None]

    # hair: a short cut, brushed up and to the side
    outer = fill(
        curve(
            [
                (0.0, -1.82),
                (0.38, -1.78),
                (0.72, -1.58),
                (0.95, -1.22),
                (1.035, -0.75),
                (1.02, -0.35),
                (0.975, -0.02),
                (0.93, 0.22),
                (0.70, 0.10),
                (0.0, -0.3),
                (-0.70, 0.10),
                (-0.93, 0.22),
                (-0.975, -0.02),
                (-1.02, -0.35),
                (-1.04, -0.75),
                (-0.97, -1.24),
                (-0.78, -1.60),
                (-0.42, -1.82),
            ]
        ),
        shape,
        LEFT,
        TOP,
    )
    wobble = 0.022 * noise(shape, (12, 60), 21)
    front = -0.98 - 0.10 * np.exp(-(((x - 0.35) / 0.25) ** 2)) + 0.05 * np.exp(-(((x + 0.25) / 0.3) ** 2))
    front = front + 0.50 * step(a, 0.62, 0.93) + 0.68 * step(a, 0.80, 0.94) + wobble
    strands_in = 0.012 * noise(shape, (1.3, 40), 22) + 0.010 * noise(shape, (3, 40), 23)
    hair = outer * step(y + strands_in, front + 0.055, front - 0.055)
    hair_z = outer * step(y, front + 0.10, front - 0.16)
    alpha = np.maximum(face, outer * step(y, 0.20, 0.0))
    hair = np.maximum(hair, (1 - face) * alpha * step(y, 0.30, 0.1))
    # strands run away from a point on the forehead
    px, py = x + 0.30 + 0.25 * (y + 1.0), y - 0.1
    angle, far = np.arctan2(px, -py), np.hypot(px, py)
    table = sum(w * noise((1200, 2400), (s, 60), 30 + i) for i, (w, s) in enumerate(((0.55, 1.6), (0.6, 5), (0.5, 14))))
    strand = cv2.remap(
        table,
        ((angle / np.pi + 1) * 1199 + 10 * np.sin(far * 7)).astype(np.float32),
        (far * 330).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    cushion = inflate((alpha > 0.5).astype(np.float32), 1.16)
    z = np.maximum(z, 0) * (1 - hair_z) + hair_z * (
        np.maximum(cushion, z) + 0.06 + 0.018 * strand * step(y, -0.3, -0.9)
    )
    short = step(y, -0.85, -0.25) * step(a, 0.6, 0.9)
    tint = (
        HAIR * (1 + 0.30 * strand)[..., None]
        + np.array([0.03, 0.016, 0.008], np.float32) * np.maximum(strand, 0)[..., None]
    )
    tint = mix(tint, HAIR * 1.25, 0.5 * short)
    colour = mix(colour, tint, hair * (1 - 0.22 * short))
    gloss = gloss * (1 - hair) + 0.34 * hair
    # brows are drawn with the moving parts
    return Head(
        x,
        y,
        z.astype(np.float32),
        colour.astype(np.float32),
        gloss.astype(np.float32),
        alpha,
        hair.astype(np.float32),
    )


# ---------------------------------------------------------------- what moves on the head


def opened(pose: Pose) -> float:
    """Distance of the inner lips at the middle of the mouth, in units."""
    return 0.36 * pose.opening * (1 - 0.25 * pose.rounding)


def bend(x: np.ndarray, y: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where each point of the moved face lies at rest: x, y, and the distances of the inner lips from their line."""
    narrow = 1 + (0.15 if pose.spread > 0 else 0.36) * pose.spread - 0.10 * pose.opening * (1 - max(pose.spread, 0))
    near = np.exp(-0.5 * ((x / 0.46) ** 4 + ((y - MOUTH_Y) / 0.34) ** 2))
    x0 = x / (1 + (narrow - 1) * near)
    gap, line = opened(pose), lip_line(x0)
    shape = arch(x0, 0.62 + 0.2 * pose.rounding)
    up, low = 0.20 * gap * shape, 0.80 * gap * shape
    jaw = 0.58 * gap * np.exp(-((np.abs(x) / 0.95) ** 4))
    over = y < line + (low - up) / 2
    lift = up * np.exp(-np.clip(line - up - y, 0, 9) / 0.12)
    depth = np.clip((y - line - low) / 0.34, 0, 1)
    depth = depth * depth * (3 - 2 * depth)
    # beside the mouth the cheek follows the jaw smoothly from the lip line down
    side = jaw * step(y, MOUTH_Y - 0.30, MOUTH_Y + 0.42)
    inside_w = step(np.abs(x0), MOUTH_W + 0.16, MOUTH_W - 0.03)
    drop = low * (1 - depth) + jaw * depth
    drop = drop * inside_w + side * (1 - inside_w)
    y0 = np.where(over, y + lift - side * (1 - inside_w), y - drop)
    return x0.astype(np.float32), y0.astype(np.float32), up, low


def cavity(x: np.ndarray, y: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inside of the mouth: colour, weight 0..1, and shade 0..1 there."""
    x0, _, up, low = bend(x, y, pose)
    line = lip_line(x0)
    top, bottom = line - up, line + low
    soft = 0.010
    weight = step(y - top, -soft, soft) * step(bottom - y, -soft, soft) * step(bottom - top, 0.004, 0.022)
    weight *= step(np.abs(x0), MOUTH_W, MOUTH_W - 0.02)
    colour = np.broadcast_to(np.array([0.17, 0.045, 0.042], np.float32), (*x.shape, 3)).copy()
    gap = opened(pose)
    # tongue
    ty = line + 0.80 * gap - 0.02 + 0.06 * (1 - pose.opening)
    tongue = bump(x, y - ty, 0, 0.055, 0.17, 0.085)
    body = step(tongue, 0.30, 0.55)
    colour = mix(colour, np.array([0.60, 0.24, 0.22]), body * (0.55 + 0.45 * tongue))
    colour *= (1 - 0.25 * np.exp(-0.5 * (x / 0.012) ** 2) * body)[..., None]
    # teeth: the upper ones stay with the head, the lower ones with the jaw
    pitch_of = 0.098 * (1 - 0.35 * np.clip(np.abs(x) / 0.34, 0, 1))
    index = np.abs(x) / pitch_of
    cut = np.abs(index - np.round(index)) * pitch_of
    tooth = np.array([0.93, 0.885, 0.80], np.float32)
    upper_edge = line - 0.02 + 0.060 * arch(x * 0.9, 0.35) - 0.012 * np.exp(-((cut / 0.016) ** 2))
    upper = step(upper_edge - y, -0.007, 0.007) * step(np.abs(x), 0.31, 0.26)
    bright = 1 - 0.55 * (np.abs(x) / 0.32) ** 2 - 0.28 * np.exp(-((cut / 0.0055) ** 2))
    colour = mix(colour, tooth * np.clip(bright, 0.2, 1)[..., None], upper)
    lower_edge = line + low - 0.012 - 0.035 * step(gap, 0.08, 0.22)
    lower = step(y - lower_edge, -0.008, 0.008) * step(np.abs(x), 0.22, 0.17) * step(gap, 0.06, 0.16)
    lcut = np.abs(x / 0.062 - 0.5 - np.round(x / 0.062 - 0.5)) * 0.062
    lbright = 0.72 - 0.8 * (np.abs(x) / 0.3) ** 2 - 0.18 * np.exp(-((lcut / 0.005) ** 2))
    colour = mix(colour, tooth * np.clip(lbright, 0.15, 1)[..., None], lower)
    # the lips shade what is behind them
    reach = 0.05 + 0.10 * gap
    shade = (1 - 0.60 * np.exp(-np.clip(y - top, 0, 9) / reach)) * (
        1 - 0.45 * np.exp(-np.clip(bottom - y, 0, 9) / (0.6 * reach))
    )
    shade *= 1 - 0.75 * (np.clip(np.abs(x0) / MOUTH_W, 0, 1)) ** 3
    return colour, weight, shade


def eyes(x: np.ndarray, y: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Balls of the eyes: colour (already shaded), weight, and the darkness of lashes and creases around (0..1)."""
    a, side = np.abs(x), np.sign(x)
    t = (a - EYE_X) / EYE_W  # -1 inner corner .. 1 outer corner
    tilt = -0.016 * t
    inside = np.clip(1 - t * t, 0, 1)
    low = EYE_Y + tilt + 0.062 * inside**0.9
    high = EYE_Y + tilt - 0.108 * inside ** (0.72) * (1 - 0.10 * t)
    lid = low + (high - low) * (0.02 + 0.92 * pose.lids)
    soft = 0.008
    weight = step(y - lid, -soft, soft) * step(low - y, -soft, soft) * (np.abs(t) < 1) * step(low - lid, 0.004, 0.025)
    gx, gy = pose.gaze
    ix, iy = a - EYE_X - side * gx + 0.006, y - (EYE_Y - 0.020) - gy
    r = np.hypot(ix, iy)
    white = np.array([0.80, 0.775, 0.755], np.float32) * (1 - 0.30 * np.abs(t)[..., None] ** 2.2)
    white = mix(white, (0.72, 0.38, 0.34), 0.55 * bump(t, y, -1.0, EYE_Y, 0.12, 0.06))
    spokes = 1 + 0.10 * np.sin(np.arctan2(iy, ix) * 23) * np.sin(np.arctan2(iy, ix) * 7 + 1)
    iris = IRIS * (spokes * (0.75 + 0.75 * np.clip(iy / 0.11 + 0.35, 0, 1)))[..., None]
    iris = mix(iris, (0.42, 0.34, 0.18), 0.45 * step(r, 0.075, 0.045))
    iris = mix(iris, (0.03, 0.04, 0.045), step(r, 0.086, 0.106))
    iris = mix(iris, (0.012, 0.010, 0.010), step(r, 0.052, 0.040))
    ball = mix(white, iris, step(r, 0.112, 0.101))
    ball *= (1 - 0.62 * np.exp(-np.clip(y - lid, 0, 9) / 0.035))[..., None]  # shadow of the lid
    ball *= (1 - 0.20 * np.exp(-np.clip(low - y, 0, 9) / 0.012))[..., None]
    glint = bump(x - side * EYE_X - gx, y, -0.035, EYE_Y - 0.060, 0.017, 0.017) + 0.25 * bump(
        x - side * EYE_X - gx, y, 0.04, EYE_Y + 0.015, 0.02, 0.014
    )
    ball = mix(ball, (0.98, 0.98, 0.97), np.clip(1.6 * glint - 0.2, 0, 1) * step(y - lid, 0.0, 0.012))
    # lashes on the upper lid, thin line below, the crease above
    within = step(np.abs(t), 1.08, 0.92)
    thick = 0.010 + 0.010 * np.clip(0.5 + 0.5 * t, 0, 1)
    lash = np.exp(-0.5 * ((y - lid + 0.004) / thick) ** 2) * within * 0.88
    under = 0.34 * np.exp(-0.5 * ((y - low - 0.002) / 0.008) ** 2) * within
    fold_y = np.minimum(EYE_Y + tilt - 0.155 * np.clip(1 - (t / 1.1) ** 2, 0, 1) ** 0.75, 9)
    crease = 0.50 * np.exp(-0.5 * ((y - fold_y) / 0.010) ** 2) * step(np.abs(t), 1.08, 0.75) * (0.55 + 0.45 * pose.lids)
    return ball, weight, np.clip(lash + under + crease, 0, 1)


@lru_cache(maxsize=1)
def _brow_noise() -> np.ndarray:
    return noise((800, 800), (1.0, 5.0), 77)


def brows(x: np.ndarray, y: np.ndarray, pose: Pose) -> np.ndarray:
    """Weight of the eyebrows."""
    a = np.abs(x)
    t = np.clip((a - 0.16) / 0.56, 0, 1)
    mid = -0.275 - pose.brow - 0.085 * np.sin(np.pi * np.clip(t * 0.78 + 0.06, 0, 1)) + 0.08 * t**2
    half = 0.052 * (1 - t) ** 0.45 * (0.55 + 0.45 * step(t, 0.0, 0.15))
    hairs = look_up(_brow_noise(), a - 0.45 * (y - mid) * (1 - 2 * t), y, 0.0, -1.0)
    return (
        step((half - np.abs(y - mid)) / 0.03 + 0.16 * hairs, -0.35, 0.55)
        * step(a, 0.14, 0.20)
        * step(a, 0.73, 0.62)
        * 0.86
    )


# ---------------------------------------------------------------- light


def light_up(
    colour: np.ndarray,
    n: np.ndarray,
    gloss: np.ndarray,
    lit: np.ndarray,
    near: np.ndarray,
    flesh: np.ndarray,
    edge: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Shades colours: soft key from the upper left, cool fill from the right, light from the back at the rim.

    lit: cast shadow (0 dark), near: ambient occlusion (0 dark), flesh: 1 where light
    bleeds red into shadow, edge: strength of the light from the back.
    """
    key = KEY / np.linalg.norm(KEY)
    dot = n @ key
    wrap = np.clip((dot + 0.25) / 1.25, 0, 1) ** 1.25
    # blood under the skin: red reaches farther into the shade than blue
    bleed = np.stack([np.clip((dot + w) / (1 + w), 0, 1) ** 1.25 for w in (0.42, 0.26, 0.20)], -1)
    diffuse = bleed * flesh[..., None] + wrap[..., None] * (1 - flesh[..., None])
    lit3 = np.stack([lit ** (0.70), lit**0.95, lit**1.05], -1)
    fill_dot = np.clip((n @ (np.array([0.75, -0.05, 0.55]) / 0.93) + 0.4) / 1.4, 0, 1)
    sky = 0.5 - 0.5 * n[..., 1]
    out = diffuse * lit3 * np.array([1.02, 0.97, 0.90]) * 0.86
    out = (
        out
        + (fill_dot[..., None] * np.array([0.20, 0.225, 0.27]) + sky[..., None] * np.array([0.15, 0.16, 0.18]) + 0.055)
        * near[..., None]
    )
    bounce = np.clip(n[..., 1], 0, 1) * near
    out = out + bounce[..., None] * np.array([0.17, 0.13, 0.11])
    shaded = np.clip(colour, 0, 1) ** 1.65 * out * 1.42
    half = key + np.array([0, 0, 1])
    half = half / np.linalg.norm(half)
    shine = np.clip(n @ half, 0, 1)
    spec = gloss * (0.30 * shine**18 + 0.28 * shine**60) * lit
    rim = np.clip(1 - n[..., 2], 0, 1) ** 3 * np.clip(n[..., 0] * 0.8 - n[..., 1] * 0.5 + 0.1, 0, 1) * edge
    return shaded + spec[..., None] * np.array([1, 0.97, 0.93]) + rim[..., None] * np.array([0.16, 0.18, 0.21])


def painted_head(pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lit colour, height and alpha of the head of this pose, still frontal."""
    h = head()
    x, y = h.x, h.y
    x0, y0, _, _ = bend(x, y, pose)
    z, colour, gloss = (
        look_up(h.z, x0, y0, LEFT, TOP),
        look_up(h.colour, x0, y0, LEFT, TOP),
        look_up(h.gloss, x0, y0, LEFT, TOP),
    )
    alpha, hair = look_up(h.alpha, x0, y0, LEFT, TOP), look_up(h.hair, x0, y0, LEFT, TOP)
    inside, hole, shade = cavity(x, y, pose)
    z = z + 0.075 * pose.rounding * bump(x, y, 0, MOUTH_Y + 0.02, 0.17, 0.13)
    dent = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 2.0)
    skin_z = z
    z = z - 0.30 * dent
    ball, eye, dark = eyes(x, y, pose)
    brow = brows(x, y, pose)
    colour = mix(colour, HAIR * 1.15, brow)
    # the lids carry a trace of red and the lash line
    colour = mix(
        colour,
        colour * np.array([0.92, 0.80, 0.78], np.float32),
        bump(np.abs(x), y, EYE_X, EYE_Y - 0.06, 0.17, 0.07),
    )
    spin = rotation(pose.yaw, pose.pitch, pose.roll)
    n = normals(cv2.GaussianBlur(skin_z, (0, 0), 1.2))
    n = n @ spin.T
    key = KEY / np.linalg.norm(KEY)
    local = spin.T @ key
    lit = cv2.GaussianBlur(shadow(z, local), (0, 0), 3.0)
    near = np.clip(1 - 2.3 * np.clip(blur(z, 0.11) - z, 0, 1) - 1.5 * np.clip(blur(z, 0.035) - z, 0, 1), 0.25, 1)
    # faces are round: the cushion's own border must not count as a hole
    near = np.where(h.alpha > 0.99, near, 1).astype(np.float32)
    out = light_up(colour, n, gloss * (1 - 0.8 * brow), lit, near, 1 - hair, 1 - 0.8 * hair)
    out = out * (1 - 0.82 * dark[..., None]) + np.array([0.05, 0.025, 0.018]) * 0.82 * dark[..., None]
    level = np.clip(0.42 + 0.50 * np.clip(n @ key, 0, 1) * (0.5 + 0.5 * lit), 0, 1)
    out = mix(out, np.clip(ball, 0, 1) ** 1.65 * (0.50 + 0.50 * level)[..., None], eye)
    out = out * (1 - (0.82 * dark * eye * step(dark, 0.3, 0.8))[..., None])
    room = np.clip(0.55 + 0.45 * (n @ key), 0.3, 1)
    out = mix(out, np.clip(inside, 0, 1) ** 1.65 * (shade * room * 1.05)[..., None], hole)
    return out.astype(np.float32), skin_z, alpha


# ---------------------------------------------------------------- ears, neck, jumper, background


@lru_cache(maxsize=1)
def ear() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right ear on its own small canvas: lit-independent colour, height, alpha. Canvas spans -0.3..0.3, -0.4..0.4."""
    x, y = grid(-0.30, -0.40, 0.30, 0.40)
    outline = curve(
        [
            (-0.10, -0.22),
            (0.02, -0.31),
            (0.13, -0.27),
            (0.165, -0.12),
            (0.13, 0.06),
            (0.06, 0.20),
            (0.0, 0.29),
            (-0.08, 0.25),
            (-0.12, 0.0),
        ]
    )
    alpha = fill(outline, x.shape, -0.30, -0.40)
    z = inflate(alpha, 0.5)
    inner = curve(
        [
            (-0.08, -0.17),
            (0.02, -0.24),
            (0.095, -0.21),
            (0.115, -0.10),
            (0.08, 0.04),
            (0.02, 0.13),
            (-0.06, 0.12),
        ]
    )
    bowl = blur(fill(inner, x.shape, -0.30, -0.40), 0.018)
    z = z - 0.10 * bowl + 0.05 * bump(x, y, 0.03, -0.05, 0.03, 0.10, 0.25)
    colour = np.broadcast_to(SKIN * (0.99, 0.86, 0.82), (*x.shape, 3)) * (1 - 0.35 * bowl)[..., None]
    colour = colour * (1 + 0.02 * noise(x.shape, 2, 50))[..., None]
    return colour.astype(np.float32), z.astype(np.float32), alpha


BODY = (-2.75, 0.6, 2.75, 3.1)


@lru_cache(maxsize=1)
def body() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neck and jumper: lit colour, alpha, and how much of the head's sway each point follows."""
    left, top, _right, _bottom = BODY
    x, y = grid(*BODY)
    shape = x.shape
    neck_m = fill(
        curve(mirror([(0, 0.62), (0.50, 0.64), (0.555, 1.2), (0.575, 1.62), (0.75, 1.86), (0.5, 2.3), (0, 2.4)])),
        shape,
        left,
        top,
    )
    nz = 0.62 * np.sqrt(np.clip(1 - (x / 0.66) ** 2, 0, 1)).astype(np.float32)
    nz += 0.05 * bump(x, y, 0, 1.72, 0.07, 0.10)
    for s in (-1, 1):  # the two cords of the neck
        nz += 0.045 * np.exp(-0.5 * ((x - s * (0.44 - 0.30 * step(y, 1.2, 2.0))) / 0.06) ** 2).astype(np.float32)
    skin = (
        np.broadcast_to(SKIN * (0.97, 0.90, 0.88), (*shape, 3))
        * (1 + 0.02 * noise(shape, 2, 60) + 0.02 * noise(shape, 14, 61))[..., None]
    )
    ones = np.ones(shape, np.float32)
    near = np.clip(0.35 + 0.65 * step(y, 1.25, 1.95), 0, 1)
    lit_neck = light_up(skin, normals(cv2.GaussianBlur(nz, (0, 0), 4)), 0.10 * ones, near, near, ones, 0.4)

    jumper = fill(
        curve(
            [
                (-0.62, 1.72),
                (-0.95, 1.95),
                (-1.55, 2.16),
                (-2.05, 2.42),
                (-2.4, 2.9),
                (-2.6, 3.5),
                (2.6, 3.5),
                (2.4, 2.9),
                (2.05, 2.42),
                (1.55, 2.16),
                (0.95, 1.95),
                (0.62, 1.72),
                (0.40, 2.00),
                (0.0, 2.10),
                (-0.40, 2.00),
            ]
        ),
        shape,
        left,
        top,
    )
    bz = 0.55 * np.sqrt(np.clip(1 - (x / 2.7) ** 2, 0, 1)) + 0.30 * step(y, 1.7, 2.6)
    bz = bz + 0.30 * np.exp(-0.5 * (np.clip(y - (1.80 + 0.20 * np.abs(x)), 0, 9) / 0.25) ** 2) * 0
    for cx, cy, turn, deep in (
        (-1.1, 2.6, 0.9, 0.03),
        (1.15, 2.55, -0.9, 0.025),
        (-0.5, 2.9, 0.5, 0.03),
        (0.7, 2.95, -0.4, 0.03),
    ):
        bz = bz - deep * bump(x, y, cx, cy, 0.5, 0.07, turn) + deep * bump(x, y, cx + 0.08, cy + 0.12, 0.5, 0.08, turn)
    # knitted collar: a roll that follows the neckline
    around = np.hypot(x / 1.02, (y - 1.42) / 1.0)
    roll = np.exp(-0.5 * ((around - 0.70) / 0.055) ** 2) * step(y, 1.55, 1.75)
    bz = (bz + 0.10 * roll).astype(np.float32)
    ribs = np.sin(np.arctan2(x, y - 1.42) * 70)
    cloth = np.broadcast_to(np.array([0.062, 0.145, 0.180], np.float32), (*shape, 3)).copy()
    knit = noise(shape, (1.0, 1.8), 65)
    cloth *= (1 + 0.10 * knit + 0.05 * noise(shape, 10, 66) + 0.16 * ribs * roll)[..., None]
    lit_cloth = light_up(cloth, normals(cv2.GaussianBlur(bz, (0, 0), 3)), 0.05 * ones, ones, ones, 0 * ones, 0.15)
    edge = blur((1 - jumper) * ones, 0.03) * step(y, 1.6, 1.8)
    neck_shade = 1 - 0.5 * blur(jumper, 0.05) * (1 - jumper)
    out = mix(
        lit_neck * neck_shade[..., None], lit_cloth * (1 - 0.25 * edge[..., None]), cv2.dilate(jumper, np.ones((5, 5)))
    )
    return out.astype(np.float32), np.maximum(neck_m, jumper), step(y, 2.15, 1.15).astype(np.float32)


@lru_cache(maxsize=1)
def background() -> np.ndarray:
    """A room out of focus: wall, window light from the left, a shelf, a plant."""
    side = SIZE * SUPER
    x, y = np.meshgrid(np.linspace(-1, 1, side, dtype=np.float32), np.linspace(-1, 1, side, dtype=np.float32))
    wall = mix(
        np.broadcast_to(np.array([0.30, 0.335, 0.33], np.float32), (side, side, 3)),
        (0.56, 0.53, 0.47),
        step(x * 0.8 + y * 0.5, 0.5, -1.1),
    )
    for cx, width, tone in (
        (0.62, 0.05, (0.42, 0.20, 0.13)),
        (0.71, 0.035, (0.16, 0.25, 0.27)),
        (0.79, 0.05, (0.50, 0.42, 0.27)),
        (0.885, 0.04, (0.20, 0.21, 0.17)),
        (0.96, 0.035, (0.47, 0.27, 0.17)),
    ):
        book = step(np.abs(x - cx), width + 0.01, width - 0.01) * step(y, -0.62, -0.58) * step(y, -0.14, -0.18)
        wall = mix(wall, tone, 0.75 * book)
    wall = mix(wall, (0.23, 0.15, 0.09), step(np.abs(y + 0.115), 0.045, 0.03) * step(x, 0.50, 0.53))
    rng = np.random.default_rng(5)
    for _ in range(16):  # leaves
        cx, cy, turn = -0.80 + rng.normal(0, 0.13), 0.05 + rng.normal(0, 0.22), rng.uniform(-1.2, 1.2)
        wall = mix(
            wall,
            np.array([0.12, 0.22, 0.12]) * rng.uniform(0.7, 1.7),
            0.8 * step(bump(x, y, cx, cy, 0.035, 0.12, turn), 0.35, 0.6),
        )
    wall = cv2.GaussianBlur(wall.astype(np.float32), (0, 0), 16 * SUPER / 2)
    wall *= (1 - 0.28 * np.clip(x * x + y * y, 0, 2) / 1.4)[..., None]
    return np.clip(wall, 0, 1) ** 1.65 * 1.05


# ---------------------------------------------------------------- one frame


def draw(pose: Pose, seed: int = 0) -> np.ndarray:
    """One frame: (SIZE, SIZE, 3) uint8 RGB."""
    side, k = SIZE * SUPER, UNIT * SUPER
    sx, sy = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
    sx, sy = (
        (sx + 0.5) / k - CENTRE[0] / UNIT,
        (sy + 0.5) / k - CENTRE[1] / UNIT,
    )  # units about the head at rest
    picture = background().copy()

    # neck and jumper follow the head near the chin and stay below
    colour, alpha, follow = body()
    sway = look_up(follow, sx, sy, BODY[0], BODY[1])
    swing = 0.55 * np.sin(pose.yaw) + pose.dx - 1.15 * np.sin(pose.roll)
    bx, by = sx - sway * 0.62 * swing - (1 - sway) * 0.25 * pose.dx, sy - sway * 0.5 * pose.dy
    inside = ((bx > BODY[0]) & (by > BODY[1])).astype(np.float32)
    layer, cover = (
        look_up(colour, bx, by, BODY[0], BODY[1]),
        look_up(alpha, bx, by, BODY[0], BODY[1]) * inside,
    )

    # the head: solve for the painted point seen at each pixel
    painted, z, head_alpha = painted_head(pose)
    spin = rotation(pose.yaw, pose.pitch, pose.roll)
    pivot = np.array([0.0, 0.75, -0.25], np.float32)  # the head turns about the top of the neck

    def seen(height: np.ndarray | float, px: np.ndarray, py: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        v = [px - pivot[0], py - pivot[1], height - 0.55 - pivot[2]]
        r = [spin[i, 0] * v[0] + spin[i, 1] * v[1] + spin[i, 2] * v[2] + pivot[i] for i in range(3)]
        scale = CAMERA / (CAMERA - r[2])
        return (r[0]) * scale + pose.dx, (r[1]) * scale + pose.dy

    px, py = sx - pose.dx, sy - pose.dy
    for _ in range(20):
        height = look_up(z, px, py, LEFT, TOP)
        qx, qy = seen(height, px, py)
        px, py = px + 0.6 * (sx - qx), py + 0.6 * (sy - qy)
    inside = ((px > LEFT) & (px < RIGHT) & (py > TOP) & (py < BOTTOM)).astype(np.float32)
    face, face_alpha = look_up(painted, px, py, LEFT, TOP), look_up(head_alpha, px, py, LEFT, TOP) * inside

    # shadow of the head on neck and chest
    down = np.float32([[1, 0, 0.10 * k], [0, 1, 0.30 * k]])
    cast = cv2.GaussianBlur(cv2.warpAffine(face_alpha, down, (side, side)), (0, 0), 0.10 * k)
    layer = layer * (1 - 0.62 * cast[..., None] * np.array([0.85, 1.0, 1.05], np.float32))
    picture = mix(picture, layer, cover)

    # ears lie behind the cheeks
    for s in (-1, 1):
        e_colour, e_z, e_alpha = ear()
        ex, ey = sx, sy
        ux, uy = sx - pose.dx, sy - pose.dy
        for _ in range(6):
            qx, qy = seen(0.02, ux, uy)
            ux, uy = ux + sx - qx, uy + sy - qy
        ex, ey = s * (ux - s * 1.005), uy - 0.17
        ok = ((np.abs(ex) < 0.3) & (np.abs(ey) < 0.4)).astype(np.float32)
        n = normals(cv2.GaussianBlur(e_z, (0, 0), 2)) * np.array([s, 1, 1], np.float32)
        ones = np.ones_like(e_z)
        lit = light_up(
            e_colour, n, 0.12 * ones, (0.95 if s < 0 else 0.40) * ones, (0.95 if s < 0 else 0.8) * ones, ones
        )
        picture = mix(
            picture,
            look_up(lit.astype(np.float32), ex, ey, -0.3, -0.4),
            look_up(e_alpha, ex, ey, -0.3, -0.4) * ok,
        )
    picture = mix(picture, face, face_alpha)
    picture = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    glow = cv2.GaussianBlur(picture, (0, 0), 12)
    picture = picture * 0.94 + 0.09 * glow
    tone = np.clip(picture, 0, 1.4)
    tone = np.clip(tone * (1 + tone / 2.9) / (1 + tone) * 1.50, 0, 1) ** (1 / 2.2)  # soft shoulder, display gamma
    grain = np.random.default_rng(1000 + seed).normal(0, 0.0035, (SIZE, SIZE, 1)).astype(np.float32)
    return np.clip((tone + grain) * 255 + 0.5, 0, 255).astype(np.uint8)


# ---------------------------------------------------------------- files


def speak(text: str, voice: str, path: Path, *, before: float = 0.0, total: float | None = None) -> None:
    """Has flite say a text: mono 16 kHz WAV, with silence before and up to a total length in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, str(raw)], check=True, capture_output=True)
        filters = f"adelay={int(before * 1000)}:all=1" + (f",apad=whole_dur={total}" if total else "")
        subprocess.run(
            [
                "ffmpeg",
                "-v",
                "error",
                "-y",
                "-i",
                str(raw),
                "-af",
                filters,
                "-ac",
                "1",
                "-ar",
                "16000",
                "-fflags",
                "+bitexact",
                "-flags",
                "+bitexact",
                str(path),
            ],
            check=True,
        )


def film(path: Path, poses: list[Pose], sound: Path) -> None:
    """Draws all frames and encodes them with the sound: H.264 and AAC in MP4."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{SIZE}x{SIZE}",
        "-r",
        str(FPS),
        "-i",
        "-",
        "-i",
        str(sound),
        "-vf",
        "scale=out_color_matrix=bt709:out_range=tv",
        "-pix_fmt",
        "yuv420p",
        "-colorspace",
        "bt709",
        "-color_primaries",
        "bt709",
        "-color_trc",
        "bt709",
        "-color_range",
        "tv",
        "-c:v",
        "libx264",
        "-preset",
        "slow",
        "-crf",
        "21",
        "-g",
        "50",
        "-c:a",
        "aac",
        "-b:a",
        "48k",
        "-ac",
        "1",
        "-movflags",
        "+faststart",
        "-fflags",
        "+bitexact",
        str(path),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin is not None
        for i, pose in enumerate(poses):
            ffmpeg.stdin.write(draw(pose, i).tobytes())
        ffmpeg.stdin.close()
        if ffmpeg.wait():
            raise SystemExit("ffmpeg failed")


def cast_of(before: float = 0.28) -> tuple[list[Pose], float]:
    """All poses of the clip, and its length in seconds."""
    phones = [(a + before, b + before, name) for a, b, name in flite_phones(TALKER_TEXT, TALKER_VOICE)]
    count = int(np.ceil((phones[-1][1] + 0.15) * FPS))
    return performance(count, phones), count / FPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--still", nargs=2, metavar=("FRAME", "PNG"), help="draw one frame only")
    parser.add_argument("--into", type=Path, default=HERE, help="folder to write to")
    args = parser.parse_args()
    poses, seconds = cast_of()
    if args.still:
        cv2.imwrite(args.still[1], draw(poses[int(args.still[0])])[..., ::-1])
        return
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "own.wav"
        speak(TALKER_TEXT, TALKER_VOICE, sound, before=0.28, total=seconds)
        film(args.into / "talker.mp4", poses, sound)
    speak(SPEECH_TEXT, SPEECH_VOICE, args.into / "speech.wav")


if __name__ == "__main__":
    main()
