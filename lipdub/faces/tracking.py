"""Tracking: follow each face through its shot."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import mesh

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, Array

# A face keeps its id when it is missing for no longer than this.
MAX_GAP_SECONDS = 0.5
# A gap of at most this many frames is interpolated: the detector missed the face. Longer gaps stay.
MAX_FILLED_FRAMES = 4
# How far, in face sizes, a face may move between two detections in successive frames, and how much further, as a share
# of this, for every frame in between.
MAX_MOVE = 0.6
MOVE_PER_GAP_FRAME = 0.2
# A face may grow or shrink between two detections by less than this factor.
MAX_RESIZE = 2
# Shorter tracks are noise of the detector.
MIN_TRACK_FRAMES = 3
# Tolerance in seconds of comparisons of frame times.
_TIME_TOLERANCE = 1e-6

# Columns of the table of faces.
_X, _SIZE = 0, 2
_CENTRE = slice(0, 2)


@dataclass
class Track:
    """One face in one shot.

    Attributes:
        id: number from 1.
        shot: number of the shot.
        frames: ascending frames in which the face is detected.
        slots: detector slot of the face in each of the frames.
    """

    id: int
    shot: int
    frames: list[int]
    slots: list[int]


def locate_face(face: Array) -> F64:
    """Locate a face: centre (x, y) of its oval and the oval's longer side, in pixels.

    Args:
        face: (478, 3) landmarks in pixels.

    Returns:
        (3,) x, y, size.
    """
    oval = face[list(mesh.OVAL), :2]
    low, high = oval.min(0), oval.max(0)
    return np.append((low + high) / 2, (high - low).max())


def link_tracks(
    faces: F64,
    times: F64,
    shots: list[tuple[int, int]],
    *,
    max_gap: float = MAX_GAP_SECONDS,
    min_frames: int = MIN_TRACK_FRAMES,
) -> list[Track]:
    """Link the faces of successive frames into tracks, greedily by distance, within shots.

    Args:
        faces: (n, s, 3) `locate_face` of each detector slot; NaN where the slot is empty.
        times: (n,) seconds.
        shots: half-open spans of frames.
        max_gap: seconds for which a face may be missing and keep its track.
        min_frames: frames of the shortest track; shorter shots may have shorter ones.

    Returns:
        tracks in the order in which they begin (left to right where they begin together), numbered from 1.
    """
    tracks: list[Track] = []
    for number, (start, stop) in enumerate(shots):
        live: list[Track] = []
        for frame in range(start, stop):
            live = [t for t in live if times[frame] - times[t.frames[-1]] <= max_gap + _TIME_TOLERANCE]
            slots = [int(s) for s in np.flatnonzero(np.isfinite(faces[frame, :, _X]))]
            free = set(slots) - _extend_tracks(live, faces, frame, slots)
            for slot in sorted(free, key=lambda s: faces[frame, s, _X]):
                track = Track(0, number, [frame], [slot])
                live.append(track)
                tracks.append(track)
    lengths = [stop - start for start, stop in shots]
    long_enough = [t for t in tracks if len(t.frames) >= min(min_frames, lengths[t.shot])]
    for i, track in enumerate(long_enough):
        track.id = i + 1
    return long_enough


def _extend_tracks(live: list[Track], faces: F64, frame: int, slots: list[int]) -> set[int]:
    """Extend live tracks by the faces of a frame, nearest first; return the slots that are used."""
    pairs = []
    for i, track in enumerate(live):
        last = faces[track.frames[-1], track.slots[-1]]
        limit = MAX_MOVE * (1 + (frame - track.frames[-1] - 1) * MOVE_PER_GAP_FRAME)
        for slot in slots:
            face = faces[frame, slot]
            distance = np.hypot(*(face[_CENTRE] - last[_CENTRE])) / max(face[_SIZE], last[_SIZE])
            if distance < limit and 1 / MAX_RESIZE < face[_SIZE] / last[_SIZE] < MAX_RESIZE:
                pairs.append((distance, i, slot))
    used_tracks: set[int] = set()
    used_slots: set[int] = set()
    for _, i, slot in sorted(pairs):
        if i not in used_tracks and slot not in used_slots:
            used_tracks.add(i)
            used_slots.add(slot)
            live[i].frames.append(frame)
            live[i].slots.append(slot)
    return used_slots


def fill_gaps(landmarks: F32) -> F32:
    """Interpolate short gaps in a run of landmarks.

    Args:
        landmarks: (n, 478, 3) pixels; NaN where the face is not detected.

    Returns:
        (n, 478, 3), the same array when there is no short gap; longer gaps stay NaN.
    """
    frames = np.flatnonzero(np.isfinite(landmarks[:, 0, 0]))
    out = landmarks
    for a, b in pairwise(frames):
        if 1 < b - a <= MAX_FILLED_FRAMES + 1:
            if out is landmarks:
                out = landmarks.copy()
            for frame in range(a + 1, b):
                weight = (frame - a) / (b - a)
                out[frame] = (1 - weight) * landmarks[a] + weight * landmarks[b]
    return out
