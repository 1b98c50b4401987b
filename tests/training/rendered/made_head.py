"""Makes a head file: a flat face, cut out of the sample talker, with a jaw that a morph lowers."""

from __future__ import annotations

import io
import json
import os
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

SAMPLE = Path(__file__).parents[2] / "sample" / "talker.mp4"
SHARED_HEADS = Path(os.environ.get("LIPDUB_SHARED", Path(__file__).parents[4] / "shared")) / "heads" / "glb"
_EYES_M = 0.06  # between the middles of the eyes
_HEIGHT_M = 1.6
_GRID = 41
_FLOAT, _SHORT, _BYTE = 5126, 5123, 5121


@cache
def find_face() -> tuple[Any, Any]:
    """Give the first frame of the sample (h, w, 3) uint8 RGB, and the landmarks (478, 2) of its face."""
    import av

    from lipdub.faces.detectors.mediapipe import MediaPipeDetector

    with av.open(str(SAMPLE)) as file:
        frame = next(file.decode(video=0)).to_ndarray(format="rgb24")
    with MediaPipeDetector(1) as detector:
        for i in range(3):
            faces = detector.detect([frame], [i == 0])[0]
    return frame, faces[0][:, :2].astype(np.float64)


class _Writer:
    """Collects the parts of a glTF file."""

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {"asset": {"version": "2.0"}, "accessors": [], "bufferViews": [], "meshes": []}
        self.binary = b""

    def add_view(self, data: bytes) -> int:
        self.tree["bufferViews"].append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)})
        self.binary += data + bytes(-len(data) % 4)
        return len(self.tree["bufferViews"]) - 1

    def add(self, values: Any, kind: str, component: int) -> int:
        types = {_FLOAT: "<f4", _SHORT: "<u2", _BYTE: "u1"}
        data = np.ascontiguousarray(values, types[component])
        count = len(data) if kind != "SCALAR" else data.size
        row = {"bufferView": self.add_view(data.tobytes()), "componentType": component, "type": kind, "count": count}
        self.tree["accessors"].append(row)
        return len(self.tree["accessors"]) - 1

    def add_sparse(self, values: Any) -> int:
        """Add (n, 3) float32 as a sparse accessor, as many morphs are stored."""
        rows = np.flatnonzero(np.abs(values).any(1))
        indices = self.add_view(rows.astype("<u2").tobytes())
        content = self.add_view(values[rows].astype("<f4").tobytes())
        self.tree["accessors"].append(
            {
                "componentType": _FLOAT, "type": "VEC3", "count": len(values),
                "sparse": {
                    "count": len(rows),
                    "indices": {"bufferView": indices, "componentType": _SHORT},
                    "values": {"bufferView": content},
                },
            }
        )  # fmt: skip
        return len(self.tree["accessors"]) - 1

    def write(self, path: Path) -> None:
        self.tree["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.tree).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(self.binary)
        path.write_bytes(
            struct.pack("<4sII", b"glTF", 2, total)
            + struct.pack("<II", len(text), 0x4E4F534A)
            + text
            + struct.pack("<II", len(self.binary), 0x004E4942)
            + self.binary
        )


def write_head(path: Path, names: tuple[str, ...] = ("AE_AA", "MouthOpen", "TD_I", "H_EST", "UH_OO", "AO_a")) -> Path:
    """Write a head; each morph lowers what lies below the line between the lips. Returns the path."""
    from PIL import Image

    frame, landmarks = find_face()
    height, width = frame.shape[:2]
    eyes = landmarks[[33, 133]].mean(0), landmarks[[362, 263]].mean(0)
    scale = _EYES_M / np.linalg.norm(eyes[1] - eyes[0])
    middle = (eyes[0] + eyes[1]) / 2

    def to_metres(pixels: Any, depth: float = 0.0) -> Any:
        x, y = ((pixels - middle) * scale).T
        return np.stack([x, _HEIGHT_M - y, np.full(len(x), depth)], 1)

    lips = landmarks[[13, 14]].mean(0)
    rows = np.sort(np.r_[np.linspace(0, height, _GRID - 2), lips[1], lips[1] + 0.01])
    columns = np.linspace(0, width, _GRID)
    grid = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    points = to_metres(grid)
    below = np.clip(1 - np.hypot((grid[:, 0] - lips[0]) / 60, np.maximum(grid[:, 1] - lips[1] - 30, 0) / 60), 0, 1)
    move = np.zeros_like(points)
    move[:, 1] = -0.02 * below * (grid[:, 1] > lips[1] + 0.005)
    writer = _Writer()
    picture = io.BytesIO()
    Image.fromarray(frame).save(picture, "PNG")
    writer.tree["images"] = [{"bufferView": writer.add_view(picture.getvalue()), "mimeType": "image/png"}]
    writer.tree["textures"] = [{"source": 0}]
    writer.tree["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    places = to_metres(np.array(eyes[::-1]))
    joints = [
        ("Head", [0, _HEIGHT_M - 0.1, -0.06]), ("Neck", [0, _HEIGHT_M - 0.2, -0.08]),
        ("LeftEye", places[1]), ("RightEye", places[0]),
    ]  # fmt: skip
    if places[0][0] > 0:
        joints[2], joints[3] = ("LeftEye", places[0]), ("RightEye", places[1])
    writer.tree["nodes"] = [{"name": name, "translation": [float(v) for v in place]} for name, place in joints]
    binds = np.repeat(np.eye(4)[None], 4, 0)
    binds[:, :3, 3] = [[-v for v in place] for _, place in joints]
    writer.tree["skins"] = [
        {
            "joints": [0, 1, 2, 3],
            "inverseBindMatrices": writer.add(binds.transpose(0, 2, 1).reshape(4, 16), "MAT4", _FLOAT),
        }
    ]
    i, j = (a.ravel() for a in np.meshgrid(np.arange(_GRID - 1), np.arange(_GRID - 1), indexing="ij"))
    a = i * _GRID + j
    faces = np.stack([a, a + _GRID, a + 1, a + 1, a + _GRID, a + _GRID + 1], 1)
    _add_mesh(writer, "H_skin", points, grid / [width, height], faces, [(name, move) for name in names])
    for side, joint in (("L", 2), ("R", 3)):
        corner = np.asarray(joints[joint][1]) - np.array([0, 0, 0.01])
        ball = corner + 0.002 * np.array([[-1, -1, 0], [1, -1, 0], [0, 1, 0]])
        _add_mesh(writer, f"h_{side}_eye", ball, np.zeros((3, 2)), np.array([[0, 1, 2]]), [])
    writer.write(path)
    return path


def _add_mesh(writer: _Writer, name: str, points: Any, uv: Any, faces: Any, morphs: list[tuple[str, Any]]) -> None:
    count = len(points)
    normals = np.tile([0.0, 0.0, 1.0], (count, 1))
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": writer.add(points, "VEC3", _FLOAT),
            "NORMAL": writer.add(normals, "VEC3", _FLOAT),
            "TEXCOORD_0": writer.add(uv, "VEC2", _FLOAT),
            "JOINTS_0": writer.add(np.zeros((count, 4)), "VEC4", _BYTE),
            "WEIGHTS_0": writer.add(np.tile([1.0, 0, 0, 0], (count, 1)), "VEC4", _FLOAT),
        },
        "indices": writer.add(faces, "SCALAR", _SHORT),
        "material": 0,
    }
    mesh: dict[str, Any] = {"name": name, "primitives": [primitive]}
    if morphs:
        primitive["targets"] = [{"POSITION": writer.add_sparse(move)} for _, move in morphs]
        mesh["extras"] = {"targetNames": [f"h_expressions.{morph}_h" for morph, _ in morphs]}
    writer.tree["meshes"].append(mesh)
    writer.tree["nodes"].append({"name": name, "mesh": len(writer.tree["meshes"]) - 1, "skin": 0})
