"""Paints faces: lips, make-up, brows, freckles, wrinkles, stubble, and where a beard grows.

A paint is a picture (h, w, 4) uint8 over the square in front of the face (`Renderer.paint_frame`, upside down as OpenGL
wants it). Its colour is laid over the skin's with its alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces import mesh
from lipdub.training.rendered.renderer import Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32, U8, Array

PAINT_PX = 512
_DARK_SKIN = 0.42  # mean of the channels below which skin is dark, sRGB
_UPPER_LIDS = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (263, 466, 388, 387, 386, 385, 384, 398, 362))
_LOWER_LIDS = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (263, 249, 390, 373, 374, 380, 381, 382, 362))
_BROWS = ((46, 53, 52, 65, 55, 107, 66, 105, 63, 70), (276, 283, 282, 295, 285, 336, 296, 334, 293, 300))
_CHEEKS = (50, 280)
_MOUSTACHE = (2, 98, 165, 92, 186, 57, 61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 287, 410, 322, 391, 327)
_CHEEK_LINE = (127, 123, 187, 207, 216, 206, 203, 2, 423, 426, 436, 427, 411, 352, 356)  # above a full beard
_GOATEE = (57, 43, 204, 194, 201, 200, 421, 418, 424, 273, 287, 432, 430, 394, 369, 396, 175, 171, 140, 169, 210, 212)
_FOREHEAD = (54, 284)
_NOSE_TO_MOUTH = ((129, 203, 206, 216, 212), (358, 423, 426, 436, 432))
_CROWS_FEET = ((226, 31), (446, 261))
_BEARDS = ("full", "goatee", "moustache", "stubble")


@dataclass(frozen=True)
class Look:
    """How a person looks.

    Attributes:
        paint: (h, w, 4) uint8, laid over the skin.
        roots: (h, w, 4) uint8, alpha where the beard grows.
        surface: colours and gloss of the parts.
        has_glasses: whether the person wears glasses.
    """

    paint: U8
    roots: U8
    surface: Surface
    has_glasses: bool


class _Canvas:
    """A face to paint on, in MediaPipe's landmarks."""

    def __init__(self, landmarks: Array, rng: np.random.Generator) -> None:
        self.points = np.asarray(landmarks, np.float64) * PAINT_PX
        self.rng = rng
        self.unit = float(np.linalg.norm(self.points[33] - self.points[263]))  # between the outer corners of the eyes
        self.colour = np.zeros((PAINT_PX, PAINT_PX, 3), np.float32)
        self.alpha = np.zeros((PAINT_PX, PAINT_PX), np.float32)

    def lay(self, colour: Sequence[float] | Array, mask: F32) -> None:
        """Lay a colour (3,) 0..1 over what is painted, with the alpha of a mask (h, w)."""
        rest = self.alpha * (1 - mask)
        total = np.maximum(mask + rest, 1e-6)
        self.colour += (np.asarray(colour, np.float32) - self.colour) * (mask / total)[..., None]
        self.alpha = mask + rest

    def fill(self, numbers: Sequence[int], blur: float = 0.0) -> F32:
        """Fill the outline through landmarks; `blur` is in eye distances."""
        return self.fill_points(self.points[list(numbers)], blur)

    def fill_points(self, points: Array, blur: float = 0.0) -> F32:
        """Fill the outline through points (n, 2)."""
        mask = np.zeros((PAINT_PX, PAINT_PX), np.float32)
        cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        return self.soften(mask, blur)

    def stroke(self, points: Array, width: float, blur: float = 0.0) -> F32:
        """Draw a line through points (n, 2); width and blur are in eye distances."""
        mask = np.zeros((PAINT_PX, PAINT_PX), np.float32)
        fine = _bend_line(points)
        cv2.polylines(
            mask, [np.round(fine * 16).astype(np.int32)], False, 1.0, max(round(width * self.unit), 1), cv2.LINE_AA, 4
        )
        return self.soften(mask, blur)

    def soften(self, mask: F32, blur: float) -> F32:
        """Blur a mask by a standard deviation in eye distances."""
        soft: F32 = cv2.GaussianBlur(mask, (0, 0), blur * self.unit) if blur > 0 else mask
        return soft

    def make_noise(self, size: float, stretch: float = 1.0) -> F32:
        """Make smooth noise (h, w), 0..1 with all values as frequent, of grains of a size in eye distances."""
        grain = max(size * self.unit, 0.5)
        noise = self.rng.standard_normal((PAINT_PX, PAINT_PX)).astype(np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=grain, sigmaY=grain * stretch)
        even: F32 = np.clip(0.5 + 0.3 * noise / max(float(noise.std()), 1e-6), 0, 1).astype(np.float32)
        return even


def draw_look(landmarks: Array, rng: np.random.Generator, *, skin: Array, is_woman: bool) -> Look:
    """Draw the look of a person.

    Args:
        landmarks: (478, 2) of the face map.
        rng: random numbers.
        skin: (3,) sRGB 0..1 of the head's cheeks.
        is_woman: makes make-up likelier than a beard.
    """
    canvas = _Canvas(landmarks, rng)
    tint = _draw_tint(rng)
    shown = np.clip((skin**2.2 * tint) ** (1 / 2.2), 0, 1)
    _paint_skin(canvas)
    if rng.random() < 0.45:
        _paint_wrinkles(canvas, float(rng.uniform(0.1, 0.5)))
    hair = _draw_hair_colour(rng, is_dark=float(shown.mean()) < _DARK_SKIN)
    _paint_brows(canvas, hair)
    if rng.random() < (0.65 if is_woman else 0.12):
        _paint_makeup(canvas)
    elif rng.random() < 0.5:
        _lay_lips(canvas, shown * _draw_lip_colour(rng), float(rng.uniform(0.2, 0.8)))
    roots = np.zeros((PAINT_PX, PAINT_PX), np.float32)
    length = 0.0
    if rng.random() < (0.02 if is_woman else 0.5):
        roots, length = _paint_beard(canvas, hair, str(rng.choice(_BEARDS)))
    surface = _draw_surface(rng, tint, tuple(hair), length)
    return Look(
        _to_picture(canvas.colour, canvas.alpha), _to_picture(canvas.colour, roots), surface, rng.random() < 0.25
    )


def _draw_tint(rng: np.random.Generator) -> Array:
    """Draw a factor (3,) on the skin's linear colour: darker or lighter, redder or yellower, never green."""
    value, red, yellow = rng.normal(0, (0.28, 0.07, 0.13))
    tint: Array = np.clip(np.exp(value + np.array([abs(red), 0.0, -yellow])), 0.35, 1.4)
    return tint


def _draw_lip_colour(rng: np.random.Generator) -> Array:
    """Draw what bare lips make of the skin's colour, factors (3,): darker and redder."""
    red = rng.uniform(0.75, 1.08)
    factors: Array = np.array([red, red * rng.uniform(0.55, 0.95), red * rng.uniform(0.6, 1.0)])
    return factors


def _draw_surface(rng: np.random.Generator, tint: Array, hair: tuple[float, ...], beard_length: float) -> Surface:
    """Draw colours of teeth, eyes and hair, wider than real ones."""
    stain = rng.uniform(0, 1) ** 1.5  # from white to yellowish
    teeth = np.clip(rng.uniform(0.6, 1.15) * np.array([1.0, 1.0 - 0.17 * stain, 1.0 - 0.34 * stain]), 0.3, 1.2)
    wig = np.exp(rng.normal(0, 0.35)) * np.exp(rng.normal(0, 0.06, 3))
    return Surface(
        tint=tuple(tint),
        gloss=float(rng.uniform(0, 1)),
        bumps=float(rng.uniform(0.3, 1.3)),
        teeth=tuple(teeth),
        eyes=tuple(np.clip(rng.uniform(0.55, 1.0) * np.exp(rng.normal(0, 0.06, 3)), 0.4, 1.1)),
        hair=tuple(np.clip(wig, 0.25, 2.2)),
        beard=hair,  # type: ignore[arg-type]
        beard_length=beard_length,
    )


def _draw_hair_colour(rng: np.random.Generator, *, is_dark: bool) -> Array:
    """Draw the colour of hair: black, brown, blond, red or grey, sRGB 0..1; with dark skin not blond or red."""
    colours = np.array([(0.06, 0.05, 0.05), (0.2, 0.13, 0.09), (0.56, 0.37, 0.21), (0.42, 0.2, 0.1), (0.6, 0.59, 0.57)])
    shares = [0.72, 0.14, 0.0, 0.0, 0.14] if is_dark else [0.36, 0.3, 0.12, 0.08, 0.14]
    chosen = colours[rng.choice(5, p=shares)]
    drawn: Array = np.clip(chosen * np.exp(rng.normal(0, 0.2)), 0.02, 0.9)
    return drawn


def _paint_skin(canvas: _Canvas) -> None:
    """Paint blotches, freckles, moles, and shadows under the eyes."""
    rng = canvas.rng
    face = canvas.fill(mesh.OVAL, 0.1)
    red = np.array([0.62, 0.3, 0.26]) * rng.uniform(0.7, 1.2)
    canvas.lay(red, face * (canvas.make_noise(0.12) ** 2) * np.float32(rng.uniform(0, 0.28)))
    canvas.lay((0.3, 0.2, 0.15), face * (canvas.make_noise(0.02) ** 3) * np.float32(rng.uniform(0, 0.16)))
    if rng.random() < 0.2:
        freckles = (canvas.make_noise(0.012) > 0.9).astype(np.float32) * canvas.make_noise(0.1)
        canvas.lay((0.42, 0.24, 0.14), face * canvas.soften(freckles, 0.006) * np.float32(rng.uniform(0.12, 0.45)))
    for _ in range(int(rng.poisson(0.8))):
        at = canvas.points[rng.integers(468)]
        mole = np.zeros((PAINT_PX, PAINT_PX), np.float32)
        cv2.circle(mole, (int(at[0]), int(at[1])), int(rng.integers(1, 4)), 1.0, -1, cv2.LINE_AA)
        canvas.lay((0.22, 0.13, 0.1), mole * 0.8)
    dark = np.float32(rng.uniform(0, 0.35))
    for lids in _LOWER_LIDS:
        low = canvas.points[list(lids)] + [0, 0.05 * canvas.unit]
        canvas.lay((0.3, 0.18, 0.2), canvas.stroke(low, 0.05, 0.03) * dark)


def _paint_wrinkles(canvas: _Canvas, strength: float) -> None:
    """Paint lines from nose to mouth, on the forehead and beside the eyes, each with a lighter edge."""
    points, unit = canvas.points, canvas.unit
    lines = [points[list(line)] for line in _NOSE_TO_MOUTH]
    for outer, lower in _CROWS_FEET:
        away = np.sign(points[outer, 0] - points[6, 0])
        for angle in (-0.4, 0.0, 0.4):
            end = points[outer] + unit * 0.16 * np.array([away * np.cos(angle), np.sin(angle)])
            lines.append(np.stack([points[outer] * 0.9 + points[lower] * 0.1, end]))
    left, right = points[_FOREHEAD[0]], points[_FOREHEAD[1]]
    for height in (0.08, 0.2, 0.32):
        across = np.linspace(left, right, 5)[1:-1] - [0, (height - 0.1) * unit]
        lines.append(across + canvas.rng.normal(0, 0.01 * unit, across.shape))
    for line in lines:
        share = np.float32(strength * canvas.rng.uniform(0.5, 1.0))
        canvas.lay((0.24, 0.13, 0.1), canvas.stroke(line, 0.012, 0.012) * share)
        canvas.lay((0.95, 0.8, 0.72), canvas.stroke(line + np.array([0, 0.025 * unit]), 0.012, 0.012) * share * 0.4)


def _paint_brows(canvas: _Canvas, hair: Array) -> None:
    """Paint brows of single hairs."""
    share = np.float32(canvas.rng.uniform(0.0, 0.9))
    fine = canvas.make_noise(0.006, 2.5)
    for brow in _BROWS:
        canvas.lay(hair, canvas.fill(brow, 0.015) * np.clip(fine * 2 - 0.4, 0, 1) * share)


def _lay_lips(canvas: _Canvas, colour: Array, share: float) -> None:
    lips = canvas.fill(mesh.LIPS_OUTER, 0.008)
    canvas.lay(np.clip(colour, 0, 1), lips * np.float32(share))


def _paint_makeup(canvas: _Canvas) -> None:
    """Paint lipstick, eye shadow, lines along the lids, and rouge."""
    rng = canvas.rng
    lipstick = rng.uniform(0.3, 0.95) * np.array([1.0, rng.uniform(0.06, 0.55), rng.uniform(0.1, 0.65)])
    _lay_lips(canvas, lipstick, float(rng.uniform(0.25, 0.9)))
    shade, dark = rng.uniform(0.05, 0.8, 3), np.float32(rng.uniform(0, 0.6))
    line = np.float32(rng.uniform(0, 0.95))
    for upper, lower, brow in zip(_UPPER_LIDS, _LOWER_LIDS, _BROWS, strict=True):
        lid, arch = canvas.points[list(upper)], canvas.points[list(brow)].mean(0)
        above = lid + (arch - lid.mean(0)) * 0.6
        canvas.lay(shade, canvas.fill_points(np.concatenate([lid, above[::-1]]), 0.03) * dark)
        canvas.lay((0.04, 0.03, 0.04), canvas.stroke(lid, 0.018, 0.006) * line)
        canvas.lay((0.04, 0.03, 0.04), canvas.stroke(canvas.points[list(lower)], 0.01, 0.008) * line * 0.5)
    rouge = np.float32(rng.uniform(0, 0.45))
    for cheek in _CHEEKS:
        mask = np.zeros((PAINT_PX, PAINT_PX), np.float32)
        x, y = canvas.points[cheek]
        cv2.circle(mask, (int(x), int(y)), int(0.14 * canvas.unit), 1.0, -1)
        canvas.lay((0.75, 0.3, 0.32), canvas.soften(mask, 0.09) * rouge)


def _paint_beard(canvas: _Canvas, hair: Array, kind: str) -> tuple[F32, float]:
    """Paint the shade of a beard, and give where it grows (h, w) and how long it is, metres."""
    rng, points = canvas.rng, canvas.points
    lips = canvas.fill(mesh.LIPS_OUTER, 0.018)  # hairs end before the lips: they show the mouth
    moustache = canvas.fill(_MOUSTACHE, 0.02)
    if kind == "moustache":
        region = moustache
    elif kind == "goatee":
        chin = cv2.convexHull(points[list(_GOATEE)].astype(np.float32))[:, 0]
        region = np.maximum(moustache, canvas.fill_points(chin, 0.04))
    else:
        jaw = points[list(mesh.JAW)]
        below = jaw + (jaw - points[1]) * 0.25
        outline = np.concatenate([below, points[list(_CHEEK_LINE)]])
        region = np.maximum(moustache, canvas.fill_points(outline, 0.05))
    region = np.clip(region - 2 * lips, 0, 1)
    density = np.clip(canvas.make_noise(0.08) + rng.uniform(0.2, 0.6), 0, 1).astype(np.float32)
    dots = canvas.make_noise(0.005, 1.8)
    shade = rng.uniform(0.25, 0.6) if kind == "stubble" else rng.uniform(0.75, 0.95)
    bare = np.float32(0.2 if kind == "stubble" else -0.4)  # skin shows between the hairs of stubble
    canvas.lay(hair, region * density * np.clip(dots * 1.6 - bare, 0, 1) * np.float32(shade))
    length = 0.0 if kind == "stubble" else float(rng.uniform(0.0015, 0.009))
    return np.clip(region * (0.7 + 0.3 * density), 0, 1), length


def _bend_line(points: Array) -> Array:
    """Put a smooth curve through points (n, 2)."""
    from scipy.interpolate import make_interp_spline

    at = np.linspace(0, 1, len(points))
    return np.asarray(make_interp_spline(at, points, k=min(3, len(points) - 1))(np.linspace(0, 1, 24)))


def _to_picture(colour: F32, alpha: F32) -> U8:
    """Join colour and alpha, upside down."""
    both = np.concatenate([colour, alpha[..., None]], 2)[::-1]
    return np.ascontiguousarray(np.clip(both * 255 + 0.5, 0, 255).astype(np.uint8))
