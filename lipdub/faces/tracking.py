"""Following each face through its shot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lipdub.faces import mesh

# A face keeps its id when it is gone for no longer than this.
MAX_GAP_SECONDS = 0.5
# A gap of at most this many frames is filled by interpolation (a blink of the detector), longer ones stay gaps.
MAX_FILLED_FRAMES = 4
# How far, in face sizes, a face may move between two sightings.
MAX_MOVE = 0.6
# Shorter appearances are detector noise.
MIN_TRACK_FRAMES = 3


@dataclass
class Track:
    """One face in one shot: `frames` where it is seen (ascending) and the detector slot it had in each."""

    id: int
    shot: int
    frames: list[int]
    slots: list[int]


def locate_face(face: np.ndarray) -> np.ndarray:
    """(x, y, size) of a face's mesh (478, 3): middle and larger side of its oval, in pixels."""
    oval = face[list(mesh.OVAL), :2]
    low, high = oval.min(0), oval.max(0)
    return np.append((low + high) / 2, (high - low).max())


def link_tracks(boxes: np.ndarray, times: np.ndarray, shots: list[tuple[int, int]]) -> list[Track]:
    """Joins the faces of each frame into tracks, greedily by distance, within shots.

    Args:
        boxes: (n, s, 3) `summary` of each detector slot, NaN where it is empty. times: (n,) seconds.

    Returns:
        tracks in the order they begin (left to right where they begin together), numbered from 1.
    """
    finished: list[Track] = []
    for number, (start, stop) in enumerate(shots):
        live: list[Track] = []
        for f in range(start, stop):
            slots = [int(s) for s in np.flatnonzero(np.isfinite(boxes[f, :, 0]))]
            live = [t for t in live if times[f] - times[t.frames[-1]] <= MAX_GAP_SECONDS + 1e-6]
            pairs = []
            for i, t in enumerate(live):
                last = boxes[t.frames[-1], t.slots[-1]]
                slack = MAX_MOVE * (1 + (f - t.frames[-1] - 1) * 0.2)
                for s in slots:
                    d = np.hypot(*(boxes[f, s, :2] - last[:2])) / max(boxes[f, s, 2], last[2])
                    ratio = boxes[f, s, 2] / last[2]
                    if d < slack and 0.5 < ratio < 2:
                        pairs.append((d, i, s))
            used_t, used_s = set(), set()
            for _, i, s in sorted(pairs):
                if i not in used_t and s not in used_s:
                    used_t.add(i)
                    used_s.add(s)
                    live[i].frames.append(f)
                    live[i].slots.append(s)
            for s in sorted(set(slots) - used_s, key=lambda s: boxes[f, s, 0]):
                track = Track(0, number, [f], [s])
                live.append(track)
                finished.append(track)
    kept = [t for t in finished if len(t.frames) >= min(MIN_TRACK_FRAMES, shots[t.shot][1] - shots[t.shot][0])]
    for i, t in enumerate(kept):
        t.id = i + 1
    return kept


def fill_gaps(landmarks: np.ndarray) -> np.ndarray:
    """Short gaps (NaN frames) of a run of landmarks (n, 478, 3) interpolated; longer ones left NaN."""
    valid = np.isfinite(landmarks[:, 0, 0])
    seen = np.flatnonzero(valid)
    out = landmarks
    for a, b in zip(seen, seen[1:], strict=False):
        if 1 < b - a <= MAX_FILLED_FRAMES + 1:
            if out is landmarks:
                out = landmarks.copy()
            for f in range(a + 1, b):
                u = (f - a) / (b - a)
                out[f] = (1 - u) * landmarks[a] + u * landmarks[b]
    return out
