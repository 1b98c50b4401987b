"""The contact sheet: a row for each line of text, the overview and each track."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

from lipdub.engine.contact_sheet import (
    OVERVIEW_PX,
    TEXT_PX,
    THUMB_PX,
    SheetPicture,
    cut_face,
    draw_overview,
    write_contact_sheet,
)
from lipdub.faces.landmarks import load_neutral_face

if TYPE_CHECKING:
    from pathlib import Path

GAP, LINE = 4, TEXT_PX + 4


def describe(tracks: int, notes: int) -> dict[str, Any]:
    video = {"width": 640, "height": 360, "fps": 25.0, "fps_kind": "constant", "codec": "h264", "duration": 8.0}
    track = {"start": 0.0, "end": 8.0, "mouth_px": 40.0, "yaw": [-3.0, 0.0, 4.0]}
    rows = [{"id": i + 1, **track} for i in range(tracks)]
    return {"path": "clip.mp4", "video": video, "tracks": rows, "notes": ["A note."] * notes}


def test_it_has_the_format_of_its_ending(tmp_path: Path) -> None:
    write_contact_sheet(tmp_path / "sheet.jpg", describe(0, 1), [], {})
    with Image.open(tmp_path / "sheet.jpg") as image:
        assert image.format == "JPEG"


def test_it_has_a_row_for_each_track_and_note(tmp_path: Path) -> None:
    face = SheetPicture(0.5, np.full((THUMB_PX, THUMB_PX, 3), 200, np.uint8))
    overview = SheetPicture(0.5, np.full((OVERVIEW_PX, 300, 3), 100, np.uint8))
    path = tmp_path / "folder" / "sheet.png"
    write_contact_sheet(path, describe(2, 3), [overview, overview], {1: [face] * 30, 2: [face]})
    sheet = cv2.imread(str(path))
    assert sheet is not None
    tracks = 2 * (LINE + THUMB_PX + TEXT_PX + 2 * GAP)
    assert sheet.shape[0] == LINE + GAP + OVERVIEW_PX + TEXT_PX + GAP + tracks + 3 * (LINE + GAP)
    assert sheet.shape[1] >= 10 * (THUMB_PX + GAP)


def test_a_face_is_cut_with_what_is_around_it() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(picture, (150, 100), 40, (250, 250, 250), -1)
    cut = cut_face(picture, 150.0, 100.0, 80.0)
    assert cut.shape == (THUMB_PX, THUMB_PX, 3)
    half = THUMB_PX // 2
    assert cut[half, half, 0] == 250
    bright = np.flatnonzero(cut[half, :, 0] > 125)
    assert np.isclose(len(bright) / THUMB_PX, 80 / 120, atol=0.03)


def test_the_overview_shows_the_oval_of_each_face() -> None:
    picture = np.zeros((360, 640, 3), np.uint8)
    face = (60 * load_neutral_face() + [320, 180, 0]).astype(np.float32)
    plain, drawn = draw_overview(picture, []), draw_overview(picture, [face])
    assert plain.shape == drawn.shape == (OVERVIEW_PX, round(640 * OVERVIEW_PX / 360), 3)
    assert not plain.any()
    assert drawn.any()
