"""Checks before heavy work begins: whether the files, folders and devices can be used."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.engine.provenance import is_result
from lipdub.errors import EnvironmentFailure, InputError, UsageError, wrap_os_error
from lipdub.stages.job import Job, provenance_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lipdub.media.probe import MediaFacts
    from lipdub.weights.manifest import ManifestEntry
    from lipdub.workspace.folder import StageRecord

MIN_SPEECH_SECONDS = 0.1  # seconds
MIN_SPEECH_RATE = 1000  # Hz; below it no speech can be heard
_LONGEST_WORKSPACE_NAME = 80  # bytes of the longest path within a workspace, with room to spare
DEVICES = ("auto", "cpu", "cuda", "mps")


def check_video(path: Path) -> MediaFacts:
    """Return the facts of a source that can be dubbed.

    Raises:
        InputError: It is unreadable, or has no picture or no frames.
    """
    from lipdub.media.probe import probe

    facts = probe(path)
    if facts.video is None:
        raise InputError(f"{path} has no picture", hint="Give a video or a still image first, the speech second.")
    if facts.video.frames < 1:
        raise InputError(f"{path} has a video stream without a single frame")
    if facts.video.missing:
        frame_count = facts.video.frames
        raise InputError(
            f"{path} is cut short: {frame_count} of {frame_count + facts.video.missing} frames are there",
            hint="Copy it again; or, to dub what is left, wrap it anew first: ffmpeg -i IN -c copy OUT.",
        )
    return facts


def check_speech(path: Path, what: str = "speech") -> float:
    """Return the seconds of audio in ``path``.

    Raises:
        InputError: It is missing, cannot be decoded, holds too little audio, or is no sound.
    """
    from lipdub.media.audio import load_audio, probe_audio_source

    rate = probe_audio_source(path).rate
    if rate < MIN_SPEECH_RATE:
        raise InputError(
            f"the {what} {path} has a sample rate of {rate} Hz", hint=f"At least {MIN_SPEECH_RATE} Hz is needed."
        )
    seconds = len(load_audio(path, rate=SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    if seconds < MIN_SPEECH_SECONDS:
        raise InputError(
            f"the {what} {path} is only {seconds:.2f} s long", hint=f"At least {MIN_SPEECH_SECONDS} s is needed."
        )
    return seconds


def check_place(out: Path) -> None:
    """Make the folder of ``out`` and try to write there; if ``out`` is a symbolic link, also where it points to.

    Raises:
        EnvironmentFailure: It cannot be written to.
        UsageError: A file stands where the folder should be, or a name is too long.
    """
    for folder in dict.fromkeys((out.parent, Path(os.path.realpath(out)).parent)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".lipdub-"):
                pass
        except FileExistsError:
            raise UsageError(f"{folder} is a file, not a folder") from None
        except OSError as error:
            raise wrap_os_error(error, out) from error
    try:
        out.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise wrap_os_error(error, out) from error


def check_lengths(job: Job) -> None:
    """Check that the disk takes the names of the result, of the file beside it and in the workspace.

    Raises:
        UsageError: One is too long.
    """
    out = job.result()
    for path in (out, provenance_path(out), job.folder() / ("n" * _LONGEST_WORKSPACE_NAME)):
        try:
            path.lstat()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise UsageError(
                    f"the name of the result is too long: {out.name}",
                    hint=f"Give a shorter one with -o; {provenance_path(out).name} is written, too.",
                ) from error


def check_weights(paths: Iterable[Path], commercial_safe: bool) -> list[ManifestEntry]:
    """Return the published weights among these files.

    Raises:
        WeightsError: ``commercial_safe`` is set, and a published file is not known to allow commercial use. The
        user is responsible for the licence of own files.
    """
    from lipdub.weights import manifest
    from lipdub.weights.store import WeightsStore

    store = WeightsStore()
    found = store.entries(paths)
    for entry in found:
        manifest.check_licence(entry, commercial_safe and not store.is_own(entry))
    return found


def choose_device(name: str, networks: bool) -> str:
    """Return the device to compute on. ``auto`` queries torch only where networks are to run.

    Raises:
        EnvironmentFailure: The machine has no such device.
    """
    if name == "cpu" or (name == "auto" and not networks):
        return "cpu"
    import torch

    has_device: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        return next(device for device, is_present in has_device.items() if is_present())
    if not has_device[name]():
        raise EnvironmentFailure(f"there is no {name} device here", hint="Use --device auto or cpu.")
    return name


def check_result_name(job: Job, record: StageRecord | None) -> None:
    """Check that the result's name can be used.

    Args:
        job: The job.
        record: What the workspace knows of an earlier result.

    Raises:
        UsageError: No container has such a name, it is a folder or an input, or lipdub did not make the file there.
    """
    from lipdub.media.containers import container_for
    from lipdub.media.mux import follow_links

    out = job.result()
    container_for(out)
    check_lengths(job)
    if out.is_dir():
        raise UsageError(f"{out} is a folder", hint="Name the result file with -o.")
    follow_links(out)
    for path in (job.video, job.speech, job.mix):
        if path is not None and out.exists() and path.exists() and out.samefile(path):
            raise UsageError(f"the result would replace {path}", hint="Name another file with -o.")
    if out.exists() and not job.overwrite and not is_result(out, record):
        raise UsageError(
            f"{out} is there already and lipdub did not make it",
            hint="Name another file or give --overwrite.",
        )
