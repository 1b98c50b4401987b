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

from lipdub.errors import UsageError, WeightsError, printable, wrap_os_error
from lipdub.weights import talking_face_file
from lipdub.weights.shipped_files import locate_shipped, sha256, verify_shipped
from lipdub.weights.store import default_folder, hold_lock
from lipdub.workspace.atomic_files import write_atomically

SHIPPED = "stabilized.safetensors"
INDEX_FILE = "trained.json"
_PATIENCE = 60.0  # seconds
_NAME = re.compile(r"[^\W.][\w .+-]{0,99}")


@dataclass(frozen=True)
class ModelFile:
    """A model's file. origin: "file", "name", "video" (adapted to it) or "shipped"; remark: what a person should know of it."""

    path: Path
    sha256: str
    origin: str
    remark: str


def models_folder() -> Path:
    """Where kept models lie."""
    return default_folder() / "trained"


def sanitize_name(name: str) -> str:
    """A name to keep a model by, made of any text."""
    kept = re.sub(r"[^\w .+-]+", "-", name).strip(" .-")[:100].strip(" .-")
    return kept if _NAME.fullmatch(kept) else f"talker-{kept}"[:100]


def check_name(name: str) -> None:
    """Raises UsageError for a name that cannot be a file's."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a model cannot be kept by the name {name!r}", hint="Letters, digits, spaces, _, +, . and - do."
        )


def add_model(path: Path, name: str, video_digest: str | None = None, card: str = "") -> Path:
    """Copies a model into the store, over one of that name, and its card beside it. Returns the copy.

    video_digest: of the video it was adapted to (`workspace.keys.digest_file`). Raises UsageError for a name that cannot be a
    file's, WeightsError when the file holds no model, EnvironmentFailure when it cannot be written.
    """
    check_name(name)
    talking_face_file.read_description(path)
    home = models_folder()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise wrap_os_error(error, home, "write") from error
    with hold_lock(home / f".{INDEX_FILE}.lock", _PATIENCE, "the kept models"):
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
        write_atomically(home / INDEX_FILE, json.dumps(rows, indent=1).encode())
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise wrap_os_error(error, home, "write") from error
    return kept


def find(asked: str | None, video_digest: str | None) -> ModelFile:
    """The model to use: the one asked for, by its name or as a file; else the latest that was adapted to this video; else the one
    that comes with lipdub. Its digest was checked, but for a file's of one's own.

    Raises WeightsError when there is none, or it is not what it was.
    """
    rows = _index()
    if asked is not None:
        if asked in rows:
            return _kept(asked, rows[asked], "name")
        path = Path(asked)
        if path.parent == models_folder() and path.stem in rows:
            return _kept(path.stem, rows[path.stem], "name")
        if path.is_file():
            return ModelFile(path, sha256(path), "file", describe_model(path))
        known = f" Kept are: {', '.join(rows)}." if rows else ""
        raise WeightsError(
            f"there is no talking-face model {printable(asked)}", hint=f"Give a kept name or a file.{known}"
        )
    for name, row in reversed(rows.items()):
        if video_digest is not None and row["video"] == video_digest:
            return _kept(name, row, "video")
    try:
        locate_shipped(SHIPPED)
    except WeightsError:
        raise WeightsError(
            "there is no talking-face model",
            hint="lipdub adapt or lipdub train stabilized makes one; --talker names it.",
        ) from None
    path = verify_shipped(SHIPPED)
    return ModelFile(path, sha256(path), "shipped", describe_model(path))


def describe_models() -> dict[str, str]:
    """What is kept: the remark of each by its name, or why it cannot be used."""
    return {name: _told(name) for name in _index()}


def _told(name: str) -> str:
    path = models_folder() / f"{name}.safetensors"
    if not path.is_file():
        return f"{path.name} is no longer there"
    try:
        return describe_model(path)
    except WeightsError as error:  # one damaged file hides none of the others
        return str(error)


def _kept(name: str, row: dict[str, Any], origin: str) -> ModelFile:
    path = models_folder() / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsError(
            f"the model {printable(name)} is no longer in {printable(models_folder())}", hint="Train or adapt it again."
        )
    if (found := sha256(path)) != row["sha256"]:
        raise WeightsError(
            f"the model {printable(path)} is not what was kept: SHA-256 {found[:12]}…, not {row['sha256'][:12]}…"
        )
    return ModelFile(path, found, origin, describe_model(path))


def describe_model(path: Path) -> str:
    """What a person should know of a model's file. Raises WeightsError when it is none."""
    notes = talking_face_file.read_description(path).get("notes") or {}
    told = notes.get("remark") or "nothing is told of how it was trained"
    return f"the talking-face model {path.name}: {told}"


def _index() -> dict[str, dict[str, Any]]:
    path = models_folder() / INDEX_FILE
    try:
        rows = json.loads(path.read_bytes())
        return {str(name): {"sha256": str(row["sha256"]), "video": row.get("video")} for name, row in rows.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"the list of kept models {printable(path)} is damaged", hint="Remove it, and adapt again."
        ) from error
