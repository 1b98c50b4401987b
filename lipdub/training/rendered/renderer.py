"""Draws a head with software OpenGL: moderngl on EGL, without a window or a graphics card."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import EnvironmentFailure
from lipdub.training.rendered import shaders
from lipdub.training.rendered.extra import import_extra

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lipdub.arrays import F32, F64, U8, Array
    from lipdub.training.rendered.parts import Head, Part

SUPERSAMPLING = 1.25  # pixels drawn for one, in each direction
_SHADOW_PX = 320
_SHADOW_REACH_M = 0.21  # of the shadow's picture, about the head's middle
_NEAR_M, _FAR_M = 0.1, 8.0
_OCCLUSION_VIEWS, _OCCLUSION_PX = 40, 160
_OCCLUSION_POSE = {"MouthOpen": 0.6}  # so that light gets into the mouth
PAINT_M = 0.26  # side of the square that is painted, in front of the face
_HAIRS_PX = 256
BEARD_SHELLS = 5


@dataclass(frozen=True)
class Light:
    """A distant light.

    Attributes:
        towards: (3,) direction from the head to the light.
        colour: (3,) linear RGB, about 1 for a bright one.
    """

    towards: tuple[float, float, float]
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Surface:
    """How the parts of a head look.

    Attributes:
        tint: (3,) factor on the skin's colour.
        gloss: 0 to 1, how the skin shines.
        bumps: depth of the normal map.
        teeth: (3,) factor on the colour of the teeth.
        eyes: (3,) factor on the colour of the eyes.
        hair: (3,) factor on the colour of a wig.
        beard: (3,) sRGB colour of the beard.
        beard_length: metres, 0 for no beard.
    """

    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gloss: float = 0.4
    bumps: float = 0.7
    teeth: tuple[float, float, float] = (1.0, 1.0, 1.0)
    eyes: tuple[float, float, float] = (1.0, 1.0, 1.0)
    hair: tuple[float, float, float] = (1.0, 1.0, 1.0)
    beard: tuple[float, float, float] = (0.2, 0.15, 0.1)
    beard_length: float = 0.0


@dataclass(frozen=True)
class Stage:
    """Lights and exposure of a picture.

    Attributes:
        lights: three lights; the first throws a shadow.
        sky: (3,) light from above, linear RGB.
        ground: (3,) light from below.
        exposure: factor on all light.
        contrast: exponent beyond that of sRGB.
        shadow_softness: distance of the shadow's samples, shares of its picture.
    """

    lights: tuple[Light, Light, Light]
    sky: tuple[float, float, float] = (0.35, 0.37, 0.42)
    ground: tuple[float, float, float] = (0.2, 0.18, 0.16)
    exposure: float = 1.0
    contrast: float = 1.0
    shadow_softness: float = 0.006


@dataclass(frozen=True)
class Camera:
    """A camera that looks along -z before it is turned.

    Attributes:
        matrix: (4, 4) from world to picture (-1..1).
        place: (3,) metres.
    """

    matrix: F64
    place: F64

    def project(self, points: Array, width: int, height: int) -> F64:
        """Project points (n, 3). Returns (n, 2) pixels, x right and y down."""
        ends = np.concatenate([points, np.ones((len(points), 1))], 1) @ self.matrix.T
        at = ends[:, :2] / ends[:, 3:]
        return np.stack([(at[:, 0] + 1) * width / 2, (1 - at[:, 1]) * height / 2], 1)


def make_camera(
    target: F64, place: F64, focal: float, aspect: float = 1.0, shift: tuple[float, float] = (0, 0)
) -> Camera:
    """Make a camera that looks at a point.

    Args:
        target: (3,) metres.
        place: (3,) metres.
        focal: cotangent of half the vertical angle of view.
        aspect: width over height of the picture.
        shift: moves the picture, in half sides.
    """
    back = (place - target) / np.linalg.norm(place - target)
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(back, right), back])
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = turn, -turn @ place
    lens = np.zeros((4, 4))
    lens[0, 0], lens[1, 1], lens[3, 2] = focal / aspect, focal, -1
    lens[0, 2], lens[1, 2] = -shift[0], -shift[1]
    lens[2, 2] = (_FAR_M + _NEAR_M) / (_NEAR_M - _FAR_M)
    lens[2, 3] = 2 * _FAR_M * _NEAR_M / (_NEAR_M - _FAR_M)
    return Camera(lens @ view, place)


@dataclass
class Thing:
    """A thing beside the head: glasses, a hand, a microphone.

    Attributes:
        points: (n, 3) float32 metres.
        normals: (n, 3) float32.
        faces: (m, 3) int32.
        colour: (3,) sRGB.
        joint: column of `parts.JOINTS` that it follows, None if it stands in the world.
        is_occluder: whether it belongs to the mask of what hides the face.
        matrix: (4, 4) its place in the world.
    """

    points: F32
    normals: F32
    faces: Array
    colour: tuple[float, float, float]
    joint: int | None = None
    is_occluder: bool = False
    matrix: F64 = field(default_factory=lambda: np.eye(4))


@dataclass
class _Mesh:
    part: Part
    moving: Any
    arrays: dict[str, Any]
    picture: Any
    bumps: Any
    beard: Any = None


class Renderer:
    """Pictures of one head.

    Args:
        head: the head.
        side: side of the square pictures, pixels.

    Raises:
        EnvironmentFailure: moderngl or a driver is missing.
    """

    def __init__(self, head: Head, side: int) -> None:
        self.head, self.side = head, side
        self._gl = import_extra("moderngl")
        self._context = ctx = _open_context(self._gl)
        self._programs = {kind: ctx.program(shaders.VERTEX, shaders.write_fragment(kind)) for kind in shaders.KINDS}
        self._programs |= {
            "depth": ctx.program(shaders.DEPTH_VERTEX, shaders.DEPTH_FRAGMENT),
            "mask": ctx.program(shaders.DEPTH_VERTEX, shaders.MASK_FRAGMENT),
            "background": ctx.program(shaders.BACKGROUND_VERTEX, shaders.BACKGROUND_FRAGMENT),
        }
        self._uniforms = {name: frozenset(program) for name, program in self._programs.items()}
        self._blank = ctx.texture((1, 1), 3, bytes([128, 128, 255]))
        self._textures: dict[int, Any] = {}
        self._meshes = [self._upload(part) for part in head.parts]
        drawn = round(side * SUPERSAMPLING)
        self._frame = ctx.framebuffer([ctx.renderbuffer((drawn, drawn), 4)], ctx.depth_renderbuffer((drawn, drawn)))
        self._shadow = ctx.depth_texture((_SHADOW_PX, _SHADOW_PX))
        self._shadow.compare_func = ""
        self._shadow_frame = ctx.framebuffer([], self._shadow)
        self._paint = ctx.texture((1, 1), 4, bytes(4))
        self._roots = ctx.texture((1, 1), 4, bytes(4))
        self._hairs = self._make_texture(_draw_hairs())  # without mipmaps: hairs stay hairs in small pictures
        self._hairs.repeat_x = self._hairs.repeat_y = True
        quad = ctx.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], "f4"))
        self._quad = ctx.vertex_array(self._programs["background"], [(quad, "2f", "point")])
        self._backdrop = ctx.texture((1, 1), 3, bytes(3))
        self._things: list[tuple[Thing, dict[str, Any]]] = []
        self.measure_occlusion()

    def close(self) -> None:
        """Free the context and all it holds."""
        self._context.release()

    # -- what is drawn

    def _make_texture(self, picture: U8, *, mipmaps: bool = False) -> Any:
        height, width, channels = picture.shape
        texture = self._context.texture((width, height), channels, np.ascontiguousarray(picture).tobytes(), alignment=1)
        if mipmaps:
            texture.build_mipmaps()
            texture.filter = (self._gl.LINEAR_MIPMAP_NEAREST, self._gl.LINEAR)  # a tenth faster than between mipmaps
        texture.repeat_x = texture.repeat_y = mipmaps
        return texture

    def _bind(self, program: str, content: list[tuple[Any, ...]], index: Any) -> Any:
        """Bind buffers to a program; what the program does not use is skipped."""
        known, members = self._programs[program], self._uniforms[program]
        rows = []
        for buffer, form, *names in content:
            parts = form.split(" ")
            sizes = [int(part[0]) * 4 for part in parts]
            used = [name in members for name in names]
            kept = " ".join(part if keep else f"{size}x" for part, size, keep in zip(parts, sizes, used, strict=True))
            if any(used):
                rows.append((buffer, kept, *(name for name, keep in zip(names, used, strict=True) if keep)))
        return self._context.vertex_array(known, rows, index)

    def _upload(self, part: Part) -> _Mesh:
        """Send a mesh to the renderer."""
        ctx, count = self._context, len(part.points)
        pictures = []
        for picture in (part.colour, part.bumps):
            if picture is None:
                pictures.append(self._blank)
                continue
            if id(picture) not in self._textures:
                self._textures[id(picture)] = self._make_texture(picture, mipmaps=True)
            pictures.append(self._textures[id(picture)])
        moving = ctx.buffer(reserve=count * 24, dynamic=True)
        fixed = ctx.buffer(np.concatenate([part.points, part.uv, part.weights], 1).astype("f4"))
        openness = ctx.buffer(np.ones(count, "f4"))
        index = ctx.buffer(np.ascontiguousarray(part.faces, "i4"))
        full = [
            (moving, "3f 3f", "point", "normal"),
            (fixed, "3f 2f 4f", "rest", "uv", "weights"),
            (openness, "1f", "occlusion"),
        ]
        depth = [(moving, "3f 12x", "point"), (fixed, "12x 2f 4f", "uv", "weights")]
        arrays = {
            "colour": self._bind(part.kind, full, index),
            "depth": ctx.vertex_array(self._programs["depth"], depth, index),
            "openness": openness,
            "full": full,
        }
        return _Mesh(part, moving, arrays, *pictures)

    def set_paint(self, paint: U8) -> None:
        """Paint the face, seen from in front.

        Args:
            paint: (h, w, 4) uint8 RGBA over the square of `paint_frame`.
        """
        self._paint.release()
        self._paint = self._make_texture(paint)

    def set_beard(self, roots: U8) -> None:
        """Let a beard grow where `roots` (h, w, 4) uint8 has alpha, over the square of `paint_frame`."""
        self._roots.release()
        self._roots = self._make_texture(roots)
        mesh = next(m for m in self._meshes if m.part.kind == "skin")
        height, width = roots.shape[:2]
        scale, offset = self.paint_frame()
        at = mesh.part.points[:, :2] * scale + offset
        rows = np.clip((at[:, 1] * height).astype(int), 0, height - 1)
        columns = np.clip((at[:, 0] * width).astype(int), 0, width - 1)
        bearded = (roots[rows, columns, 3] > 0) & (mesh.part.points[:, 2] > self.paint_depth() - 0.02)
        faces = mesh.part.faces[bearded[mesh.part.faces].any(1)]
        if mesh.beard is not None:
            mesh.beard.release()
        mesh.beard = None
        if len(faces):
            index = self._context.buffer(np.ascontiguousarray(faces, "i4"))
            mesh.beard = self._bind("beard", mesh.arrays["full"], index)

    def paint_frame(self) -> tuple[Array, Array]:
        """Give scale and offset that take points (x, y) at rest to 0..1 over the painted square, from below left."""
        middle = self.head.eyes.mean(0)[:2] - np.array([0.0, 0.035])
        scale = np.array([1.0, 1.0]) / PAINT_M
        return scale, 0.5 - middle * scale

    def paint_depth(self) -> float:
        """Give the depth z up to which the face is painted, metres."""
        return float(self.head.eyes[:, 2].mean() - 0.055)

    def set_background(self, picture: U8) -> None:
        """Set the picture (h, w, 3) uint8 RGB behind the head."""
        self._backdrop.release()
        self._backdrop = self._make_texture(picture)

    def set_things(self, things: list[Thing]) -> None:
        """Set the things beside the head."""
        for _, arrays in self._things:
            for array in arrays.values():
                array.release()
        self._things = []
        for thing in things:
            weights = np.zeros((len(thing.points), 4), "f4")
            if thing.joint is not None:
                weights[:, thing.joint] = 1
            count = len(thing.points)
            rows = np.concatenate(
                [thing.points, thing.normals, np.zeros((count, 5)), weights, np.ones((count, 1))], 1
            ).astype("f4")  # fmt: skip
            data, index = self._context.buffer(rows), self._context.buffer(np.ascontiguousarray(thing.faces, "i4"))
            names = ("point", "normal", "rest", "uv", "weights", "occlusion")
            full = [(data, "3f 3f 3f 2f 4f 1f", *names)]
            self._things.append(
                (thing, {kind: self._bind(kind, full, index) for kind in ("thing", "depth", "mask")})
            )  # fmt: skip

    # -- the pictures

    def pose(self, shape: Mapping[str, float]) -> None:
        """Move all meshes to a shape, weights of morphs by name."""
        for mesh in self._meshes:
            mesh.moving.write(move_part(mesh.part, shape))

    def draw(
        self, camera: Camera, joints: F64, stage: Stage, surface: Surface, window: tuple[float, ...] = (0, 0, 1, 1)
    ) -> U8:
        """Draw the picture of the shape set by `pose`.

        Args:
            camera: where it is seen from.
            joints: (4, 4, 4) matrix of each of `parts.JOINTS`, from rest to the pose.
            stage: lights.
            surface: looks.
            window: x, y, width and height of the part of the background that is seen.

        Returns:
            (side, side, 3) uint8 RGB.
        """
        gl, ctx = self._gl, self._context
        matrices = _to_gl(joints)
        shadow_view = self._draw_shadow(stage, joints, matrices)
        self._frame.use()
        ctx.enable_only(gl.DEPTH_TEST)
        ctx.clear(0, 0, 0, 1)
        self._backdrop.use(0)
        self._programs["background"]["window"].value = tuple(window)
        self._quad.render(gl.TRIANGLE_STRIP)
        ctx.enable(gl.CULL_FACE)
        for kind in shaders.KINDS:
            self._set_uniforms(kind, camera, matrices, stage, surface, shadow_view)
        self._paint.use(2)
        self._shadow.use(3)
        self._hairs.use(4)
        for mesh in self._meshes:
            if mesh.part.kind != "hair":
                self._draw_mesh(mesh, surface)
        program = self._programs["thing"]
        for thing, arrays in self._things:
            program["flat_colour"].value = thing.colour
            self._set_thing_joints(program, thing, matrices)
            arrays["thing"].render()
        ctx.enable(gl.BLEND)
        ctx.disable(gl.CULL_FACE)  # both sides of a sheet of hair are seen
        for mesh in self._meshes:
            if mesh.part.kind == "hair":
                self._draw_mesh(mesh, surface)
        return self._read()

    def draw_occluders(self, camera: Camera, joints: F64) -> U8:
        """Draw the mask of the things that hide the face, (side, side) uint8, 1 inside."""
        program = self._programs["mask"]
        self._frame.use()
        self._context.enable_only(self._gl.DEPTH_TEST)
        self._context.clear(0, 0, 0, 1)
        program["view"].write(_to_gl(camera.matrix[None]))
        for thing, arrays in self._things:
            if thing.is_occluder:
                self._set_thing_joints(program, thing, _to_gl(joints))
                arrays["mask"].render()
        return (self._read()[..., 0] > 127).astype(np.uint8)

    def _set_thing_joints(self, program: Any, thing: Thing, matrices: bytes) -> None:
        """Move a thing with its joint, or to its place in the world."""
        if thing.joint is None:
            shift = np.repeat(thing.matrix[None], 4, 0)
            program["joints"].write(_to_gl(shift))
        else:
            program["joints"].write(matrices)

    def _read(self) -> U8:
        """Read the picture drawn, at the size asked for."""
        import cv2

        width, height = self._frame.size
        drawn = np.frombuffer(self._frame.read(components=3, alignment=1), np.uint8).reshape(height, width, 3)[::-1]
        picture: U8 = cv2.resize(drawn, (self.side, self.side), interpolation=cv2.INTER_AREA)
        return picture

    def _set_uniforms(
        self, kind: str, camera: Camera, matrices: bytes, stage: Stage, surface: Surface, shadow_view: F64
    ) -> None:
        """Set what is the same for all meshes of a picture."""
        program, used = self._programs[kind], self._uniforms[kind]
        scale, offset = self.paint_frame()
        towards = np.array([light.towards for light in stage.lights], "f4")
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        for name, content in (
            ("view", _to_gl(camera.matrix[None])), ("shadow_view", _to_gl(shadow_view[None])), ("joints", matrices),
            ("light_to", towards.tobytes()),
            ("light_colour", np.array([light.colour for light in stage.lights], "f4").tobytes()),
        ):  # fmt: skip
            if name in used:
                program[name].write(content)
        for name, value in (
            ("camera", tuple(camera.place)), ("sky", stage.sky), ("ground", stage.ground),
            ("exposure", stage.exposure), ("contrast", stage.contrast), ("shadow_softness", stage.shadow_softness),
            ("tint", surface.tint), ("gloss", surface.gloss), ("bump_depth", surface.bumps),
            ("paint_frame", (*scale, *offset)), ("paint_depth", self.paint_depth()), ("shell", (0.0, 0.0, 0.0)),
            ("colour", 0), ("bumps", 1), ("paint", 2), ("shadow", 3), ("hairs", 4),
        ):  # fmt: skip
            if name in used:
                program[name].value = value

    def _draw_mesh(self, mesh: _Mesh, surface: Surface) -> None:
        """Draw a mesh, and the beard on it."""
        kind = mesh.part.kind
        colours = {"teeth": surface.teeth, "eye": surface.eyes, "hair": surface.hair}
        if kind in colours:
            self._programs[kind]["flat_colour"].value = colours[kind]
        mesh.picture.use(0)
        mesh.bumps.use(1)
        mesh.arrays["colour"].render()
        if mesh.beard is not None and surface.beard_length > 0:
            self._draw_beard(mesh, surface)

    def _draw_beard(self, mesh: _Mesh, surface: Surface) -> None:
        """Draw the hairs of a beard as shells around the skin."""
        program = self._programs["beard"]
        program["flat_colour"].value = surface.beard
        self._roots.use(2)
        for i in range(1, BEARD_SHELLS + 1):
            share = i / BEARD_SHELLS
            program["shell"].value = (surface.beard_length * share, 0.7 * share, 0.2 + 0.65 * share)
            mesh.beard.render()
        self._paint.use(2)

    def _draw_shadow(self, stage: Stage, joints: F64, matrices: bytes) -> F64:
        """Draw the depth picture of the first light. Returns its matrix."""
        middle = joints[1] @ np.append(self.head.eyes.mean(0) - np.array([0.0, 0.04, 0.06]), 1)
        towards = np.asarray(stage.lights[0].towards, np.float64)
        view = make_parallel_view(middle[:3], towards / np.linalg.norm(towards), _SHADOW_REACH_M)
        self._shadow_frame.use()
        self._draw_depth(view, matrices, with_hair=True)
        return view

    def _draw_depth(self, view: F64, matrices: bytes, *, with_hair: bool) -> None:
        """Draw the depths of all meshes and things into the framebuffer in use."""
        program = self._programs["depth"]
        self._context.enable_only(self._gl.DEPTH_TEST | self._gl.CULL_FACE)
        self._context.clear(depth=1.0)
        program["view"].write(_to_gl(view[None]))
        program["joints"].write(matrices)
        for mesh in self._meshes:
            if mesh.part.kind in ("gland", "eye") or (mesh.part.kind == "hair" and not with_hair):
                continue
            program["alpha_limit"].value = 0.4 if mesh.part.kind == "hair" else 0.0
            mesh.picture.use(0)
            mesh.arrays["depth"].render()
        program["alpha_limit"].value = 0.0
        for thing, arrays in self._things:
            self._set_thing_joints(program, thing, matrices)
            arrays["depth"].render()

    def measure_occlusion(self) -> None:
        """Measure how much of the light around reaches each vertex, with the mouth open."""
        self.pose(_OCCLUSION_POSE)
        matrices = _to_gl(np.repeat(np.eye(4)[None], 4, 0))
        depth = self._context.depth_texture((_OCCLUSION_PX, _OCCLUSION_PX))
        frame = self._context.framebuffer([], depth)
        shapes = [np.frombuffer(move_part(m.part, _OCCLUSION_POSE), "f4").reshape(-1, 6) for m in self._meshes]
        sums = [np.zeros(len(shape)) for shape in shapes]
        totals = [np.full(len(shape), 1e-6) for shape in shapes]
        middle = self.head.eyes.mean(0) - np.array([0.0, 0.05, 0.05])
        for towards in _spread_directions(_OCCLUSION_VIEWS):
            view = make_parallel_view(middle, towards, 0.3)
            frame.use()
            self._draw_depth(view, matrices, with_hair=True)
            depths = np.frombuffer(depth.read(alignment=1), "f4").reshape(_OCCLUSION_PX, _OCCLUSION_PX)
            for shape, total, seen in zip(shapes, totals, sums, strict=True):
                at = (shape[:, :3] + 0.002 * shape[:, 3:]) @ view[:3, :3].T + view[:3, 3]
                facing = np.maximum(shape[:, 3:] @ towards, 0)
                pixels = np.clip(((at[:, :2] + 1) / 2 * _OCCLUSION_PX).astype(int), 0, _OCCLUSION_PX - 1)
                is_seen = depths[pixels[:, 1], pixels[:, 0]] > (at[:, 2] + 1) / 2 - 0.006
                np.add(total, facing, out=total)
                np.add(seen, facing * is_seen, out=seen)
        for mesh, total, seen in zip(self._meshes, totals, sums, strict=True):
            openness = np.ones(len(total)) if mesh.part.kind in ("eye", "gland") else seen / total
            if mesh.part.kind == "hair":
                openness = 0.5 + 0.5 * openness
            mesh.arrays["openness"].write(openness.astype("f4"))
        frame.release()
        depth.release()


def move_part(part: Part, shape: Mapping[str, float]) -> bytes:
    """Compute points and normals of a part in a shape, (n, 6) float32, as bytes.

    Args:
        part: the part.
        shape: weights of morphs by name; others than the part's are skipped.
    """
    moved = np.concatenate([part.points, part.normals], 1)
    for i, name in enumerate(part.morphs):
        weight = shape.get(name, 0.0)
        if weight:
            moved += np.float32(weight) * part.moves[i]
    return np.ascontiguousarray(moved, np.float32).tobytes()


def make_parallel_view(middle: F64, towards: F64, reach: float) -> F64:
    """Make the matrix (4, 4) of a parallel view from a direction onto a cube of half side `reach` metres."""
    up = np.array([0.0, 1.0, 0.0]) if abs(towards[1]) < 0.95 else np.array([0.0, 0.0, 1.0])
    right = np.cross(up, towards)
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(towards, right), -towards]) / reach
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = turn, -turn @ middle
    return view


def _spread_directions(count: int) -> F64:
    """Spread unit vectors (count, 3) evenly over a sphere."""
    i = np.arange(count) + 0.5
    y, turn = 1 - 2 * i / count, np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - y * y)
    return np.stack([ring * np.cos(turn), y, ring * np.sin(turn)], 1)


def _draw_hairs() -> U8:
    """Draw the cross-section of hairs, (side, side, 1) uint8: the height that each reaches."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).random((_HAIRS_PX, _HAIRS_PX))
    soft = gaussian_filter(noise, (1.6, 0.8), mode="wrap")
    order = soft.ravel().argsort().argsort().reshape(soft.shape) / soft.size
    hairs: U8 = (order * 255).astype(np.uint8)[..., None]
    return hairs


def _to_gl(matrices: F64) -> bytes:
    """Pack matrices (n, 4, 4) column by column."""
    return np.ascontiguousarray(matrices.transpose(0, 2, 1), "f4").tobytes()


def _open_context(gl: Any) -> Any:
    """Open a context on EGL. One thread draws: other processes have the other processors."""
    os.environ.setdefault("LP_NUM_THREADS", "0")
    try:
        return gl.create_context(standalone=True, backend="egl", require=330)
    except Exception as error:  # moderngl raises bare exceptions
        raise EnvironmentFailure(
            f"OpenGL cannot be opened: {error}", hint="Install libegl1 and libgl1-mesa-dri (Debian), or Mesa's EGL."
        ) from error
