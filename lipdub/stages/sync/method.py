"""What a method of sync is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lipdub.faces.masks import DEFAULT_MASK
from lipdub.stages.method import Method

if TYPE_CHECKING:
    from lipdub.arrays import F32
    from lipdub.stages.base import StageContext


AUTO_MASK = "auto"
"""The mask that a method takes where nothing else is asked for."""


@dataclass(frozen=True)
class HeardSpeech:
    """The speech as the stage read it, the result of ``StageContext.prefetched()``.

    Attributes:
        samples: Its length at 16 kHz.
        features: The result of ``SyncMethod.hear``.
        notes: What a person should know of it.
    """

    samples: int
    features: Any
    notes: tuple[str, ...] = ()


class SyncMethod(Method, ABC):
    """A way to make mouths follow a speech.

    Attributes:
        reads_transcript: Whether a transcript of the speech helps it.
        default_mask: Which part of the face it may change where nothing else is asked for (`faces.masks.MASKS`).
    """

    reads_transcript: ClassVar[bool] = False
    default_mask: ClassVar[str] = DEFAULT_MASK

    def choose_mask(self, options: Any) -> str:
        """Return the mask that the stage's options mean, a name in `faces.masks.MASKS`."""
        return self.default_mask if options.mask == AUTO_MASK else str(options.mask)

    @abstractmethod
    def hear(self, audio: F32, options: Any) -> Any:
        """Return what the method takes of the speech: a spectrogram, or what is said.

        Called in a thread of its own, while earlier stages run. ``StageContext.prefetched()`` returns a `HeardSpeech`
        with it.

        Args:
            audio: (n,) float32 mono at 16 kHz, as far as the result needs it.
            options: The stage's options.
        """

    @abstractmethod
    def run(self, ctx: StageContext, options: Any) -> dict[str, Any]:
        """Plan the whole result, draw the chunks that are missing, and return the summary (plain values).

        See ``StageSpec.run``. `stages.sync.store.SyncArrays` writes what every method must.
        """
