"""Track selection: which of the faces is dubbed, as `--face` names it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, UsageError
from lipdub.faces import mesh

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lipdub.arrays import F64

FACE_POSITIONS = ("largest", "left", "right")
# The largest face of a shot is the one of largest size times this power of its number of frames, up to a limit: a face
# that appears for a moment does not count as much.
_LENGTH_POWER = 0.25
_LENGTH_LIMIT = 50


def parse_face(face: str) -> str | tuple[int, ...] | Path:
    """Parse the option: a position, track ids ("2" or "2,5"), or a picture of the person.

    Raises:
        UsageError: it is none of these.
    """
    if face in FACE_POSITIONS:
        return face
    parts = face.split(",")
    if all(p.strip().isdigit() for p in parts):
        return tuple(int(p) for p in parts)
    path = Path(face)
    if not path.exists():
        raise UsageError(
            f"--face {face} is neither a track id, nor one of {', '.join(FACE_POSITIONS)}, nor a picture that exists",
            hint="lipdub inspect VIDEO lists the tracks.",
        )
    return path


def select_track_ids(face: str | tuple[int, ...], rows: Sequence[Mapping[str, Any]], usable: set[int]) -> list[int]:
    """Select the tracks to dub, at most one at a time.

    Args:
        face: position or track ids.
        rows: the detect stage's tracks.
        usable: ids that can be dubbed.

    Raises:
        UsageError: a track does not exist.
        InputError: none of the tracks can be dubbed.
    """
    if isinstance(face, tuple):
        return _check_ids(face, {row["id"] for row in rows}, usable)
    out: list[int] = []
    for shot in sorted({row["shot"] for row in rows}):
        candidates = [row for row in rows if row["shot"] == shot and row["id"] in usable]
        if face == "largest":
            candidates.sort(key=lambda row: -row["face_px"] * min(row["frames"], _LENGTH_LIMIT) ** _LENGTH_POWER)
        else:
            candidates.sort(key=lambda row: row["x"] if face == "left" else -row["x"])
        picks: list[Mapping[str, Any]] = []
        # A face that returns after a long gap has two tracks. Both are dubbed, but never two tracks at one time.
        for row in candidates:
            if all(row["last"] < other["first"] or row["first"] > other["last"] for other in picks):
                picks.append(row)
        out += [row["id"] for row in picks]
    return out


def _check_ids(ids: tuple[int, ...], existing: set[int], usable: set[int]) -> list[int]:
    for i in ids:
        if i not in existing:
            raise UsageError(f"there is no face track {i}", hint=f"Tracks: {', '.join(map(str, sorted(existing)))}")
    picks = [i for i in ids if i in usable]
    if not picks:
        raise InputError("none of the chosen faces is large enough to dub")
    return picks


def measure_face_distance(canonical: F64, reference: F64) -> float:
    """Measure how different two faces are, by the points that speech does not move.

    Args:
        canonical: (478, 3) canonical face.
        reference: (478, 3) canonical face.

    Returns:
        root mean square distance in eye distances.
    """
    speech_vertices = {*mesh.LIPS, *mesh.JAW}
    rigid = [i for i in range(mesh.SURFACE_VERTICES) if i not in speech_vertices]
    return float(np.sqrt(((canonical[rigid, :2] - reference[rigid, :2]) ** 2).sum(1).mean()))
