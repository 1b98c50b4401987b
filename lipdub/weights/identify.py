"""Tells which published file one is: by its digest, or else by the names and shapes of the weights in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipdub.errors import EnvironmentFailure, InputError, WeightsError, wrap_os_error
from lipdub.weights import manifest
from lipdub.weights.file_format import detect_format
from lipdub.weights.shipped_files import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.weights.manifest import ManifestEntry, NetworkPart
    from lipdub.weights.store import WeightsStore

_SUFFIXES = {".pth", ".pt", ".tar", ".model", ".safetensors", ".mat", ".zip", ".bin", ".ckpt"}


def identify_file(path: Path, store: WeightsStore) -> ManifestEntry:
    """The entry whose file this is.

    Raises:
        InputError: there is no such file.
        WeightsError: it is no file of weights, none that lipdub knows, or another copy of one whose digest is
            known.
    """
    digest = sha256(path)
    known = {entry.name: store.wanted(entry) for entry in manifest.list_entries()}
    for name, wanted in known.items():
        if wanted == digest:
            return manifest.find_entry(name)
    kind = detect_format(path)
    if kind == "torchscript":
        raise WeightsError(f"{path.name} is a TorchScript archive, a program instead of weights, and none lipdub knows")
    alike = list(_alike(path, kind == "matlab"))
    found = [entry for entry in alike if known[entry.name] is None]
    if len(found) > 1:
        found = [entry for entry in found if entry.file == path.name] or found
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(entry.name for entry in found)
        raise WeightsError(f"{path.name} may be any of {names}", hint="Say which: --as NAME.")
    if alike:
        names = " or ".join(entry.file for entry in alike)
        raise WeightsError(
            f"{path.name} has the weights' names of {names}, but is not that file: SHA-256 {digest[:12]}…",
            hint="Only the published files are taken.",
        )
    raise WeightsError(f"{path.name} holds no weights lipdub knows", hint="See lipdub weights list.")


def check_claim(path: Path, entry: ManifestEntry, *, own: bool = False) -> None:
    """Checks a file of which somebody says what it is, or what its own weights are for. Raises WeightsError when its
    weights have other names or shapes.
    """
    from lipdub.weights.checkpoint import extract_state, find_mismatch, read_checkpoint

    if (entry.sha256 is not None and not own) or entry.format != "checkpoint":  # the store's checks suffice
        return
    content = read_checkpoint(path)
    for part in entry.parts:
        fault = find_mismatch(_shapes(part), extract_state(content, part, path.name))
        if fault:
            raise WeightsError(f"{path.name} is not {entry.file}: {fault}")


def find_candidates(folder: Path) -> list[Path]:
    """Files in a folder, and in those within, whose names are like those of weights. Raises InputError."""
    try:
        found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _SUFFIXES and path.is_file()]
    except OSError as error:
        raise wrap_os_error(error, folder, "read") from error
    if not found:
        raise InputError(f"there are no files of weights in {folder}")
    return found


def _alike(path: Path, matlab: bool) -> Iterator[ManifestEntry]:
    """The entries whose names and shapes the file has."""
    if matlab:
        keys = _matlab_keys(path)
        for entry in manifest.list_entries():
            if entry.format == "matlab" and keys.issuperset(entry.keys):
                yield entry
        return
    from lipdub.weights.checkpoint import extract_state, find_mismatch, read_checkpoint

    content = read_checkpoint(path)
    for entry in manifest.list_entries():
        if entry.format != "checkpoint" or not entry.parts:
            continue
        try:
            if not any(find_mismatch(_shapes(part), extract_state(content, part, path.name)) for part in entry.parts):
                yield entry
        except (WeightsError, EnvironmentFailure):  # not this one's keys, or its network is not installed
            continue


_known_shapes: dict[str, dict[str, tuple[int, ...]]] = {}  # networks are built once for all files of a folder


def _shapes(part: NetworkPart) -> dict[str, tuple[int, ...]]:
    from lipdub.weights.checkpoint import infer_shapes

    name = f"{part.network} {sorted(part.arguments.items())} {part.without}"
    if name not in _known_shapes:
        _known_shapes[name] = infer_shapes(part)
    return _known_shapes[name]


def _matlab_keys(path: Path) -> set[str]:
    from scipy.io import whosmat

    try:
        return {name for name, _, _ in whosmat(str(path))}
    except Exception as error:  # its reader fails in many ways on torn files
        raise WeightsError(f"{path.name} cannot be read: it is cut short or damaged") from error
