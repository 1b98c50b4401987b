"""The provenance of a result: tags in its container, and a sidecar file next to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub._version import __version__
from lipdub.errors import InputError
from lipdub.stages.job import Job, provenance_path
from lipdub.workspace.atomic_files import write_atomically
from lipdub.workspace.json_values import to_plain

if TYPE_CHECKING:
    from lipdub.workspace.folder import StageRecord, Workspace

STATEMENT = "The lips and the speech of a person in this video were changed by software."


def metadata_tags(recipe: str) -> dict[str, str]:
    """Return the tags of the result's container. They hold no time, so the same job gives the same file."""
    return {"comment": f"{STATEMENT} Made with lipdub {__version__}, recipe {recipe}."}


def is_result(out: Path, record: StageRecord | None) -> bool:
    """Whether lipdub made the file ``out``.

    Its sidecar tells. Where a run ended before the sidecar was written, the workspace knows the result. Where it ended
    before even that, the workspace knows that a result was being made, and the tags tell that this is it.

    Args:
        out: A file that exists.
        record: What the workspace knows of the stage that writes the result.
    """
    if provenance_path(out).exists():
        return True
    if record is None:
        return False
    return record.output == describe_output(out) if record.state == "done" else _has_tags(out)


def _has_tags(out: Path) -> bool:
    from lipdub.media.demux import open_media

    try:
        with open_media(out) as media:
            comments = [value for key, value in media.metadata.items() if key.lower() == "comment"]
    except InputError:
        return False
    return any(STATEMENT in comment for comment in comments)


def describe_output(path: Path) -> dict[str, Any]:
    """Return what tells a result apart from a file that someone else wrote there."""
    status = path.stat()
    return {"path": str(path.absolute()), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def write_sidecar(job: Job, recipe: str, workspace: Workspace) -> Path:
    """Write the sidecar of a finished job, unless the result has one. Raises EnvironmentFailure."""
    out = job.result()
    path = provenance_path(out)
    if path.exists() and path.stat().st_mtime_ns >= out.stat().st_mtime_ns:
        return path
    inputs = {"source": job.video, "speech": job.speech, "mix": job.mix}
    content: dict[str, Any] = {
        "statement": STATEMENT,
        "tool": "lipdub",
        "version": __version__,
        "recipe": recipe,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "result": {"name": out.name, "blake2b": workspace.digest(out)},
        "inputs": {
            role: {"name": file.name, "blake2b": workspace.digest(file)}
            for role, file in inputs.items()
            if file is not None
        },
        "notes": list(dict.fromkeys(_read_notes(workspace))),
        "stages": {name: _stage(record) for name, record in workspace.stages.items()},
    }
    write_atomically(path, (json.dumps(to_plain(content), indent=1) + "\n").encode())
    return path


def _read_notes(workspace: Workspace) -> list[str]:
    return [note for record in workspace.stages.values() for note in record.summary.get("notes") or ()]


def _stage(record: StageRecord) -> dict[str, Any]:
    return {
        "method": record.options.get("method"),
        "options": record.options,
        "files": {Path(file).name: digest for file, digest in record.files.items()},
    }
