"""Reading a dataset of `lipdub prepare`: whole clips, and windows of a few frames drawn from anywhere in it.

Nothing but the index is kept in memory: what is asked for is read from disk, and no more than that. A shard's digest is
checked before anything of it is used, once in a process.

    data = open_dataset(Path("faces"), split="train")
    window = data.draw(np.random.default_rng((seed, number)))   # the same for the same numbers, whatever came before
    for window in data.each(step=5): ...

`TalkingClips` is the same for trainings that take clips by number and pick frames themselves.
"""

from __future__ import annotations

import bisect
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lipdub.errors import InputError, printable, wrap_os_error
from lipdub.speech import mel
from lipdub.training import shards
from lipdub.training.prepare import SCHEMA
from lipdub.training.shards import BadShard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

WINDOW_FRAMES = 5  # frames: what SyncNet, and paper 003 after it, looks at together
OnBad = Literal["skip", "error"]
Split = Literal["train", "held-out"]
_TRIES = 100
_LAYOUTS = 1024  # kept in memory, some kB each


@dataclass(frozen=True)
class Clip:
    """A clip of the index: `frames` at 25 a second, from `start` seconds of the video `name` on. face_px: side of the face's
    square in the source, pixels; sync, offset, confidence: `metrics.sync`, None where it was not asked or is not known.
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


@dataclass(frozen=True)
class Window:
    """Frames first..first+n-1 of a clip.

    crops: uint8 (n, S, S, 3) RGB with their margin; landmarks: float32 (n, 478, 3) pixels of the crops; masks: uint8
    (n, S, S), 1 in the lower face; audio: float32 (640 n,) in -1..1 at 16 kHz, from when the first frame is shown; mel:
    float32 (80, columns) in -4..4, `speech.mel` of the clip's sound from there on, 16 columns for five frames; placements:
    float64 (n, 4), where in the source frames the crops lie.
    """

    clip: Clip
    first: int
    crops: np.ndarray
    landmarks: np.ndarray
    masks: np.ndarray
    audio: np.ndarray
    mel: np.ndarray
    placements: np.ndarray

    def __len__(self) -> int:
        return len(self.crops)


@dataclass
class Dataset:
    """The clips of a dataset (or one side of its split) that are there. size: pixels of a face's square; side: of the stored
    crops; bad: the clips that turned out damaged, with what is wrong, by id.
    """

    folder: Path
    clips: tuple[Clip, ...]
    size: int
    side: int
    on_bad: OnBad
    tell: Callable[[str], None]
    bad: dict[str, str] = field(default_factory=dict)
    _layouts: dict[str, shards.Layout] = field(default_factory=dict, repr=False)
    _checked: set[str] = field(default_factory=set, repr=False)
    _ends: dict[int, list[int]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.clips)

    def of(self, video: str) -> Dataset:
        """The clips of one video, by its id."""
        return self.having(clip for clip in self.clips if clip.video == video)

    def having(self, clips: Iterable[Clip]) -> Dataset:
        """These clips instead, whose shards lie beside the others."""
        return Dataset(self.folder, tuple(clips), self.size, self.side, self.on_bad, self.tell, self.bad)

    def path(self, clip: Clip) -> Path:
        """Where a clip's shard lies."""
        return self.folder / "shards" / clip.shard

    def read(self, clip: Clip, first: int = 0, count: int | None = None) -> Window:
        """Some frames of a clip, all by default. Raises BadShard; IndexError."""
        count = clip.frames - first if count is None else count
        path, at = self.path(clip), self.layout(clip)
        if not (first >= 0 and count > 0 and first + count <= clip.frames):
            raise IndexError(f"frames {first}..{first + count - 1} of {clip.id}, which has {clip.frames}")

        def rows(name: str, a: int, b: int) -> np.ndarray:
            return shards.read_rows(path, at, name, a, b)

        stop = first + count
        column = int(mel.find_window_starts(np.array([first / shards.FPS]))[0])
        last = min(column + round(count * mel.COLUMN_RATE / shards.FPS), at.arrays["mel"][1][0])
        return Window(
            clip,
            first,
            rows("crops", first, stop),
            rows("landmarks", first, stop),
            shards.unpack_masks(rows("masks", first, stop), at.side),
            rows("audio", first * shards.SAMPLES_PER_FRAME, stop * shards.SAMPLES_PER_FRAME).astype(np.float32) / 32768,
            np.ascontiguousarray(rows("mel", column, last).T),
            rows("placements", first, stop),
        )

    def middle(self, crops: np.ndarray) -> np.ndarray:
        """Crops (n, side, side, ...) without their margin: (n, size, size, ...)."""
        edge = (self.side - self.size) // 2
        return crops[:, edge : edge + self.size, edge : edge + self.size]

    def windows(self, count: int = WINDOW_FRAMES) -> int:
        """How many windows of so many frames there are."""
        ends = self._window_ends(count)
        return ends[-1] if ends else 0

    def window(self, number: int, count: int = WINDOW_FRAMES) -> Window:
        """A window by its number, 0 up to `windows(count)`. Raises BadShard; IndexError."""
        if not 0 <= number < self.windows(count):
            raise IndexError(f"window {number} of {self.windows(count)}")
        ends = self._window_ends(count)
        at = bisect.bisect_right(ends, number)
        return self.read(self.clips[at], number - (ends[at - 1] if at else 0), count)

    def draw(self, rng: np.random.Generator, count: int = WINDOW_FRAMES) -> Window:
        """A window by chance, each as likely as another; one in a damaged shard is drawn again (`on_bad`).

        What comes out depends on the generator alone, not on what was read before. Raises InputError for a damaged shard
        that is not to be skipped, or when nothing but damaged ones is found.
        """
        total = self.windows(count)
        if not total:
            raise InputError(f"the dataset {printable(self.folder)} has no clip of {count} frames")
        for _ in range(_TRIES):
            try:
                return self.window(int(rng.integers(total)), count)
            except BadShard as error:
                self.refused(error)
        raise InputError(f"the dataset {printable(self.folder)} is damaged: {_TRIES} shards in a row cannot be used")

    def another(self, rng: np.random.Generator, window: Window, apart: int = WINDOW_FRAMES) -> Window:
        """Another window of the same clip and length, by chance, whose first frame is at least so many frames away from this
        one's; the farthest there is where the clip is too short for that. Raises BadShard.
        """
        last = window.clip.frames - len(window)
        choices = [i for i in range(last + 1) if abs(i - window.first) >= apart]
        first = int(rng.choice(choices)) if choices else (0 if window.first > last / 2 else last)
        return self.read(window.clip, first, len(window))

    def each(self, count: int = WINDOW_FRAMES, step: int = WINDOW_FRAMES) -> Iterator[Window]:
        """Windows of every clip in order, `step` frames from one to the next; damaged clips as `draw` does."""
        for clip in self.clips:
            for first in range(0, clip.frames - count + 1, step):
                try:
                    found = self.read(clip, first, count)
                except BadShard as error:
                    self.refused(error)
                    break
                yield found

    def refused(self, error: BadShard) -> None:
        """Raises InputError where a damaged shard is not to be passed over."""
        if self.on_bad == "error":
            raise InputError(f"a shard of {printable(self.folder)} cannot be used: {error}", hint=_HINT) from error

    def layout(self, clip: Clip) -> shards.Layout:
        """The layout of a clip's shard, which is checked the first time. Raises BadShard."""
        if clip.id in self.bad:
            raise BadShard(self.bad[clip.id])
        known = self._layouts.get(clip.id)
        if known is not None:
            return known
        try:
            if clip.id not in self._checked:
                shards.verify_shard(self.path(clip), clip.bytes, clip.digest)
            found = shards.read_layout(self.path(clip))
            if (found.frames, found.side) != (clip.frames, self.side):
                raise BadShard(f"{self.path(clip).name}: it is not the clip that the index has")
        except BadShard as error:
            self._spoilt(clip, error)
            raise
        self._checked.add(clip.id)
        if len(self._layouts) >= _LAYOUTS:
            del self._layouts[next(iter(self._layouts))]
        self._layouts[clip.id] = found
        return found

    def _spoilt(self, clip: Clip, error: BadShard) -> None:
        self.bad[clip.id] = str(error)
        if self.on_bad == "skip":
            self.tell(f"passed over: {error}")

    def _window_ends(self, count: int) -> list[int]:
        """How many windows there are up to the end of each clip."""
        if count not in self._ends:
            each = np.array([max(clip.frames - count + 1, 0) for clip in self.clips], np.int64)
            self._ends[count] = [int(n) for n in each.cumsum()]
        return self._ends[count]


class TalkingClips:
    """Clips by number: faces without their margin, landmarks in them, and the spectrogram of each clip's sound.

    A damaged clip is passed over as `Dataset.on_bad` has it: the next one stands in for it, whatever is asked of it.
    """

    def __init__(self, data: Dataset) -> None:
        self._data = data

    @property
    def pixels(self) -> int:
        """Of the square crops (`faces.facecrop`)."""
        return self._data.size

    def __len__(self) -> int:
        return len(self._data)

    def count(self, clip: int) -> int:
        """Frames of a clip, 25 a second."""
        return self._good(clip).frames

    def faces(self, clip: int, at: np.ndarray) -> np.ndarray:
        """Crops of some frames: uint8 (n, pixels, pixels, 3) RGB."""
        return self._data.middle(self._rows(clip, "crops", at))

    def lower(self, clip: int, at: np.ndarray, margin: float) -> np.ndarray:
        """The lower halves of the faces, `margin` times as high and wide where the crops reach so far: uint8 (n, h, w, 3) RGB."""
        rows, size, side = self._rows(clip, "crops", at), self._data.size, self._data.side
        high, wide = (min(2 * round(length * margin / 2), side) for length in (size / 2, size))
        top, left = min(round((side + size / 2 - high) / 2), side - high), (side - wide) // 2
        return rows[:, top : top + high, left : left + wide]

    def points(self, clip: int, at: np.ndarray) -> np.ndarray:
        """Their landmarks in pixels of the crops: float32 (n, 478, 2)."""
        edge = (self._data.side - self._data.size) // 2
        return self._rows(clip, "landmarks", at)[..., :2] - np.float32(edge)

    def audio(self, clip: int) -> np.ndarray:
        """The clip's sound, which begins with its first frame: float32 (samples,) in -1..1 at 16 kHz."""
        found = self._good(clip)
        path, layout = self._data.path(found), self._data.layout(found)
        return (
            shards.read_rows(path, layout, "audio", 0, found.frames * shards.SAMPLES_PER_FRAME).astype(np.float32)
            / 32768
        )

    def sound(self, clip: int) -> np.ndarray:
        """Its spectrogram (`metrics.avsync.spectrogram`): float32 (80, columns)."""
        from lipdub.metrics.avsync import normalized_spectrogram

        return normalized_spectrogram(self.audio(clip))

    def _rows(self, clip: int, name: str, at: np.ndarray) -> np.ndarray:
        """Rows of an array; neighbouring ones are read together."""
        found = self._good(clip)
        path, layout = self._data.path(found), self._data.layout(found)
        at = np.asarray(at)
        parts = np.split(at, np.flatnonzero(np.diff(at) != 1) + 1)
        return np.concatenate([shards.read_rows(path, layout, name, int(part[0]), int(part[-1]) + 1) for part in parts])

    def _good(self, clip: int) -> Clip:
        """The clip, or the next one that is not damaged. Raises InputError when there is none, or none shall stand in."""
        clips = self._data.clips
        for step in range(min(len(clips), _TRIES)):
            found = clips[(clip + step) % len(clips)]
            try:
                self._data.layout(found)
                return found
            except BadShard as error:
                self._data.refused(error)
        raise InputError(
            f"the dataset {printable(self._data.folder)} is damaged: no clip near number {clip} can be used"
        )


_HINT = "Remove the file and call lipdub prepare again with that video, or pass over what is damaged."


def open_dataset(
    folder: Path, *, split: Split | None = None, on_bad: OnBad = "skip", tell: Callable[[str], None] | None = None
) -> Dataset:
    """A dataset of `lipdub prepare`, or one side of its split.

    Sizes of all files are looked at now. Digests are checked when a clip is first used and damaged clips passed over; with
    on_bad "error" all are checked now (about 1 GB a second), so that a training does not begin that could not end.

    Args:
        tell: called with a line for each shard that is passed over.

    Raises:
        InputError: no dataset, one of another version, a damaged index, nothing in it; damaged shards with "error".
        ValueError: an unknown split or on_bad.
    """
    if on_bad not in get_args(OnBad) or split not in (None, *get_args(Split)):
        raise ValueError(f"on_bad is {on_bad!r}, split {split!r}")
    index = _index(folder)
    try:
        clips = tuple(Clip(**row) for row in index["clips"] if split in (None, row["split"]))
        settings = index["settings"]
        data = Dataset(folder, clips, int(settings["size"]), int(settings["side"]), on_bad, tell or (lambda text: None))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the index of {printable(folder)} is damaged", hint="Call lipdub prepare again.") from error
    if not clips:
        raise InputError(f"the dataset {printable(folder)} has no clips{'' if split is None else f' of split {split}'}")
    for clip in clips:
        _look_at(data, clip)
    if len(data.bad) == len(clips):
        raise InputError(f"no shard of {printable(folder)} can be used: {next(iter(data.bad.values()))}", hint=_HINT)
    return data


def open_held_out(folder: Path, *, on_bad: OnBad = "skip", tell: Callable[[str], None] | None = None) -> Dataset | None:
    """The clips of a dataset that are kept out of training, or None where there are none. Raises as `open_dataset`."""
    try:
        some = any(row["split"] == "held-out" for row in _index(folder)["clips"])
    except (KeyError, TypeError) as error:
        raise InputError(f"the index of {printable(folder)} is damaged", hint="Call lipdub prepare again.") from error
    return open_dataset(folder, split="held-out", on_bad=on_bad, tell=tell) if some else None


def _look_at(data: Dataset, clip: Clip) -> None:
    """Notes a shard that is missing or cut short; checks it whole, and raises InputError for any fault, where that is
    asked.
    """
    path = data.path(clip)
    try:
        if data.on_bad == "error":
            data.layout(clip)
        elif (size := os.stat(path).st_size) != clip.bytes:
            raise BadShard(f"{path.name}: it has {size} bytes instead of {clip.bytes}")
    except OSError as error:
        reason = "it is missing" if isinstance(error, FileNotFoundError) else error.strerror
        data._spoilt(clip, BadShard(f"{path.name}: {reason}"))
    except BadShard as error:
        data.refused(error)
        data._spoilt(clip, error)


def _index(folder: Path) -> dict[str, Any]:
    path = folder / "index.json"
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{printable(folder)} is no dataset: it has no index.json", hint="lipdub prepare makes one."
        ) from None
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    except ValueError as error:
        raise InputError(f"the index of {printable(folder)} is damaged", hint="Call lipdub prepare again.") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise InputError(f"{printable(folder)} is a dataset of another version of lipdub", hint="Prepare it again.")
    return found
