"""Reads binary glTF 2.0 files: meshes, morphs, skins and pictures, as plain arrays.

It knows three extensions: `EXT_meshopt_compression`, `KHR_mesh_quantization` and `EXT_texture_webp`. Animations,
cameras, lights and scenes are not read.
"""

from __future__ import annotations

import io
import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, printable, wrap_os_error
from lipdub.training.rendered.extra import import_extra

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F32, F64, U8, Array

_MAGIC, _VERSION, _JSON, _BINARY = b"glTF", 2, 0x4E4F534A, 0x004E4942
_TYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_HIGHEST = {5120: 127, 5121: 255, 5122: 32767, 5123: 65535}  # of normalized integers
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_MESHOPT, _WEBP = "EXT_meshopt_compression", "EXT_texture_webp"
_KNOWN = {_MESHOPT, _WEBP, "KHR_mesh_quantization"}


class GlbFile:
    """The content of a binary glTF file.

    Attributes:
        path: the file.
        tree: its JSON part.
        parents: number of each node's parent.
    """

    def __init__(self, path: Path) -> None:
        """Read a file. Raises InputError if it cannot be read or is no such file."""
        self.path = path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise wrap_os_error(error, path, "read") from error
        try:
            self.tree, self._binary = _split_chunks(content)
        except (ValueError, struct.error) as error:
            raise self._fault(str(error)) from error
        unknown = sorted(set(self.tree.get("extensionsRequired", [])) - _KNOWN)
        if unknown:
            raise self._fault(f"it needs the glTF extension {unknown[0]}")
        self._views: dict[int, tuple[U8, int]] = {}
        self.parents = {child: i for i, node in enumerate(self.nodes) for child in node.get("children", [])}

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The nodes of the file, in order."""
        return list(self.tree.get("nodes", []))

    def _fault(self, reason: str) -> InputError:
        return InputError(f"{printable(self.path)} cannot be used: {reason}")

    def read_accessor(self, number: int) -> F32:
        """Read an accessor. Returns (count, width) float32, normalized integers as -1..1 or 0..1."""
        accessor = self.tree["accessors"][number]
        kind, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
        count = accessor["count"]
        if "bufferView" in accessor:
            values = self._read_rows(accessor["bufferView"], accessor.get("byteOffset", 0), count, kind, width)
        else:
            values = np.zeros((count, width), kind)
        if "sparse" in accessor:
            values = self._replace_sparse(values, accessor["sparse"])
        result = values.astype(np.float32)
        if accessor.get("normalized"):
            result = np.maximum(result / np.float32(_HIGHEST[accessor["componentType"]]), np.float32(-1))
        return result

    def _replace_sparse(self, values: Array, sparse: dict[str, Any]) -> Array:
        """Put the values of a sparse accessor in their places."""
        index, content = sparse["indices"], sparse["values"]
        places = self._read_rows(
            index["bufferView"],
            index.get("byteOffset", 0),
            sparse["count"],
            np.dtype(_TYPES[index["componentType"]]),
            1,
        )[:, 0]
        values = values.copy()
        values[places] = self._read_rows(
            content["bufferView"], content.get("byteOffset", 0), sparse["count"], values.dtype, values.shape[1]
        )
        return values

    def _read_rows(self, view: int, offset: int, count: int, kind: np.dtype[Any], width: int) -> Array:
        """Read rows (count, width) of a buffer view."""
        data, stride = self._read_view(view)
        size = kind.itemsize * width
        step = stride or size
        if offset + (count - 1) * step + size > len(data):
            raise self._fault("it is cut short")
        rows = np.lib.stride_tricks.as_strided(data[offset:], (count, size), (step, 1))
        return np.ascontiguousarray(rows).view(kind).reshape(count, width)

    def _read_view(self, number: int) -> tuple[U8, int]:
        """Read the bytes of a buffer view, and its stride, 0 if they are packed."""
        if number not in self._views:
            view = self.tree["bufferViews"][number]
            packed = view.get("extensions", {}).get(_MESHOPT)
            if packed is not None:
                self._views[number] = self._decompress(packed), packed["byteStride"]
            else:
                start = view.get("byteOffset", 0)
                data = np.frombuffer(self._binary[start : start + view["byteLength"]], np.uint8)
                self._views[number] = data, view.get("byteStride", 0)
        return self._views[number]

    def _decompress(self, packed: dict[str, Any]) -> U8:
        """Decode a buffer view of EXT_meshopt_compression."""
        meshoptimizer = import_extra("meshoptimizer")
        kind = packed.get("filter", "NONE")
        if kind not in ("NONE", "OCTAHEDRAL"):
            raise self._fault(f"it uses the filter {kind} of {_MESHOPT}")
        start = packed.get("byteOffset", 0)
        raw = self._binary[start : start + packed["byteLength"]]
        decode = {
            "ATTRIBUTES": meshoptimizer.decode_vertex_buffer,
            "TRIANGLES": meshoptimizer.decode_index_buffer,
        }.get(packed["mode"])
        if decode is None:
            raise self._fault(f"it uses the mode {packed['mode']} of {_MESHOPT}")
        decoded = decode(packed["count"], packed["byteStride"], raw)
        data = np.frombuffer(np.ascontiguousarray(decoded).tobytes(), np.uint8)
        return decode_octahedral(data, packed["byteStride"]) if kind == "OCTAHEDRAL" else data

    def compute_world_matrix(self, node: int | None) -> F64:
        """Compute the matrix (4, 4) from a node's coordinates to the file's."""
        world = np.eye(4)
        while node is not None:
            world = compute_local_matrix(self.nodes[node]) @ world
            node = self.parents.get(node)
        return world

    def read_picture(self, texture: int, mode: str) -> U8:
        """Read a texture. Returns (h, w, channels) uint8.

        Args:
            texture: number of the texture.
            mode: Pillow's mode, "RGB" or "RGBA".
        """
        from PIL import Image

        facts = self.tree["textures"][texture]
        source = facts.get("extensions", {}).get(_WEBP, facts).get("source")
        image = self.tree["images"][source]
        view = self.tree["bufferViews"][image["bufferView"]]
        start = view.get("byteOffset", 0)
        try:
            picture = Image.open(io.BytesIO(self._binary[start : start + view["byteLength"]])).convert(mode)
        except OSError as error:
            raise self._fault("a picture in it is damaged") from error
        return np.asarray(picture)


def decode_octahedral(data: U8, stride: int) -> U8:
    """Decode unit vectors that were filtered as octahedral coordinates (EXT_meshopt_compression, "Filters").

    Args:
        data: (n * stride,) uint8.
        stride: 4 for vectors of int8, 8 for those of int16.

    Returns:
        the same number of bytes, four signed integers a vector; the fourth is left as it was.
    """
    kind = np.dtype(np.int8 if stride == 4 else np.int16)
    rows = data.view(kind).reshape(-1, 4)
    x, y = (rows[:, i] / rows[:, 2].astype(np.float64) for i in range(2))
    z = 1 - np.abs(x) - np.abs(y)
    fold = np.maximum(-z, 0)
    vectors = np.stack([x - np.copysign(fold, x), y - np.copysign(fold, y), z], 1)
    vectors *= (127 if stride == 4 else 32767) / np.linalg.norm(vectors, axis=1, keepdims=True)
    decoded = np.concatenate([np.round(vectors).astype(kind), rows[:, 3:]], 1)
    return np.frombuffer(decoded.tobytes(), np.uint8)


def compute_local_matrix(node: dict[str, Any]) -> F64:
    """Compute the matrix (4, 4) of a node's own turn, scale and place."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    local = np.eye(4)
    if "rotation" in node:
        from scipy.spatial.transform import Rotation

        local[:3, :3] = Rotation.from_quat(node["rotation"]).as_matrix()
    local[:3, :3] = local[:3, :3] * np.array(node.get("scale", [1.0, 1.0, 1.0]))
    local[:3, 3] = node.get("translation", [0.0, 0.0, 0.0])
    return local


def _split_chunks(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a file into its JSON and its binary part. Raises ValueError with a reason."""
    if len(content) < 20 or content[:4] != _MAGIC:
        raise ValueError("it is no binary glTF file")
    version, length = struct.unpack_from("<II", content, 4)
    if version != _VERSION:
        raise ValueError(f"it is glTF {version}, not {_VERSION}")
    if length > len(content):
        raise ValueError("it is cut short")
    parts: dict[int, bytes] = {}
    offset = 12
    while offset + 8 <= length:
        size, kind = struct.unpack_from("<II", content, offset)
        parts.setdefault(kind, content[offset + 8 : offset + 8 + size])
        offset += 8 + size
    if _JSON not in parts:
        raise ValueError("it has no JSON part")
    return json.loads(parts[_JSON]), parts.get(_BINARY, b"")
