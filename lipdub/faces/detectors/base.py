"""Define face detectors: objects that turn successive frames into face meshes, and their descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from lipdub.faces.detectors.face_check import TRUSTED, FaceScores
from lipdub.weights.requirement import AllOf, Requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from lipdub.arrays import F32, U8
    from lipdub.weights.store import VerifiedWeights

MAX_SEARCH_SIDE = 1280  # pixels of the longer side of the pictures that detectors are given
# Change of the view (`shots.ViewChanges`) from which the faces of the previous frame do not help to find
# those of this one. It lies below `shots.CUT_THRESHOLD`: a needless fresh search costs little.
RESTART_CHANGE = 24.0
MAX_FACES_LIMIT = 16
NO_WEIGHTS = AllOf()


class FaceDetector(Protocol):
    """Face meshes of successive frames.

    Results depend only on the frames since the last `reset`, so a chunk of a video comes out the same whether or not
    the run was interrupted before it.

    Attributes:
        warm_up: frames before a chunk that `detect` must see first, after a `reset`.
        batch: frames that `detect` takes most efficiently at once.
    """

    warm_up: int
    batch: int

    def reset(self) -> None:
        """Forget the frames seen so far."""

    def detect(self, frames: Sequence[U8], is_cut: Sequence[bool]) -> list[list[F32]]:
        """Find the faces of successive frames.

        Args:
            frames: pictures (h, w, 3) uint8 RGB of one size, at most `MAX_SEARCH_SIDE` pixels on the longer side.
            is_cut: for each frame, whether it has nothing to do with the frame before.

        Returns:
            For each frame at most `max_faces` meshes (478, 3) float32: pixels of the frame, z in the same unit, smaller
            z is nearer.
        """

    def check(self, rgb: U8, face: F32) -> FaceScores:
        """Score how surely a mesh lies on a face, and the right way up.

        Args:
            rgb: a picture (h, w, 3) uint8 RGB that `detect` was given.
            face: a mesh (478, 3) that it found there.
        """

    def close(self) -> None:
        """Free the detector's native resources."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True)
class DetectorSettings:
    """The settings of a detector.

    Attributes:
        max_faces: most faces of a frame.
        device: "cpu", "cuda" or "mps".
        threads: processor threads for networks; 0 leaves the library's own choice.
        weights: the verified files of the detector's `weights`, in order.
    """

    max_faces: int = 4
    device: str = "cpu"
    threads: int = 0
    weights: tuple[VerifiedWeights, ...] = ()


@dataclass(frozen=True)
class Detector:
    """The description of a detector, an entry of `detectors.DETECTORS`.

    Attributes:
        name: as on the command line.
        summary: one line for the help.
        build: makes the detector.
        weights: the weights that it needs from the store.
    """

    name: str
    summary: str
    build: Callable[[DetectorSettings], FaceDetector]
    weights: Requirement = NO_WEIGHTS

    def verify_weights(self) -> tuple[VerifiedWeights, ...]:
        """Verify the files in the store that its networks need.

        Raises:
            WeightsError: they are not installed, or damaged.
        """
        from lipdub.weights.store import WeightsStore

        return self.weights.verify_files(WeightsStore())


class ClosingDetector:
    """Base class that makes a detector a context manager which closes it, and trusts its meshes."""

    def check(self, rgb: U8, face: F32) -> FaceScores:
        """Trust the mesh."""
        return TRUSTED

    def close(self) -> None:
        """Free the detector's native resources."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
