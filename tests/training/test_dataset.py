"""Reading a dataset: windows by number and by chance, and what happens to damaged shards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.errors import InputError
from lipdub.speech import mel
from lipdub.training import shards
from lipdub.training.dataset import Dataset, TalkingClips, open_dataset, open_datasets, open_held_out
from tests.training.test_shards import arrays

if TYPE_CHECKING:
    from pathlib import Path

SIZE, SIDE = 16, 20
LENGTHS = (12, 5, 4, 9)  # frames of the clips


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of clips of chance content: windows of five 8, 1, 0 and 5."""
    clips = []
    for number, frames in enumerate(LENGTHS):
        name = f"{number}{number}aa-0000"
        relative = f"{name[:2]}/{name}.safetensors"
        size, digest = shards.write_shard(tmp_path / "shards" / relative, arrays(frames, SIDE, seed=number))
        clips.append(
            {
                "id": name,
                "name": f"who/{number}.mp4",
                "video": name[:4],
                "speaker": "who",
                "licence": "",
                "track": 1,
                "split": "held-out" if number == 3 else "train",
                "start": 0.0,
                "frames": frames,
                "face_px": 90.0,
                "sync": 0.8,
                "offset": None,
                "confidence": 0.5,
                "shard": relative,
                "bytes": size,
                "digest": digest,
            }
        )
    index = {"schema": 1, "settings": {"size": SIZE, "side": SIDE}, "clips": clips}
    (tmp_path / "index.json").write_text(json.dumps(index))
    return tmp_path


def damaged(data: Path, number: int, *, short: bool = False) -> Path:
    path = next((data / "shards" / f"{number}{number}").iterdir())
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole[:100] if short else whole)
    return path


def drawn(data: Dataset, count: int = 60) -> list[tuple[str, int]]:
    out = []
    for number in range(count):
        window = data.draw(np.random.default_rng((5, number)))
        out.append((window.clip.id, window.first))
    return out


def test_windows_hold_what_the_clip_does(folder: Path) -> None:
    data = open_dataset(folder)
    assert len(data) == 4 and data.windows() == 8 + 1 + 0 + 5 and data.windows(9) == 4 + 0 + 0 + 1
    window = data.window(3)
    given = arrays(12, SIDE, seed=0)
    assert (window.clip.id, window.first, len(window)) == ("00aa-0000", 3, 5)
    np.testing.assert_array_equal(window.crops, given["crops"][3:8])
    np.testing.assert_array_equal(window.landmarks, given["landmarks"][3:8])
    np.testing.assert_array_equal(window.masks, shards.unpack_masks(given["masks"][3:8], SIDE))
    np.testing.assert_array_equal(window.placements, given["placements"][3:8])
    np.testing.assert_array_equal(window.audio, given["audio"][3 * 640 : 8 * 640] / np.float32(32768))
    wanted = mel.cut_windows(given["mel"].T, mel.find_window_starts(np.array([3 / 25])))[0]
    np.testing.assert_array_equal(window.mel, wanted)
    np.testing.assert_array_equal(data.crop_middle(window.crops), given["crops"][3:8, 2:18, 2:18])
    assert (data.window(8).clip.id, data.window(8).first) == ("11aa-0000", 0)
    assert (data.window(13).clip.id, data.window(13).first) == ("33aa-0000", 4)
    assert data.window(13).mel.shape == (80, 16)  # also at a clip's end
    for wrong in (-1, 14):
        with pytest.raises(IndexError):
            data.window(wrong)
    with pytest.raises(IndexError):
        data.read(data.clips[1], 3, 5)
    assert len(data.read(data.clips[1])) == 5


@pytest.mark.slow
def test_a_draw_depends_on_its_generator_alone(folder: Path) -> None:
    first = drawn(open_dataset(folder))
    data = open_dataset(folder)
    list(data.iter_windows())
    assert drawn(data) == first
    counts = {
        name: sum(clip == name for clip, _ in drawn(data, 700)) for name in ("00aa-0000", "11aa-0000", "33aa-0000")
    }
    assert sum(counts.values()) == 700  # each window is as likely as another
    assert 330 < counts["00aa-0000"] < 470 and 25 < counts["11aa-0000"] < 85 and 190 < counts["33aa-0000"] < 310


def test_all_windows_in_order(folder: Path) -> None:
    seen = [(w.clip.id, w.first) for w in open_dataset(folder).iter_windows(5, 3)]
    assert seen == [
        ("00aa-0000", 0),
        ("00aa-0000", 3),
        ("00aa-0000", 6),
        ("11aa-0000", 0),
        ("33aa-0000", 0),
        ("33aa-0000", 3),
    ]


def test_another_window_lies_elsewhere_in_the_clip(folder: Path) -> None:
    data, rng = open_dataset(folder), np.random.default_rng(0)
    window = data.window(2)
    others = {data.draw_other(rng, window, distance=4).first for _ in range(100)}
    assert others == {6, 7}
    assert data.draw_other(rng, data.window(4), distance=9).first == 0  # as far as it goes
    assert data.draw_other(rng, data.window(8)).first == 0  # there is no other


def test_sides_of_the_split(folder: Path) -> None:
    assert {clip.id for clip in open_dataset(folder, split="held-out").clips} == {"33aa-0000"}
    assert len(open_dataset(folder, split="train")) == 3


def test_several_datasets_are_one(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    index = json.loads((folder / "index.json").read_text())
    first, _, third, fourth = index["clips"]
    for row, name in ((third, "new-0000"), (fourth, fourth["id"]), (first, "out-0000")):
        size, digest = shards.write_shard(other / "shards" / f"{name}.safetensors", arrays(row["frames"], SIDE, seed=9))
        row |= {"id": name, "shard": f"{name}.safetensors", "bytes": size, "digest": digest, "split": "train"}
    first["split"] = "held-out"
    (other / "index.json").write_text(json.dumps({**index, "clips": [first, third, fourth]}))
    both = open_datasets([folder, other], split="train")
    assert [clip.id for clip in both.clips] == ["00aa-0000", "11aa-0000", "22aa-0000", "new-0000"]
    np.testing.assert_array_equal(both.read(both.clips[-1]).crops, arrays(LENGTHS[2], SIDE, seed=9)["crops"])
    np.testing.assert_array_equal(both.read(both.clips[0]).crops, arrays(LENGTHS[0], SIDE, seed=0)["crops"])
    held_out = open_held_out([folder, other])
    assert held_out is not None
    # the clip that both hold is on the side, and has the content, that it has in the first
    assert [(clip.id, clip.folder) for clip in held_out.clips] == [("33aa-0000", folder), ("out-0000", other)]
    (folder / "index.json").write_text(json.dumps({**index, "settings": {"size": SIZE + 4, "side": SIDE}}))
    with pytest.raises(InputError, match=r"have 16 pixels, those of .* 20"):
        open_datasets([folder, other])


def test_a_changed_shard_is_passed_over_and_named(folder: Path) -> None:
    path = damaged(folder, 0)
    said: list[str] = []
    data = open_dataset(folder, report=said.append)
    assert not said  # nothing of it was needed yet
    first = drawn(data)
    assert {clip for clip, _ in first} == {"11aa-0000", "33aa-0000"}
    assert said == [f"skipped: {path.name}: its content was changed (wrong digest)"]
    assert list(data.bad) == ["00aa-0000"]
    assert drawn(open_dataset(folder)) == first  # whenever it is noticed
    assert {w.clip.id for w in open_dataset(folder).iter_windows()} == {"11aa-0000", "33aa-0000"}
    with pytest.raises(shards.BadShardError, match="wrong digest"):
        data.read(data.clips[0])


@pytest.mark.parametrize("how", ["changed", "short", "missing"])
def test_damage_is_refused_before_anything_begins(folder: Path, how: str) -> None:
    path = damaged(folder, 1, short=how == "short")
    if how == "missing":
        path.unlink()
    with pytest.raises(InputError, match=f"a shard of .* cannot be used: {path.name}"):
        open_dataset(folder, on_bad="error")
    said: list[str] = []
    data = open_dataset(folder, report=said.append)
    assert {clip for clip, _ in drawn(data)} == {"00aa-0000", "33aa-0000"}
    assert len(said) == 1 and path.name in said[0]


def test_a_shard_of_another_clip_is_noticed(folder: Path) -> None:
    index = json.loads((folder / "index.json").read_text())
    index["clips"][0] |= {key: index["clips"][3][key] for key in ("shard", "bytes", "digest")}
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="not the clip that the index has"):
        open_dataset(folder, on_bad="error")


def test_nothing_left(folder: Path) -> None:
    for number in range(4):
        damaged(folder, number)
    data = open_dataset(folder)
    with pytest.raises(InputError, match="shards in a row"):
        data.draw(np.random.default_rng(0))
    with pytest.raises(InputError, match="no clip near number 2"):
        TalkingClips(data).count(2)
    for number in range(4):
        damaged(folder, number, short=True)
    with pytest.raises(InputError, match="no shard"):
        open_dataset(folder)


def test_what_is_no_dataset(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"it has no index\.json"):
        open_dataset(tmp_path / "none")
    for content, said in (
        ("{", "damaged"),
        ('{"schema": 9}', "another version"),
        ('{"schema": 1, "clips": []}', "damaged"),
    ):
        (folder / "index.json").write_text(content)
        with pytest.raises(InputError, match=said):
            open_dataset(folder)
    with pytest.raises(ValueError, match="on_bad"):
        open_dataset(folder, on_bad="ignore")  # type: ignore[arg-type]


def test_clips_by_number(folder: Path) -> None:
    clips = TalkingClips(open_dataset(folder))
    given = arrays(12, SIDE, seed=0)
    assert (len(clips), clips.pixels, clips.count(0)) == (4, SIZE, 12)
    at = np.array([3, 4, 5, 11, 2])
    np.testing.assert_array_equal(clips.faces(0, at), given["crops"][at][:, 2:18, 2:18])
    np.testing.assert_allclose(clips.points(0, at), given["landmarks"][at][..., :2] - 2, atol=1e-6)
    np.testing.assert_array_equal(clips.audio(0), given["audio"].astype(np.float32) / 32768)
    damaged(folder, 0)
    other = TalkingClips(open_dataset(folder))
    assert other.count(0) == 5 and len(other.faces(0, np.arange(5))) == 5  # the next stands in
    np.testing.assert_array_equal(other.faces(0, np.arange(5)), other.faces(1, np.arange(5)))


def test_memory_holds_no_more_than_what_is_asked(folder: Path) -> None:
    import tracemalloc

    size, digest = shards.write_shard(folder / "shards" / "00" / "00aa-0000.safetensors", arrays(2500, SIDE))
    index = json.loads((folder / "index.json").read_text())
    index["clips"][0] |= {"frames": 2500, "bytes": size, "digest": digest}
    (folder / "index.json").write_text(json.dumps(index))
    data = open_dataset(folder)
    data.window(0)  # checked
    tracemalloc.start()
    for number in range(0, 2400, 100):
        data.window(number)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 20_000_000 and peak < 1_000_000
