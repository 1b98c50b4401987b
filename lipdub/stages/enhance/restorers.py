"""Restorers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.alignment.five_point import FACEXLIB_BORDER, FACEXLIB_TEMPLATE, GPEN_TEMPLATE
from lipdub.stages import inference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


# Face parsing: entries of the manifest, the preferred one first, of one architecture.
PARSERS = ("parsenet", "parsenet-facexlib")


@dataclass(frozen=True)
class Restorer:
    """A published network.

    weights: entries of the manifest, the preferred one first. template: (5, 2) where it has eyes, nose and
    corners of the mouth, pixels of `SIZE`. border: RGB of what lies beyond the frame. call: network and faces
    (n, 3, SIZE, SIZE) RGB -1..1 to restored ones. traits: how it is run best.
    """

    weights: tuple[str, ...]
    template: np.ndarray
    border: tuple[int, int, int]
    call: Callable[[Any, Any], Any]
    traits: inference.NetworkProfile


RESTORERS: Mapping[str, Restorer] = {
    "gfpgan": Restorer(
        weights=("gfpgan-1.4", "gfpgan-1.3"),
        template=FACEXLIB_TEMPLATE,
        border=FACEXLIB_BORDER,
        call=lambda network, faces: network(faces, return_rgb=False, randomize_noise=False)[0],
        traits=inference.NetworkProfile(item_bytes=1300 << 20, accelerated=30),
    ),
    "gpen": Restorer(
        weights=("gpen-512",),
        template=GPEN_TEMPLATE,
        border=(0, 0, 0),
        call=inference.call_directly,
        traits=inference.NetworkProfile(item_bytes=1300 << 20, accelerated=30),
    ),
    "vqfr": Restorer(
        weights=("vqfr-2",),
        template=FACEXLIB_TEMPLATE,
        border=FACEXLIB_BORDER,
        call=lambda network, faces: network(faces, fidelity=0.0).image,  # its texture branch alone
        traits=inference.NetworkProfile(
            item_bytes=1 << 30, channels_last=True, exact=True, accelerated=30
        ),  # codes are picked
    ),
}
