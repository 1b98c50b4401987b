"""What a method of enhance is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lipdub.stages.method import Method

if TYPE_CHECKING:
    from lipdub.stages.base import StageContext


class EnhanceMethod(Method, ABC):
    """A way to restore the crops that sync generated."""

    @abstractmethod
    def run(self, ctx: StageContext, options: Any) -> dict[str, Any]:
        """Restore the chunks that are missing.

        Returns:
            The summary. ``crops`` says in which stage's store the crops to paste lie: "sync" or "enhance".
        """
