"""Where the landmarks of the result are to be: those of the talker's own face, with the lips of the speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces import landmark_animation, mouth_rendering, mouth_shapes
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.neutralize.store import NeutralizeStore
from lipdub.stages.sync.plan import sample_lips

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F32, F64, I64
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.speech.recognition import Recognition
    from lipdub.stages.sync.generator import GeneratorRun

_BLOCK_FRAMES = 96  # output frames whose landmarks are computed at once


@dataclass(frozen=True)
class HeardSound:
    """What is taken of the speech.

    Attributes:
        audio: (n,) float32 mono at 16 kHz.
        recognition: What is said.
    """

    audio: F32
    recognition: Recognition


def hear_sound(audio: F32, options: Any) -> HeardSound:
    """Recognize what is said. `options` are those of sync."""
    from lipdub.speech.recognition import recognize
    from lipdub.speech.transcript import read_transcript

    transcript = read_transcript(options.transcript) if options.transcript is not None else None
    return HeardSound(audio, recognize(audio, transcript=transcript, language=options.language))


def sample_speech_lips(run: GeneratorRun) -> F64:
    """Sample opening and width of the speech's lips in every output frame, (n, 2). The features are a `HeardSound`."""
    from lipdub.speech.lip_motion import predict_lip_motion

    heard: HeardSound = run.features
    motion = predict_lip_motion(recognition=heard.recognition)
    every = list(range(len(run.plan.source)))
    seconds = len(heard.audio) / SAMPLE_RATE_HZ
    return sample_lips(motion, run.speech_times(every), seconds, run.options.strength)


@dataclass
class LandmarkTargets:
    """The landmarks of one talker in the result.

    Attributes:
        landmarks: Of the track, as they are in the source.
        canonical: (478, 3), the talker's face without pose.
        frames: (n,) output frames that show the talker, ascending.
        animate: Takes output frames, returns their landmarks (n, 478, 3) with the lips of the speech.
    """

    landmarks: TrackLandmarks
    canonical: F64
    frames: I64
    animate: Callable[[I64], F32]
    _block: tuple[int, F32] | None = None

    def read(self, frame: int) -> F32:
        """Return the landmarks (478, 3) float32 of an output frame with the speech's lips, pixels of the video."""
        row = int(np.searchsorted(self.frames, frame))
        start = row - row % _BLOCK_FRAMES
        if self._block is None or self._block[0] != start:
            self._block = start, self.animate(self.frames[start : start + _BLOCK_FRAMES])
        target: F32 = self._block[1][row - start]
        return target


def open_targets(run: GeneratorRun, track: int, lips: F64) -> LandmarkTargets:
    """Prepare the landmarks of the frames that show a talker.

    Args:
        run: The run. It needs the units of neutralize's `rest`.
        track: The track's id.
        lips: (n, 2) of `sample_speech_lips`.
    """
    ctx, plan = run.ctx, run.plan
    landmarks = DetectStore.from_context(ctx).landmarks(track)
    talker = NeutralizeStore.from_context(ctx).read_talker(track)
    follow = landmark_animation.compute_follow_weights(
        mouth_rendering.build_skin_mesh(talker.canonical, mouth_shapes.load_prior())
    )
    measured: F64 = talker.motion.measures.astype(np.float64)

    def animate(items: I64) -> F32:
        spoken = mouth_shapes.map_motion_to_range(lips[items, 0], lips[items, 1], talker.speech_range)
        own, amount = measured[plan.source[items] - landmarks.first], plan.amount[items, None].astype(np.float64)
        measures: F64 = own + amount * (spoken - own)
        measures[:, 0] = np.maximum(measures[:, 0], 0)
        return landmark_animation.animate_talker(
            landmarks, talker.canonical, talker.response, follow, plan.source[items].astype(np.int64), measures
        )

    frames = np.flatnonzero(plan.is_dubbed & (plan.track == track)).astype(np.int64)
    return LandmarkTargets(landmarks, talker.canonical, frames, animate)
