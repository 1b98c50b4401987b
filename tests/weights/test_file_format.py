"""Files are told apart by their bytes, and what is no file of weights is named for what it is."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from scipy.io import savemat

from lipdub.errors import InputError, WeightsError
from lipdub.weights.file_format import detect_format
from tests.weights import small

if TYPE_CHECKING:
    from pathlib import Path


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
