"""The stage enhance: restores generated crops by a published face restorer.

Store, but for method `none`: ``crops`` and ``boxes`` as in sync's, with the same boxes and masks; where a face parser
finds the mouth, ``parsed`` (n,) uint8: 1 where it did, 2 where the mesh's outline stood in, 0 where nothing was
restored. The summary's ``crops`` says where the crops to paste lie, "sync" or "enhance". Its ``mask`` says how the
mouth was found, "mesh" or "parsing".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.stages.enhance import METHODS
from lipdub.stages.enhance.options import EnhanceOptions
from lipdub.stages.method import make_spec

if TYPE_CHECKING:
    from lipdub.stages.base import StageContext


def run(ctx: StageContext, options: EnhanceOptions) -> dict[str, Any]:
    """Let the method restore the chunks that are missing."""
    return METHODS.get(options.method).run(ctx, options)


SPEC = make_spec(
    name="enhance",
    summary="Restore the generated mouths.",
    version=3,
    reads=("detect", "sync"),
    inputs=("video",),
    options=EnhanceOptions,
    methods=METHODS,
    run=run,
)
