"""The folder of a dataset: its settings, records and index, its lock, and the processes that fill it.

`training.prepare` describes what lies in it. Footage and rendered talkers fill it alike.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from lipdub.errors import InputError, UsageError, printable, wrap_os_error
from lipdub.progress import Callback, Event
from lipdub.training import shards
from lipdub.training.dataset_options import ClipOptions, SplitOptions
from lipdub.training.prepare_video import REASONS, options_key
from lipdub.workspace.atomic_files import PARTIAL_SUFFIX, write_atomically
from lipdub.workspace.lock import hold_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SCHEMA = 1
INDEX, SETTINGS, SHARDS, VIDEOS, WORK = "index.json", "settings.json", "shards", "videos", ".prepare"
"""Names of the files and folders of a dataset, as `prepare` describes them."""
_FACTS = ("video", "name", "speaker", "licence")  # of a record that its clips have in the index
_RENDERED = ("scene", "variant", "emotion")  # the same of rendered talkers


def summarize_counts(counts: Mapping[str, Any]) -> str:
    """Put the counts of an index into a line of words."""
    clips, speakers, videos = (
        f"{counts[name]} {name if counts[name] != 1 else name[:-1]}" for name in ("clips", "speakers", "videos")
    )
    bad = f", {counts['unreadable']} unreadable" if counts["unreadable"] else ""
    return (
        f"{clips} ({counts['seconds']:.0f} s) of {speakers} from {videos}{bad}, {counts['held_out']} held out; "
        f"left out: {describe_rejected(counts) or 'nothing'}"
    )


def describe_rejected(counts: Mapping[str, Any]) -> str:
    """Say what the counts of an index left out, and why; "" for nothing."""
    return ", ".join(f"{n} {REASONS[reason]}" for reason, n in counts["rejected"].items())


# -- processes


def start_pool(jobs: int) -> Any:
    """Start processes that end with this one."""
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


# -- records


def read_record(folder: Path, digest: str) -> dict[str, Any] | None:
    """Read the record of a video, if all its shards are there."""
    try:
        record = json.loads((folder / VIDEOS / f"{digest}.json").read_bytes())
        return dict(record) if all(has_shard(folder, clip) for clip in record["clips"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def has_shard(folder: Path, clip: Mapping[str, Any]) -> bool:
    """Check whether a clip's shard lies in its place with its old length."""
    try:
        result: bool = (folder / SHARDS / clip["shard"]).stat().st_size == clip["bytes"]
        return result
    except OSError:
        return False


# -- settings and index


def load_settings(out: Path, requested: Mapping[str, Any]) -> ClipOptions:
    """Read the dataset's options, which the given ones must not contradict, or write them."""
    path = out / SETTINGS
    known = read_json(path)
    if known is None:
        options = ClipOptions(**requested)
        write_json(path, options_key(options))
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


def load_split(out: Path, requested: Mapping[str, Any]) -> SplitOptions:
    """Read the dataset's split, changed by the given fields of `SplitOptions`."""
    known = (read_json(out / INDEX) or {}).get("split", {})
    return SplitOptions(**{**known, **requested})


def build_index(
    out: Path, options: ClipOptions, split: SplitOptions, unreadable: dict[str, str], callback: Callback
) -> dict[str, Any]:
    """Build the index of all records."""
    records = [read_json(path) or {} for path in sorted((out / VIDEOS).glob("*.json"))]
    clips, rejected = [], []
    for record in records:
        facts = {name: record[name] for name in (*_FACTS, *(name for name in _RENDERED if name in record))}
        part = is_in_share(record["speaker"] if split.by == "speaker" else record["video"], split.held_out)
        side = {"split": record.get("split") or ("held-out" if part else "train")}
        present = [clip for clip in record["clips"] if has_shard(out, clip)]
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


def is_in_share(name: str, share: float) -> bool:
    """Check whether a name belongs to a share of all names: the same name always gives the same answer."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2.0**64


def report_index(index: dict[str, Any], callback: Callback) -> None:
    """Send the counts of an index, and warn if nothing is held out, or nothing left to train with."""
    counts = index["counts"]
    if counts["clips"]:
        if index["split"]["held_out"] > 0 and not counts["held_out"]:
            callback(Event("warn", "prepare", message=f"no {index['split']['by']} was held out"))
        if counts["held_out"] == counts["clips"]:
            callback(Event("warn", "prepare", message="all clips are held out: there is nothing to train with"))
    callback(Event("done", "prepare", done=counts["clips"], unit="clips", data=counts))


# -- files


def check_place(out: Path) -> None:
    """Refuse a folder that holds something other than a dataset."""
    try:
        names = {path.name for path in out.iterdir()} if out.exists() else set()
    except OSError as error:
        raise wrap_os_error(error, out) from error
    if names - {WORK, VIDEOS} and SETTINGS not in names:
        raise UsageError(f"{printable(out)} is not empty and is no dataset", hint="Give --out a new folder.")


@contextmanager
def lock_dataset(out: Path) -> Iterator[None]:
    """Lock the dataset's folder against other processes. Raises EnvironmentFailure."""
    try:
        (out / WORK).mkdir(parents=True, exist_ok=True)
        (out / VIDEOS).mkdir(exist_ok=True)
    except OSError as error:
        raise wrap_os_error(error, out) from error
    with hold_lock(out / WORK / "lock", printable(out), place=out, hint="Give an --out on another disk."):
        yield


def write_index(
    out: Path, options: ClipOptions, split: SplitOptions, unreadable: dict[str, str], callback: Callback
) -> dict[str, Any]:
    """Build the dataset's index, write it, and remove the remains of interrupted work. Arguments as `build_index`."""
    index = build_index(out, options, split, unreadable, callback)
    write_json(out / INDEX, index)
    tidy(out, index)
    return index


def tidy(out: Path, index: dict[str, Any]) -> None:
    """Remove the remains of interrupted work."""
    known = {out / SHARDS / clip["shard"] for clip in index["clips"]}
    for path in (out / SHARDS).rglob("*"):
        if (
            path.is_file()
            and path not in known
            and (path.suffix == ".safetensors" or path.name.endswith(PARTIAL_SUFFIX))
        ):
            path.unlink(missing_ok=True)
    for path in [*out.glob(f"*{PARTIAL_SUFFIX}"), *(out / VIDEOS).glob(f"*{PARTIAL_SUFFIX}")]:
        path.unlink(missing_ok=True)
    shutil.rmtree(out / WORK, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON file; None if there is none. Raises InputError if it is damaged."""
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{printable(path)} is damaged", hint="Remove it, and prepare the dataset again.") from error


def write_json(path: Path, content: Any) -> None:
    """Write plain values as JSON, whole or not at all."""
    write_atomically(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode("ascii"))
