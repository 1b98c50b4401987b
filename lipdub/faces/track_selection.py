"""Which of the faces is dubbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lipdub.errors import InputError, UsageError

FACE_POSITIONS = ("largest", "left", "right")


def parse_face(face: str) -> str | tuple[int, ...] | Path:
    """`largest`, `left`, `right`; track ids ("2" or "2,5"); or a picture of the person. Raises UsageError."""
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


def select_track_ids(face: str | tuple[int, ...], rows: list[dict[str, Any]], usable: set[int]) -> list[int]:
    """Track ids to dub, at most one per moment.

    Args:
        rows: the detect stage's tracks. usable: ids that can be dubbed.

    Raises:
        UsageError: an id that does not exist. InputError: none of the faces can be dubbed.
    """
    if isinstance(face, tuple):
        known = {r["id"] for r in rows}
        for i in face:
            if i not in known:
                raise UsageError(f"there is no face track {i}", hint=f"Tracks: {', '.join(map(str, sorted(known)))}")
        chosen = [i for i in face if i in usable]
        if not chosen:
            raise InputError("none of the chosen faces is large enough to dub")
        return chosen
    out: list[int] = []
    for shot in sorted({r["shot"] for r in rows}):
        here = [r for r in rows if r["shot"] == shot and r["id"] in usable]
        if face == "largest":
            order = sorted(here, key=lambda r: -r["face_px"] * min(r["frames"], 50) ** 0.25)
        else:
            order = sorted(here, key=lambda r: r["x"] if face == "left" else -r["x"])
        taken: list[dict[str, Any]] = []
        # A face that left and came back after a long gap has two tracks: both are dubbed, never two at one time.
        for r in order:
            if all(r["last"] < t["first"] or r["first"] > t["last"] for t in taken):
                taken.append(r)
        out += [r["id"] for r in taken]
    return out


def measure_face_distance(canonical: np.ndarray, reference: np.ndarray) -> float:
    """How unlike two canonical faces (478, 3) are: root mean square distance of the points speech does not move."""
    from lipdub.faces import mesh

    rigid = [i for i in range(468) if i not in set(mesh.LIPS) and i not in set(mesh.JAW)]
    return float(np.sqrt(((canonical[rigid, :2] - reference[rigid, :2]) ** 2).sum(1).mean()))
