"""Faults planted into real footage, each of them alone, and what the measures say of it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from lipdub.faces import mesh
from lipdub.faces.alignment import five_point
from lipdub.faces.detectors.mediapipe import MediaPipeDetector
from lipdub.faces.masks import outlines
from lipdub.media.audio import load_audio
from lipdub.media.read import read_frames
from lipdub.metrics import colour_step, flicker, frozen_share, regions, seam, sharpness
from lipdub.metrics.mask_edge import find_mask_edge
from lipdub.metrics.mouth_motion import measure_mouth_shape
from lipdub.metrics.silence import find_speech

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = 5  # frames of which one is looked at closely
SOFT = 0.14  # width of soft edges, in distances of the eyes


@dataclass(frozen=True)
class Clip:
    """Frames (n, h, w, 3) with their times (n,), meshes (n, 478, 3), and where the clip's own speech sounds."""

    frames: np.ndarray
    times: np.ndarray
    landmarks: np.ndarray
    sounding: list[tuple[float, float]]


def clip(path: Path, count: int) -> Clip:
    read = list(read_frames(path, 0, count))
    frames = np.stack([frame.picture.rgb() for frame in read])
    times = np.array([float(frame.time) for frame in read])
    return Clip(frames, times - times[0], meshes(frames), find_speech(load_audio(path), 16000))


def shared_clip(name: str) -> Path:
    """A clip of the shared folder; skips the test where there is none."""
    folder = os.environ.get("LIPDUB_SHARED")
    if not folder or not (Path(folder) / "clips" / name).is_file():
        pytest.skip("no shared clips (LIPDUB_SHARED)")
    return Path(folder) / "clips" / name


def meshes(frames: np.ndarray) -> np.ndarray:
    with MediaPipeDetector(1) as finder:
        found = [finder.detect([frame], [False])[0] for frame in frames]
    assert all(found), "a face is to be seen in every frame"
    return np.stack([faces[0] for faces in found])


def _depth(mask: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform(mask, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)


def _soft(mask: np.ndarray, width: float) -> np.ndarray:
    return np.clip(_depth(mask) / width + 0.5, 0, 1)[..., None]


def _eight(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _each(clip: Clip, change: Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]) -> np.ndarray:
    out = clip.frames.copy()
    for frame, points in zip(out, clip.landmarks, strict=True):
        mask, eyes = outlines.draw_lower_face(points, *frame.shape[:2]), regions.measure_eye_distance(points)
        around = _around(mask, eyes)
        frame[around] = _eight(change(frame[around].astype(np.float32), mask[around], points, eyes))
    return out


def _around(mask: np.ndarray, eyes: float) -> tuple[slice, slice]:
    """The rows and columns of a mask, with more room around it than any fault takes."""
    room = math.ceil(0.3 * eyes)
    left, top, width, height = cv2.boundingRect(mask)
    return slice(max(top - room, 0), top + height + room), slice(max(left - room, 0), left + width + room)


def with_seam(clip: Clip, levels: float = 14) -> np.ndarray:
    """Brighter just inside the lower face's edge, fading at once: no other colour further in."""
    return _each(clip, lambda f, m, p, e: f + levels * (m * np.exp(-np.maximum(_depth(m), 0) / (0.02 * e)))[..., None])


def with_colour_step(clip: Clip, offset: tuple[float, float, float] = (9, -4, -7)) -> np.ndarray:
    """The lower face reddish (about 6.5 units of Lab), with a soft edge."""
    return _each(clip, lambda f, m, p, e: f + _soft(m, SOFT * e) * np.float32(offset))


def with_blur(clip: Clip, sigma: float = 0.022) -> np.ndarray:
    """The lower face blurred, with a soft edge."""
    return _each(clip, lambda f, m, p, e: f + _soft(m, SOFT * e) * (cv2.GaussianBlur(f, (0, 0), sigma * e) - f))


def with_flicker(clip: Clip, levels: float = 4) -> np.ndarray:
    """The lower face brighter and darker from frame to frame, with a soft edge."""
    sign = iter(levels * (-1) ** k for k in range(len(clip.frames)))
    return _each(clip, lambda f, m, p, e: f + _soft(m, SOFT * e) * np.float32(next(sign)))


def with_frozen_mouth(clip: Clip, hold: int = 0) -> np.ndarray:
    """The mouth of one frame on the moving head of all."""
    rigid = list(mesh.RIGID)
    held, points = clip.frames[hold], clip.landmarks[hold][:, :2].astype(np.float64)
    out = clip.frames.copy()
    for frame, own in zip(out, clip.landmarks, strict=True):
        height, width = frame.shape[:2]
        matrix = five_point.fit_similarity(points[rigid], own[rigid, :2])
        there = points @ matrix[:, :2].T + matrix[:, 2]
        mask = outlines.draw_lower_face(own, height, width, 0.75) | outlines.draw_lower_face(there, height, width, 0.75)
        eyes = regions.measure_eye_distance(own)
        around = _around(mask, eyes)
        rows, columns = around
        part, weight = frame[around], _soft(mask[around], 0.16 * eyes)
        matrix[:, 2] -= columns.start, rows.start
        moved = cv2.warpAffine(held, matrix, part.shape[1::-1], flags=cv2.INTER_LANCZOS4).astype(np.float32)
        frame[around] = _eight(part + weight * (moved - part))
    return out


def measured(clip: Clip, source: np.ndarray | None = None) -> dict[str, float]:
    """What each measure says of a clip, alone or against the frames it was made of."""
    slopes, bands, blur = [], [], []
    for k in range(0, len(clip.frames), EVERY):
        points = clip.landmarks[k]
        edge = find_mask_edge(points, *clip.frames.shape[1:3], skin=source is None)
        assert edge is not None
        pair = [frames[k] for frames in (clip.frames, source) if frames is not None]
        slopes.append([seam.measure_slopes(frame, edge) for frame in pair])
        bands.append([colour_step.measure_bands(frame, edge) for frame in pair])
        sharp = [sharpness.sharpness(frame, points).against_eyes for frame in pair]
        blur.append(sharp[0] - (sharp[1] if source is not None else 0))
    trembling = _flicker(clip.frames, clip.landmarks)
    if source is not None:
        trembling -= _flicker(source, clip.landmarks)
    mouths = np.array([measure_mouth_shape(points) for points in clip.landmarks])
    return {
        "seam": seam.seam_visibility(*np.sum(slopes, 0)),
        "colour step": colour_step.colour_step(*np.sum(bands, 0)),
        "blur": -float(np.mean(blur)),
        "flicker": trembling,
        "frozen mouth": frozen_share.frozen_share(clip.times, mouths[:, 0], mouths[:, 1], sounding=clip.sounding).share,
    }


def _flicker(frames: np.ndarray, landmarks: np.ndarray) -> float:
    series = [flicker.measure_patches(frame, points) for frame, points in zip(frames, landmarks, strict=True)]
    return flicker.flicker(np.stack(series))


#: Beyond these a measure has found something.
ALONE = {
    "seam": seam.VISIBLE,
    "colour step": colour_step.VISIBLE,
    "blur": -sharpness.BLURRED,
    "flicker": flicker.VISIBLE,
    "frozen mouth": frozen_share.FROZEN,
}
AGAINST_SOURCE = {
    "seam": seam.VISIBLE_AGAINST_SOURCE,
    "colour step": colour_step.VISIBLE_AGAINST_SOURCE,
    "blur": -sharpness.BLURRED_AGAINST_SOURCE,
    "flicker": flicker.VISIBLE_AGAINST_SOURCE,
    "frozen mouth": frozen_share.FROZEN,
}


def planted(clip: Clip) -> dict[str, Clip]:
    """Results with one fault each, by the measure meant for it, their meshes measured anew."""
    faults = {
        "seam": with_seam(clip),
        "colour step": with_colour_step(clip),
        "blur": with_blur(clip),
        "flicker": with_flicker(clip),
        "frozen mouth": with_frozen_mouth(clip),
    }
    made = {name: replace(clip, frames=frames, landmarks=meshes(frames)) for name, frames in faults.items()}
    return {"nothing": clip, **made}


def strong_colour_step(clip: Clip) -> Clip:
    """One as large as it must be to show by its chroma alone, without a source (about 17 units of Lab)."""
    frames = with_colour_step(clip, (24, -11, -19))
    return replace(clip, frames=frames, landmarks=meshes(frames))


def table(rows: dict[str, dict[str, float]]) -> str:
    """The cross table, planted against measured, for a person."""
    names = list(next(iter(rows.values())))
    lines = ["planted \\ measured".ljust(20) + "".join(name.rjust(14) for name in names)]
    lines += [row.ljust(20) + "".join(f"{values[name]:14.2f}" for name in names) for row, values in rows.items()]
    return "\n".join(lines)
