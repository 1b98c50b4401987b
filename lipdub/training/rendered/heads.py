"""Heads to render: the parts of a head above the shoulders, with morphs and skin weights.

A head is a glTF file as those of the "Validated Avatar Library for Inclusion and Diversity" (Do et al., 2023): one mesh
of skin with morphs, teeth with morphs, eyes, maybe a wig. Its joints `Head`, `Neck`, `LeftEye` and `RightEye` are used.
Lengths are metres, y points up, the face looks towards +z, and the left eye lies at positive x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, printable
from lipdub.training.rendered.glb import GlbFile
from lipdub.training.rendered.parts import JOINTS, Head, Part
from lipdub.training.rendered.simplify import keep_faces, simplify_part

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F32, F64, U8, Array

SUFFIX = ".glb"
_BELOW_EYES_M = 0.42  # how far below the eyes the body is cut off
_PREFIXES = ("h_expressions.", "h_teeth.")  # before a morph's name
_KINDS = (("teeth", "teeth"), ("gland", "gland"), ("eye", "eye"), ("wig", "hair"), ("hair", "hair"))


def list_heads(folder: Path) -> list[Path]:
    """List the head files of a folder and of those in it, sorted by name.

    Raises:
        InputError: there is no such folder, or it holds none.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {printable(folder)}")
    files = sorted(folder.rglob(f"*{SUFFIX}"), key=lambda path: path.name)
    if not files:
        raise InputError(f"{printable(folder)} holds no heads", hint=f"Heads are glTF files that end in {SUFFIX}.")
    return files


def name_person(path: Path) -> str:
    """Name the person of a head file: its name without the outfit."""
    return path.stem.removesuffix("_Casual")


def load_head(path: Path) -> Head:
    """Read a head.

    Raises:
        InputError: the file cannot be read, or it has no head with morphs.
        EnvironmentFailure: a package of the extra `render` is missing.
    """
    try:
        return _read_head(GlbFile(path), path)
    except (KeyError, IndexError, TypeError, StopIteration) as error:
        raise InputError(f"{printable(path)} holds no head that can be rendered") from error


def _read_head(file: GlbFile, path: Path) -> Head:
    joints = {node.get("name"): i for i, node in enumerate(file.nodes)}
    places = np.array([file.compute_world_matrix(joints[name])[:3, 3] for name in JOINTS])
    pictures: dict[tuple[int, str], U8] = {}
    parts = []
    for node in file.nodes:
        if "mesh" in node:
            mesh = file.tree["meshes"][node["mesh"]]
            skin = file.tree["skins"][node["skin"]]
            parts += [_read_part(file, mesh, primitive, skin, pictures) for primitive in mesh["primitives"]]
    if not any(part.kind == "skin" and part.morphs for part in parts):
        raise InputError(f"{printable(path)} holds no head with morphs")
    middles = [np.mean([p.points.mean(0) for p in parts if p.kind == "eye" and sign * p.points[:, 0].mean() > 0], 0)
               for sign in (1, -1)]  # fmt: skip
    eyes = np.array([m if np.ndim(m) else places[2 + i] for i, m in enumerate(middles)], np.float64)
    places[2:] = eyes
    floor = eyes[:, 1].mean() - _BELOW_EYES_M
    return Head(
        name_person(path), tuple(simplify_part(_cut_part(part, floor), eyes.mean(0)) for part in parts), places, eyes
    )


def _read_part(
    file: GlbFile, mesh: dict[str, Any], primitive: dict[str, Any], skin: dict[str, Any],
    pictures: dict[tuple[int, str], U8],
) -> Part:  # fmt: skip
    """Read one primitive of a mesh."""
    attributes, nodes = primitive["attributes"], file.nodes
    names = [nodes[j].get("name") for j in skin["joints"]]
    binds = file.read_accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    chosen = names.index("Head") if "Head" in names else 0
    matrix = file.compute_world_matrix(skin["joints"][chosen]) @ binds[chosen]  # undoes the quantization too
    turn = np.linalg.inv(matrix[:3, :3]).T
    turn /= np.cbrt(np.linalg.det(turn))
    targets = primitive.get("targets", [])
    moves = [
        np.concatenate(
            [file.read_accessor(t["POSITION"]) @ matrix[:3, :3].T, _read_normals(file, t, turn)], 1
        ) for t in targets
    ]  # fmt: skip
    points = (file.read_accessor(attributes["POSITION"]) @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
    normals = file.read_accessor(attributes["NORMAL"]) @ turn.T
    material = file.tree["materials"][primitive["material"]]
    colour = material["pbrMetallicRoughness"]["baseColorTexture"]["index"]
    bumps = material.get("normalTexture", {}).get("index")
    return Part(
        mesh["name"],
        _find_kind(mesh["name"]),
        points,
        (normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)).astype(np.float32),
        file.read_accessor(attributes["TEXCOORD_0"]),
        _gather_weights(file, attributes, names),
        file.read_accessor(primitive["indices"]).reshape(-1, 3).astype(np.int32),
        tuple(_strip_name(name) for name in mesh.get("extras", {}).get("targetNames", []))[: len(moves)],
        np.array(moves, np.float32).reshape(len(moves), len(points), 6),
        _read_once(file, pictures, colour, "RGBA"),
        None if bumps is None else _read_once(file, pictures, bumps, "RGB"),
    )


def _read_normals(file: GlbFile, target: dict[str, int], turn: F64) -> Array:
    """Read what a morph adds to the normals; nothing where the file has none."""
    count = file.tree["accessors"][target["POSITION"]]["count"]
    return file.read_accessor(target["NORMAL"]) @ turn.T if "NORMAL" in target else np.zeros((count, 3))


def _read_once(file: GlbFile, pictures: dict[tuple[int, str], U8], texture: int, mode: str) -> U8:
    if (texture, mode) not in pictures:
        pictures[texture, mode] = file.read_picture(texture, mode)
    return pictures[texture, mode]


def _find_kind(name: str) -> str:
    """Tell what a mesh is from its name."""
    return next((kind for word, kind in _KINDS if word in name.lower()), "skin")


def _strip_name(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name.removeprefix("t_").removesuffix("_h")


def _gather_weights(file: GlbFile, attributes: dict[str, int], names: list[str]) -> F32:
    """Sum the skin weights of each moving joint, (n, 4)."""
    joints = file.read_accessor(attributes["JOINTS_0"]).astype(int)
    weights = file.read_accessor(attributes["WEIGHTS_0"])
    columns = np.array([_find_column(name) for name in names])[joints]
    total = np.maximum(weights.sum(1), 1e-9)
    shares: F32 = np.stack([(weights * (columns == j)).sum(1) / total for j in range(len(JOINTS))], 1, dtype=np.float32)
    return shares


def _find_column(name: str) -> int:
    """Give the moving joint that a joint belongs to, -1 for none."""
    if name.startswith("HeadEnd"):
        return JOINTS.index("Head")
    return JOINTS.index(name) if name in JOINTS else -1


def _cut_part(part: Part, floor: float) -> Part:
    """Leave out what lies below a height."""
    return keep_faces(part, part.faces[(part.points[:, 1] > floor)[part.faces].all(1)])
