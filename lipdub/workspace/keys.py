"""What decides whether a stage's cache may be used again: digests of contents and the key made of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lipdub.errors import wrap_os_error
from lipdub.workspace.json_values import to_canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIGEST_BYTES = 20
_BLOCK = 1 << 20


def digest_bytes(content: bytes) -> str:
    """BLAKE2b of ``content``, 40 hex digits."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()


def digest_file(path: Path) -> str:
    """BLAKE2b of the file's whole content, read in blocks. Raises InputError when it is not there."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                state.update(block)
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    return state.hexdigest()


class DigestCache:
    """Content digests remembered by path, size, modification time and inode, so that a large source is read
    once.

    ``known`` is the plain mapping kept in ``workspace.json``; it is changed in place.
    """

    def __init__(self, known: dict[str, Any] | None = None) -> None:
        self.known: dict[str, Any] = known if known is not None else {}
        self.changed = False

    def __call__(self, path: Path) -> str:
        try:
            status = path.stat()
        except OSError as error:
            raise wrap_os_error(error, path, "read") from error
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
    """The key of a stage's cache.

    ``inputs``: digest of each media file it reads; ``upstream``: key of each stage it reads; ``options``: its
    options as plain values; ``files``: digests of weights and of files its options name.
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
