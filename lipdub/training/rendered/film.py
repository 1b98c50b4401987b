"""What a camera and a codec do to a picture: focus, noise, colour, size, sharpening, compression."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.training.shards import FPS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lipdub.arrays import F32, U8, Array

_GREY = (0.299, 0.587, 0.114)  # shares of the channels, as BT.601 has them
_AUDIO_BITS = 96_000  # a second
_AUDIO_BLOCK = 1024  # samples


@dataclass(frozen=True)
class Film:
    """A camera and a codec.

    Attributes:
        blur: standard deviation of the focus, pixels.
        sharpening: strength of an unsharp mask.
        noise: standard deviation, of 255, of each pixel.
        colour_noise: the same of the colour alone, in coarser grains.
        balance: (3,) factors on the channels.
        saturation: factor on the distance from grey.
        gamma: exponent.
        vignette: how much darker the corners are, 0 to 1.
        scale: size at which the picture was recorded, against its own.
        quality: constant rate factor of H.264.
    """

    blur: float
    sharpening: float
    noise: float
    colour_noise: float
    balance: tuple[float, float, float]
    saturation: float
    gamma: float
    vignette: float
    scale: float
    quality: int


def draw_film(rng: np.random.Generator) -> Film:
    """Draw a camera and a codec, from a studio's to a telephone's."""
    warm, tinge = rng.normal(0, (0.08, 0.03))
    red, green, blue = np.exp([warm, tinge, -warm])
    return Film(
        blur=float(abs(rng.normal(0, 0.55))),
        sharpening=float(rng.choice([0.0, rng.uniform(0.2, 1.2)])),
        noise=float(rng.choice([rng.uniform(0, 1.5), rng.uniform(1, 8)])),
        colour_noise=float(rng.uniform(0, 4)),
        balance=(float(red), float(green), float(blue)),
        saturation=float(rng.uniform(0.55, 1.35)),
        gamma=float(np.exp(rng.normal(0, 0.14))),
        vignette=float(rng.uniform(0, 0.3)),
        scale=float(rng.choice([1.0, rng.uniform(0.55, 1.0)])),
        quality=int(rng.integers(15, 33)),
    )


def expose(picture: U8, film: Film, rng: np.random.Generator) -> U8:
    """Record a picture (h, w, 3) uint8 RGB. Returns another of its size."""
    side = picture.shape[0]
    image: Array = picture
    if film.scale < 0.99:
        small = max(round(side * film.scale), 16)
        image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    out: Array = image.astype(np.float32)
    if film.blur > 0.2:
        out = cv2.GaussianBlur(out, (0, 0), film.blur)
    colours = film.saturation * np.eye(3) + (1 - film.saturation) * np.array(_GREY)
    out = cv2.transform(out, np.array(film.balance)[:, None] * colours)
    curve = (255 * (np.arange(256) / 255) ** film.gamma).astype(np.float32)
    out = cv2.LUT(np.clip(out, 0, 255).astype(np.uint8), curve) * _draw_vignette(side, film.vignette)
    if film.noise > 0:
        out += rng.standard_normal(out.shape[:2], np.float32)[..., None] * np.float32(film.noise)
    if film.colour_noise > 0:
        coarse = rng.standard_normal((side // 2, side // 2, 3), np.float32) * np.float32(film.colour_noise)
        out += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
    if film.sharpening > 0:
        out += (out - cv2.GaussianBlur(out, (0, 0), 1.2)) * np.float32(film.sharpening)
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def _draw_vignette(side: int, strength: float) -> F32:
    place = np.linspace(-1, 1, side, dtype=np.float32)
    return (1 - np.float32(strength / 2) * (place[:, None] ** 2 + place[None] ** 2))[..., None]


def write_video(path: Path, pictures: Iterable[U8], audio: F32, quality: int) -> None:
    """Write a video with sound, whole. Equal pictures and sound give an equal video.

    Args:
        path: the file, which ends in .mp4.
        pictures: (h, w, 3) uint8 RGB each, 25 a second.
        audio: (n,) float32 at 16 kHz.
        quality: constant rate factor of H.264.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4", container_options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("libx264", FPS, {"crf": str(quality), "preset": "veryfast", "threads": "1"})
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, FPS)
        sound = file.add_stream("aac", SAMPLE_RATE_HZ, layout="mono")
        sound.bit_rate = _AUDIO_BITS
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        for start in range(0, len(audio), _AUDIO_BLOCK):
            block = np.ascontiguousarray(audio[start : start + _AUDIO_BLOCK], np.float32)[None]
            frame = av.AudioFrame.from_ndarray(block, "fltp", "mono")
            frame.pts, frame.sample_rate, frame.time_base = start, SAMPLE_RATE_HZ, Fraction(1, SAMPLE_RATE_HZ)
            file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
