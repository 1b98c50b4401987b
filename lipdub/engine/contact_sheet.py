"""Draw a contact sheet of a video: whole frames, and a row of faces for each track."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lipdub.arrays import F32, U8, Array

THUMB_PX, OVERVIEW_PX, TEXT_PX = 112, 168, 18  # heights of a face, of a whole frame and of a line of text
MAX_TRACKS = 8
FACES_PER_TRACK = 10
_GAP_PX = 4
_BACKGROUND, _TEXT, _CAPTION, _OVAL = 24, (225, 225, 225), (190, 190, 190), (255, 220, 60)  # RGB
_FACE_REACH = 0.75  # face sizes from a face's middle to the edge of its picture


class SheetPicture(NamedTuple):
    """A picture of the sheet: seconds from the first frame, and (h, w, 3) uint8 RGB."""

    time: float
    rgb: U8


def write_contact_sheet(
    path: Path,
    inspection: Mapping[str, Any],
    overview: Sequence[SheetPicture],
    faces: Mapping[int, Sequence[SheetPicture]],
) -> None:
    """Write a contact sheet in the format that its name asks for.

    Args:
        path: of the picture.
        inspection: the result of `inspection.inspect`.
        overview: whole frames.
        faces: for each track's id, pictures of its face.
    """
    from lipdub.media.picture_files import encode_picture
    from lipdub.workspace.atomic_files import write_atomically

    video = inspection["video"]
    rows = [
        _draw_line(
            f"{Path(inspection['path']).name}   {video['width']}x{video['height']}  {video['fps']:g} fps "
            f"{video['fps_kind']}  {video['codec']}  {video['duration']:.1f} s"
        )
    ]
    if overview:
        rows.append(_join_pictures(overview))
    for track in inspection["tracks"][:MAX_TRACKS]:
        rows.append(
            _draw_line(
                f"track {track['id']}: {track['start']:.1f} to {track['end']:.1f} s, "
                f"mouth {track['mouth_px']:.0f} px, yaw {track['yaw'][0]:.0f} to {track['yaw'][2]:.0f}"
            )
        )
        pictures = faces[track["id"]]
        shown = np.unique(np.linspace(0, len(pictures) - 1, FACES_PER_TRACK).astype(int))
        rows.append(_join_pictures([pictures[i] for i in shown]))
    rows += [_draw_line(note) for note in inspection["notes"]]
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate([_pad(row, below=_GAP_PX, right=width - row.shape[1]) for row in rows])
    coded = encode_picture(sheet, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, coded)


def cut_face(rgb: U8, x: float, y: float, size: float) -> U8:
    """Cut a face of this middle and size in pixels out of a picture: (THUMB_PX, THUMB_PX, 3) uint8."""
    import cv2

    reach = _FACE_REACH * size
    scale = THUMB_PX / (2 * reach)
    matrix = np.array([[scale, 0, (reach - x) * scale], [0, scale, (reach - y) * scale]], np.float32)
    flags = cv2.INTER_CUBIC if scale >= 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.warpAffine(rgb, matrix, (THUMB_PX, THUMB_PX), flags=flags), np.uint8)


def draw_overview(rgb: U8, faces: Sequence[F32]) -> U8:
    """Draw the ovals of meshes (478, 3) into a frame and reduce it to `OVERVIEW_PX` rows."""
    import cv2

    from lipdub.faces import mesh

    picture = rgb.copy()
    for face in faces:
        oval = face[list(mesh.OVAL), :2].round().astype(np.int32)
        cv2.polylines(picture, [oval], True, _OVAL, max(1, picture.shape[1] // 320), cv2.LINE_AA)
    width = max(1, round(picture.shape[1] * OVERVIEW_PX / picture.shape[0]))
    return np.asarray(cv2.resize(picture, (width, OVERVIEW_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _join_pictures(pictures: Sequence[SheetPicture]) -> Array:
    return np.concatenate([_pad(_draw_caption(p.rgb, f"{p.time:.1f} s"), right=_GAP_PX) for p in pictures], 1)


def _draw_line(text: str) -> Array:
    import cv2

    plain = text.encode("ascii", "replace").decode()
    (width, _), _ = cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    strip = np.full((TEXT_PX + 4, width + 12, 3), _BACKGROUND, np.uint8)
    cv2.putText(strip, plain, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _TEXT, 1, cv2.LINE_AA)
    return strip


def _draw_caption(picture: U8, text: str) -> Array:
    import cv2

    strip = np.full((TEXT_PX, picture.shape[1], 3), _BACKGROUND, np.uint8)
    cv2.putText(strip, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _CAPTION, 1, cv2.LINE_AA)
    return np.concatenate([picture, strip])


def _pad(picture: Array, *, below: int = 0, right: int = 0) -> Array:
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=_BACKGROUND)
