"""Models that users trained or adapted themselves, in the weights store, by method and name.

They lie in the store's folder ``trained``: ``METHOD/NAME.safetensors`` with a card ``NAME.md``. The index
``trained.json`` holds the digest of each and, for an adapted model, the digest of its video. Version 0.1.0 knew one
method only and put ``NAME.safetensors`` into ``trained`` itself; such models are still found.

A method declares the family of its models (`ModelFamily`), for example `talking_face_file.FAMILY`.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lipdub.errors import UsageError, WeightsError, printable, wrap_os_error
from lipdub.weights.safetensors_file import read_notes
from lipdub.weights.shipped_files import locate_shipped, sha256, verify_shipped
from lipdub.weights.store import default_folder, find_folder, hold_lock
from lipdub.workspace.atomic_files import encode_text, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

INDEX_FILE = "trained.json"
LEGACY_METHOD = "stabilized"
"""The method of the models that version 0.1.0 stored."""

_LOCK_SECONDS = 60.0  # seconds that another process may take to change the index
_NAME = re.compile(r"[^\W.][\w .+-]{0,99}")
_NO_REMARK = "its file does not say how it was trained"

Origin = Literal["file", "name", "video", "shipped"]


@dataclass(frozen=True)
class ModelFamily:
    """The models that one method can use.

    Attributes:
        method: The method's name. Models are stored by method and name.
        title: Name of such a model in messages, for example "talking-face model".
        makers: The commands that make one, for hints.
        read_description: Reads a file's description; raises WeightsError for a file of another kind.
        shipped: The file that comes with lipdub, if there is one.
    """

    method: str
    title: str
    makers: str
    read_description: Callable[[Path], dict[str, Any]]
    shipped: str | None = None

    def describe(self, path: Path) -> str:
        """Return a note on a model's file for a person.

        Raises:
            WeightsError: The file holds no model of this family.
        """
        notes = self.read_description(path).get("notes") or {}
        return f"the {self.title} {path.name}: {notes.get('remark') or _NO_REMARK}"


@dataclass(frozen=True)
class ModelFile:
    """A model's verified file.

    Attributes:
        path: Where it lies.
        sha256: Its digest.
        origin: How it was found: as a "file", by its "name", adapted to the "video", or "shipped" with lipdub.
        description: A note on the file for a person.
    """

    path: Path
    sha256: str
    origin: Origin
    description: str


@dataclass(frozen=True)
class _Row:
    """An entry of the index."""

    method: str
    name: str
    path: Path
    sha256: str
    video: str | None


def models_folder() -> Path:
    """Return the folder of the user's models.

    Raises:
        EnvironmentFailure: This user has no folder for weights.
    """
    return default_folder() / "trained"


def make_folder(family: ModelFamily) -> Path:
    """Make the folder of a family's models, and try to write there.

    Raises:
        EnvironmentFailure: It cannot be written to, or this user has no folder for weights.
    """
    folder = models_folder() / family.method
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise wrap_os_error(error, folder, "write") from error
    return folder


def sanitize_name(text: str) -> str:
    """Return a valid name for a model, made of any text."""
    name = re.sub(r"[^\w .+-]+", "-", text).strip(" .-")[:100].strip(" .-")
    return name if _NAME.fullmatch(name) else f"talker-{name}"[:100]


def check_name(name: str) -> None:
    """Refuse a name that no model can have.

    Raises:
        UsageError: The name cannot be a file's.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a model cannot have the name {name!r}", hint="Use letters, digits, spaces and the characters _ + . -"
        )


def add_model(family: ModelFamily, path: Path, name: str, video_digest: str | None = None, card: str = "") -> Path:
    """Copy a model into the store, over one of the same method and name, with its card.

    Args:
        family: The family that the model belongs to.
        path: The model's file.
        name: The name to store it by.
        video_digest: Digest of the video that it was adapted to (`workspace.keys.digest_file`).
        card: Content of its card, as Markdown.

    Returns:
        The path of the copy.

    Raises:
        UsageError: The name cannot be a file's.
        WeightsError: The file holds no model of the family.
        EnvironmentFailure: The store cannot be written.
    """
    check_name(name)
    family.read_description(path)
    make_folder(family)
    with hold_lock(models_folder() / f".{INDEX_FILE}.lock", _LOCK_SECONDS, "the stored models"):
        return _replace(family.method, path, name, video_digest, card)


def _replace(method: str, path: Path, name: str, video_digest: str | None, card: str) -> Path:
    target = models_folder() / method / f"{name}.safetensors"
    temporary = target.with_name(f".{name}.new")
    try:
        shutil.copyfile(path, temporary)
        rows = [row for row in _read_index() if (row.method, row.name) != (method, name)]
        # The new row goes last: of several models adapted to one video, the latest is used.
        rows.append(_Row(method, name, target, sha256(temporary), video_digest))
        temporary.replace(target)
        write_atomically(target.with_suffix(".md"), encode_text(card))
        write_atomically(models_folder() / INDEX_FILE, _format_index(rows))
        if method == LEGACY_METHOD:
            for suffix in (".safetensors", ".md"):  # files of the replaced model, where 0.1.0 put them
                (models_folder() / f"{name}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise wrap_os_error(error, target, "write") from error
    return target


def find(family: ModelFamily, name: str | None, video_digest: str | None) -> ModelFile:
    """Return the model to use.

    With a name, this is the stored model of that name, or the file of that path. Without one, it is the latest model
    adapted to the video, or else the one that comes with lipdub. Digests are checked, except that of a file outside
    the store.

    Args:
        family: The family to look in.
        name: A stored name or a path; None to choose by the video.
        video_digest: Digest of the video (`workspace.keys.digest_file`), if known.

    Raises:
        WeightsError: There is no such model, or its file has changed.
    """
    rows = [row for row in _read_index() if row.method == family.method]
    if name is not None:
        return _find_named(family, name, rows)
    for row in reversed(rows):
        if video_digest is not None and row.video == video_digest:
            return _verify(family, row, "video")
    if family.shipped is None or not _is_shipped(family.shipped):
        raise WeightsError(f"there is no {family.title}", hint=f"Make one with {family.makers}, or name its file.")
    path = verify_shipped(family.shipped)
    return ModelFile(path, sha256(path), "shipped", family.describe(path))


def find_origin(family: ModelFamily, video_digest: str) -> Origin | None:
    """Return how the model for a video would be found; None where there is none."""
    try:
        return find(family, None, video_digest).origin
    except WeightsError:
        return None


def find_file(family: ModelFamily, digest: str) -> Path | None:
    """Return the file of a family that has a digest: the shipped one, or a stored one. None where there is none."""
    if family.shipped is not None and _is_shipped(family.shipped):
        shipped = verify_shipped(family.shipped)
        if sha256(shipped) == digest:
            return shipped
    rows = [row for row in _read_index() if row.method == family.method and row.sha256 == digest]
    return next((row.path for row in rows if row.path.is_file() and sha256(row.path) == digest), None)


def _find_named(family: ModelFamily, name: str, rows: list[_Row]) -> ModelFile:
    path = Path(name)
    for row in rows:
        if name == row.name or path == row.path:
            return _verify(family, row, "name")
    if path.is_file():
        return ModelFile(path, sha256(path), "file", family.describe(path))
    stored = f" Stored models: {', '.join(row.name for row in rows)}." if rows else ""
    what = "file" if len(path.parts) > 1 or path.suffix else family.title
    raise WeightsError(f"there is no {what} {printable(name)}", hint=f"Give a stored name or a file.{stored}")


def _is_shipped(name: str) -> bool:
    try:
        locate_shipped(name)
    except WeightsError:
        return False
    return True


def _verify(family: ModelFamily, row: _Row, origin: Origin) -> ModelFile:
    if not row.path.is_file():
        raise WeightsError(
            f"the model {printable(row.name)} is no longer in {printable(row.path.parent)}",
            hint="Train or adapt it again.",
        )
    digest = sha256(row.path)
    if digest != row.sha256:
        raise WeightsError(
            f"the model {printable(row.path)} has changed since it was stored: "
            f"SHA-256 {digest[:12]}…, not {row.sha256[:12]}…",
            hint="Train or adapt it again.",
        )
    return ModelFile(row.path, digest, origin, family.describe(row.path))


def describe_models() -> dict[str, str]:
    """Return a description of each stored model, or the reason why it cannot be used.

    The keys are the models' names; ``METHOD/NAME`` where two methods have models of one name.
    """
    rows = _read_index()
    count = Counter(row.name for row in rows)
    return {row.name if count[row.name] == 1 else f"{row.method}/{row.name}": _describe(row) for row in rows}


def _describe(row: _Row) -> str:
    if not row.path.is_file():
        return f"{row.path.name} is missing"
    try:
        remark = read_notes(row.path).get("remark") or _NO_REMARK
    except WeightsError as error:  # one damaged file hides none of the others
        return str(error)
    return f"for the method {row.method}: {remark}"


def _read_index() -> list[_Row]:
    if find_folder() is None:
        return []
    path = models_folder() / INDEX_FILE
    try:
        return [_parse_row(str(key), values) for key, values in json.loads(path.read_bytes()).items()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"the list of stored models {printable(path)} is damaged", hint="Remove it, and adapt again."
        ) from error


def _parse_row(key: str, values: dict[str, Any]) -> _Row:
    """Return the row of an index entry. Its key is ``METHOD/NAME``, or ``NAME`` as version 0.1.0 wrote it."""
    method, _, name = key.rpartition("/")
    path = models_folder() / f"{key}.safetensors"
    return _Row(method or LEGACY_METHOD, name, path, str(values["sha256"]), values.get("video"))


def _format_index(rows: list[_Row]) -> bytes:
    home = models_folder()
    content = {
        row.path.relative_to(home).with_suffix("").as_posix(): {"sha256": row.sha256, "video": row.video}
        for row in rows
    }
    return json.dumps(content, indent=1).encode()
