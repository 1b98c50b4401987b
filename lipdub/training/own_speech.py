"""Whether a video's own sound belongs to its lips, and how much earlier or later it is, for `lipdub adapt`.

AVSyncNet compares each moment's mouth with the sounds around it. Where a sound belongs to the lips, one lag stands out
from all others. Its contrast is the similarity at that lag less the mean at far lags. On nine videos that AVSyncNet
never learnt it was 0.25 to 0.48 for talkers with their own sound. Of two who grimace or sing it was 0.14 and 0.19. With
the sound of another video it was below 0.16, and once 0.21.

AVSyncNet knows the lag to a frame. The motion that the sound implies, compared with the one that the face mesh measures
(`metrics.motion_sync`), tells it more finely. Alone it can be misled by a talker whose mouth hardly moves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.metrics.motion_sync import Comparison, compare_motion, estimate_sync
from lipdub.metrics.mouth_motion import measure_mouth_shape
from lipdub.speech.lip_motion import predict_lip_motion
from lipdub.training.dataset import TalkingClips
from lipdub.training.shards import FPS
from lipdub.training.sync_scorer import SyncClips, embed_moments

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64
    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.training.dataset import Dataset

MAX_LAG = 6  # frames at 25 a second, 0.24 s: more is no delay of a recording
_REACH = 12  # frames up to which lags are compared
_FAR = 4  # frames from the best lag on, a lag tells what similarity is by chance
_BATCH = 64  # moments that are embedded at once
_FINE_REACH = 0.05  # seconds from AVSyncNet's lag within which a finer one is taken


@dataclass(frozen=True)
class SpeechFit:
    """How a video's sound goes with its lips.

    Attributes:
        seconds: by which the sound comes late, -0.24 to 0.24.
        contrast: similarity at that lag less the mean at far lags; -2 to 2, about 0 where they do not go together.
    """

    seconds: float
    contrast: float


def fit_own_speech(data: Dataset, sync: AVSyncNet) -> SpeechFit | None:
    """Compare a video's lips with its own sound.

    Args:
        data: dataset of the video.
        sync: AVSyncNet.

    Returns:
        How they fit; None if no clip is long enough to tell.
    """
    clips = SyncClips(data, sync.size)
    curves, weights = [], []
    for clip in range(len(clips)):
        moments = clips.moments(clip)
        if moments > 2 * _REACH:
            curves.append(_compare_lags(*_embed(clips, clip, sync)))
            weights.append(moments)
    return fit_curve(np.average(curves, axis=0, weights=weights)) if curves else None


def fit_curve(similarity: F64) -> SpeechFit:
    """Find the lag that stands out, given the mean similarity at lags of -12 to 12 frames, (25,)."""
    lags = np.arange(-_REACH, _REACH + 1)
    near = np.abs(lags) <= MAX_LAG
    best = int(lags[near][similarity[near].argmax()])
    far = np.abs(lags - best) >= _FAR
    return SpeechFit(best / FPS, float(similarity[lags == best][0] - similarity[far].mean()))


def refine_lag(data: Dataset, fit: SpeechFit) -> SpeechFit:
    """Find the lag more finely than a frame, near the one that AVSyncNet found.

    Args:
        data: dataset of the video.
        fit: what `fit_own_speech` found.

    Returns:
        The fit with the lag that `metrics.motion_sync` finds; as it was, where that is unsure or farther away than
        `_FINE_REACH`.
    """
    clips = TalkingClips(data)
    parts = [_compare_motion(clips, clip) for clip in range(len(clips))]
    times, fits = (np.concatenate([getattr(part, name) for part in parts]) for name in ("times", "fit"))
    estimate = estimate_sync(Comparison(times, parts[0].lags, fits))
    seconds = -estimate.offset  # the sound comes late where the picture comes early
    is_near = estimate.is_sure and abs(seconds - fit.seconds) <= _FINE_REACH
    return replace(fit, seconds=seconds) if is_near else fit


def _compare_motion(clips: TalkingClips, clip: int) -> Comparison:
    """Compare the motion of a clip's mouth with the one that its sound implies."""
    frames, audio = np.arange(clips.count(clip)), clips.audio(clip)
    mouth = np.array([measure_mouth_shape(points)[:2] for points in clips.points(clip, frames)])
    motion = predict_lip_motion(audio)
    return compare_motion(frames / FPS, mouth, motion.times, motion.mouth, (0.0, len(audio) / SAMPLE_RATE_HZ))


def _embed(clips: SyncClips, clip: int, sync: AVSyncNet) -> tuple[F32, F32]:
    """Embed the sound and the mouth of every moment of a clip, (n, features) each."""
    moments = np.arange(clips.moments(clip))
    parts = [embed_moments(sync, clips, clip, moments[k : k + _BATCH]) for k in range(0, len(moments), _BATCH)]
    sounds, mouths = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    return sounds, mouths


def _compare_lags(sounds: F32, mouths: F32) -> F64:
    """Give the mean similarity of mouths with sounds -12 to 12 frames later, (25,)."""
    cosine = mouths.astype(np.float64) @ sounds.T
    return np.array([np.diagonal(cosine, lag).mean() for lag in range(-_REACH, _REACH + 1)])
