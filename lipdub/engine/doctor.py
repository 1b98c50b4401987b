"""Checks of the installation. Each is a small function that returns plain values and never raises."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lipdub.arrays import U8

ENCODERS = ("libx264", "libx265", "aac", "libopus")
"""The encoders for the usual containers."""
BUILTIN_WEIGHTS = ("lip-motion.safetensors", "mouth-response.safetensors")
"""The weights that the built-in recipe needs."""
MIN_FREE_BYTES = 2 * 1024**3
"""Bytes for the workspace and the result of some minutes."""
UNMAINTAINED_PACKAGES = ("basicsr", "gfpgan", "facexlib")
"""Packages that only some optional methods need."""
IMPORT_TIMEOUT_SECONDS = 120
"""Seconds until the import of the unmaintained packages counts as hung."""

Check = dict[str, Any]


def diagnose() -> list[Check]:
    """Run all checks.

    Returns:
        The checks in order, each with the keys ``check`` (its name), ``ok``, ``detail`` (what was found), ``hint``
        (what to do, empty if ok) and ``needed`` (False where the built-in recipe works without it).
    """
    checks: list[Check] = []
    for check in (
        _check_python,
        _check_packages,
        _check_training,
        _check_opencv,
        _check_torch,
        _check_ffmpeg,
        _check_encoders,
        _check_shipped_weights,
        _check_speech_encoder,
        _check_mediapipe,
        _check_unmaintained_packages,
        _check_disk_space,
        _check_write_permission,
    ):
        try:
            checks.extend(check())
        except Exception as error:  # a check that raises an error has failed
            checks.append(
                _make_check(
                    check.__name__.removeprefix("_check_"),
                    False,
                    f"{type(error).__name__}: {error}",
                    "Please report this.",
                )
            )
    return checks


def _make_check(check: str, ok: bool, detail: str, hint: str = "", *, needed: bool = True) -> Check:
    return {"check": check, "ok": bool(ok), "detail": detail, "hint": "" if ok else hint, "needed": needed}


def _check_python() -> Iterator[Check]:
    """The running Python is in the range that the package's metadata declares."""
    from packaging.specifiers import SpecifierSet

    version = ".".join(map(str, sys.version_info[:3]))
    try:
        declared = metadata.metadata("lipdub")["Requires-Python"]
    except metadata.PackageNotFoundError:  # the check of the packages reports it
        declared = ""
    yield _make_check(
        "python",
        SpecifierSet(declared).contains(version, prereleases=True),
        f"{sys.version.split()[0]} at {sys.executable}",
        f"Use a Python that is {declared}: mediapipe has no wheels for others.",
    )


def _check_packages() -> Iterator[Check]:
    """Every dependency is installed in the range that the package declares."""
    from packaging.requirements import Requirement

    try:
        requirements = [Requirement(text) for text in metadata.requires("lipdub") or ()]
    except metadata.PackageNotFoundError:
        yield _make_check("lipdub", False, "not installed as a package", "Install it: pip install -e . in its folder.")
        return
    for requirement in requirements:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        needed = requirement.name.replace("_", "-").lower() not in {*UNMAINTAINED_PACKAGES, "face-alignment"}
        name = f"package {requirement.name}"
        install = f"pip install '{requirement}'"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield _make_check(name, False, "not installed", f"{install}.", needed=needed)
            continue
        fits = requirement.specifier.contains(version, prereleases=True)
        detail = version if fits else f"{version}, tested is {requirement.specifier}"
        yield _make_check(name, fits, detail, f"{install}.", needed=needed)


def list_extras() -> dict[str, tuple[str, ...]]:
    """Return the packages of each extra of lipdub's own, but for those of its developers."""
    from packaging.requirements import Requirement

    try:
        declared = [Requirement(text) for text in metadata.requires("lipdub") or ()]
        names = metadata.metadata("lipdub").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return {}
    optional = [requirement for requirement in declared if requirement.marker is not None]
    return {
        name: tuple(each.name for each in optional if each.marker is not None and each.marker.evaluate({"extra": name}))
        for name in names
        if name != "dev"
    }


def _check_training() -> Iterator[Check]:
    """The packages that `lipdub adapt` and `lipdub train` need."""
    missing = [name for name in list_extras().get("train", ()) if not _is_installed(name)]
    detail = f"not installed: {', '.join(missing)}" if missing else "installed"
    yield _make_check("adapt and train", not missing, detail, "pip install 'lipdub[train]'.", needed=False)


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _check_opencv() -> Iterator[Check]:
    """Several packages write the same cv2 folder: they must be of one version, or parts of them are mixed."""
    import cv2

    versions = {}
    for name in (
        "opencv-python",
        "opencv-contrib-python",
        "opencv-python-headless",
        "opencv-contrib-python-headless",
    ):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    loaded = getattr(cv2, "__version__", None)
    same = loaded is not None and all(version.startswith(loaded) for version in versions.values())
    one = min(versions.values(), default="4.11.0.86")
    pins = " ".join(f"{name}=={one}" for name in versions) or f"opencv-python=={one}"
    packages = ", ".join(f"{name} {version}" for name, version in versions.items()) or "no package"
    yield _make_check(
        "cv2",
        same,
        f"cv2 {loaded or 'is broken'}; {packages}",
        f"Bring them to one version: pip install --force-reinstall --no-deps {pins}.",
    )


def _check_torch() -> Iterator[Check]:
    import torch

    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    if torch.cuda.is_available():
        devices += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    total = float(torch.arange(8, dtype=torch.float32).reshape(2, 4).matmul(torch.ones(4, 1)).sum())
    yield _make_check("torch", total == 28.0, f"{torch.__version__}: {', '.join(devices)}", "Reinstall torch.")


def _check_ffmpeg() -> Iterator[Check]:
    from lipdub.errors import LipdubError
    from lipdub.media.ffmpeg import find_ffmpeg

    try:
        path = find_ffmpeg()
        done = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (LipdubError, OSError, subprocess.TimeoutExpired) as error:
        yield _make_check("ffmpeg", False, str(error), "Install ffmpeg, or pip install imageio-ffmpeg.")
        return
    first = (done.stdout or done.stderr).splitlines() or ["no output"]
    yield _make_check("ffmpeg", done.returncode == 0, f"{first[0]} at {path}", "Install another ffmpeg.")


def _check_encoders() -> Iterator[Check]:
    import av

    available = [name for name in ENCODERS if name in av.codecs_available and _has_encoder(name)]
    missing = [name for name in ENCODERS if name not in available]
    yield _make_check(
        "encoders",
        "libx264" in available and "aac" in available,
        ", ".join(available) + (f"; missing: {', '.join(missing)}" if missing else "") + f" (PyAV {av.__version__})",
        "Reinstall PyAV from its wheel: pip install --force-reinstall --no-deps av.",
    )


def _has_encoder(name: str) -> bool:
    import av

    try:
        av.codec.Codec(name, "w")
    except Exception:  # the class of PyAV's error changed its name between versions
        return False
    return True


def _check_shipped_weights() -> Iterator[Check]:
    """The networks that come with lipdub can be read and have the digests of SHA256SUMS."""
    from lipdub import weights
    from lipdub.errors import WeightsError

    for name in BUILTIN_WEIGHTS:
        try:
            path = weights.verify_shipped(name)
        except WeightsError as error:
            yield _make_check(f"weights {Path(name).stem}", False, error.what, error.hint)
            continue
        yield _check_weights_file(path, _read_digest(path))


def _read_digest(path: Path) -> str | None:
    """Return the digest that SHA256SUMS in the same folder has for a file."""
    sums = path.with_name("SHA256SUMS")
    for line in sums.read_text().splitlines() if sums.exists() else ():
        digest, _, name = line.partition(" ")
        if name.strip().lstrip("*") == path.name:
            return digest
    return None


def _check_weights_file(path: Path, expected: str | None) -> Check:
    import hashlib

    from safetensors import SafetensorError, safe_open

    check, hint = f"weights {path.stem}", f"Get it again from the project: weights/{path.name}."
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if expected is not None and expected != digest:
        return _make_check(check, False, f"sha256 {digest[:12]} is not the expected {expected[:12]}", hint)
    try:
        with safe_open(str(path), "numpy") as file:
            finite = all(bool(np.isfinite(file.get_tensor(name)).all()) for name in file.keys())  # noqa: SIM118  it is no mapping
    except (SafetensorError, OSError) as error:
        return _make_check(check, False, f"cannot be read: {error}", hint)
    detail = f"{path.stat().st_size / 1e6:.2f} MB, sha256 {digest[:12]}{'' if expected else ' (not listed)'}"
    return _make_check(check, finite, detail if finite else "holds numbers that are not finite", hint)


def paint_face(side: int = 256) -> U8:
    """Return a face painted with soft ellipses, good enough for a detector.

    Args:
        side: Side length in pixels.

    Returns:
        (side, side, 3) uint8 RGB.
    """
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    picture = np.full((side, side, 3), (150, 160, 165), np.float32)

    def spot(
        cx: float,
        cy: float,
        rx: float,
        ry: float,
        soft: float,
        colour: tuple[int, int, int],
        cover: float = 1,
    ) -> None:
        reach = np.hypot((x - cx) / rx, (y - cy) / ry)
        weight = (np.clip((1 + soft / 2 - reach) / soft, 0, 1) * cover)[..., None]
        picture[:] = picture * (1 - weight) + np.array(colour, np.float32) * weight

    spot(0.5, 0.40, 0.25, 0.31, 0.05, (60, 42, 32))  # hair
    spot(0.5, 0.50, 0.215, 0.30, 0.06, (214, 164, 135))  # face
    spot(0.42, 0.42, 0.12, 0.20, 1.8, (235, 190, 160), 0.5)  # light from the left
    for side_of in (-1, 1):
        eye = 0.5 + side_of * 0.092
        spot(eye, 0.435, 0.066, 0.045, 0.8, (170, 115, 92), 0.6)  # socket
        spot(eye, 0.375, 0.060, 0.012, 0.6, (70, 48, 38), 0.9)  # brow
        spot(eye, 0.440, 0.043, 0.020, 0.2, (240, 236, 230))  # white
        spot(eye, 0.440, 0.019, 0.020, 0.2, (60, 50, 45))  # iris
        spot(0.5 + side_of * 0.028, 0.572, 0.016, 0.010, 0.7, (110, 62, 50), 0.9)  # nostril
        spot(0.5 + side_of * 0.050, 0.500, 0.020, 0.080, 1.5, (180, 125, 100), 0.5)  # side of the nose
    spot(0.5, 0.530, 0.028, 0.055, 1.2, (240, 195, 168), 0.7)  # its ridge
    spot(0.5, 0.590, 0.050, 0.012, 1.2, (170, 112, 90), 0.7)  # the shadow below
    spot(0.5, 0.655, 0.075, 0.026, 0.3, (180, 95, 88), 0.9)  # lips
    spot(0.5, 0.652, 0.070, 0.004, 0.8, (100, 45, 42), 0.9)  # the line between
    spot(0.5, 0.715, 0.060, 0.012, 1.4, (175, 120, 98), 0.6)  # chin
    return np.clip(picture, 0, 255).astype(np.uint8)


def _check_mediapipe() -> Iterator[Check]:
    """MediaPipe's face mesh starts and finds a painted face."""
    hint = "Reinstall it: pip install --force-reinstall --no-deps mediapipe==0.10.21; it also needs libGL and glib."
    try:
        from lipdub.faces.detectors.mediapipe import MediaPipeDetector

        with MediaPipeDetector() as finder:
            faces = finder.detect([paint_face()], [False])[0]
    except Exception as error:
        yield _make_check("mediapipe", False, f"does not start: {type(error).__name__}: {error}", hint)
        return
    yield _make_check("mediapipe", len(faces) == 1, f"finds {len(faces)} of 1 painted faces", hint)


def _check_speech_encoder() -> Iterator[Check]:
    """The speech encoder runs, and is the one that the lip-motion weights were trained with."""
    from lipdub.errors import LipdubError
    from lipdub.speech.encoder import encode, find_encoder_file

    try:
        encode(np.zeros(SAMPLE_RATE_HZ, np.float32))
    except LipdubError as error:
        yield _make_check("speech encoder", False, str(error), error.hint or "")
    else:
        yield _make_check("speech encoder", True, str(find_encoder_file()))


def _check_unmaintained_packages() -> Iterator[Check]:
    """The unmaintained packages can be imported. A separate process tries it, so a failure does no harm."""
    code = (
        "from lipdub.networks.compat import fix_torchvision; fix_torchvision(); "
        f"import {', '.join(UNMAINTAINED_PACKAGES)}; from gfpgan.archs.gfpganv1_clean_arch import GFPGANv1Clean"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            timeout=IMPORT_TIMEOUT_SECONDS,
            check=False,
        )
        failure = (done.stderr.strip().splitlines() or ["no message"])[-1] if done.returncode else ""
    except subprocess.TimeoutExpired:
        failure = f"importing takes more than {IMPORT_TIMEOUT_SECONDS} s"
    yield _make_check(
        " ".join(UNMAINTAINED_PACKAGES),
        not failure,
        failure or "can be imported with this torch and torchvision",
        "Only face restoration needs them. Install the tested set again: make setup.",
        needed=False,
    )


def _check_disk_space() -> Iterator[Check]:
    for name, folder in (
        ("disk space here", Path.cwd()),
        ("disk space for temporary files", Path(tempfile.gettempdir())),
    ):
        free = shutil.disk_usage(folder).free
        yield _make_check(
            name,
            free >= MIN_FREE_BYTES,
            f"{free / 1e9:.1f} GB free at {folder}",
            "Free some space, or name another place with --workspace (temporary files: TMPDIR).",
        )


def _check_write_permission() -> Iterator[Check]:
    """The current folder takes files and renames: a workspace is made next to its result by default."""
    folder = Path.cwd()
    hint = "Work in a folder you may write to, or name one with -o and --workspace."
    try:
        handle, name = tempfile.mkstemp(prefix=".lipdub-", dir=folder)
        os.close(handle)
        Path(name).replace(f"{name}.renamed").unlink()
    except OSError as error:
        yield _make_check("write permission", False, f"{error.strerror} at {folder}", hint)
        return
    yield _make_check("write permission", True, str(folder))
