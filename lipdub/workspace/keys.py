"""Digests of contents, and the key of a stage's cache made of them. `engine.resume.plan_stage` compares keys."""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING, Any

from lipdub.errors import InputError, wrap_os_error
from lipdub.workspace.json_values import to_canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIGEST_BYTES = 20
"""Length of a digest; as text it has twice as many hexadecimal digits."""

_BLOCK_BYTES = 1 << 20


def digest_bytes(content: bytes) -> str:
    """Return the BLAKE2b digest of some bytes, as 40 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()


def digest_file(path: Path) -> str:
    """Return the BLAKE2b digest of a file's whole content, read in blocks.

    Raises:
        InputError: There is no such file.
    """
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                state.update(block)
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    return state.hexdigest()


class DigestCache:
    """Digests of files, so that a large file is read once.

    A digest holds as long as the file's path, size, modification time and inode are the same.

    Attributes:
        known: The mapping that ``workspace.json`` stores. It is changed in place.
        changed: Whether a digest was added.
    """

    def __init__(self, known: dict[str, Any] | None = None) -> None:
        self.known: dict[str, Any] = known if known is not None else {}
        self.changed = False

    def __call__(self, path: Path) -> str:
        """Return the digest of a file.

        Raises:
            InputError: There is no such file, or it is a pipe, a device or a folder.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise wrap_os_error(error, path, "read") from error
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is no plain file", hint="Save its content to a file first.")
        name = str(path.absolute())
        mark = [status.st_size, status.st_mtime_ns, status.st_ino]
        entry = self.known.get(name)
        if isinstance(entry, dict) and entry.get("mark") == mark and isinstance(entry.get("digest"), str):
            return str(entry["digest"])
        digest = digest_file(path)
        self.known[name] = {"mark": mark, "digest": digest}
        self.changed = True
        return digest


def stage_key(
    *,
    stage: str,
    version: int,
    inputs: Mapping[str, str],
    upstream: Mapping[str, str],
    options: Mapping[str, Any],
    files: tuple[str, ...] = (),
) -> str:
    """Return the key of a stage's cache. Different arguments give different keys.

    Args:
        stage: Name of the stage.
        version: Version of its code.
        inputs: Digest of each media file it reads.
        upstream: Key of each stage it reads.
        options: Its options, as plain values.
        files: Digests of weights, and of files that its options name.
    """
    return digest_bytes(
        to_canonical_json(
            {
                "stage": stage,
                "version": version,
                "inputs": dict(inputs),
                "upstream": dict(upstream),
                "options": dict(options),
                "files": list(files),
            }
        )
    )
