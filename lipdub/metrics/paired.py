"""Metrics that compare a result with its ground truth twice: as whole frames and as aligned faces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from lipdub.metrics.evidence import Feed
from lipdub.metrics.metric import Metric, Need

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.metrics.evidence import Evidence, FramePair, ObserverFactory, PassSetup
    from lipdub.metrics.metric import Better, Measurement

Part = Literal["frame", "face"]


class PairObserver(ABC):
    """Observer that compares either whole frames or aligned faces.

    Args:
        setup: of the pass.
        part: what is compared: whole frames or aligned faces.
    """

    def __init__(self, setup: PassSetup, part: Part) -> None:
        self.frame_count = setup.frame_count
        self.part = part

    def add(self, pair: FramePair, /) -> None:
        """Compare a pair, unless the faces are compared and it shows none."""
        compared = pair if self.part == "frame" else pair.faces
        if compared is not None:
            self.compare(compared)

    @abstractmethod
    def compare(self, pair: FramePair) -> None:
        """Compare two pictures."""

    def describe_count(self, count: int) -> str:
        """Describe how many of the result's frames were compared."""
        return f"{count} of {self.frame_count} {self.part}s"


T = TypeVar("T", bound=PairObserver)
T_co = TypeVar("T_co", bound=PairObserver, covariant=True)


class _ObserverClass(Protocol[T_co]):
    def __call__(self, setup: PassSetup, part: Part) -> T_co: ...


class ObserverPair(Generic[T]):
    """The factories of an observer's two variants. Metrics that use the same pair share the observers.

    Attributes:
        frames: makes an observer of whole frames.
        faces: makes an observer of aligned faces.
    """

    def __init__(self, observer: _ObserverClass[T]) -> None:
        self.frames: ObserverFactory[T] = partial(observer, part="frame")
        self.faces: ObserverFactory[T] = partial(observer, part="face")


def make_paired_metrics(
    metric_id: str,
    title: str,
    measure: Callable[[T, Evidence], Measurement],
    observers: ObserverPair[T],
    *,
    unit: str,
    better: Better,
    ideal: float,
) -> tuple[Metric, Metric]:
    """Make the metric of whole frames and the metric of aligned faces.

    Args:
        metric_id: id of the first metric; the second metric's id ends with `_crop`.
        title: of the first metric; the second metric's title names the aligned face.
        measure: computes the value from an observer.
        observers: factories of the two observers.
        unit: of the value; "" for a pure number.
        better: which values are good.
        ideal: the value of a result that equals its ground truth.
    """

    def make(name: str, heading: str, region: Literal["frame", "crop"], factory: ObserverFactory[Any]) -> Metric:
        return Metric(
            id=name,
            title=heading,
            region=region,
            unit=unit,
            better=better,
            measure=lambda evidence: measure(evidence.get_observer(Feed.GROUND_TRUTH, factory), evidence),
            needs=(Need.GROUND_TRUTH,),
            observers={Feed.GROUND_TRUTH: factory},
            ideal=ideal,
        )

    return (
        make(metric_id, title, "frame", observers.frames),
        make(f"{metric_id}_crop", f"{title} of the aligned face", "crop", observers.faces),
    )
