"""Renders talkers into a dataset, for `lipdub render-talkers`.

The dataset is one of `training.prepare`: the same shards, records and index, so footage and rendered talkers can lie in
one. Each clip is a video as a camera and a codec leave it, and goes the way of footage from there. Clips that share a
scene and a camera share the placements of their crops. So they differ in nothing but what their variant says. Beside
the shards, `truth/` holds what is known of each clip (`rendered.truth`).

A scene depends on the seed, its number and the heads alone. So a stopped call resumes, a later one adds scenes, and the
bytes are the same however many processes did it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import EnvironmentFailure, InputError, UsageError, printable
from lipdub.progress import Callback, Event, ignore_event
from lipdub.training import shards
from lipdub.training.dataset_folder import (
    INDEX,
    SETTINGS,
    SHARDS,
    VIDEOS,
    WORK,
    check_place,
    load_settings,
    load_split,
    lock_dataset,
    read_record,
    report_index,
    start_pool,
    write_index,
    write_json,
)
from lipdub.training.dataset_options import ClipOptions
from lipdub.training.prepare_video import write_clips
from lipdub.training.rendered.extra import import_extra
from lipdub.training.rendered.heads import list_heads, name_person
from lipdub.training.rendered.options import TalkerOptions
from lipdub.training.rendered.voices import list_kinds
from lipdub.workspace.keys import digest_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lipdub.arrays import F64, U8
    from lipdub.training.rendered.clips import Studio, Take
    from lipdub.training.rendered.scene import Scene

VERSION = 2  # of the clips for the same seed and options
_DIGITS = 20  # of a clip's digest that name it
_SCENES_A_TASK = 8


@dataclass(frozen=True)
class _Task:
    """Scenes of one head, as a process gets them."""

    head: Path
    digest: str
    scenes: tuple[int, ...]
    options: TalkerOptions
    clips: ClipOptions
    kinds: tuple[str, ...]
    folder: Path
    videos: Path | None


def render_talkers(
    heads: Path,
    out: Path,
    *,
    talkers: TalkerOptions | None = None,
    clips: Mapping[str, Any] | None = None,
    videos: Path | None = None,
    jobs: int = 1,
    progress: Callback | None = None,
) -> dict[str, Any]:
    """Render talkers into a dataset, new or not. A stopped call resumes when it is made again.

    Args:
        heads: folder of head files.
        out: folder of the dataset.
        talkers: which talkers.
        clips: fields of `ClipOptions`; the others are as in the dataset, if there is one.
        videos: folder that gets the clips as videos too.
        jobs: processes.
        progress: called with events.

    Returns:
        the counts of the dataset's index.

    Raises:
        InputError: there are no heads, or none can be rendered.
        UsageError: the options differ from the dataset's, or the folder holds something else.
        EnvironmentFailure: a package or a synthesiser is missing, no space, or another process works on the dataset.
    """
    callback, options = progress or ignore_event, talkers or TalkerOptions()
    files = list_heads(heads)
    _check_names(files, options)
    for package in ("moderngl", "meshoptimizer"):
        import_extra(package)
    kinds = list_kinds()
    check_place(out)
    if not (out / SETTINGS).exists():  # wrong options are refused before a folder is made
        ClipOptions(**(clips or {}))
    with lock_dataset(out):
        clip_options = load_settings(out, clips or {})
        tasks = list(_plan_tasks(files, options, clip_options, kinds, out, videos))
        callback(Event("start", "render", total=options.scenes))
        done = 0
        for task in _run_tasks(tasks, jobs):
            done += len(task.scenes)
            callback(Event("progress", "render", done=done, total=options.scenes, unit="scenes"))
        index = write_index(out, clip_options, load_split(out, {}), {}, callback)
    report_index(index, callback)
    if not index["clips"]:
        raise InputError("no rendered clip passed the filters", hint=f"{out / INDEX} says why.")
    return dict(index["counts"])


def _check_names(files: Sequence[Path], options: TalkerOptions) -> None:
    """Refuse people to keep apart of whom the folder has none, where the names are the caller's own."""
    people = [name_person(file) for file in files]
    twice = {name for name in people if people.count(name) > 1}
    if twice:
        raise InputError(f"two heads have the name {printable(min(twice))}")
    missing = [name for name in options.kept_people if name not in people]
    if missing and options.kept_apart != TalkerOptions().kept_apart:
        raise UsageError(f"--kept-apart: there is no head {printable(missing[0])}")


def _plan_tasks(
    files: Sequence[Path],
    options: TalkerOptions,
    clips: ClipOptions,
    kinds: tuple[str, ...],
    out: Path,
    videos: Path | None,
) -> Iterator[_Task]:
    """Give each head its scenes, in parts."""
    for i, file in enumerate(files):
        numbers = tuple(range(i, options.scenes, len(files)))
        digest = digest_file(file)[:_DIGITS] if numbers else ""
        for first in range(0, len(numbers), _SCENES_A_TASK):
            part = numbers[first : first + _SCENES_A_TASK]
            yield _Task(file, digest, part, options, clips, kinds, out, videos)


def _run_tasks(tasks: Sequence[_Task], jobs: int) -> Iterator[_Task]:
    """Yield each task when it is done. All work is done in child processes, which a synthesiser and OpenGL ask for."""
    from concurrent.futures import as_completed
    from concurrent.futures.process import BrokenProcessPool

    # every process draws in one thread
    os.environ.setdefault("LP_NUM_THREADS", "0")
    pool = start_pool(max(min(jobs, len(tasks)), 1))
    try:
        futures = {pool.submit(_render_task, task): task for task in tasks}
        for future in as_completed(futures):
            future.result()
            yield futures[future]
        pool.shutdown()
    except BrokenProcessPool as error:
        raise EnvironmentFailure(
            "a process that renders died", hint="Memory may be short: use fewer --jobs. The command resumes."
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _render_task(task: _Task) -> None:
    """Write the clips of a task that are missing."""
    from lipdub.training.rendered.clips import Studio

    studio: Studio | None = None
    try:
        for number in task.scenes:
            names = {variant: _name_clip(task, number, variant) for variant in task.options.variants}
            if all(_is_done(task, number, variant, name) for variant, name in names.items()):
                continue
            studio = studio or Studio(task.head, task.options.pixels)
            _render_scene(task, studio, number, names)
    finally:
        if studio is not None:
            studio.close()


def _is_done(task: _Task, number: int, variant: str, name: str) -> bool:
    video = _find_video(task, number, variant)
    return read_record(task.folder, name) is not None and (video is None or video.exists())


def _find_video(task: _Task, number: int, variant: str) -> Path | None:
    """Give the place of a clip's video among those that are kept."""
    if task.videos is None:
        return None
    return task.videos / name_person(task.head) / f"{task.options.seed}-{number:06d}-{variant}.mp4"


def _name_clip(task: _Task, number: int, variant: str) -> str:
    """Name a clip by all that it depends on."""
    facts = [
        VERSION, task.options.seed, number, variant, task.digest, task.options.seconds, task.options.pixels,
        task.kinds, _is_kept(task), asdict(task.clips),
    ]  # fmt: skip
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=_DIGITS).hexdigest()[:_DIGITS]


def _is_kept(task: _Task) -> bool:
    return name_person(task.head) in task.options.kept_people


def _render_scene(task: _Task, studio: Studio, number: int, names: Mapping[str, str]) -> None:
    """Write the clips of a scene that are missing."""
    scene = studio.open_scene(task.options.seed, number)
    places: F64 | None = None
    for variant, name in names.items():
        if not _is_done(task, number, variant, name):
            take = studio.plan_take(scene, variant, task.kinds, task.options.seconds, is_kept=_is_kept(task))
            shared = None if variant == "camera" else places
            _render_clip(task, studio, scene, take, number, name, shared)
        if variant == "plain":
            places = _read_placements(task, name)


def _render_clip(
    task: _Task, studio: Studio, scene: Scene, take: Take, number: int, name: str, places: F64 | None
) -> None:
    """Write one clip: video, shards, truth and record."""
    from lipdub.training.rendered.film import write_video
    from lipdub.training.rendered.truth import write_truth

    scratch = task.folder / WORK / name
    shutil.rmtree(scratch, ignore_errors=True)
    masks: list[U8] = []

    def draw() -> Iterator[U8]:
        for picture, mask in studio.draw_take(scene, take):
            masks.append(mask)
            yield picture

    video = scratch / "clip.mp4"
    write_video(video, draw(), take.audio, scene.film.quality)
    places = places if places is not None and len(places) == len(take) else None
    options = replace(task.clips, min_sync=0.0)  # the truth is known
    result = write_clips(
        video, name, task.folder / SHARDS, scratch / "detect", options, placements=places, has_one_face=True
    )
    for clip in result["clips"]:
        layout = shards.read_layout(task.folder / SHARDS / clip["shard"])
        cut = shards.read_rows(task.folder / SHARDS / clip["shard"], layout, "placements", 0, clip["frames"])
        shown = np.stack(masks) if take.variant == "hidden" else np.zeros((0, 1, 1), np.uint8)
        first = round(clip["start"] * shards.FPS)
        write_truth(
            task.folder, clip["shard"], take.truth, first, cut, shown, options.side, options.side / options.size
        )
    kept = _find_video(task, number, take.variant)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(video, kept.with_suffix(".part"))
        kept.with_suffix(".part").replace(kept)
    person = name_person(task.head)
    record = {
        "video": name,
        **result,
        "name": f"{person}/{task.options.seed}-{number:06d}-{take.variant}",
        "speaker": person,
        "licence": task.options.licence,
        "copies": [],
        "split": "held-out" if _is_kept(task) else "train",
        "scene": f"{task.options.seed}-{number:06d}",
        "variant": take.variant,
        "emotion": take.emotion,
    }
    write_json(task.folder / VIDEOS / f"{name}.json", record)
    shutil.rmtree(scratch, ignore_errors=True)


def _read_placements(task: _Task, name: str) -> F64 | None:
    """Read the placements of a video's frames, if one clip has them all."""
    record = read_record(task.folder, name)
    if record is None or len(record["clips"]) != 1 or record["clips"][0]["start"] != 0:
        return None
    clip = record["clips"][0]
    path = task.folder / SHARDS / clip["shard"]
    return np.asarray(shards.read_rows(path, shards.read_layout(path), "placements", 0, clip["frames"]), np.float64)
