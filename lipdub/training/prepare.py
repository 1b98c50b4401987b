"""Makes folders of talking clips into a dataset, for `lipdub prepare`.

A dataset is a folder:

    index.json                       its contents, below
    settings.json                    `prepare_video.ClipOptions`, the same for the whole dataset
    shards/ab/ID.safetensors         one clip each, `training.shards`
    videos/DIGEST.json               the result for each video, written when all its clips are
    .prepare/                        only during the work

index.json holds:

    schema      version of the format
    settings    `ClipOptions` and the side of the crops
    split       `by` and `held_out`
    counts      of videos, clips, frames, speakers, held-out clips, and of rejections by reason
    clips       each with the fields of `training.dataset.Clip`
    rejected    each `name`, `reason` (`prepare_video.REASONS`), `track`, `start`, `end`, `value`
    unreadable  of the last call, each `name` and `error`

The index holds no time and no path of this machine. So the same videos give the same bytes, however often the work was
interrupted and however many processes did it.

Videos are known by their content: one that is in the dataset is not read again, and a later call adds its videos. The
speaker is the name of the video's folder unless it is given. A hash of the speaker's name or of the video's content
decides which clips are held out, so other videos do not change the split.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import (
    CorruptChunk,
    EnvironmentFailure,
    InputError,
    LipdubError,
    UsageError,
    printable,
    wrap_os_error,
)
from lipdub.progress import Callback, Event, ignore_event
from lipdub.training import shards
from lipdub.training.dataset_options import ClipOptions, SplitOptions
from lipdub.training.prepare_video import REASONS, options_key, write_clips
from lipdub.workspace.atomic_files import PARTIAL_SUFFIX, write_atomically
from lipdub.workspace.keys import digest_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SCHEMA = 1
VIDEO_SUFFIXES = (
    ".mp4",
    ".mov",
    ".m4v",
    ".mkv",
    ".webm",
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".m2ts",
    ".flv",
    ".wmv",
    ".ogv",
    ".3gp",
    ".mxf",
    ".nut",
)
_INDEX, _SETTINGS, _SHARDS, _VIDEOS, _WORK = "index.json", "settings.json", "shards", "videos", ".prepare"
_DIGITS = 20  # of a video's digest that name it


@dataclass(frozen=True)
class _Task:
    """One video, as a process gets it."""

    number: int
    video: Path
    folder: Path
    options: ClipOptions
    name: str


def prepare(
    videos: Sequence[Path],
    out: Path,
    *,
    clips: Mapping[str, Any] | None = None,
    split: Mapping[str, Any] | None = None,
    speaker: str | None = None,
    licence: str = "",
    jobs: int = 1,
    strict: bool = False,
    progress: Callback | None = None,
) -> dict[str, Any]:
    """Make or extend a dataset. A stopped call resumes when it is made again.

    Args:
        videos: files, and folders that are searched for them.
        out: folder of the dataset.
        clips: fields of `ClipOptions`; the others are as in the dataset, if there is one.
        split: fields of `SplitOptions`; the others are as in the dataset, if there is one.
        speaker: who talks in these videos, by default the name of each one's folder.
        licence: licence of these videos, in words.
        jobs: processes.
        strict: refuse a video that cannot be read, instead of skipping it.
        progress: called with events.

    Returns:
        the counts of the index.

    Raises:
        InputError: there is no such file, no video, or none of use.
        UsageError: the options differ from the dataset's, or the folder holds something else.
        EnvironmentFailure: no space, no permission, or another process works on the dataset.
    """
    callback = progress or ignore_event
    files = _list_videos(videos, out)
    if not files:
        raise InputError("the arguments contain no videos", hint=f"Files that end in {' '.join(VIDEO_SUFFIXES)} count.")
    _check_place(out)
    if not (out / _SETTINGS).exists():  # wrong options are refused before a folder is made
        ClipOptions(**(clips or {}))
        SplitOptions(**(split or {}))
    with _lock_dataset(out):
        options = _load_settings(out, clips or {})
        split_options = _load_split(out, split or {})
        tasks = [_Task(i, file, out, options, _name(file)) for i, file in enumerate(files)]
        facts = {"speaker": speaker, "licence": licence}
        unreadable = _write_records(tasks, facts, jobs, callback, strict=strict)
        index = _build_index(out, options, split_options, unreadable, callback)
        _write(out / _INDEX, index)
        _tidy(out, index)
    _report_index(index, callback)
    if not index["clips"]:
        raise InputError(
            f"no clip passed the filters: {summarize_counts(index['counts'])}", hint=f"{out / _INDEX} says why."
        )
    return dict(index["counts"])


def _write_records(
    tasks: Sequence[_Task], facts: Mapping[str, Any], jobs: int, callback: Callback, *, strict: bool
) -> dict[str, str]:
    """Write the record of each video, with speaker and licence. Returns the errors of unreadable videos, by name."""
    unreadable: dict[str, str] = {}
    claims: dict[str, list[_Task]] = {}  # videos of the same content
    callback(Event("start", "prepare", total=len(tasks)))
    for done, (task, record) in enumerate(_run_tasks(tasks, jobs, callback), 1):
        if "error" in record:
            if strict:
                raise InputError(f"{printable(task.video)}: {record['error']}", hint="Without --strict it is skipped.")
            unreadable[task.name] = record["error"]
            callback(Event("warn", "prepare", message=f"{task.name} is skipped: {record['error']}"))
        else:
            same = claims.setdefault(record["video"], [])
            same.append(task)
            same.sort(key=lambda claim: claim.number)
            first = same[0]
            own = {
                "name": first.name,
                "speaker": facts["speaker"] or _find_folder_name(first.video),
                "licence": facts["licence"],
                "copies": [claim.name for claim in same[1:]],
            }
            _write(task.folder / _VIDEOS / f"{record['video']}.json", {**record, **own})
        callback(Event("progress", "prepare", done=done, total=len(tasks), unit="videos"))
    return unreadable


def summarize_counts(counts: Mapping[str, Any]) -> str:
    """Put the counts of an index into a line of words."""
    left_out = ", ".join(f"{n} {REASONS[reason]}" for reason, n in counts["rejected"].items())
    clips, speakers, videos = (
        f"{counts[name]} {name if counts[name] != 1 else name[:-1]}" for name in ("clips", "speakers", "videos")
    )
    bad = f", {counts['unreadable']} unreadable" if counts["unreadable"] else ""
    return (
        f"{clips} ({counts['seconds']:.0f} s) of {speakers} from {videos}{bad}, {counts['held_out']} held out; "
        f"left out: {left_out or 'nothing'}"
    )


# -- which videos


def _list_videos(places: Sequence[Path], out: Path) -> list[Path]:
    """List the files given, and those in folders by their suffixes, each once, sorted by name."""
    files: dict[str, Path] = {}
    for place in places:
        if place.is_dir():
            for folder, below, names in os.walk(place):
                below[:] = sorted(
                    b for b in below if not b.startswith(".") and Path(folder, b).resolve() != out.resolve()
                )
                for name in names:
                    if name.lower().endswith(VIDEO_SUFFIXES) and not name.startswith("."):
                        files.setdefault(_make_absolute(Path(folder, name)), Path(folder, name))
        elif place.exists():
            files.setdefault(_make_absolute(place), place)
        else:
            raise InputError(f"there is no file {printable(place)}")
    return [files[path] for path in sorted(files)]


def _make_absolute(path: Path) -> str:
    """Give the absolute path without resolving links, so that a linked video keeps its folder's name."""
    return os.path.abspath(path)  # noqa: PTH100


def _find_folder_name(video: Path) -> str:
    return Path(_make_absolute(video)).parent.name or "unknown"


def _name(video: Path) -> str:
    return f"{_find_folder_name(video)}/{video.name}"


# -- the work


def _run_tasks(tasks: Sequence[_Task], jobs: int, callback: Callback) -> Iterator[tuple[_Task, dict[str, Any]]]:
    """Yield each task with its result, as they finish."""
    if jobs <= 1 or len(tasks) == 1:
        for task in tasks:
            yield task, _run_task(task, callback if len(tasks) == 1 else ignore_event)
        return
    from concurrent.futures import FIRST_COMPLETED, Future, wait
    from concurrent.futures.process import BrokenProcessPool

    left = list(reversed(tasks))
    while left:
        pool = _start_pool(jobs)
        under_way: dict[Future[dict[str, Any]], _Task] = {}
        lost: list[_Task] = []
        broken = False
        try:
            while (left or under_way) and not broken:
                while left and len(under_way) < 2 * jobs and not broken:
                    try:
                        under_way[pool.submit(_run_task, left[-1])] = left[-1]
                        left.pop()
                    except BrokenProcessPool:
                        broken = True
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    task = under_way.pop(future)
                    try:
                        record = future.result()
                    except BrokenProcessPool:
                        broken = True
                        lost.append(task)
                        continue
                    yield task, record
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        # one of them killed its process: each is tried alone, so that only that one is lost
        for task in [*lost, *under_way.values()]:
            yield task, _run_alone(task)


def _run_alone(task: _Task) -> dict[str, Any]:
    from concurrent.futures.process import BrokenProcessPool

    with _start_pool(1) as pool:
        try:
            return dict(pool.submit(_run_task, task).result())
        except BrokenProcessPool:
            return {"error": "the process that read it died"}


def _start_pool(jobs: int) -> Any:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # forked copies of a process with threads in it (OpenCV, MediaPipe) may hang
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin)


def _begin() -> None:
    """Make a worker end with its parent process, also when the parent is killed."""
    import multiprocessing
    import threading

    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _run_task(task: _Task, callback: Callback = ignore_event) -> dict[str, Any]:
    """Make the record of a video (`video`, `clips`, `rejected`), or give its `error`.

    Raises:
        EnvironmentFailure: the dataset cannot be written.
    """
    from filelock import FileLock

    try:
        digest = digest_file(task.video)[:_DIGITS]
        known = _read_record(task.folder, digest)
        if known is not None:
            return known
        scratch = task.folder / _WORK / digest
        shard_folder = task.folder / _SHARDS
        with FileLock(
            task.folder / _WORK / f"{digest}.lock"
        ):  # another process may have the same video by another name
            try:
                result = write_clips(task.video, digest, shard_folder, scratch, task.options, callback)
            except CorruptChunk:
                shutil.rmtree(scratch, ignore_errors=True)
                result = write_clips(task.video, digest, shard_folder, scratch, task.options, callback)
            shutil.rmtree(scratch, ignore_errors=True)
        return {"video": digest, **result}
    except (EnvironmentFailure, MemoryError):
        raise
    except LipdubError as error:
        return {"error": error.what}
    except OSError as error:
        failure = wrap_os_error(error, task.video, "read")
        if isinstance(failure, InputError):
            return {"error": failure.what}
        raise failure from error
    except Exception as error:  # a broken file can raise any error in a decoder
        return {"error": f"{type(error).__name__}: {error}"}


def _read_record(folder: Path, digest: str) -> dict[str, Any] | None:
    """Read the record of a video, if all its shards are there."""
    try:
        record = json.loads((folder / _VIDEOS / f"{digest}.json").read_bytes())
        return dict(record) if all(_has_shard(folder, clip) for clip in record["clips"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _has_shard(folder: Path, clip: Mapping[str, Any]) -> bool:
    """Check whether a clip's shard lies in its place with its old length."""
    try:
        result: bool = (folder / _SHARDS / clip["shard"]).stat().st_size == clip["bytes"]
        return result
    except OSError:
        return False


# -- settings and index


def _load_settings(out: Path, requested: Mapping[str, Any]) -> ClipOptions:
    """Read the dataset's options, which the given ones must not contradict, or write them."""
    path = out / _SETTINGS
    known = _read_json(path)
    if known is None:
        options = ClipOptions(**requested)
        _write(path, options_key(options))
        return options
    names = {field.name for field in fields(ClipOptions)}
    options = ClipOptions(**{name: value for name, value in known.items() if name in names})
    other = {name: value for name, value in requested.items() if value != getattr(options, name)}
    if other:
        text = ", ".join(f"{name} {getattr(options, name)}" for name in other)
        raise UsageError(
            f"the dataset {printable(out)} was made with {text}", hint="Omit that option, or give another --out."
        )
    if known != json.loads(json.dumps(options_key(options))):
        raise UsageError(
            f"the dataset {printable(out)} was made by another version of lipdub", hint="Give another --out."
        )
    return options


def _load_split(out: Path, requested: Mapping[str, Any]) -> SplitOptions:
    known = (_read_json(out / _INDEX) or {}).get("split", {})
    return SplitOptions(**{**known, **requested})


def _build_index(
    out: Path, options: ClipOptions, split: SplitOptions, unreadable: dict[str, str], callback: Callback
) -> dict[str, Any]:
    """Build the index of all records."""
    records = [_read_json(path) or {} for path in sorted((out / _VIDEOS).glob("*.json"))]
    clips, rejected = [], []
    for record in records:
        facts = {name: record[name] for name in ("video", "name", "speaker", "licence")}
        part = is_held_out(record["speaker"] if split.by == "speaker" else record["video"], split.held_out)
        side = {"split": "held-out" if part else "train"}
        present = [clip for clip in record["clips"] if _has_shard(out, clip)]
        if len(present) < len(record["clips"]):
            count = len(record["clips"]) - len(present)
            lost = f"{count} clips of {record['name']} are lost: run prepare with that video again"
            callback(Event("warn", "prepare", message=lost))
        clips += [{**facts, **side, **clip} for clip in present]
        rejected += [{"name": record["name"], **row} for row in record["rejected"]]
        rejected += [
            {"name": name, "reason": "duplicate", "track": 0, "start": 0.0, "end": 0.0, "value": None}
            for name in record["copies"]
        ]
    frames = sum(clip["frames"] for clip in clips)
    counts = {
        "videos": len(records) + len(unreadable),
        "unreadable": len(unreadable),
        "clips": len(clips),
        "held_out": sum(clip["split"] == "held-out" for clip in clips),
        "frames": frames,
        "seconds": frames / shards.FPS,
        "speakers": len({clip["speaker"] for clip in clips}),
        "bytes": sum(clip["bytes"] for clip in clips),
        "rejected": dict(sorted(Counter(row["reason"] for row in rejected).items())),
    }
    return {
        "schema": SCHEMA,
        "settings": {**options_key(options), "side": options.side, "fps": shards.FPS},
        "split": asdict(split),
        "counts": counts,
        "clips": clips,
        "rejected": sorted(rejected, key=lambda row: (row["name"], row["track"], row["start"], row["reason"])),
        "unreadable": [{"name": name, "error": unreadable[name]} for name in sorted(unreadable)],
    }


def is_held_out(name: str, share: float) -> bool:
    """Check whether a name belongs to the held-out share: the same name always gives the same answer."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2.0**64


def _report_index(index: dict[str, Any], callback: Callback) -> None:
    counts = index["counts"]
    if counts["clips"]:
        if index["split"]["held_out"] > 0 and not counts["held_out"]:
            callback(Event("warn", "prepare", message=f"no {index['split']['by']} was held out"))
        if counts["held_out"] == counts["clips"]:
            callback(Event("warn", "prepare", message="all clips are held out: there is nothing to train with"))
    callback(Event("done", "prepare", done=counts["clips"], unit="clips", data=counts))


# -- files


def _check_place(out: Path) -> None:
    """Refuse a folder that holds something other than a dataset."""
    try:
        names = {path.name for path in out.iterdir()} if out.exists() else set()
    except OSError as error:
        raise wrap_os_error(error, out) from error
    if names - {_WORK, _VIDEOS} and _SETTINGS not in names:
        raise UsageError(f"{printable(out)} is not empty and is no dataset", hint="Give --out a new folder.")


@contextmanager
def _lock_dataset(out: Path) -> Iterator[None]:
    """Lock the dataset's folder against other processes. Raises EnvironmentFailure."""
    from filelock import FileLock, Timeout

    try:
        (out / _WORK).mkdir(parents=True, exist_ok=True)
        (out / _VIDEOS).mkdir(exist_ok=True)
        lock = FileLock(out / _WORK / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise EnvironmentFailure(
                f"another process is at work on {printable(out)}", hint="Wait for it to end."
            ) from None
    except NotImplementedError as error:  # filelock raises it on file systems without locks
        raise EnvironmentFailure(
            f"the file system of {printable(out)} has no locks", hint="Give an --out on another disk."
        ) from error
    except OSError as error:
        raise wrap_os_error(error, out) from error
    try:
        yield
    finally:
        lock.release()


def _tidy(out: Path, index: dict[str, Any]) -> None:
    """Remove the remains of interrupted work."""
    known = {out / _SHARDS / clip["shard"] for clip in index["clips"]}
    for path in (out / _SHARDS).rglob("*"):
        if (
            path.is_file()
            and path not in known
            and (path.suffix == ".safetensors" or path.name.endswith(PARTIAL_SUFFIX))
        ):
            path.unlink(missing_ok=True)
    for path in [*out.glob(f"*{PARTIAL_SUFFIX}"), *(out / _VIDEOS).glob(f"*{PARTIAL_SUFFIX}")]:
        path.unlink(missing_ok=True)
    shutil.rmtree(out / _WORK, ignore_errors=True)


def _read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON file; None if there is none. Raises InputError if it is damaged."""
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{printable(path)} is damaged", hint="Remove it, and prepare the dataset again.") from error


def _write(path: Path, content: Any) -> None:
    write_atomically(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode("ascii"))
