from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.errors import InputError
from lipdub.training.rendered.glb import decode_octahedral
from lipdub.training.rendered.heads import list_heads, load_head, name_person
from tests.training.rendered.made_head import SHARED_HEADS, write_head

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("meshoptimizer")


def test_octahedral_vectors() -> None:
    encoded = np.array([[0, 0, 127, 1], [64, 63, 127, 0], [127, 127, 127, 0], [-127, 0, 127, 0]], np.int8)
    rows = decode_octahedral(encoded.view(np.uint8).ravel(), 4).view(np.int8).reshape(-1, 4)
    assert rows[:, :3].tolist() == [[0, 0, 127], [91, 89, 0], [0, 0, -127], [-127, 0, 0]]
    assert rows[:, 3].tolist() == [1, 0, 0, 0]


def test_made_head(tmp_path: Path) -> None:
    head = load_head(write_head(tmp_path / "Ann_Casual.glb"))
    assert head.name == "Ann"
    assert head.eyes[0, 0] > 0 > head.eyes[1, 0]
    assert np.linalg.norm(head.eyes[0] - head.eyes[1]) == pytest.approx(0.06, abs=1e-3)
    skin = head.skin
    assert skin.morphs[:2] == ("AE_AA", "MouthOpen")
    assert skin.moves[0, :, 1].min() == pytest.approx(-0.02, abs=2e-3)
    assert np.allclose(skin.weights, [0, 1, 0, 0])
    assert skin.faces.max() < len(skin.points)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no binary glTF"),
        (b"glTF\1\0\0\0" + bytes(20), "glTF 1"),
        (b"glTF\2\0\0\0\xff\0\0\0" + bytes(20), "cut short"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.glb"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        load_head(path)


def test_a_damaged_head_is_refused(tmp_path: Path) -> None:
    path = write_head(tmp_path / "x.glb")
    path.write_bytes(path.read_bytes().replace(b'"nodes"', b'"nodez"'))
    with pytest.raises(InputError, match=r"x\.glb"):
        load_head(path)


def test_no_heads(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no heads"):
        list_heads(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        list_heads(tmp_path / "none")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_HEADS.is_dir(), reason="no heads at hand")
@pytest.mark.parametrize("name", ["White_F_1", "White_M_1"])  # with octahedral normals and a wig, and without
def test_heads_of_valid(name: str) -> None:
    head = load_head(SHARED_HEADS / f"{name}_Casual.glb")
    assert name_person(SHARED_HEADS / f"{name}_Casual.glb") == name
    assert len(head.skin.morphs) == 65
    assert {part.kind for part in head.parts} >= {"skin", "teeth", "eye", "gland"}
    assert len(head.skin.faces) < 14_000
    assert np.abs(np.linalg.norm(head.skin.normals, axis=1) - 1).max() < 1e-3
