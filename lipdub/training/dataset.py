"""Reads a dataset of `lipdub prepare`: whole clips, and windows of a few frames.

Only the index is kept in memory. Each request reads from disk the frames it needs. Each process checks a shard's digest
once, before it uses the shard.

    data = open_dataset(Path("faces"), split="train")        # or open_datasets([...]), several as one
    window = data.draw(np.random.default_rng((seed, number)))   # the same numbers give the same window
    for window in data.iter_windows(step=5): ...

`TalkingClips` serves trainings that take clips by number and pick frames themselves.
"""

from __future__ import annotations

import bisect
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lipdub.errors import InputError, printable, wrap_os_error
from lipdub.speech import mel
from lipdub.training import shards
from lipdub.training.dataset_folder import SCHEMA
from lipdub.training.shards import BadShardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from lipdub.arrays import F32, F64, I64, U8, Array

WINDOW_FRAMES = 5  # the window of SyncNet and AVSyncNet
OnBad = Literal["skip", "error"]
Split = Literal["train", "held-out"]
_MAX_TRIES = 100
_MAX_LAYOUTS = 1024  # kept in memory, some kB each


@dataclass(frozen=True)
class Clip:
    """A clip of the index.

    Attributes:
        id: name of the clip.
        name: name of its video, with folder.
        video: digest of its video.
        speaker: who talks.
        licence: licence of the video, in words.
        split: "train" or "held-out".
        track: track of the face in the video.
        start: seconds from the video's beginning.
        frames: frames at 25 a second.
        face_px: side of the face's square in the source, pixels.
        sync: agreement of mouth and sound (`metrics.motion_sync`), None if unknown.
        offset: seconds that the sound is late, None if unknown.
        confidence: confidence of the offset, None if unknown.
        shard: path of its file in `shards/`.
        bytes: size of its file.
        digest: BLAKE2b digest of its file.
        scene: of a rendered talker, the scene: its clips show the same head, motion and light.
        variant: how they differ (`rendered.variants`).
        emotion: emotion that the rendered talker acts.
        folder: folder of its dataset, where several are opened together; None: that of `Dataset.folder`.
    """

    id: str
    name: str
    video: str
    speaker: str
    licence: str
    split: Split
    track: int
    start: float
    frames: int
    face_px: float
    sync: float | None
    offset: float | None
    confidence: float | None
    shard: str
    bytes: int
    digest: str
    scene: str = ""
    variant: str = ""
    emotion: str = ""
    folder: Path | None = None


@dataclass(frozen=True)
class Window:
    """Successive frames of a clip.

    Attributes:
        clip: the clip.
        first: number of the first frame.
        crops: (n, S, S, 3) uint8 RGB, with their margin.
        landmarks: (n, 478, 3) float32 pixels of the crops.
        masks: (n, S, S) uint8, 1 in the lower face.
        audio: (640 n,) float32 in -1..1 at 16 kHz, from the time of the first frame.
        mel: (80, columns) float32 in -4..4, `speech.mel` from the time of the first frame; 16 columns for five frames.
        placements: (n, 4) float64, where the crops lie in the source frames.
    """

    clip: Clip
    first: int
    crops: U8
    landmarks: F32
    masks: U8
    audio: F32
    mel: F32
    placements: F64

    def __len__(self) -> int:
        return len(self.crops)


@dataclass
class Dataset:
    """The clips of a dataset or of several, or of one side of the split.

    Attributes:
        folder: folder of the dataset, or of the first of several.
        clips: the clips.
        size: side of a face's square, pixels.
        side: side of the stored crops, pixels.
        on_bad: how damaged shards are handled.
        report: called with a line for each shard that is skipped.
        bad: the faults of damaged clips, by id.
    """

    folder: Path
    clips: tuple[Clip, ...]
    size: int
    side: int
    on_bad: OnBad
    report: Callable[[str], None]
    bad: dict[str, str] = field(default_factory=dict)
    _layouts: dict[str, shards.Layout] = field(default_factory=dict, repr=False)
    _checked: set[str] = field(default_factory=set, repr=False)
    _ends: dict[int, list[int]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.clips)

    def select_video(self, video: str) -> Dataset:
        """Give the clips of one video, by its id."""
        return self.with_clips(clip for clip in self.clips if clip.video == video)

    def with_clips(self, clips: Iterable[Clip]) -> Dataset:
        """Give a dataset of other clips in the same folder."""
        return Dataset(self.folder, tuple(clips), self.size, self.side, self.on_bad, self.report, self.bad)

    def path(self, clip: Clip) -> Path:
        """Give the path of a clip's shard."""
        return self.find_folder(clip) / "shards" / clip.shard

    def find_folder(self, clip: Clip) -> Path:
        """Give the folder of the dataset that a clip is of."""
        return clip.folder or self.folder

    def read(self, clip: Clip, first: int = 0, count: int | None = None) -> Window:
        """Read frames of a clip, by default all.

        Raises:
            BadShardError: the shard is damaged.
            IndexError: the clip has no such frames.
        """
        count = clip.frames - first if count is None else count
        path, layout = self.path(clip), self.layout(clip)
        if not (first >= 0 and count > 0 and first + count <= clip.frames):
            raise IndexError(f"frames {first}..{first + count - 1} of {clip.id}, which has {clip.frames}")

        def rows(name: str, a: int, b: int) -> Array:
            return shards.read_rows(path, layout, name, a, b)

        stop = first + count
        column = int(mel.find_window_starts(np.array([first / shards.FPS]))[0])
        last = min(column + round(count * mel.COLUMN_RATE / shards.FPS), layout.arrays["mel"].shape[0])
        return Window(
            clip,
            first,
            rows("crops", first, stop),
            rows("landmarks", first, stop),
            shards.unpack_masks(rows("masks", first, stop), layout.side),
            rows("audio", first * shards.SAMPLES_PER_FRAME, stop * shards.SAMPLES_PER_FRAME).astype(np.float32) / 32768,
            np.ascontiguousarray(rows("mel", column, last).T),
            rows("placements", first, stop),
        )

    def read_audio(self, clip: Clip) -> F32:
        """Read a clip's sound from its first frame on. Returns (samples,) float32 in -1..1 at 16 kHz.

        Raises:
            BadShardError: the shard is damaged.
        """
        samples = shards.read_rows(
            self.path(clip), self.layout(clip), "audio", 0, clip.frames * shards.SAMPLES_PER_FRAME
        )
        return samples.astype(np.float32) / 32768

    def crop_middle(self, crops: Array) -> Array:
        """Cut crops (n, side, side, ...) without their margin: (n, size, size, ...)."""
        edge = (self.side - self.size) // 2
        return crops[:, edge : edge + self.size, edge : edge + self.size]

    def windows(self, count: int = WINDOW_FRAMES) -> int:
        """Count the windows of this many frames."""
        ends = self._window_ends(count)
        return ends[-1] if ends else 0

    def window(self, number: int, count: int = WINDOW_FRAMES) -> Window:
        """Read a window by its number, 0 up to `windows(count)`.

        Raises:
            BadShardError: the shard is damaged.
            IndexError: there is no such window.
        """
        if not 0 <= number < self.windows(count):
            raise IndexError(f"window {number} of {self.windows(count)}")
        ends = self._window_ends(count)
        at = bisect.bisect_right(ends, number)
        return self.read(self.clips[at], number - (ends[at - 1] if at else 0), count)

    def draw(self, rng: np.random.Generator, count: int = WINDOW_FRAMES) -> Window:
        """Draw a window, all with the same odds; one in a damaged shard is drawn again (`on_bad`).

        The window depends on the generator alone, not on earlier reads.

        Raises:
            InputError: a damaged shard must not be skipped, or only damaged shards were drawn.
        """
        total = self.windows(count)
        if not total:
            raise InputError(f"the dataset {printable(self.folder)} has no clip of {count} frames")
        for _ in range(_MAX_TRIES):
            try:
                return self.window(int(rng.integers(total)), count)
            except BadShardError as error:
                self.handle_bad_shard(error)
        raise InputError(
            f"the dataset {printable(self.folder)} is damaged: {_MAX_TRIES} shards in a row cannot be used"
        )

    def draw_other(self, rng: np.random.Generator, window: Window, distance: int = WINDOW_FRAMES) -> Window:
        """Draw another window of the same clip and length.

        Args:
            rng: random numbers.
            window: a window.
            distance: least distance of the first frames. A clip that is too short gives its farthest window.

        Raises:
            BadShardError: the shard is damaged.
        """
        last = window.clip.frames - len(window)
        choices = [i for i in range(last + 1) if abs(i - window.first) >= distance]
        first = int(rng.choice(choices)) if choices else (0 if window.first > last / 2 else last)
        return self.read(window.clip, first, len(window))

    def iter_windows(self, count: int = WINDOW_FRAMES, step: int = WINDOW_FRAMES) -> Iterator[Window]:
        """Read windows of every clip in order, `step` frames apart; damaged clips are handled as in `draw`."""
        for clip in self.clips:
            for first in range(0, clip.frames - count + 1, step):
                try:
                    window = self.read(clip, first, count)
                except BadShardError as error:
                    self.handle_bad_shard(error)
                    break
                yield window

    def handle_bad_shard(self, error: BadShardError) -> None:
        """Raise InputError unless damaged shards are skipped."""
        if self.on_bad == "error":
            raise InputError(f"a shard of {printable(self.folder)} cannot be used: {error}", hint=_HINT) from error

    def layout(self, clip: Clip) -> shards.Layout:
        """Give the layout of a clip's shard, which is checked the first time. Raises BadShardError."""
        if clip.id in self.bad:
            raise BadShardError(self.bad[clip.id])
        known = self._layouts.get(clip.id)
        if known is not None:
            return known
        try:
            if clip.id not in self._checked:
                shards.verify_shard(self.path(clip), clip.bytes, clip.digest)
            layout = shards.read_layout(self.path(clip))
            if (layout.frames, layout.side) != (clip.frames, self.side):
                raise BadShardError(f"{self.path(clip).name}: it is not the clip that the index has")
        except BadShardError as error:
            self.mark_bad(clip, error)
            raise
        self._checked.add(clip.id)
        if len(self._layouts) >= _MAX_LAYOUTS:
            del self._layouts[next(iter(self._layouts))]
        self._layouts[clip.id] = layout
        return layout

    def mark_bad(self, clip: Clip, error: BadShardError) -> None:
        """Remember a damaged clip, and report it if it is skipped."""
        self.bad[clip.id] = str(error)
        if self.on_bad == "skip":
            self.report(f"skipped: {error}")

    def _window_ends(self, count: int) -> list[int]:
        """Count the windows up to the end of each clip."""
        if count not in self._ends:
            each = np.array([max(clip.frames - count + 1, 0) for clip in self.clips], np.int64)
            self._ends[count] = [int(n) for n in each.cumsum()]
        return self._ends[count]


class TalkingClips:
    """Clips by number: faces without their margin, their landmarks, and each clip's sound.

    The next clip replaces a damaged one in every answer, unless `Dataset.on_bad` is "error".
    """

    def __init__(self, data: Dataset) -> None:
        self._data = data

    @property
    def pixels(self) -> int:
        """Side of the square crops (`faces.alignment.full_face`)."""
        return self._data.size

    def __len__(self) -> int:
        return len(self._data)

    def count(self, clip: int) -> int:
        """Count the frames of a clip, 25 a second."""
        return self._usable_clip(clip).frames

    def faces(self, clip: int, frames: I64) -> U8:
        """Read the crops of frames (n,). Returns (n, pixels, pixels, 3) uint8 RGB."""
        return self._data.crop_middle(self._rows(clip, "crops", frames))

    def lower(self, clip: int, frames: I64, margin: float) -> U8:
        """Read the lower halves of the faces in frames (n,).

        They are `margin` times as high and wide, as far as the crops reach.

        Returns:
            (n, h, w, 3) uint8 RGB.
        """
        rows, size, side = self._rows(clip, "crops", frames), self._data.size, self._data.side
        high, wide = (min(2 * round(length * margin / 2), side) for length in (size / 2, size))
        top, left = min(round((side + size / 2 - high) / 2), side - high), (side - wide) // 2
        return rows[:, top : top + high, left : left + wide]

    def points(self, clip: int, frames: I64) -> F32:
        """Read the landmarks in frames (n,). Returns (n, 478, 2) float32 pixels of the crops."""
        edge = (self._data.side - self._data.size) // 2
        return self._rows(clip, "landmarks", frames)[..., :2] - np.float32(edge)

    def folder(self, clip: int) -> Path:
        """Give the folder of the dataset that a clip is of."""
        return self._data.find_folder(self._usable_clip(clip))

    def audio(self, clip: int) -> F32:
        """Read a clip's sound from its first frame on. Returns (samples,) float32 in -1..1 at 16 kHz."""
        return self._data.read_audio(self._usable_clip(clip))

    def _rows(self, clip: int, name: str, frames: I64) -> Array:
        """Read rows of an array; neighbouring ones are read together."""
        usable = self._usable_clip(clip)
        path, layout = self._data.path(usable), self._data.layout(usable)
        frames = np.asarray(frames)
        parts = np.split(frames, np.flatnonzero(np.diff(frames) != 1) + 1)
        return np.concatenate([shards.read_rows(path, layout, name, int(part[0]), int(part[-1]) + 1) for part in parts])

    def _usable_clip(self, clip: int) -> Clip:
        """Give the clip, or the next one that is not damaged. Raises InputError if there is none."""
        clips = self._data.clips
        for step in range(min(len(clips), _MAX_TRIES)):
            candidate = clips[(clip + step) % len(clips)]
            try:
                self._data.layout(candidate)
                return candidate
            except BadShardError as error:
                self._data.handle_bad_shard(error)
        raise InputError(
            f"the dataset {printable(self._data.folder)} is damaged: no clip near number {clip} can be used"
        )


_HINT = "Remove the file and run lipdub prepare again with that video, or use --on-bad skip."


def open_dataset(
    folder: Path, *, split: Split | None = None, on_bad: OnBad = "skip", report: Callable[[str], None] | None = None
) -> Dataset:
    """Open a dataset of `lipdub prepare`, or one side of its split.

    The sizes of all files are checked now, and a shard's digest when it is first used. With on_bad "error" all digests
    are checked now (about 1 GB a second), so that no training begins that could not end.

    Args:
        folder: the dataset.
        split: one side of the split, by default both.
        on_bad: "skip" skips damaged shards, "error" refuses them.
        report: called with a line for each shard that is skipped.

    Raises:
        InputError: no dataset, one of another version, a damaged or empty index, or damaged shards with "error".
        ValueError: an unknown split or on_bad.
    """
    if on_bad not in get_args(OnBad) or split not in (None, *get_args(Split)):
        raise ValueError(f"on_bad is {on_bad!r}, split {split!r}")
    index = _read_index(folder)
    try:
        clips = tuple(Clip(**row) for row in index["clips"] if split in (None, row["split"]))
        settings = index["settings"]
        data = Dataset(
            folder, clips, int(settings["size"]), int(settings["side"]), on_bad, report or (lambda text: None)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the index of {printable(folder)} is damaged", hint="Run lipdub prepare again.") from error
    if not clips:
        raise InputError(f"the dataset {printable(folder)} has no clips{'' if split is None else f' of split {split}'}")
    for clip in clips:
        _check_size(data, clip)
    if len(data.bad) == len(clips):
        raise InputError(f"no shard of {printable(folder)} can be used: {next(iter(data.bad.values()))}", hint=_HINT)
    return data


def open_datasets(
    folders: Sequence[Path],
    *,
    split: Split | None = None,
    on_bad: OnBad = "skip",
    report: Callable[[str], None] | None = None,
) -> Dataset:
    """Open several datasets as one. A clip that several hold counts once, on its side in the first of them.

    Arguments are those of `open_dataset`, with the folders of all datasets. A dataset without clips on the side adds
    none.

    Raises:
        InputError: as `open_dataset`, or their faces are of different sizes.
    """
    holding = [folder for folder in folders if split in (None, *_read_sides(folder).values())] or folders[:1]
    parts = [open_dataset(folder, split=split, on_bad=on_bad, report=report) for folder in holding]
    first, sides = parts[0], {name: side for folder in reversed(folders) for name, side in _read_sides(folder).items()}
    for part in parts:
        if (part.size, part.side) != (first.size, first.side):
            raise InputError(
                f"the faces of {printable(part.folder)} have {part.size} pixels, those of {printable(first.folder)} "
                f"{first.size}",
                hint="Prepare both with one --size.",
            )
    clips: dict[str, Clip] = {}
    bad: dict[str, str] = {}
    for part in parts:
        own = [clip for clip in part.clips if clip.id not in clips and clip.split == sides[clip.id]]
        clips |= {clip.id: replace(clip, folder=part.folder) for clip in own}
        bad |= {clip.id: part.bad[clip.id] for clip in own if clip.id in part.bad}
    return Dataset(first.folder, tuple(clips.values()), first.size, first.side, on_bad, first.report, bad)


def open_held_out(
    folders: Sequence[Path], *, on_bad: OnBad = "skip", report: Callable[[str], None] | None = None
) -> Dataset | None:
    """Open the held-out clips of datasets; None if there are none.

    Arguments and errors are those of `open_datasets`.
    """
    some = any(side == "held-out" for folder in folders for side in _read_sides(folder).values())
    return open_datasets(folders, split="held-out", on_bad=on_bad, report=report) if some else None


def _read_sides(folder: Path) -> dict[str, Split]:
    """Read the side of the split of each clip of a dataset, by id."""
    try:
        return {row["id"]: row["split"] for row in _read_index(folder)["clips"]}
    except (KeyError, TypeError) as error:
        raise InputError(f"the index of {printable(folder)} is damaged", hint="Run lipdub prepare again.") from error


def _check_size(data: Dataset, clip: Clip) -> None:
    """Mark a shard that is missing or cut short.

    With on_bad "error" check it whole, and raise InputError for a fault.
    """
    path = data.path(clip)
    try:
        if data.on_bad == "error":
            data.layout(clip)
        elif (size := path.stat().st_size) != clip.bytes:
            raise BadShardError(f"{path.name}: it has {size} bytes instead of {clip.bytes}")
    except OSError as error:
        reason = "it is missing" if isinstance(error, FileNotFoundError) else error.strerror
        data.mark_bad(clip, BadShardError(f"{path.name}: {reason}"))
    except BadShardError as error:
        data.handle_bad_shard(error)
        data.mark_bad(clip, error)


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / "index.json"
    try:
        index = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{printable(folder)} is no dataset: it has no index.json", hint="lipdub prepare makes one."
        ) from None
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    except ValueError as error:
        raise InputError(f"the index of {printable(folder)} is damaged", hint="Run lipdub prepare again.") from error
    if not isinstance(index, dict) or index.get("schema") != SCHEMA:
        raise InputError(f"{printable(folder)} is a dataset of another version of lipdub", hint="Prepare it again.")
    return index
