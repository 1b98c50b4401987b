"""The format of a file of weights, read from its first bytes without loading anything of it."""

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
_PAGE = re.compile(rb"\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)
_HEAD_BYTES = 512
_MAX_SAFETENSORS_HEADER = 1 << 27  # bytes
_FETCH_AGAIN = "Get the file again: lipdub weights pull."


def detect_format(path: Path, name: str | None = None) -> FileFormat:
    """Return the format of a file of weights; "zip" and the older "pickle" are PyTorch's own.

    Args:
        path: The file.
        name: Name of the file in errors, by default its own name.

    Raises:
        WeightsError: The file has none of these formats, is cut short, or is an archive that reaches outside itself.
        InputError: There is no such file.
        EnvironmentFailure: The file cannot be read.
    """
    name = name or path.name
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(_ZIP):
            return _detect_zip_format(path, name)
        if head.strip(b"\0") and _is_tar(path):
            raise WeightsError(f"{name} is a tar archive; lipdub reads no weights from those", hint=_FETCH_AGAIN)
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    if head.startswith(_PICKLE):
        return "pickle"
    if head.startswith(_MATLAB):
        return "matlab"
    if head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < _MAX_SAFETENSORS_HEADER:
        return "safetensors"
    raise WeightsError(f"{name} {_describe_other(head)}", hint=_FETCH_AGAIN)


def _detect_zip_format(path: Path, name: str) -> FileFormat:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except OSError:
        raise
    except Exception as error:  # a damaged directory fails in many ways, struct.error among them
        raise WeightsError(f"{name} is cut short or damaged", hint=_FETCH_AGAIN) from error
    for member in members:
        inside = PurePosixPath(member.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in member:
            raise WeightsError(f"{name} is an archive that reaches outside itself ({member}), and is not read")
    # All members lie in one folder of any name.
    inner = {"/".join(PurePosixPath(member).parts[1:]) for member in members}
    if "constants.pkl" in inner or any(member.startswith("code/") for member in inner):
        return "torchscript"
    if "data.pkl" in inner:
        return "zip"
    raise WeightsError(f"{name} is a zip archive, but not one PyTorch wrote", hint=_FETCH_AGAIN)


def _is_tar(path: Path) -> bool:
    """Return whether PyTorch would take the file for a tar archive: it has unpickled that oldest form carelessly."""
    try:
        with tarfile.open(path, "r:"):
            return True
    except OSError:
        raise
    except Exception:  # a file that is no archive fails in many ways, where it looks like one by chance
        return False


def _describe_other(head: bytes) -> str:
    if not head.strip(b"\0"):
        return "is empty"
    if _PAGE.match(head):
        return "is a web page, not weights"
    if head.startswith(_LFS):
        return "is a Git LFS pointer, not the file itself"
    return "is no file of weights"
