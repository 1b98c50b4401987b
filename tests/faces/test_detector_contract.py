"""What every detector of the registry must do, with stand-ins for the networks; and a detector added by one line."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lipdub
from lipdub.errors import UsageError, WeightsError
from lipdub.faces import detectors
from lipdub.faces.detectors import DETECTORS
from lipdub.media.read import read_frames
from lipdub.stages.detect import store
from lipdub.weights import manifest
from lipdub.weights.store import FOLDER_VARIABLE
from lipdub.workspace.stage_store import StageStore
from tests.faces import toy_detector
from tests.sample import TALKER
from tests.stages.detect.stand_in import publish_stand_in
from tests.weights import small

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.arrays import F32, U8

pytest.importorskip("torch")

NAMES = [*DETECTORS, "toy"]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    small.offline(monkeypatch)
    with DETECTORS.added("toy", toy_detector.PATH):
        yield
    manifest._read.cache_clear()


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The name of each detector, with a stand-in for its network in the store."""
    chosen: str = request.param
    for weights in DETECTORS.get(chosen).weights.names:
        publish_stand_in(monkeypatch, tmp_path, weights)
    return chosen


@pytest.fixture(scope="module")
def frames() -> list[U8]:
    """Frames of the drawn talker, as they are searched."""
    return [frame.picture.rgb_small(256) for frame in read_frames(TALKER, 0, 12)]


def are_equal(one: list[list[F32]], other: list[list[F32]]) -> bool:
    return all(
        len(a) == len(b) and all(np.array_equal(f, g) for f, g in zip(a, b, strict=True))
        for a, b in zip(one, other, strict=True)
    )


def test_it_describes_itself(name: str) -> None:
    detector = DETECTORS.get(name)
    assert detector.name == name
    assert detector.summary
    assert "\n" not in detector.summary
    for weights in detector.weights.names:
        assert manifest.find_entry(weights).name == weights


def test_meshes_lie_in_the_picture(name: str, frames: list[U8]) -> None:
    with detectors.create(name) as detector:
        found = detector.detect(frames, [False] * len(frames))
    assert len(found) == len(frames)
    for faces in found:
        assert [(face.shape, face.dtype) for face in faces] == [((478, 3), np.dtype("float32"))]
        assert (faces[0][:468, :2] > -16).all()
        assert (faces[0][:468, :2] < 256 + 16).all()


def test_results_depend_only_on_frames_since_the_reset(name: str, frames: list[U8]) -> None:
    with detectors.create(name) as detector:
        first = detector.detect(frames[:6], [False] * 6)
        detector.reset()
        again = detector.detect(frames[:6], [False] * 6)
        detector.reset()
        # a cut is a reset before the frame
        after_cut = detector.detect([*frames[6:9], *frames[:6]], [False] * 3 + [True] + [False] * 5)[3:]
    assert are_equal(first, again)
    assert are_equal(first, after_cut)


def test_batches_do_not_matter(name: str, frames: list[U8]) -> None:
    with detectors.create(name) as detector:
        together = detector.detect(frames[:7], [False] * 7)
        detector.reset()
        parts = [frames[:1], frames[1:3], frames[3:7]]
        apart = [faces for part in parts for faces in detector.detect(part, [False] * len(part))]
    assert are_equal(together, apart)


def test_no_more_faces_than_asked_for(name: str, frames: list[U8]) -> None:
    three = np.hstack([frames[0]] * 3)
    with detectors.create(name, max_faces=1) as detector:
        assert len(detector.detect([three], [False])[0]) == 1


def test_a_detector_may_be_closed_unused_and_twice(name: str) -> None:
    detector = detectors.create(name)
    detector.close()
    detector.close()


def test_a_still_picture(name: str, frames: list[U8]) -> None:
    faces = detectors.detect_still(frames[0], name)
    with detectors.create(name, max_faces=1) as detector:
        assert are_equal([faces], detector.detect(frames[:1], [False]))


def test_missing_weights_say_how_to_get_them(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "empty"))
    weights = DETECTORS.get(name).weights.names
    if not weights:
        detectors.create(name).close()
        return
    with pytest.raises(WeightsError, match=f"{weights[0]}.* not in the store"):
        detectors.create(name)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="mediapipe"):
        detectors.create("s3fd")


def read_arrays(folder: Path) -> dict[str, Any]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("c.*"))}


@pytest.mark.slow
def test_the_stage_resumes_alike(
    name: str, short_talker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks that were lost come out with the same bytes, whether a pass begins with them or not."""
    monkeypatch.setattr(store, "CHUNK_FRAMES", 8)
    done = lipdub.detect(short_talker, workspace=tmp_path / "job", threads=1, method=name)
    assert done.summary["method"] == name
    whole = read_arrays(tmp_path / "job")
    for chunks in ((1,), (0, 1)):
        copy = tmp_path / f"copy{len(chunks)}"
        shutil.copytree(tmp_path / "job", copy)
        for chunk in chunks:
            StageStore(copy / "detect", "detect").open("landmarks").file(chunk).unlink()
        state = copy / "workspace.json"
        state.write_text(state.read_text().replace('"done"', '"running"'))
        again = lipdub.detect(short_talker, workspace=copy, threads=1, method=name)
        assert again.action == "resume"
        assert read_arrays(copy) == whole


def test_a_detector_is_one_file_and_one_line(short_talker: Path, tmp_path: Path) -> None:
    assert "toy" in list(DETECTORS)
    done = lipdub.detect(short_talker, workspace=tmp_path / "job", threads=1, method="toy")
    assert [(t["first"], t["last"]) for t in done.summary["tracks"]] == [(0, 29)]
