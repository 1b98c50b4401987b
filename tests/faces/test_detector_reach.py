"""The detector that a person chose finds the face everywhere: also in a reference picture, in `inspect` and in `score`.

The toy detector sees a face in the middle of grey pictures, in which MediaPipe finds none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

import lipdub
from lipdub.errors import InputError
from lipdub.faces.detectors import DETECTORS
from lipdub.media.probe import probe
from lipdub.stages.base import StageContext
from lipdub.stages.detect.picture import find_face_in_picture
from lipdub.stages.job import Job
from lipdub.workspace.stage_store import StageStore
from tests.faces import toy_detector
from tests.sample import SPEECH, TALKER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _toy() -> Iterator[None]:
    with DETECTORS.added("toy", toy_detector.PATH):
        yield


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    """A video of grey pictures."""
    path = tmp_path / "grey.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 256, 192, "yuv420p"
        for i in range(8):
            frame = np.full((192, 256, 3), 120 + i, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A grey picture."""
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((128, 128, 3), 130, np.uint8))
    return path


@pytest.mark.slow
def test_the_picture_of_the_person_to_dub(picture: Path, short_talker: Path, tmp_path: Path) -> None:
    def dub(detector: str) -> lipdub.DubResult:
        return lipdub.dub(
            short_talker,
            SPEECH,
            tmp_path / "out.mp4",
            threads=1,
            detector=detector,
            face=str(picture),
            end=0.3,
            length="shortest",
            preset="ultrafast",
        )

    with pytest.raises(InputError, match="no face in the reference picture"):
        dub("mediapipe")
    assert dub("toy").out == tmp_path / "out.mp4"


@pytest.mark.parametrize(("detector", "is_found"), [("mediapipe", False), ("toy", True)])
def test_the_picture_of_an_expression(picture: Path, tmp_path: Path, grey: Path, detector: str, is_found: bool) -> None:
    store = StageStore(tmp_path / "neutralize", "neutralize")
    context = StageContext(Job(video=grey), probe(grey), store, {}, {"detect": {"method": detector}})
    if is_found:
        assert find_face_in_picture(context, picture, "the picture")[1].shape == (478, 3)
    else:
        with pytest.raises(InputError, match="no face in the picture"):
            find_face_in_picture(context, picture, "the picture")


def test_inspect(grey: Path) -> None:
    assert lipdub.inspect(grey)["tracks"] == []
    assert len(lipdub.inspect(grey, detector="toy")["tracks"]) == 1


def test_score(grey: Path) -> None:
    def share(detector: str | None) -> float | None:
        return next(row.value for row in lipdub.score(grey, detector=detector).rows if row.id == "faces")

    assert share(None) == 0
    assert share("toy") == 1


@pytest.mark.slow
def test_score_uses_the_detector_of_the_run(tmp_path: Path) -> None:
    from lipdub.scoring.run_workspace import read_detector
    from lipdub.workspace.folder import Workspace

    lipdub.detect(TALKER, workspace=tmp_path / "job", threads=1, method="toy")
    assert read_detector(Workspace(tmp_path / "job")) == "toy"
