"""Made-up backgrounds: gradients, walls, shelves, windows and lights out of focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F32, U8

_SIDE = 288  # pixels


def draw_backdrop(rng: np.random.Generator) -> U8:
    """Draw a background, (h, w, 3) uint8 RGB, upside down as OpenGL wants it."""
    base = np.clip(rng.uniform(0.05, 0.9) + rng.normal(0, 0.12, 3), 0, 1)
    end = np.clip(base + rng.normal(0, 0.16, 3), 0, 1)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    ramp = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[..., None]
    picture = np.ascontiguousarray((base + (end - base) * ramp).astype(np.float32))
    kind = rng.choice(["plain", "shapes", "shelves", "window", "lights"], p=[0.2, 0.3, 0.2, 0.15, 0.15])
    if kind == "shapes":
        _draw_shapes(picture, rng)
    elif kind == "shelves":
        _draw_shelves(picture, rng)
    elif kind == "window":
        _draw_window(picture, rng)
    elif kind == "lights":
        _draw_lights(picture, rng)
    grain = rng.standard_normal((_SIDE, _SIDE, 1)).astype(np.float32)
    picture += cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.8, 6))[..., None] * np.float32(rng.uniform(0, 0.12))
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.6, 9)))
    return np.ascontiguousarray(np.clip(picture * 255, 0, 255).astype(np.uint8))


def _draw_colour(rng: np.random.Generator) -> tuple[float, ...]:
    return tuple(np.clip(rng.uniform(0, 1) + rng.normal(0, 0.13, 3), 0, 1))


def _draw_shapes(picture: F32, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(4, 14)):
        middle = tuple(int(v) for v in rng.integers(0, _SIDE, 2))
        size = tuple(int(v) for v in rng.integers(8, 90, 2))
        if rng.random() < 0.5:
            cv2.ellipse(picture, middle, size, float(rng.uniform(0, 180)), 0, 360, _draw_colour(rng), -1, cv2.LINE_AA)
        else:
            corner = (middle[0] + size[0], middle[1] + size[1])
            cv2.rectangle(picture, middle, corner, _draw_colour(rng), -1)


def _draw_shelves(picture: F32, rng: np.random.Generator) -> None:
    board = _draw_colour(rng)
    for bottom in range(int(rng.integers(20, 60)), _SIDE + 60, int(rng.integers(45, 80))):
        x = 0
        while x < _SIDE:
            wide, high = int(rng.integers(5, 20)), int(rng.integers(20, 42))
            cv2.rectangle(picture, (x, bottom), (x + wide, bottom + high), _draw_colour(rng), -1)
            x += wide + int(rng.integers(0, 4))
        cv2.rectangle(picture, (0, bottom - 5), (_SIDE, bottom), board, -1)


def _draw_window(picture: F32, rng: np.random.Generator) -> None:
    left, low = (int(v) for v in rng.integers(0, _SIDE // 2, 2))
    right, high = left + int(rng.integers(50, 150)), low + int(rng.integers(80, 170))
    light = tuple(rng.uniform(0.75, 1.0, 3))
    cv2.rectangle(picture, (left, low), (right, high), light, -1)
    frame = _draw_colour(rng)
    cv2.rectangle(picture, (left, low), (right, high), frame, 5)
    cv2.line(picture, ((left + right) // 2, low), ((left + right) // 2, high), frame, 4)


def _draw_lights(picture: F32, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(6, 40)):
        spot = np.zeros_like(picture)
        middle = tuple(int(v) for v in rng.integers(0, _SIDE, 2))
        cv2.circle(spot, middle, int(rng.integers(3, 16)), _draw_colour(rng), -1, cv2.LINE_AA)
        picture += spot * np.float32(rng.uniform(0.3, 0.8))
