"""What kind of file one is, told from its bytes and without loading anything of it."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Literal

from lipdub.errors import WeightsError, wrap_os_error

FileFormat = Literal["zip", "pickle", "safetensors", "torchscript", "matlab"]

_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"  # every pickle of protocol 2 and later
_MATLAB = b"MATLAB "
_LFS = b"version https://git-lfs"
_AGAIN = "Get the file again: lipdub weights pull."
_PAGE = re.compile(rb"\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)


def detect_format(path: Path, name: str | None = None) -> FileFormat:
    """The kind of a file of weights; "zip" and the older "pickle" are PyTorch's own.

    ``name`` is what to call it in errors, by default its own name.

    Raises:
        WeightsError: it is none of them, is cut short, or is an archive that reaches outside itself.
        InputError, EnvironmentFailure: it cannot be read.
    """
    name = name or path.name
    try:
        with path.open("rb") as file:
            head = file.read(512)
        if head.startswith(_ZIP):
            return _kind_of_zip(path, name)
        if head.strip(b"\0") and _is_tar(path):
            raise WeightsError(f"{name} is a tar archive, which no weights are read from", hint=_AGAIN)
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    if head.startswith(_PICKLE):
        return "pickle"
    if head.startswith(_MATLAB):
        return "matlab"
    if head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < 1 << 27:
        return "safetensors"
    raise WeightsError(f"{name} {_what_else(head)}", hint=_AGAIN)


def _kind_of_zip(path: Path, name: str) -> FileFormat:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise WeightsError(f"{name} is cut short or damaged", hint=_AGAIN) from None
    for member in members:
        inside = PurePosixPath(member.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in member:
            raise WeightsError(f"{name} is an archive that reaches outside itself ({member}), and is not read")
    inner = {"/".join(PurePosixPath(member).parts[1:]) for member in members}  # all lies in one folder of any name
    if "constants.pkl" in inner or any(member.startswith("code/") for member in inner):
        return "torchscript"
    if "data.pkl" in inner:
        return "zip"
    raise WeightsError(f"{name} is a zip archive, but not one PyTorch wrote", hint=_AGAIN)


def _is_tar(path: Path) -> bool:
    """Whether PyTorch would take it for a tar archive, its oldest form: it has unpickled those carelessly."""
    try:
        with tarfile.open(path, "r:"):
            return True
    except (tarfile.TarError, EOFError, ValueError):
        return False


def _what_else(head: bytes) -> str:
    if not head.strip(b"\0"):
        return "is empty"
    if _PAGE.match(head):
        return "is a web page, not weights"
    if head.startswith(_LFS):
        return "is a Git LFS pointer, not the file itself"
    return "is no file of weights"
