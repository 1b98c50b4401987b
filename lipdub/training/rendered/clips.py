"""Renders the clips of a scene: pictures, sound, and the truth about both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.training.phone_windows import Utterance
from lipdub.training.rendered.face_map import find_features, measure_mouth
from lipdub.training.rendered.film import expose
from lipdub.training.rendered.heads import load_head
from lipdub.training.rendered.motion import EMOTIONS, HeadMotion, draw_motion, place_joints
from lipdub.training.rendered.mouth import mix_shapes, move_mouth
from lipdub.training.rendered.renderer import Renderer
from lipdub.training.rendered.scene import Scene, draw_scene, draw_things
from lipdub.training.rendered.voices import draw_utterance
from lipdub.training.shards import FPS, SAMPLES_PER_FRAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.arrays import F32, F64, U8
    from lipdub.training.rendered.face_map import FaceMap
    from lipdub.training.rendered.parts import Head

_SPOKEN, _OTHER, _MOTION, _NOISE = 2, 3, 4, 5  # purposes of random numbers; `scene` has 1
_TAIL_SECONDS = 0.3  # that are shown after the speech
_SMILE = EMOTIONS["smiling"].face


@dataclass(frozen=True)
class Truth:
    """What is known of a clip's frames.

    Attributes:
        opening: (n,) float32, gap between the lips seen from in front, in eye distances, as the mesh has it.
        width: (n,) float32 between the corners.
        shut: (n,) float32, how far the lips are pressed together for p, b and m.
        phones: (m, 3) float32, start and end in seconds, and number in `speech.phones.PHONES`.
    """

    opening: F32
    width: F32
    shut: F32
    phones: F32


@dataclass(frozen=True)
class Take:
    """A clip that is ready to be drawn.

    Attributes:
        variant: its name in `rendered.variants`.
        emotion: name of the acted emotion.
        audio: (640 n,) float32 at 16 kHz.
        shapes: weights of all morphs of each frame.
        motion: of the head.
        truth: what is known.
    """

    variant: str
    emotion: str
    audio: F32
    shapes: list[dict[str, float]]
    motion: HeadMotion
    truth: Truth

    def __len__(self) -> int:
        return len(self.shapes)


class Studio:
    """A head that is ready to be drawn.

    Args:
        path: file of the head.
        side: side of the pictures, pixels.
    """

    def __init__(self, path: Path, side: int) -> None:
        self.head: Head = load_head(path)
        self.renderer = Renderer(self.head, side)
        self.features: FaceMap = find_features(self.renderer)

    def close(self) -> None:
        """Free the renderer."""
        self.renderer.close()

    def open_scene(self, seed: int, number: int) -> Scene:
        """Draw a scene and set it up."""
        scene = draw_scene(seed, number, self.head, self.features)
        self.renderer.set_paint(scene.look.paint)
        self.renderer.set_beard(scene.look.roots)
        self.renderer.set_background(scene.backdrop)
        return scene

    def plan_take(
        self, scene: Scene, variant: str, kinds: tuple[str, ...], seconds: float, *, is_kept: bool = False
    ) -> Take:
        """Plan a clip of a scene.

        Args:
            scene: the scene.
            variant: of `rendered.variants`.
            kinds: synthesisers, from `voices.list_kinds`.
            seconds: length of the clip, at most.
            is_kept: whether the voices are those that are kept apart.
        """
        seed = scene.seed[0] * 1_000_003 + scene.seed[1]
        emotion = scene.emotion if variant == "emotion" else "neutral"
        first = draw_utterance(2 * seed, kinds, EMOTIONS["neutral"].manner, is_kept=is_kept)
        length = min(seconds, len(first.audio) / SAMPLE_RATE_HZ + _TAIL_SECONDS)
        count = max(int(length * FPS), 1)
        spoken = first
        if variant == "speech":
            spoken = draw_utterance(2 * seed + 1, kinds, EMOTIONS["neutral"].manner, is_kept=is_kept)
        elif variant == "emotion":
            spoken = draw_utterance(2 * seed, kinds, EMOTIONS[emotion].manner, is_kept=is_kept)
        elif variant == "shut":
            spoken = Utterance(np.zeros(0, np.float32), ())
        times = np.arange(count) / FPS
        motion = draw_motion(scene.draw_again(_MOTION), times, measure_loudness(first.audio, count), scene.liveliness)
        courses, shut = move_mouth(spoken.phones, times, scene.style)
        face = _act(scene, emotion, courses, shut, motion)
        shapes = [mix_shapes(face, i) for i in range(count)]
        mouths = np.array([measure_mouth(self.renderer, self.features, shape) for shape in shapes], np.float32)
        truth = Truth(mouths[:, 0], mouths[:, 1], shut.astype(np.float32), _tabulate_phones(spoken))
        return Take(variant, emotion, _cut_audio(spoken.audio, count), shapes, motion, truth)

    def draw_take(self, scene: Scene, take: Take) -> Iterator[tuple[U8, U8]]:
        """Draw the frames of a clip.

        Yields:
            a picture (h, w, 3) uint8 RGB, and the mask (h, w) uint8 of what hides the face.
        """
        camera, window = (scene.cameras[take.variant == "camera"], scene.windows[take.variant == "camera"])
        self.renderer.set_things(draw_things(scene, self.head, take.variant))
        rng = scene.draw_again(_NOISE)
        blank = np.zeros((self.renderer.side, self.renderer.side), np.uint8)
        for i, shape in enumerate(take.shapes):
            joints = place_joints(self.head, take.motion.angles[i], take.motion.gaze[i])
            self.renderer.pose(shape)
            picture = self.renderer.draw(camera, joints, scene.stage, scene.look.surface, window)
            mask = self.renderer.draw_occluders(camera, joints) if take.variant == "hidden" else blank
            yield expose(picture, scene.film, rng), mask


def _act(scene: Scene, emotion: str, courses: dict[str, F64], shut: F64, motion: HeadMotion) -> dict[str, F64]:
    """Join the mouth of the speech, the face of the motion and that of the emotion."""
    acted = EMOTIONS[emotion]
    face = {name: course * acted.opening for name, course in courses.items()}
    face |= {name: courses[name] for name in ("MPB_Up", "MPB_Down", "MPB", "FV")}
    for name, course in motion.face.items():
        face[name] = face.get(name, 0.0) + course
    for name, weight in acted.face.items():
        face[name] = face.get(name, 0.0) + weight * scene.strength * np.ones_like(shut)
    if emotion == "neutral" and scene.mood > 0:
        for name, weight in _SMILE.items():
            face[name] = face.get(name, 0.0) + weight * scene.mood * np.ones_like(shut)
    return face


def measure_loudness(audio: F32, count: int) -> F64:
    """Measure how loud each frame of a speech is, (count,) in 0..1."""
    frames = _cut_audio(audio, count).reshape(count, SAMPLES_PER_FRAME).astype(np.float64)
    level = np.sqrt((frames**2).mean(1))
    loudness: F64 = level / max(float(level.max()), 1e-6)
    return loudness


def _cut_audio(audio: F32, count: int) -> F32:
    """Cut or lengthen audio to a number of frames."""
    out = np.zeros(count * SAMPLES_PER_FRAME, np.float32)
    size = min(len(out), len(audio))
    out[:size] = audio[:size]
    return out


def _tabulate_phones(spoken: Utterance) -> F32:
    from lipdub.speech.phones import PHONE_INDEX

    return np.array([(a, b, PHONE_INDEX[p]) for a, b, p in spoken.phones], np.float32).reshape(-1, 3)
