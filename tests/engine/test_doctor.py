"""The checks of the installation: they pass here, and each fault is told without raising."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from lipdub.engine import doctor
from lipdub.faces.detectors.mediapipe import MediaPipeDetector
from tests.cli.test_no_home import call

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_everything_is_answered_in_plain_values(tmp_path: Path) -> None:
    """Also to a user without a name and without HOME."""
    code, said = call(tmp_path, "doctor", "--json")
    assert code == 0, said
    checks = json.loads(said)["checks"]
    assert all(set(c) == {"check", "ok", "detail", "hint", "needed"} for c in checks)
    names = [c["check"] for c in checks]
    assert {"python", "package torch", "cv2", "torch", "ffmpeg", "encoders", "mediapipe"} <= set(names)
    assert len(names) == len(set(names))
    bad = [c for c in checks if not c["ok"] and c["needed"]]
    assert not bad, bad
    assert all(c["hint"] == "" for c in checks if c["ok"])


@pytest.mark.parametrize(
    ("version", "fits"), [((3, 10, 14), False), ((3, 11, 0), True), ((3, 12, 9), True), ((3, 13, 0), False)]
)
def test_python_must_be_in_the_declared_range(
    version: tuple[int, int, int], fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", version)
    (check,) = doctor._check_python()
    assert check["ok"] == fits
    assert fits or ">=3.11" in check["hint"]


def test_a_missing_and_a_wrong_package_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "zarr":
            raise metadata.PackageNotFoundError(name)
        return "2.1.0" if name == "numpy" else real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    found = {c["check"]: c for c in doctor._check_packages()}
    assert not found["package zarr"]["ok"] and "pip install" in found["package zarr"]["hint"]
    assert not found["package numpy"]["ok"] and "2.1.0" in found["package numpy"]["detail"]
    assert found["package scipy"]["ok"]


def test_what_adapt_and_train_lack_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "accelerate" in doctor.list_extras()["train"] and "dev" not in doctor.list_extras()
    real = metadata.version

    def version(name: str) -> str:
        if name == "accelerate":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    (check,) = doctor._check_training()
    assert not check["ok"] and not check["needed"] and "accelerate" in check["detail"]
    assert "lipdub[train]" in check["hint"]


def test_two_versions_of_opencv_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        known = {"opencv-python": "4.11.0.86", "opencv-contrib-python": "4.10.0.84"}
        if name not in known:
            raise metadata.PackageNotFoundError(name)
        return known[name]

    monkeypatch.setattr(doctor.metadata, "version", version)
    (check,) = doctor._check_opencv()
    assert not check["ok"] and "4.10.0.84" in check["hint"]


def test_no_ffmpeg_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from lipdub.errors import EnvironmentFailure
    from lipdub.media import ffmpeg

    def nowhere(minimum: int = 0) -> str:
        raise EnvironmentFailure("no ffmpeg program was found")

    monkeypatch.setattr(ffmpeg, "find_ffmpeg", nowhere)
    (check,) = doctor._check_ffmpeg()
    assert not check["ok"] and "Install" in check["hint"]


def test_damaged_weights_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from lipdub import weights
    from lipdub.errors import WeightsError

    real = [weights.verify_shipped(name) for name in doctor.BUILTIN_WEIGHTS]

    def shipped(name: str) -> Path:
        if not (tmp_path / name).exists():
            raise WeightsError(f"{name} is missing")
        return tmp_path / name

    monkeypatch.setattr(weights, "verify_shipped", shipped)
    for path in real:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert all(c["ok"] for c in doctor._check_shipped_weights())

    digest = hashlib.sha256(real[0].read_bytes()).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  {real[0].name}\n{'0' * 64}  {real[1].name}\n")
    first, second = doctor._check_shipped_weights()
    assert first["ok"] and "not listed" not in first["detail"]
    assert not second["ok"] and "not the expected" in second["detail"]

    (tmp_path / "SHA256SUMS").unlink()
    (tmp_path / real[0].name).write_bytes(real[0].read_bytes()[:-5000])
    (tmp_path / real[1].name).unlink()
    first, second = doctor._check_shipped_weights()
    assert not first["ok"] and "cannot be read" in first["detail"]
    assert not second["ok"] and "missing" in second["detail"]


def test_a_folder_that_takes_no_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "mkstemp", refuse)
    (check,) = doctor._check_write_permission()
    assert not check["ok"] and "Permission denied" in check["detail"]


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[doctor.Check]:
        raise RuntimeError("boom")

    for name in (
        "_check_python",
        "_check_packages",
        "_check_torch",
        "_check_mediapipe",
        "_check_unmaintained_packages",
        "_check_encoders",
    ):
        monkeypatch.setattr(doctor, name, broken)
    checks = doctor.diagnose()
    assert any("boom" in c["detail"] and not c["ok"] for c in checks)


def test_the_painted_face_has_a_face() -> None:
    with MediaPipeDetector() as finder:
        ((points,),) = finder.detect([doctor.paint_face()], [False])
    mouth = points[[13, 14], :2].mean(0)
    assert mouth == pytest.approx((128, 168), abs=10)
