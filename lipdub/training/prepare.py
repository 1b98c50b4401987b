"""Makes folders of talking clips into a dataset, for `lipdub prepare`.

A dataset is a folder:

    index.json                       its contents, below
    settings.json                    `prepare_video.ClipOptions`, the same for the whole dataset
    shards/ab/ID.safetensors         one clip each, `training.shards`
    videos/DIGEST.json               the result for each video, written when all its clips are
    .prepare/                        only during the work
    features/                        audio features, `training.sound_cache`; may be removed

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

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import CorruptChunk, EnvironmentFailure, InputError, LipdubError, printable, wrap_os_error
from lipdub.progress import Callback, Event, ignore_event
from lipdub.training.dataset import Clip, Dataset
from lipdub.training.dataset_folder import (
    INDEX,
    SETTINGS,
    SHARDS,
    VIDEOS,
    WORK,
    check_place,
    is_in_share,
    load_settings,
    load_split,
    lock_dataset,
    read_record,
    report_index,
    start_pool,
    summarize_counts,
    write_index,
    write_json,
)
from lipdub.training.dataset_options import ClipOptions, SplitOptions
from lipdub.training.prepare_video import write_clips
from lipdub.training.pseudo_targets import write_shut_clips
from lipdub.workspace.keys import digest_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
_DIGITS = 20  # of a video's digest that name it


@dataclass(frozen=True)
class _Task:
    """One video, as a process gets it."""

    number: int
    video: Path
    folder: Path
    options: ClipOptions
    name: str
    shut_dubs: float = 0.0


def prepare(
    videos: Sequence[Path],
    out: Path,
    *,
    clips: Mapping[str, Any] | None = None,
    split: Mapping[str, Any] | None = None,
    speaker: str | None = None,
    licence: str = "",
    shut_dubs: float = 0.0,
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
        shut_dubs: share of these videos that are also dubbed with silence, 0 to 1 (`training.pseudo_targets`).
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
    check_place(out)
    if not (out / SETTINGS).exists():  # wrong options are refused before a folder is made
        ClipOptions(**(clips or {}))
        SplitOptions(**(split or {}))
    with lock_dataset(out):
        options = load_settings(out, clips or {})
        split_options = load_split(out, split or {})
        tasks = [_Task(i, file, out, options, _name(file), shut_dubs) for i, file in enumerate(files)]
        facts = {"speaker": speaker, "licence": licence}
        unreadable = _write_records(tasks, facts, jobs, callback, strict=strict)
        index = write_index(out, options, split_options, unreadable, callback)
    report_index(index, callback)
    if not index["clips"]:
        raise InputError(
            f"no clip passed the filters: {summarize_counts(index['counts'])}", hint=f"{out / INDEX} says why."
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
            write_json(task.folder / VIDEOS / f"{record['video']}.json", {**record, **own})
        callback(Event("progress", "prepare", done=done, total=len(tasks), unit="videos"))
    return unreadable


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
        pool = start_pool(jobs)
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

    with start_pool(1) as pool:
        try:
            return dict(pool.submit(_run_task, task).result())
        except BrokenProcessPool:
            return {"error": "the process that read it died"}


def _run_task(task: _Task, callback: Callback = ignore_event) -> dict[str, Any]:
    """Make the record of a video (`video`, `clips`, `rejected`), or give its `error`.

    Raises:
        EnvironmentFailure: the dataset cannot be written.
    """
    from filelock import FileLock

    try:
        digest = digest_file(task.video)[:_DIGITS]
        known = read_record(task.folder, digest)
        if known is not None:
            return _add_shut_clips(task, known)
        scratch = task.folder / WORK / digest
        shard_folder = task.folder / SHARDS
        with FileLock(task.folder / WORK / f"{digest}.lock"):  # another process may have the same video by another name
            try:
                result = write_clips(task.video, digest, shard_folder, scratch, task.options, callback)
            except CorruptChunk:
                shutil.rmtree(scratch, ignore_errors=True)
                result = write_clips(task.video, digest, shard_folder, scratch, task.options, callback)
            shutil.rmtree(scratch, ignore_errors=True)
        return _add_shut_clips(task, {"video": digest, **result})
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


def _add_shut_clips(task: _Task, record: dict[str, Any]) -> dict[str, Any]:
    """Add the clips of a record's video with a shut mouth, if the video is of the share that has them."""
    clips = record["clips"]
    is_paired = any(clip.get("variant") for clip in clips)
    if not clips or is_paired or not is_in_share(f"shut {record['video']}", task.shut_dubs):
        return record
    facts = {name: record.get(name, "") for name in ("video", "name", "speaker", "licence")}
    own = tuple(Clip(**facts, split="train", **clip) for clip in clips)
    data = Dataset(task.folder, own, task.options.size, task.options.side, "error", lambda line: None)
    try:
        paired = write_shut_clips(data, task.video, task.folder / WORK / f"{record['video']}-shut")
    except InputError:
        return record  # a talker whom the built-in recipe cannot dub
    names = clips[0].keys() | {"scene", "variant"}
    rows = [{name: getattr(clip, name) for name in names} for clip in paired]
    return {**record, "clips": rows + [clip for clip in clips if clip["id"] not in {row["id"] for row in rows}]}
