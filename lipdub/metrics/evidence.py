"""The input of metrics: clips, recognized speech, and the frames that a pass shows to its observers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np

from lipdub.arrays import U8, U16
from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.metrics.silence import find_pauses, find_speech
from lipdub.progress import Callback, ignore_event

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F32, F64
    from lipdub.media.pixels import Box, Picture
    from lipdub.metrics.mask_edge import MaskEdge
    from lipdub.metrics.mouth_motion import MouthMotion

T = TypeVar("T")
Image: TypeAlias = U8 | U16
"""A picture (h, w, 3), RGB."""
Span = tuple[float, float]
"""Start and end, seconds after the first frame."""


class Feed(Enum):
    """The passes that show frames to observers."""

    RESULT = "result"
    """every frame of the result, as `FrameObservation`"""
    SOURCE = "source"
    """every frame of the source, as `FrameObservation`"""
    GROUND_TRUTH = "ground truth"
    """every frame of the result with its frame of the ground truth, as `FramePair`"""
    RUN = "run"
    """every frame of the result with the source frame it was made from, as `CompositePair`"""


@dataclass(frozen=True)
class CloseUp:
    """The face of one frame, cut out with its surroundings.

    Attributes:
        rgb: (h, w, 3) uint8 or uint16.
        mesh: (478, 2) float32 pixels of `rgb`.
        source_rgb: the same box of the source's frame; None without a source, or if its frames have another size.
        find_edge: returns the edge of the replaced region, None if this frame has none.
    """

    rgb: Image
    mesh: F32
    source_rgb: Image | None
    find_edge: Callable[[], MaskEdge | None]

    @cached_property
    def edge(self) -> MaskEdge | None:
        """The edge of the replaced region; found on first use, as several metrics need it."""
        return self.find_edge()


@dataclass(frozen=True)
class FrameObservation:
    """One frame of a pass.

    Attributes:
        index: number of the frame.
        time: seconds after the first frame.
        picture: the decoded frame.
        mesh: (478, 3) float32 pixels of the face that counts; None if no face was found.
        small: (h, w, 3) uint8 RGB, the picture reduced by `scale`.
        scale: pixels of the picture for one of `small`.
        close_up: the face at full resolution; None unless the frame is sampled and has a face.
    """

    index: int
    time: float
    picture: Picture
    mesh: F32 | None
    small: U8
    scale: float
    close_up: CloseUp | None = None


@dataclass(frozen=True)
class FramePair:
    """A frame of the result and the frame of the ground truth nearest to it in time.

    Attributes:
        index: number of the result's frame.
        time: seconds after the first frame.
        result: (h, w, 3) uint8 or uint16 RGB; `truth` has the same shape and type.
        peak: largest value of the type, 255 or 65535.
        is_fresh: True if the pictures do not follow the previous pair: the ground truth's frame was skipped or
            repeated.
        result_points: (68, 2) float32 iBUG landmarks, pixels, NaN without a face; `truth_points` likewise.
        align: cuts a face out of a picture (h, w, 3) by its points, for `faces`.
    """

    index: int
    time: float
    result: Image
    truth: Image
    peak: float
    is_fresh: bool
    result_points: F32
    truth_points: F32
    align: Callable[[Image, F32], Image]

    @cached_property
    def faces(self) -> FramePair | None:
        """The same pair cut to the aligned face; None if the ground truth shows none."""
        if not np.isfinite(self.truth_points).all():
            return None
        result, truth = self.align(self.result, self.truth_points), self.align(self.truth, self.truth_points)
        return FramePair(
            self.index,
            self.time,
            result,
            truth,
            self.peak,
            self.is_fresh,
            self.result_points,
            self.truth_points,
            self.align,
        )


@dataclass(frozen=True)
class CompositePair:
    """A frame of the result and the source frame it was made from.

    Attributes:
        source: the decoded source frame.
        result: the decoded frame of the result.
        box: place of the pasted crop, x0, y0, x1, y1; None if the frame was passed through.
        weight: (h, w) float32, 0..1, the feathered mask in the box; None if the frame was passed through.
    """

    source: Picture
    result: Picture
    box: Box | None
    weight: F32 | None


class Observer(Protocol):
    """Collects what a metric needs from the frames of a pass, one after the other."""

    def add(self, frame: Any, /) -> None:
        """Take one frame of the feed. It must not raise if the frame shows no face."""


@dataclass(frozen=True)
class PassSetup:
    """The facts of a pass that an observer gets before it begins.

    Attributes:
        sampled: numbers of the frames that have close-ups, rising.
        has_source: True if each sampled frame comes with its source frame.
        frame_count: frames of the result, 0 before its pass.
        networks: the loaded networks, by the name of their weights.
    """

    sampled: Sequence[int] = ()
    has_source: bool = False
    frame_count: int = 0
    networks: Mapping[str, Any] = field(default_factory=dict)


ObserverFactory = Callable[[PassSetup], T]


@dataclass(frozen=True)
class TimedSpeech:
    """A speech on the clock of a video, and the lip motion that it implies.

    Attributes:
        sound: (n,) float32 mono at `SAMPLE_RATE_HZ`, -1..1.
        start: seconds after the picture's first frame.
        times: (m,) float64 seconds after the picture's first frame.
        lips: (m, 2) float32, opening and width at `times`, in parts of the range.
        origin: description of the speech.
    """

    sound: F32
    start: float
    times: F64
    lips: F32
    origin: str

    @property
    def end(self) -> float:
        """Seconds after the picture's first frame."""
        return self.start + len(self.sound) / SAMPLE_RATE_HZ

    def find_pauses(self, until: float) -> list[Span]:
        """Return the spans without speech from the first frame until a time, in seconds."""
        spans = [(a + self.start, b + self.start) for a, b in find_pauses(self.sound, SAMPLE_RATE_HZ)]
        before = [(0.0, self.start)] if self.start > 0 else []
        after = [(self.end, until)] if until > self.end else []
        return [*before, *spans, *after]

    def find_speech(self) -> list[Span]:
        """Return the spans in which speech sounds."""
        return [(a + self.start, b + self.start) for a, b in find_speech(self.sound, SAMPLE_RATE_HZ)]


@dataclass(frozen=True)
class FaceMotion:
    """The face of a video over time.

    Attributes:
        start: seconds of the first frame on the file's clock.
        times: (n,) float64 seconds after the first frame.
        points: (n, 68, 2) float32 iBUG landmarks, pixels, NaN without a face.
        boxes: (n, 4) float64 box of the face's oval, x0, y0, x1, y1, pixels, NaN without a face.
        mouth: the mouth's motion at `times`.
    """

    start: float
    times: F64
    points: F32
    boxes: F64
    mouth: MouthMotion

    def __len__(self) -> int:
        return len(self.times)

    @property
    def duration(self) -> float:
        """Seconds, the last frame included; 0 for fewer than two frames."""
        return float(self.times[-1] + np.median(np.diff(self.times))) if len(self) > 1 else 0.0


@dataclass(frozen=True)
class ScoredClip:
    """A video, the motion of its face, and the speech that belongs to it, if any."""

    path: Path
    motion: FaceMotion
    speech: TimedSpeech | None = None


@dataclass(frozen=True)
class RunFacts:
    """Facts about the result from the workspace of its run.

    Attributes:
        expected_times: (n,) float64 seconds after the first frame at which the result's frames should be.
        is_lossless: True if the result was encoded without loss.
    """

    expected_times: F64
    is_lossless: bool


@dataclass
class Evidence:
    """The input of all metrics of one result.

    Attributes:
        result: the result, with the speech it should follow.
        windows: spans whose values give the confidence intervals.
        source: the source video, with its own sound as its speech.
        run: facts of the run; None without its workspace.
        target_opening: (n,) float64 target mouth opening of each frame, eye distances, NaN where none is known.
        target_origin: origin of the target, in words.
        networks: the loaded networks, by the name of their weights.
        observers: the observers that have seen the passes, by feed and factory.
        progress: called during long measurements.
    """

    result: ScoredClip
    windows: Sequence[Span]
    source: ScoredClip | None = None
    run: RunFacts | None = None
    target_opening: F64 | None = None
    target_origin: str = ""
    networks: Mapping[str, Any] = field(default_factory=dict)
    observers: dict[tuple[Feed, ObserverFactory[Any]], Any] = field(default_factory=dict)
    progress: Callback = ignore_event
    _computed: dict[Callable[[Evidence], Any], Any] = field(default_factory=dict)

    def get_observer(self, feed: Feed, factory: ObserverFactory[T]) -> T:
        """Return the observer that a factory made for a feed.

        Raises:
            KeyError: the pass did not take place.
        """
        observer: T = self.observers[feed, factory]
        return observer

    def compute_once(self, compute: Callable[[Evidence], T]) -> T:
        """Compute something that several metrics use, once."""
        if compute not in self._computed:
            self._computed[compute] = compute(self)
        value: T = self._computed[compute]
        return value

    @property
    def speech(self) -> TimedSpeech:
        """The speech that the result should follow. Only metrics that need a speech may read it."""
        assert self.result.speech is not None
        return self.result.speech

    @property
    def last_time(self) -> float:
        """Seconds of the result's last frame, 0 without frames."""
        times = self.result.motion.times
        return float(times[-1]) if len(times) else 0.0
