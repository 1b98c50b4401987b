"""Files are told apart by their bytes, and what is no file of weights is named for what it is."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy.io import savemat

from lipdub.errors import InputError, LipdubError, WeightsError
from lipdub.weights.checkpoint import read_checkpoint
from lipdub.weights.file_format import detect_format
from tests.properties import repeatable
from tests.weights import small


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_kinds_of_weights(tmp_path: Path) -> None:
    state = small.state()
    save_file(state, tmp_path / "a")
    savemat(tmp_path / "b", {"x": [1.0]}, appendmat=False)
    torch.jit.save(torch.jit.script(small.Small().layer), str(tmp_path / "c"))
    assert detect_format(small.saved(tmp_path / "d", state)) == "zip"
    assert detect_format(small.saved(tmp_path / "e", state, legacy=True)) == "pickle"
    assert [detect_format(tmp_path / name) for name in "abc"] == ["safetensors", "matlab", "torchscript"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (bytes(2000), "is empty"),
        (b"\n<!DOCTYPE html><html>quota exceeded</html>", "is a web page"),
        (b"<html><body>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no file of weights"),
        (b"PK\x03\x04 and no more", "cut short or damaged"),
    ],
)
def test_what_is_none(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"^net.pth.*{words}"):
        detect_format(path)


@pytest.mark.parametrize("member", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:/evil"])
def test_archives_that_reach_outside_themselves(member: str, tmp_path: Path) -> None:
    path = small.saved(tmp_path / "net.pth", small.state())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, b"x")
    with pytest.raises(WeightsError, match="reaches outside itself"):
        detect_format(path)


def test_other_archives(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", b"x")
    with pytest.raises(WeightsError, match="not one PyTorch wrote"):
        detect_format(path)
    # also one whose first member has the name of a pickle's beginning
    for name in ("sys_info", "\x80\x02}q"):
        with tarfile.open(path, "w", encoding="latin-1") as tar:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
        with pytest.raises(WeightsError, match="tar archive"):
            detect_format(path)


def test_absent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        detect_format(tmp_path / "net.pth")


SEEDS: dict[str, bytes] = {}


def make_seeds() -> dict[str, bytes]:
    """Return one small file of each format that lipdub reads, and of some that it does not."""
    if not SEEDS:
        with TemporaryDirectory() as folder:
            home, state = Path(folder), small.state()
            small.saved(home / "zip", state)
            small.saved(home / "pickle", state, legacy=True)
            save_file(state, home / "safetensors")
            savemat(home / "matlab", {"x": [1.0]}, appendmat=False)
            with tarfile.open(home / "tar", "w") as tar:
                tar.addfile(tarfile.TarInfo("sys_info"), io.BytesIO())
            SEEDS.update({path.name: path.read_bytes() for path in home.iterdir()})
    return SEEDS


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """Draw a file of a known format with some bytes changed, inserted or cut off."""
    content = bytearray(make_seeds()[draw(st.sampled_from(sorted(make_seeds())))])
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        piece = draw(st.binary(max_size=6))
        content[place : place + draw(st.integers(0, 8))] = piece
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


HEADS = (
    b"",
    b"PK\x03\x04",
    b"\x80\x02",
    b"\x80",
    b"MATLAB 5.0",
    b"\x10\0\0\0\0\0\0\0{",
    b"version https://git-lfs",
    b"<",
)
STRANGE_FILES = st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary(max_size=700)) | damaged_files()


@repeatable
@given(STRANGE_FILES)
def test_any_bytes_are_read_or_refused_in_words(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "net.pth"
        path.write_bytes(content)
        for read in (detect_format, read_checkpoint):
            message = ""
            try:
                read(path)
            except LipdubError as error:
                message = str(error)
            assert message == "" or "net.pth" in message
