"""Identify a published file by its digest, or else by the names and shapes of its weights."""

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
    """Return the entry of a file.

    Raises:
        InputError: There is no such file.
        WeightsError: The file holds no weights, none that lipdub knows, or is not the published copy of them.
    """
    digest = sha256(path)
    wanted = {entry.name: store.expected_digest(entry) for entry in manifest.list_entries()}
    for name, entry_digest in wanted.items():
        if entry_digest == digest:
            return manifest.find_entry(name)
    form = detect_format(path)
    if form == "torchscript":
        raise WeightsError(f"{path.name} is a TorchScript archive, a program instead of weights, and none lipdub knows")
    alike = list(_find_alike(path, is_matlab=form == "matlab"))
    candidates = [entry for entry in alike if wanted[entry.name] is None]
    if len(candidates) > 1:
        candidates = [entry for entry in candidates if entry.file == path.name] or candidates
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = ", ".join(entry.name for entry in candidates)
        raise WeightsError(f"{path.name} may be any of {names}", hint="Say which: --as NAME.")
    if alike:
        names = " or ".join(entry.file for entry in alike)
        raise WeightsError(
            f"{path.name} has the weights' names of {names}, but is not that file: SHA-256 {digest[:12]}…",
            hint="Only the published files are taken.",
        )
    raise WeightsError(f"{path.name} holds no weights lipdub knows", hint="See lipdub weights list.")


def check_claim(path: Path, entry: ManifestEntry, *, own: bool = False) -> None:
    """Check a file that a user declares to be an entry's, or to be the user's own weights for its network.

    Raises:
        WeightsError: Its weights have other names or shapes.
    """
    from lipdub.weights.checkpoint import extract_state, find_mismatch, read_checkpoint

    if (entry.sha256 is not None and not own) or entry.format != "checkpoint":  # the store's checks suffice
        return
    content = read_checkpoint(path)
    for part in entry.parts:
        fault = find_mismatch(_get_shapes(part), extract_state(content, part, path.name))
        if fault:
            raise WeightsError(f"{path.name} is not {entry.file}: {fault}")


def find_candidates(folder: Path) -> list[Path]:
    """Return the files in a folder and its subfolders that have names like those of weights.

    Raises:
        InputError: There are none, or there is no such folder.
    """
    try:
        files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _SUFFIXES and path.is_file()]
    except OSError as error:
        raise wrap_os_error(error, folder, "read") from error
    if not files:
        raise InputError(f"there are no files of weights in {folder}")
    return files


def _find_alike(path: Path, *, is_matlab: bool) -> Iterator[ManifestEntry]:
    """Yield the entries whose names and shapes the file has."""
    if is_matlab:
        keys = _read_matlab_keys(path)
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
            states = [(part, extract_state(content, part, path.name)) for part in entry.parts]
            if not any(find_mismatch(_get_shapes(part), state) for part, state in states):
                yield entry
        except (WeightsError, EnvironmentFailure):  # the file has other keys, or the network is not installed
            continue


_shapes: dict[str, dict[str, tuple[int, ...]]] = {}  # each network is built once for all files of a folder


def _get_shapes(part: NetworkPart) -> dict[str, tuple[int, ...]]:
    from lipdub.weights.checkpoint import infer_shapes

    name = f"{part.network} {sorted(part.arguments.items())} {part.without}"
    if name not in _shapes:
        _shapes[name] = infer_shapes(part)
    return _shapes[name]


def _read_matlab_keys(path: Path) -> set[str]:
    from scipy.io import whosmat

    try:
        return {name for name, _, _ in whosmat(str(path))}
    except Exception as error:  # its reader fails in many ways on damaged files
        raise WeightsError(f"{path.name} cannot be read: it is cut short or damaged") from error
