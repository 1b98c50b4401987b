"""enhance: restores generated crops by a published face restorer. Method `none` hands sync's crops on as they
are, without copying them.

Store, but for `none`: ``crops`` and ``boxes`` as in sync's, the boxes and masks equal to those; where the mouth
is found by face parsing, ``parsed`` (n,) uint8: 1 where it was, 2 where the mesh's outline stood in, 0 where
nothing was restored. Where the crops to paste lie, "sync" or "enhance", the summary says under ``crops``; what
told where the mouth is, "mesh" or "parsing", under ``mask``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lipdub.stages.base import StageContext, StageSpec
from lipdub.stages.enhance.options import EnhanceOptions

if TYPE_CHECKING:
    from pathlib import Path

_PREFERRED = ("vqfr", "gfpgan")  # by `auto`


def run(ctx: StageContext, options: EnhanceOptions) -> dict[str, Any]:
    """Restores the chunks that are missing; paste-back reads the crops where the summary says they are."""
    if options.method == "none":
        return {"method": "none", "crops": "sync"}
    from lipdub.stages.enhance import restore

    return restore.run(ctx, options)


def _weights(options: EnhanceOptions) -> list[Path]:
    if options.method == "none":
        return []
    from lipdub.stages.enhance.restore import weights_paths

    return weights_paths(options)


SPEC = StageSpec(
    name="enhance",
    version=3,
    reads=("detect", "sync"),
    inputs=("video",),
    options=EnhanceOptions,
    run=run,
    weights=_weights,
    settle=lambda options, job, digest: _settled(options, job.commercial_safe),
)


def _settled(options: EnhanceOptions, commercial_safe: bool) -> EnhanceOptions:
    if options.method != "auto":
        return options
    from lipdub.stages.enhance.restorers import RESTORERS
    from lipdub.weights import manifest
    from lipdub.weights.store import WeightsStore

    store = WeightsStore()

    def there(name: str) -> bool:
        entry = manifest.find_entry(name)
        return store.has(entry) and (entry.commercial is True or not commercial_safe or store.is_own(entry))

    found = (method for method in _PREFERRED if any(there(name) for name in RESTORERS[method].weights))
    return replace(options, method=next(found, "none"))
