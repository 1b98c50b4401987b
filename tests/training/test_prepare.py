"""`lipdub prepare`: which clips it keeps and rejects; interruptions and processes change no byte."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lipdub.errors import EnvironmentFailure, InputError, UsageError
from lipdub.faces.alignment import full_face
from lipdub.faces.detectors.face_check import TRUSTED, FaceCheck, FaceScores
from lipdub.faces.masks import outlines
from lipdub.media.audio import load_audio, probe_audio_source
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from lipdub.parallel import child_environment
from lipdub.speech import mel
from lipdub.training import prepare as module
from lipdub.training import shards
from lipdub.training.dataset import TalkingClips, open_dataset
from lipdub.training.dataset_folder import is_in_share
from lipdub.training.dataset_options import DEFAULT_MARGIN, ClipOptions
from lipdub.training.prepare import prepare
from lipdub.training.prepare_video import resample_moments, write_clips
from tests.training import footage

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F32, U8

pytestmark = pytest.mark.slow_fixtures("whole")

SMALL = {"size": 24, "shortest": 0.6}
ODD = ('it\'s a "clip".mp4', "-dash.mp4", "new\nline.mp4")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three talking videos with odd names, of two speakers."""
    folder = tmp_path_factory.mktemp("videos")
    for number, name in enumerate(ODD):
        footage.cut(folder / ("Ann B." if number < 2 else "bob") / name, start=1.28 * number, seconds=1.6)
    return folder


@pytest.fixture(scope="module")
def whole(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their dataset, made by one process in one go."""
    out = tmp_path_factory.mktemp("whole") / "data"
    counts = prepare([videos], out, clips=SMALL, licence="made by code")
    assert counts["clips"] == 3 and counts["speakers"] == 2 and counts["rejected"] == {}
    return out


def index(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "index.json").read_bytes())


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_index_tells_of_the_clips(whole: Path, videos: Path) -> None:
    found = index(whole)
    clips = {clip["name"]: clip for clip in found["clips"]}
    assert set(clips) == {f"Ann B./{ODD[0]}", f"Ann B./{ODD[1]}", f"bob/{ODD[2]}"}
    assert clips[f"bob/{ODD[2]}"]["speaker"] == "bob" and clips[f"Ann B./{ODD[1]}"]["speaker"] == "Ann B."
    for clip in clips.values():
        assert clip["frames"] == 40 and clip["start"] == 0 and clip["licence"] == "made by code"
        assert clip["sync"] >= 0.3 and 90 < clip["face_px"] < 125
        shards.verify_shard(whole / "shards" / clip["shard"], clip["bytes"], clip["digest"])
    assert str(videos) not in (whole / "index.json").read_text()  # no path of this machine
    assert sorted(p.name for p in whole.iterdir()) == ["index.json", "settings.json", "shards", "videos"]


def test_a_shard_holds_what_the_video_shows_and_sounds(whole: Path, videos: Path) -> None:
    clip = next(c for c in index(whole)["clips"] if c["name"].startswith("bob"))
    video = videos / "bob" / ODD[2]
    path = whole / "shards" / clip["shard"]
    at = shards.read_layout(path)
    assert at.side == ClipOptions(**SMALL).side == 32
    parts = {name: shards.read_rows(path, at, name, 0, array[1][0]) for name, array in at.arrays.items()}
    np.testing.assert_array_equal(parts["frames"], np.arange(40))
    for i, frame in enumerate(read_frames(video, 0, 40)):
        seen = full_face.align(parts["placements"][i], 32, 32 / 24).crop(frame.picture.rgb())
        assert np.abs(seen.astype(int) - parts["crops"][i]).max() <= 1, i
    inside = shards.unpack_masks(parts["masks"], 32)
    np.testing.assert_array_equal(inside[7], outlines.draw_lower_face(parts["landmarks"][7], 32, 32))
    assert 0.1 < inside.mean() < 0.5
    facts = probe(video)
    assert facts.video is not None
    begins = round(float(probe_audio_source(video).start - facts.video.start_time) * 16000)
    sound = np.zeros(40 * shards.SAMPLES_PER_FRAME)
    heard = load_audio(video)[max(-begins, 0) :][: len(sound) - max(begins, 0)]
    sound[max(begins, 0) :][: len(heard)] = heard
    np.testing.assert_allclose(parts["audio"] / 32768, sound, atol=2 / 32768)
    np.testing.assert_allclose(
        parts["mel"].T, mel.compute_spectrogram(parts["audio"].astype(np.float32) / 32768), atol=1e-6
    )
    lips = parts["landmarks"][:, 13, :2].mean(0)
    assert abs(lips[0] - 15.5) < 2 and 17 < lips[1] < 26  # the mouth is in the lower half


def test_it_is_read_as_a_dataset(whole: Path) -> None:
    data = open_dataset(whole, on_bad="error")
    assert data.windows() == 3 * 36 and (data.size, data.side) == (24, 32)
    window = data.draw(np.random.default_rng(1))
    assert window.crops.shape == (5, 32, 32, 3) and window.mel.shape == (80, 16) and window.audio.shape == (3200,)
    np.testing.assert_array_equal(window.masks[2], outlines.draw_lower_face(window.landmarks[2], 32, 32))
    lips = TalkingClips(data).points(0, np.arange(40))[:, 13]
    assert np.abs(lips.mean(0) - [11.5, 17]).max() < 2.5  # in the middle of the lower half


@pytest.mark.slow
def test_processes_make_no_difference(whole: Path, videos: Path, tmp_path: Path) -> None:
    prepare([videos], tmp_path / "data", clips=SMALL, licence="made by code", jobs=2)
    assert content(tmp_path / "data") == content(whole)


@pytest.mark.slow
def test_killed_and_called_again_it_is_the_same(whole: Path, videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    command = [
        sys.executable,
        "-m",
        "lipdub",
        "prepare",
        str(videos),
        "-o",
        str(out),
        "--size",
        "24",
        "--shortest",
        "0.6",
    ]
    command += ["--licence", "made by code", "--jobs", "1", "--quiet"]
    for seen in (".prepare/*/landmarks/c.*", "shards/*/*", "videos/*.json"):  # killed when there is a first of these
        process = subprocess.Popen(command, env=child_environment(), stderr=subprocess.DEVNULL)
        try:
            ends = time.monotonic() + 60
            while not list(out.glob(seen)) and process.poll() is None and time.monotonic() < ends:
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL  # it was still at work
    assert not (out / "index.json").exists()
    subprocess.run(command, env=child_environment(), check=True, stderr=subprocess.DEVNULL)
    assert content(out) == content(whole)


@pytest.mark.slow
def test_what_is_lost_is_made_again(whole: Path, videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    shutil.copytree(whole, out)
    lost, short = sorted((out / "shards").rglob("*.safetensors"))[:2]
    kept = sorted((out / "shards").rglob("*.safetensors"))[2]
    lost.unlink()
    short.write_bytes(short.read_bytes()[:1000])
    (out / "shards" / "ab").mkdir(exist_ok=True)
    left = out / "shards" / "ab" / "left.safetensors"
    left.write_bytes(b"of broken off work")
    before = kept.stat().st_mtime_ns
    prepare([videos], out, clips=SMALL, licence="made by code")
    assert content(out) == content(whole)
    assert kept.stat().st_mtime_ns == before  # what is there is not read again


@pytest.mark.slow
def test_what_is_lost_of_another_video_is_said(whole: Path, videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    shutil.copytree(whole, out)
    lost = next(clip for clip in index(out)["clips"] if clip["name"] == f"Ann B./{ODD[0]}")
    (out / "shards" / lost["shard"]).unlink()
    said: list[str] = []
    prepare([videos / "bob"], out, progress=lambda event: said.append(event.message))
    assert f"1 clips of {lost['name']} are lost: run prepare with that video again" in said
    assert len(index(out)["clips"]) == 2 and len(list((out / "shards").rglob("*.safetensors"))) == 2
    assert prepare([videos / "Ann B."], out)["clips"] == 3


@pytest.mark.slow
def test_videos_are_added_and_named_anew_without_work(
    whole: Path, videos: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    out = tmp_path / "data"
    shutil.copytree(whole, out)
    footage.cut(tmp_path / "eve" / "one.mp4", seconds=1.2)
    prepare([tmp_path / "eve" / "one.mp4"], out, split={"by": "speaker", "held_out": 0.5})
    assert len(index(out)["clips"]) == 4 and index(out)["split"] == {"by": "speaker", "held_out": 0.5}
    monkeypatch.setattr(module, "write_clips", lambda *_: pytest.fail("all of it is known"))
    prepare([videos / "bob"], out, speaker="Robert", licence="CC0")
    clips = {clip["name"]: clip for clip in index(out)["clips"]}
    assert clips[f"bob/{ODD[2]}"]["speaker"] == "Robert" and clips[f"bob/{ODD[2]}"]["licence"] == "CC0"
    assert clips["eve/one.mp4"]["speaker"] == "eve" and clips["eve/one.mp4"]["licence"] == ""
    assert index(out)["split"]["by"] == "speaker"  # as it was given before
    for clip in clips.values():
        assert clip["split"] == ("held-out" if is_in_share(clip["speaker"], 0.5) else "train")


def test_other_options_than_the_datasets_are_refused(whole: Path, videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    shutil.copytree(whole, out)
    with pytest.raises(UsageError, match="was made with size 24"):
        prepare([videos], out, clips={"size": 48})
    assert content(out).keys() - {".prepare/lock"} == content(whole).keys()
    (out / "settings.json").write_text("{")
    with pytest.raises(InputError, match=r"settings\.json is damaged"):
        prepare([videos], out)


def reasons(folder: Path, *videos: Path, **clips: Any) -> list[str]:
    """Why all of these videos was left out."""
    with pytest.raises(InputError, match="no clip passed the filters"):
        prepare(videos, folder / "data", clips={**SMALL, **clips})
    found = index(folder / "data")
    assert not found["clips"] and not list((folder / "data").rglob("*.safetensors"))
    shutil.rmtree(folder / "data")
    return sorted({row["reason"] for row in found["rejected"]})


@pytest.mark.slow
def test_filters_say_what_they_left_out(videos: Path, tmp_path: Path) -> None:
    talk = videos / "bob" / ODD[2]
    two = footage.cut(tmp_path / "two.mp4", 0, 1.2, filters="scale=256:256,split[a][b];[a][b]hstack")
    mute = footage.cut(tmp_path / "mute.mp4", 0, 1.2, "-an")
    assert reasons(tmp_path, talk, min_face=200.0) == ["small-face"]
    assert reasons(tmp_path, talk, shortest=2.0) == ["too-short"]
    assert reasons(tmp_path, two, min_sync=0) == ["several-faces"]
    assert reasons(tmp_path, mute) == ["no-sound"]
    assert reasons(tmp_path, footage.blank(tmp_path / "blank.mp4", 1.0)) == ["no-face"]
    assert reasons(tmp_path, footage.late(tmp_path / "late.mp4", 0.35)) == ["out-of-sync"]
    assert reasons(tmp_path, footage.late(tmp_path / "bit.mp4", 0.06), min_sync=0.01, max_offset=0.05) == ["late-sound"]


@pytest.mark.slow
def test_what_only_looks_like_a_face_is_left_out(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the check of the detect stage."""
    two = footage.cut(tmp_path / "two.mp4", 0, 1.2, filters="scale=256:256,split[a][b];[a][b]hstack")
    original = FaceCheck.score

    def doubt(check: FaceCheck, rgb: U8, face: F32) -> FaceScores:
        is_left = face[:, 0].mean() < rgb.shape[1] / 2
        return original(check, rgb, face)._replace(upright=0.1) if is_left else original(check, rgb, face)

    monkeypatch.setattr(FaceCheck, "score", doubt)
    prepare([two], tmp_path / "data", clips={**SMALL, "min_sync": 0})
    (clip,) = index(tmp_path / "data")["clips"]
    assert clip["frames"] == 30
    assert [row["reason"] for row in index(tmp_path / "data")["rejected"]] == ["false-face"]
    path = tmp_path / "data" / "shards" / clip["shard"]
    assert shards.read_rows(path, shards.read_layout(path), "placements", 0, 1)[0][0] > 256
    monkeypatch.setattr(FaceCheck, "score", lambda check, rgb, face: original(check, rgb, face)._replace(upright=0.1))
    assert reasons(tmp_path / "none", videos / "bob" / ODD[2]) == ["false-face"]


@pytest.mark.slow
def test_a_face_that_is_known_to_be_there_is_trusted(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in rendered clips, whose lips may have any colour."""
    monkeypatch.setattr(FaceCheck, "score", lambda *_: TRUSTED._replace(cover=2.0))
    options, found = ClipOptions(**SMALL, min_sync=0), {}
    for is_known in (False, True):
        folder = tmp_path / str(is_known)
        found[is_known] = write_clips(
            videos / "bob" / ODD[2], "bob", folder, folder / "detect", options, has_one_face=is_known
        )
    assert [row["reason"] for row in found[False]["rejected"]] == ["false-face"] and not found[False]["clips"]
    assert not found[True]["rejected"]
    (clip,) = found[True]["clips"]
    assert (folder / clip["shard"]).exists()


@pytest.mark.slow
def test_two_faces_are_two_tracks_when_any_will_do(tmp_path: Path) -> None:
    two = footage.cut(tmp_path / "two.mp4", 0, 1.2, filters="scale=256:256,split[a][b];[a][b]hstack")
    counts = prepare([two], tmp_path / "data", clips={**SMALL, "faces": "any", "min_sync": 0})
    assert counts["clips"] == 2
    left, right = index(tmp_path / "data")["clips"]
    assert left["track"] != right["track"] and left["sync"] is None
    places = []
    for clip in (left, right):
        path = tmp_path / "data" / "shards" / clip["shard"]
        places.append(shards.read_rows(path, shards.read_layout(path), "placements", 0, 1)[0])
    assert abs(places[0][0] - places[1][0]) == pytest.approx(256, abs=6)


@pytest.mark.slow
def test_long_stretches_are_cut_into_equal_clips(videos: Path, tmp_path: Path) -> None:
    prepare([videos / "bob" / ODD[2]], tmp_path / "data", clips={**SMALL, "longest": 0.9, "min_sync": 0})
    assert [(c["start"], c["frames"]) for c in index(tmp_path / "data")["clips"]] == [(0.0, 20), (0.8, 20)]


@pytest.mark.slow
def test_bad_videos_are_named_and_passed_over_or_refused(videos: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(videos / "bob", bad)
    (bad / "text.mp4").write_text("not a video\n")
    (bad / "empty.mp4").touch()
    (bad / "cut.mp4").write_bytes((videos / "bob" / ODD[2]).read_bytes()[:3000])
    (bad / "._ghost.mp4").write_bytes(b"\0")  # what some systems leave beside files
    (bad / "notes.txt").write_text("no video, and not taken for one")
    said: list[str] = []
    counts = prepare([bad], tmp_path / "data", clips=SMALL, progress=lambda e: said.append(e.message))
    assert counts["clips"] == 1 and counts["unreadable"] == 3 and counts["videos"] == 4
    assert [row["name"] for row in index(tmp_path / "data")["unreadable"]] == [
        "bad/cut.mp4",
        "bad/empty.mp4",
        "bad/text.mp4",
    ]
    assert any("bad/text.mp4 is skipped" in text and "text file" in text for text in said)
    with pytest.raises(InputError, match="Without --strict it is skipped"):
        prepare([bad], tmp_path / "other", clips=SMALL, strict=True)
    (bad / "cut.mp4").write_bytes((videos / "Ann B." / ODD[0]).read_bytes())  # mended
    assert prepare([bad], tmp_path / "data")["clips"] == 2
    assert [row["name"] for row in index(tmp_path / "data")["unreadable"]] == ["bad/empty.mp4", "bad/text.mp4"]


def test_what_is_not_there_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        prepare([tmp_path / "none.mp4"], tmp_path / "data")
    with pytest.raises(InputError, match="contain no videos"):
        prepare([tmp_path], tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_folder_of_something_else_is_left_alone(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not empty and is no dataset"):
        prepare([videos], tmp_path / "mine")
    assert content(tmp_path / "mine") == {"thesis.txt": b"years of work"}
    with pytest.raises(EnvironmentFailure):
        prepare([videos], tmp_path / "mine" / "thesis.txt")
    with pytest.raises(UsageError):
        prepare([videos], tmp_path / "new", clips={"size": 3})
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_the_same_content_counts_once(videos: Path, tmp_path: Path, jobs: int) -> None:
    folder = tmp_path / "zoe"
    folder.mkdir()
    for name in ("b.mp4", "a.mp4"):
        shutil.copy(videos / "bob" / ODD[2], folder / name)
    counts = prepare([folder], tmp_path / "data", clips=SMALL, jobs=jobs)
    assert counts["clips"] == 1 and counts["rejected"] == {"duplicate": 1}
    found = index(tmp_path / "data")
    assert found["clips"][0]["name"] == "zoe/a.mp4" and found["rejected"][0]["name"] == "zoe/b.mp4"


class Deadly:
    """Ends the process it is handed to."""

    def __reduce__(self) -> Any:
        return os._exit, (3,)


@pytest.mark.slow
def test_a_video_that_kills_its_process_is_lost_alone(videos: Path, tmp_path: Path) -> None:
    options = ClipOptions(**SMALL)
    good = [module._Task(i, path, tmp_path, options, path.name) for i, path in enumerate(sorted(videos.rglob("*.mp4")))]
    deadly = module._Task(9, Deadly(), tmp_path, options, "deadly")  # type: ignore[arg-type]
    done = {
        task.name: record for task, record in module._run_tasks([good[0], deadly, *good[1:]], 2, lambda event: None)
    }
    assert done["deadly"] == {"error": "the process that read it died"}
    assert len(done) == 4 and all(len(done[task.name]["clips"]) == 1 for task in good)


def test_one_at_a_time(videos: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "data" / ".prepare").mkdir(parents=True)
    with (
        FileLock(tmp_path / "data" / ".prepare" / "lock"),
        pytest.raises(EnvironmentFailure, match="another process is at work"),
    ):
        prepare([videos], tmp_path / "data", clips=SMALL)


def test_the_split_is_always_the_same() -> None:
    names = [f"speaker {i}" for i in range(4000)]
    out = {name for name in names if is_in_share(name, 0.1)}
    assert 320 < len(out) < 480
    assert out <= {name for name in names if is_in_share(name, 0.2)}
    assert not any(is_in_share(name, 0.0) for name in names)
    assert is_in_share("speaker 7", 0.1) == ("speaker 7" in out)
    assert [is_in_share(name, 0.5) for name in ("a", "b", "c", "d", "\udcff")] == [True, False, True, False, False]


def test_the_grid_goes_by_time() -> None:
    grid, near = resample_moments(np.arange(30) / 30)
    assert len(grid) == 25 and near.all()
    np.testing.assert_array_less(np.abs(grid / 30 - np.arange(25) / 25), 1 / 60 + 1e-9)
    np.testing.assert_array_equal(resample_moments(np.arange(5) / 25)[0], np.arange(5))
    np.testing.assert_array_equal(resample_moments(np.array([0.0]))[0], [0])
    grid, near = resample_moments(np.array([0.0, 0.04, 0.4, 0.44]))  # a hole
    np.testing.assert_array_equal(np.flatnonzero(~near), [3, 4, 5, 6, 7, 8])


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 8},
        {"margin": 3.0},
        {"shortest": 5.0, "longest": 2.0},
        {"min_sync": 1.5},
        {"faces": "two"},
        {"longest": 100},
    ],
)
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ClipOptions(**wrong)


@pytest.mark.parametrize(("size", "side"), [(96, 128), (192, 256), (97, 129), (24, 32)])
def test_the_margin_is_the_same_on_both_sides(size: int, side: int) -> None:
    assert ClipOptions(size=size).side == side and ClipOptions(size=size, margin=1.0).side == size


def test_crops_with_their_margin_can_be_cut_from_the_stored_ones() -> None:
    from lipdub.faces.alignment import lower_face

    assert DEFAULT_MARGIN == lower_face.MARGIN


@pytest.mark.slow
def test_a_video_gets_its_pair_with_a_shut_mouth_once(videos: Path, tmp_path: Path, monkeypatch: Any) -> None:
    out, talk = tmp_path / "data", videos / "bob" / ODD[2]
    prepare([talk], out, clips=SMALL)
    (alone,) = index(out)["clips"]
    assert prepare([talk], out, shut_dubs=1.0)["clips"] == 2
    assert not list(out.glob(".prepare/*"))
    pair = {clip["variant"]: clip for clip in index(out)["clips"]}
    assert {**alone, "scene": alone["id"], "variant": "plain"} == pair["plain"]
    assert pair["shut"]["scene"] == alone["id"] and pair["shut"]["video"] == alone["video"]
    data = open_dataset(out)
    before, after = (data.read(clip) for clip in sorted(data.clips, key=lambda clip: clip.variant))
    assert not after.audio.any() and before.audio.any()
    np.testing.assert_array_equal(before.placements, after.placements)
    changes = np.abs(before.crops.astype(float) - after.crops).mean((0, 2, 3))
    assert changes[-12:].mean() > 4 * changes[:8].mean()  # the mouth, not the brow
    monkeypatch.setattr(module, "write_shut_clips", lambda *_: pytest.fail("it has its pair"))
    assert prepare([talk], out, shut_dubs=1.0)["clips"] == 2


def test_a_talker_who_cannot_be_dubbed_has_no_pair(whole: Path, videos: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def refuse(*_: Any) -> None:
        raise InputError("the mouth never moves")

    out = tmp_path / "data"
    shutil.copytree(whole, out)
    monkeypatch.setattr(module, "write_shut_clips", refuse)
    prepare([videos], out, licence="made by code", shut_dubs=1.0, jobs=1)
    assert index(out)["clips"] == index(whole)["clips"]
