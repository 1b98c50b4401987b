"""Evidence on a video compared with itself, gathered without any published weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lipdub.media.read import read_frames
from lipdub.metrics.bootstrap import make_windows
from lipdub.metrics.evidence import CompositePair, Evidence, Feed, FramePair, PassSetup, RunFacts, ScoredClip
from lipdub.metrics.registry import METRICS
from lipdub.scoring.close_ups import CloseUpCutter, sample_frames
from lipdub.scoring.full_reference import align_face
from lipdub.scoring.gather import Selection
from lipdub.scoring.speech import load_own_sound
from lipdub.scoring.video_pass import run_pass

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F32
    from lipdub.metrics.metric import Metric

PAIRS = 20  # frames that are compared with the ground truth


class _Stub(torch.nn.Module):
    """A network of a handful of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def means(self, values: torch.Tensor, size: int) -> torch.Tensor:
        """Return `size` different numbers for each item."""
        return values.float().flatten(1).mean(1, keepdim=True) * self.scale * torch.arange(1, size + 1)


class SyncStub(_Stub):
    """Stands in for SyncNet."""

    def lips(self, clips: torch.Tensor) -> torch.Tensor:
        return self.means(clips, 4)

    def sound(self, cepstra: torch.Tensor) -> torch.Tensor:
        return self.means(cepstra, 4)


class EmbeddingStub(_Stub):
    """Stands in for ArcFace: embeddings of unit length."""

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.cat([self.means(faces, 3), torch.ones(len(faces), 1)], 1))


class DistanceStub(_Stub):
    """Stands in for LPIPS."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return ((a - b) ** 2).mean((1, 2, 3)) * self.scale


class FeatureStub(_Stub):
    """Stands in for Inception."""

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.means(pictures, 2048) / 2048,)


#: For each network that metrics name, by the name of its weights.
STUBS: dict[str, type[_Stub]] = {
    "syncnet-v2": SyncStub,
    "arcface": EmbeddingStub,
    "alexnet": DistanceStub,
    "inception-fid": FeatureStub,
}


def all_metrics() -> list[Metric]:
    """Return every metric of the registry."""
    return [metric for _, metric in METRICS.items()]


def identical_evidence(video: Path) -> Evidence:
    """Gather evidence on a video that is its own source and ground truth, and does just what its run asked for."""
    networks: dict[str, Any] = {name: stub().eval() for name, stub in STUBS.items()}
    selection = Selection(metrics=all_metrics(), networks=networks)
    frames = list(read_frames(video))
    times = np.array([float(frame.time) for frame in frames])
    sampled = sample_frames(times - times[0])
    setup = PassSetup(tuple(sampled), has_source=True, frame_count=len(frames), networks=networks)
    result, source = selection.make_observers(Feed.RESULT, setup), selection.make_observers(Feed.SOURCE, setup)
    cutter = CloseUpCutter(sampled, _middle_mask, (frames[k].picture for k in sampled))
    motion = run_pass(video, [*result.values(), *source.values()], cut_close_up=cutter)
    truth, run = selection.make_observers(Feed.GROUND_TRUTH, setup), selection.make_observers(Feed.RUN, setup)
    for k, frame in enumerate(frames[:PAIRS]):
        rgb, points = frame.picture.rgb(), motion.points[k]
        pair = FramePair(k, float(motion.times[k]), rgb, rgb, 255.0, k == 0, points, points, align_face)
        box, weight = _middle_mask(k)
        composite = CompositePair(frame.picture, frame.picture, box, weight)
        for observer in truth.values():
            observer.add(pair)
        for observer in run.values():
            observer.add(composite)
    clip = ScoredClip(video, motion, load_own_sound(video, "its own sound"))
    return Evidence(
        clip,
        make_windows(motion.duration),
        source=clip,
        run=RunFacts(motion.times, is_lossless=True),
        target_opening=motion.mouth.opening,
        target_origin="the run",
        networks=networks,
        observers={**result, **source, **truth, **run},
    )


def _middle_mask(index: int) -> tuple[tuple[int, int, int, int], F32]:
    """Return a soft ellipse where the sample's lower face is."""
    y, x = np.mgrid[0:180, 0:200]
    weight = np.clip(1.5 - np.hypot((x - 100) / 80, (y - 90) / 72), 0, 1).astype(np.float32)
    return (156, 250, 356, 430), weight
