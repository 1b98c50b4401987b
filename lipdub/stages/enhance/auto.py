"""enhance, method `auto`: the first restorer whose weights are in the store, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lipdub.stages.enhance.method import EnhanceMethod
from lipdub.stages.enhance.restorer import RestorerOptions
from lipdub.stages.stage_options import NoOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job

PREFERRED = {"vqfr": ("vqfr-2",), "gfpgan": ("gfpgan-1.4", "gfpgan-1.3")}  # methods and their weights, best first


class Auto(EnhanceMethod):
    """Chooses another method before the stage's key is computed."""

    name = "auto"
    options = RestorerOptions
    summary = f"the first of {', '.join(PREFERRED)} whose weights are installed, or none"

    def resolve(self, options: Any, job: Job, digest: Callable[[], str]) -> Any:
        """Replace the method by one whose weights are in the store and, where asked, allow commercial use."""
        from lipdub.weights import manifest
        from lipdub.weights.store import WeightsStore

        store = WeightsStore()

        def is_usable(name: str) -> bool:
            entry = manifest.find_entry(name)
            is_allowed = entry.commercial is True or not job.commercial_safe or store.is_own(entry)
            return store.has(entry) and is_allowed

        usable = (method for method, weights in PREFERRED.items() if any(map(is_usable, weights)))
        method = next(usable, "none")
        return replace(options, method=method, own=options.own if method in PREFERRED else NoOptions())

    def run(self, ctx: StageContext, options: Any) -> dict[str, Any]:
        """Never called: ``resolve`` has replaced the method.

        Raises:
            AssertionError: It was called.
        """
        raise AssertionError("auto was not resolved")


METHOD = Auto()
