"""A scene: a person, a look, lights, cameras and a background, all drawn from a seed.

The clips of one scene share all that its `Scene` says. They differ in what `rendered.variants` says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lipdub.training.rendered.backdrop import draw_backdrop
from lipdub.training.rendered.film import Film, draw_film
from lipdub.training.rendered.looks import Look, draw_look
from lipdub.training.rendered.motion import EMOTIONS, LIVELINESS
from lipdub.training.rendered.mouth import Style, draw_style
from lipdub.training.rendered.renderer import Camera, Light, Stage, Thing, make_camera
from lipdub.training.rendered.things import make_glasses, make_hand, make_microphone

if TYPE_CHECKING:
    from lipdub.arrays import F64, U8, Array
    from lipdub.training.rendered.face_map import FaceMap
    from lipdub.training.rendered.parts import Head

_EYES_SHARE = (0.17, 0.30)  # of the picture's side, that the distance between the eyes takes
_DISTANCE_M = (0.45, 2.6)
_SECOND_CAMERA_DEGREES = (8.0, 28.0)
_FACE_LIGHT = 0.22  # linear, of a face that needs no correction
_WOMAN = "_F_"  # in the names of VALID's files


@dataclass(frozen=True)
class Scene:
    """A scene.

    Attributes:
        seed: seed of what the clips draw themselves.
        look: how the person looks.
        style: how the person moves the mouth.
        stage: lights.
        cameras: the first and the second.
        film: camera and codec.
        backdrop: (h, w, 3) uint8 RGB.
        windows: the part of the backdrop that each camera sees.
        liveliness: factor on the motion of the head.
        emotion: name of the emotion of the variant "emotion".
        strength: of that emotion, 0 to 1.
        mood: strength of a smile, 0 for none, that the person has all the time.
    """

    seed: tuple[int, int]
    look: Look
    style: Style
    stage: Stage
    cameras: tuple[Camera, Camera]
    film: Film
    backdrop: U8
    windows: tuple[tuple[float, ...], tuple[float, ...]]
    liveliness: float
    emotion: str
    strength: float
    mood: float

    def draw_again(self, purpose: int) -> np.random.Generator:
        """Give the random numbers of one purpose, the same each time."""
        return np.random.default_rng([*self.seed, purpose])


def draw_scene(seed: int, number: int, head: Head, features: FaceMap) -> Scene:
    """Draw a scene.

    Args:
        seed: seed of the dataset.
        number: number of the scene.
        head: who talks.
        features: of the head.
    """
    rng = np.random.default_rng([seed, number])
    cameras, windows = _draw_cameras(rng, head)
    skin = _find_skin_colour(head)
    look = draw_look(features.landmarks, rng, skin=skin, is_woman=_WOMAN in head.name)
    return Scene(
        seed=(seed, number),
        look=look,
        style=draw_style(rng),
        stage=_expose_face(_draw_stage(rng), _tint(skin, look)),
        cameras=cameras,
        film=draw_film(rng),
        backdrop=draw_backdrop(rng),
        windows=windows,
        liveliness=float(np.exp(rng.uniform(*np.log(LIVELINESS)))),
        emotion=str(rng.choice([name for name in EMOTIONS if name != "neutral"])),
        strength=float(rng.uniform(0.5, 1.0)),
        mood=float(max(rng.normal(0.0, 0.2), 0.0)),
    )


def _draw_stage(rng: np.random.Generator) -> Stage:
    """Draw three lights, wider than real ones: hard or soft, coloured, from all around."""
    level = rng.uniform(0.65, 1.1)
    key = rng.uniform(0.4, 1.5)
    away = rng.uniform(-1.3, 1.3)
    lights = (
        Light((np.sin(away), rng.uniform(-0.15, 1.1), np.cos(away) + 0.15), _draw_light(rng, key * 1.25, 0.16)),
        Light((-np.sin(away) * 1.2, rng.uniform(-0.3, 0.8), 0.5), _draw_light(rng, rng.uniform(0.1, 0.7), 0.3)),
        Light((rng.uniform(-1, 1), rng.uniform(0, 1), -0.8), _draw_light(rng, rng.uniform(0, 1.2), 0.3)),
    )
    around = rng.uniform(0.25, 0.6) + 0.35 * max(0.9 - key, 0)
    return Stage(
        lights,
        _draw_light(rng, around, 0.12),
        _draw_light(rng, around * rng.uniform(0.3, 0.9), 0.16),
        exposure=float(level),
        contrast=float(rng.uniform(0.85, 1.15)),
        shadow_softness=float(rng.uniform(0.003, 0.02)),
    )


def _expose_face(stage: Stage, skin: Array) -> Stage:
    """Expose for a skin's colour (3,) sRGB, as cameras do in part: dark faces brighter, pale ones darker."""
    light = float(np.mean(np.clip(skin, 0.02, 1) ** 2.2))
    return replace(stage, exposure=stage.exposure * float(np.clip((_FACE_LIGHT / light) ** 0.5, 0.75, 2.5)))


def _draw_light(rng: np.random.Generator, level: float, spread: float) -> tuple[float, float, float]:
    """Draw a colour of light about white: warm or cold, a little green or purple."""
    warm, tinge = rng.normal(0, spread), rng.normal(0, 0.2 * spread)
    red, green, blue = level * np.exp([warm, tinge, -1.2 * warm])
    return float(red), float(green), float(blue)


def _draw_cameras(
    rng: np.random.Generator, head: Head
) -> tuple[tuple[Camera, Camera], tuple[tuple[float, ...], tuple[float, ...]]]:
    """Draw two cameras, and what each sees of the background."""
    middle = head.eyes.mean(0) - [0.0, 0.045, 0.05]
    eyes = float(np.linalg.norm(head.eyes[0] - head.eyes[1]))
    cameras, windows = [], []
    share, distance = rng.uniform(*_EYES_SHARE), np.exp(rng.uniform(*np.log(_DISTANCE_M)))
    yaw, pitch = np.radians(rng.normal(0, 6)), np.radians(rng.normal(0, 5))
    for _ in range(2):
        place = middle + distance * _aim(yaw, pitch)
        focal = 2 * share * (distance - 0.08) / eyes
        shift = (float(rng.uniform(-0.12, 0.12)), float(rng.uniform(-0.1, 0.1)))
        cameras.append(make_camera(middle, place, focal, shift=shift))
        side = rng.uniform(0.5, 1.0)
        windows.append((*rng.uniform(0, 1 - side, 2), side, side))
        yaw += np.radians(rng.uniform(*_SECOND_CAMERA_DEGREES)) * (1 if rng.random() < 0.5 else -1)
        pitch += np.radians(rng.normal(0, 4))
    return (cameras[0], cameras[1]), (windows[0], windows[1])


def _aim(yaw: float, pitch: float) -> F64:
    return np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])


def draw_things(scene: Scene, head: Head, variant: str) -> list[Thing]:
    """Draw the things of a variant: glasses that the person wears, and what hides the mouth."""
    rng = scene.draw_again(1)
    things = [make_glasses(head, rng)] if scene.look.has_glasses else []
    if variant != "hidden":
        return things
    if rng.random() < 0.5:
        return things + make_microphone(head, rng)
    return [*things, make_hand(head, rng, _tint(_find_skin_colour(head), scene.look))]


def _find_skin_colour(head: Head) -> Array:
    """Find the colour (3,) of a head's cheeks, sRGB 0..1."""
    skin = head.skin
    middle = head.eyes.mean(0) - [0.0, 0.03, 0.0]
    cheeks = (np.abs(skin.points[:, 1] - middle[1]) < 0.015) & (skin.points[:, 2] > middle[2] - 0.02)
    height, width = skin.colour.shape[:2]
    columns, rows = (np.clip(skin.uv[cheeks] * [width, height], 0, [width - 1, height - 1])).astype(int).T
    colour: Array = np.median(skin.colour[rows, columns, :3], 0) / 255 if len(rows) else np.full(3, 0.5)
    return colour


def _tint(skin: Array, look: Look) -> Array:
    """Give a skin's colour (3,) sRGB the tint of a look."""
    tinted: Array = (skin**2.2 * look.surface.tint) ** (1 / 2.2)
    return tinted
