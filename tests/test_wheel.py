"""A wheel holds all that lipdub needs: installed elsewhere, it dubs the sample from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "tests" / "sample"
SOURCES = ("lipdub", "weights", "pyproject.toml", "README.md", "LICENSE")
DATA_SUFFIXES = {".md", ".j2", ".typed"}

pytestmark = pytest.mark.slow


def run(*command: object, cwd: Path) -> str:
    """Run a program outside the checkout and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LIPDUB_WEIGHTS")}
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources, so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / "source" / name)
    build = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    run(sys.executable, *build, "-w", folder, folder / "source", cwd=folder)
    (path,) = folder.glob("lipdub-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment with the wheel, which sees the packages of this one."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    install = ("install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", programs / "python", *install, wheel, cwd=home)
    site = run(programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home)
    # The paths named in a .pth file are searched, but the .pth files of an editable install there are not read.
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(site) / "packages.pth").write_text("\n".join(sorted(packages)) + "\n")
    return programs


def test_it_holds_the_weights_and_all_other_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    weights = {path.name for path in (ROOT / "weights").iterdir()}
    assert {f"lipdub/weights_data/{name}" for name in weights} <= names
    data = {path.relative_to(ROOT) for path in (ROOT / "lipdub").rglob("*") if path.suffix in DATA_SUFFIXES}
    assert Path("lipdub/py.typed") in data
    assert {path.as_posix() for path in data} <= names
    assert all(name.startswith(("lipdub/", "lipdub-")) for name in names)


def test_it_dubs_the_sample_from_another_folder(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import lipdub; print(lipdub.__file__)", cwd=tmp_path)
    assert Path(where).is_relative_to(installed.parent)
    for name in ("talker.mp4", "speech.wav"):
        shutil.copy(SAMPLE / name, tmp_path)
    run(installed / "lipdub", "run", "talker.mp4", "speech.wav", "-o", "dubbed.mp4", "--to", "0.6", cwd=tmp_path)
    assert (tmp_path / "dubbed.mp4").stat().st_size > 10_000


def test_it_finds_the_manifest_and_the_shipped_model(installed: Path, tmp_path: Path) -> None:
    assert "wav2lip" in run(installed / "lipdub", "weights", "list", cwd=tmp_path)
    code = (
        "from lipdub.weights import user_models; from lipdub.weights.talking_face_file import FAMILY; "
        "print(user_models.find(FAMILY, None, None).path)"
    )
    path = run(installed / "python", "-c", code, cwd=tmp_path)
    assert Path(path).parent.name == "weights_data"
