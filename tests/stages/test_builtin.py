"""The built-in chain on the drawn sample: exact outside the mask, at rest in silence, the same after damage."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lipdub
from lipdub.errors import InputError, UsageError
from lipdub.media.read import read_frames
from lipdub.stages.paste_back import paste
from lipdub.stages.paste_back.options import PasteBackOptions
from lipdub.stages.sync.options import SyncOptions
from lipdub.stages.sync.store import CropStore
from lipdub.workspace.stage_store import StageStore
from tests.sample import SPEECH, TALKER
from tests.sounds import write_silence

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.media.pixels import Picture
    from lipdub.progress import Event

SECONDS = 2.0


def store(result: Any, stage: str) -> StageStore:
    return StageStore(result.workspace / stage, stage)


@pytest.mark.slow
def test_outside_the_mask_every_sample_is_the_sources_and_inside_something_moved(sample_dub: lipdub.Result) -> None:
    sync, options = store(sample_dub, "sync"), PasteBackOptions()
    source = sync.open("source").read(0, len(sync.open("source")))
    changed = 0
    pairs = zip(read_frames(TALKER), read_frames(sample_dub.out), strict=False)
    for k, (before, after) in enumerate(pairs):
        assert source[k] == before.index
        assert float(after.time - before.time) == pytest.approx(0, abs=1e-3)
        box, weight = paste.pasted_region(CropStore(sync), k, options)
        untouched = (
            before.picture.untouched_masks(box, weight)
            if box[2] > box[0]
            else [np.ones(p.shape, bool) for p in before.picture.planes]
        )
        for a, b, mask in zip(before.picture.planes, after.picture.planes, untouched, strict=True):
            assert np.array_equal(a[mask], b[mask])
        changed += int((before.picture.planes[0] != after.picture.planes[0]).any())
    assert changed > 0.9 * len(source)


def test_wanted_opening_follows_the_speech_and_comes_to_rest(sample_dub: lipdub.Result) -> None:
    sync = store(sample_dub, "sync")
    n = len(sync.open("wanted"))
    wanted, amount = sync.open("wanted").read(0, n), sync.open("amount").read(0, n)
    assert (amount == 1).mean() > 0.95
    assert np.ptp(wanted[:, 0]) > 0.08 and wanted[:, 0].min() > -0.05
    assert sample_dub.stages[2].summary["dubbed"] == n


@pytest.mark.slow
def test_damaged_and_missing_chunks_are_made_again_alike(sample_dub: lipdub.Result, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample_dub.workspace, copy)
    shutil.rmtree(copy / "paste-back")  # its finished segments would make the crops unneeded, and damage unseen
    before = {p.relative_to(copy): p.read_bytes() for p in sorted(copy.rglob("c.*")) if p.is_file()}
    victims = [p for p in before if p.name.startswith(("c.1", "c.2")) and p.parts[0] in ("detect", "sync")]
    assert len(victims) >= 4
    for i, name in enumerate(victims):
        if i % 2:
            (copy / name).unlink()
        else:
            data = bytearray((copy / name).read_bytes())
            data[len(data) // 2] ^= 0xFF
            (copy / name).write_bytes(bytes(data))
    (copy / "workspace.json").write_text((copy / "workspace.json").read_text().replace('"done"', '"running"'))
    again = lipdub.dub(
        TALKER,
        SPEECH,
        tmp_path / "again.mkv",
        workspace=copy,
        lossless=True,
        preset="ultrafast",
        length="shortest",
    )
    after = {p.relative_to(copy): p.read_bytes() for p in sorted(copy.rglob("c.*")) if p.is_file()}
    assert after == before
    for a, b in zip(read_frames(sample_dub.out), read_frames(again.out), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a.picture.planes, b.picture.planes, strict=True))


@pytest.mark.slow
def test_silence_leaves_a_closed_still_mouth(sample_dub: lipdub.Result, tmp_path: Path) -> None:
    from tests.mouths import track_mouth

    events: list[Event] = []
    quiet = write_silence(tmp_path / "quiet.wav", SECONDS)
    copy = tmp_path / "copy"
    shutil.copytree(sample_dub.workspace, copy)
    result = lipdub.dub(
        TALKER,
        quiet,
        tmp_path / "quiet.mkv",
        workspace=copy,
        crf=10,
        preset="ultrafast",
        length="shortest",
        progress=events.append,
    )
    assert [s.name for s in result.stages if s.action == "reuse"] == ["detect", "neutralize"]
    assert ["silent" in text or "no speech sound" in text for text in result.stages[2].warnings] == [True, True]
    for stage in ("sync", "paste-back"):
        last = [event for event in events if event.kind == "progress" and event.stage == stage][-1]
        assert last.done == last.total == result.stages[2].summary["frames"]

    def opening(path: Path) -> np.ndarray:
        frames = ((float(f.time), f.picture.rgb()) for f in read_frames(path, 0, int(SECONDS * 25)))
        return track_mouth(frames).opening

    still, moving = opening(result.out), opening(TALKER)
    assert still.std() <= 0.15 * moving.std() and np.median(still) < 0.05


@pytest.mark.slow
def test_only_the_range_asked_for_is_dubbed(sample_dub: lipdub.Result, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample_dub.workspace, copy)
    lipdub.sync(TALKER, SPEECH, workspace=copy, start=1.0, end=2.0, length="shortest")
    sync = StageStore(copy / "sync", "sync")
    n = len(sync.open("amount"))
    amount, time = sync.open("amount").read(0, n), sync.open("time").read(0, n)
    outside = (time <= 1.0) | (time >= 2.0)
    assert (amount[outside] == 0).all() and (amount[(time > 1.3) & (time < 1.7)] == 1).all()
    boxes = sync.open("boxes").read(0, n)
    assert (boxes[outside] == 0).all()


@pytest.mark.slow
def test_the_longest_length_extends_the_picture(sample_dub: lipdub.Result, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample_dub.workspace, copy)
    long = write_silence(tmp_path / "long.wav", 5.6)
    lipdub.sync(TALKER, long, workspace=copy)
    sync = StageStore(copy / "sync", "sync")
    source = sync.open("source").read(0, len(sync.open("source")))
    assert len(source) == 140 and set(np.diff(source)) == {1, -1}


@pytest.mark.slow
def test_a_covered_mouth_is_left_alone(tmp_path: Path) -> None:
    import cv2

    from lipdub.faces.detectors.mediapipe import MediaPipeDetector
    from lipdub.media.probe import probe
    from lipdub.media.video_encoder import VideoCodec
    from lipdub.media.write import write_segment

    def covered() -> Any:
        with MediaPipeDetector(1) as finder:
            for frame in read_frames(TALKER, 0, 50):
                picture: Picture = frame.picture
                if 25 <= frame.index < 40:
                    rgb = picture.rgb()
                    x, y = finder.detect([rgb], [False])[0][0][13, :2].astype(int)
                    box = (0, 0, picture.width, picture.height)
                    disc = cv2.circle(np.zeros(rgb.shape[:2], np.float32), (int(x), int(y)), 40, 1.0, -1)
                    picture = picture.patch(box, np.full_like(rgb, 45), disc)
                yield picture, frame.pts

    facts = probe(TALKER).video
    assert facts is not None
    write_segment(tmp_path / "covered.nut", covered(), facts, VideoCodec(crf=16, preset="ultrafast"))
    result = lipdub.sync(tmp_path / "covered.nut", SPEECH, workspace=tmp_path / "w", length="video")
    ((start, end),) = result.summary["untouched"]
    assert (start, end) == pytest.approx((1.0, 1.56), abs=0.1)


@pytest.mark.slow
def test_a_still_picture_speaks(tmp_path: Path) -> None:
    from PIL import Image

    for frame in read_frames(TALKER, 0, 1):
        Image.fromarray(frame.picture.rgb()).save(tmp_path / "still.png")
    result = lipdub.sync(tmp_path / "still.png", SPEECH, workspace=tmp_path / "w")
    sync = StageStore(tmp_path / "w" / "sync", "sync")
    n = len(sync.open("amount"))
    assert n == 106 and (sync.open("amount").read(0, n) == 1).all()
    assert np.ptp(sync.open("wanted").read(0, n)[:, 0]) > 0.1
    crops = sync.open("crops").read(0, n)[..., 0].astype(int)
    assert np.abs(crops - crops[0]).max() > 40
    assert any("hardly moves" in note for note in result.summary["notes"])


def test_options_are_checked_where_they_are_made() -> None:
    for wrong in ({"method": "magic"}, {"length": "long"}, {"strength": 9.0}, {"start": 2.0, "end": 1.0}):
        with pytest.raises(UsageError):
            SyncOptions(**wrong)
    for bad in ({"method": "glue"}, {"feather": 2.0}, {"keep_audio": "loud"}):
        with pytest.raises(UsageError):
            PasteBackOptions(**bad)


def test_a_video_without_a_face_is_an_error_before_heavy_work(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "plain.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * i, np.uint8), "rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    with pytest.raises(InputError, match="face"):
        lipdub.dub(tmp_path / "plain.mp4", write_silence(tmp_path / "s.wav", 1.0), tmp_path / "never.mp4")
    assert not (tmp_path / "never.mp4").exists()
