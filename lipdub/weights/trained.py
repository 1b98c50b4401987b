"""Talking-face models that were trained here and are kept in the weights store, by name.

They lie in its folder ``trained``: each a file of `weights.talker` with its card, and ``trained.json``, which has the digest of
each and of the video it was adapted to.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipdub.errors import UsageError, WeightsError, os_failure, shown
from lipdub.weights import talker
from lipdub.weights.bundled import located, sha256, shipped
from lipdub.weights.store import default_folder, locked
from lipdub.workspace.files import write_atomically

SHIPPED = "stabilized.safetensors"
INDEX = "trained.json"
_PATIENCE = 60.0  # seconds
_NAME = re.compile(r"[^\W.][\w .+-]{0,99}")


@dataclass(frozen=True)
class Found:
    """A model's file. origin: "file", "name", "video" (adapted to it) or "shipped"; remark: what a person should know of it."""

    path: Path
    sha256: str
    origin: str
    remark: str


def folder() -> Path:
    """Where kept models lie."""
    return default_folder() / "trained"


def plain_name(name: str) -> str:
    """A name to keep a model by, made of any text."""
    kept = re.sub(r"[^\w .+-]+", "-", name).strip(" .-")[:100].strip(" .-")
    return kept if _NAME.fullmatch(kept) else f"talker-{kept}"[:100]


def check_name(name: str) -> None:
    """Raises UsageError for a name that cannot be a file's."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a model cannot be kept by the name {name!r}", hint="Letters, digits, spaces, _, +, . and - do."
        )


def keep(path: Path, name: str, video_digest: str | None = None, card: str = "") -> Path:
    """Copies a model into the store, over one of that name, and its card beside it. Returns the copy.

    video_digest: of the video it was adapted to (`workspace.keys.digest_file`). Raises UsageError for a name that cannot be a
    file's, WeightsError when the file holds no model, EnvironmentFailure when it cannot be written.
    """
    check_name(name)
    talker.about(path)
    home = folder()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise os_failure(error, home, "write") from error
    with locked(home / f".{INDEX}.lock", _PATIENCE, "the kept models"):
        return _keep(path, home, name, video_digest, card)


def _keep(path: Path, home: Path, name: str, video_digest: str | None, card: str) -> Path:
    kept = home / f"{name}.safetensors"
    beside = home / f".{name}.new"
    try:
        shutil.copyfile(path, beside)
        rows = _index()
        rows.pop(name, None)  # to its end: the latest of a video is taken
        rows[name] = {"sha256": sha256(beside), "video": video_digest}
        beside.replace(kept)
        write_atomically(kept.with_suffix(".md"), card.encode())
        write_atomically(home / INDEX, json.dumps(rows, indent=1).encode())
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise os_failure(error, home, "write") from error
    return kept


def find(asked: str | None, video_digest: str | None) -> Found:
    """The model to use: the one asked for, by its name or as a file; else the latest that was adapted to this video; else the one
    that comes with lipdub. Its digest was checked, but for a file's of one's own.

    Raises WeightsError when there is none, or it is not what it was.
    """
    rows = _index()
    if asked is not None:
        if asked in rows:
            return _kept(asked, rows[asked], "name")
        path = Path(asked)
        if path.parent == folder() and path.stem in rows:
            return _kept(path.stem, rows[path.stem], "name")
        if path.is_file():
            return Found(path, sha256(path), "file", remark(path))
        known = f" Kept are: {', '.join(rows)}." if rows else ""
        raise WeightsError(f"there is no talking-face model {shown(asked)}", hint=f"Give a kept name or a file.{known}")
    for name, row in reversed(rows.items()):
        if video_digest is not None and row["video"] == video_digest:
            return _kept(name, row, "video")
    try:
        located(SHIPPED)
    except WeightsError:
        raise WeightsError(
            "there is no talking-face model",
            hint="lipdub adapt or lipdub train stabilized makes one; --talker names it.",
        ) from None
    path = shipped(SHIPPED)
    return Found(path, sha256(path), "shipped", remark(path))


def names() -> dict[str, str]:
    """What is kept: the remark of each by its name, or why it cannot be used."""
    return {name: _told(name) for name in _index()}


def _told(name: str) -> str:
    path = folder() / f"{name}.safetensors"
    if not path.is_file():
        return f"{path.name} is no longer there"
    try:
        return remark(path)
    except WeightsError as error:  # one damaged file hides none of the others
        return str(error)


def _kept(name: str, row: dict[str, Any], origin: str) -> Found:
    path = folder() / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsError(
            f"the model {shown(name)} is no longer in {shown(folder())}", hint="Train or adapt it again."
        )
    if (found := sha256(path)) != row["sha256"]:
        raise WeightsError(
            f"the model {shown(path)} is not what was kept: SHA-256 {found[:12]}…, not {row['sha256'][:12]}…"
        )
    return Found(path, found, origin, remark(path))


def remark(path: Path) -> str:
    """What a person should know of a model's file. Raises WeightsError when it is none."""
    notes = talker.about(path).get("notes") or {}
    told = notes.get("remark") or "nothing is told of how it was trained"
    return f"the talking-face model {path.name}: {told}"


def _index() -> dict[str, dict[str, Any]]:
    path = folder() / INDEX
    try:
        rows = json.loads(path.read_bytes())
        return {str(name): {"sha256": str(row["sha256"]), "video": row.get("video")} for name, row in rows.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise os_failure(error, path, "read") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"the list of kept models {shown(path)} is damaged", hint="Remove it, and adapt again."
        ) from error
