"""enhance, method `none`: hands sync's crops on as they are, without copying them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.stages.enhance.method import EnhanceMethod

if TYPE_CHECKING:
    from lipdub.stages.base import StageContext


class Nothing(EnhanceMethod):
    """Crops as they are."""

    name = "none"
    summary = "crops as sync made them"

    def run(self, ctx: StageContext, options: Any) -> dict[str, Any]:
        """Return where the crops lie."""
        return {"method": self.name, "crops": "sync"}


METHOD = Nothing()
