"""FAN: finds the 68 points of iBUG in the picture of a face.

Bulat, Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?" (ICCV 2017): four
hourglasses in a row. Built by the `face-alignment` package, whose own loader, which fetches what it misses, is not
used. Checkpoints `2DFAN4-11f355bf06.pth.tar`, the state dict, and `2DFAN4-cd938726ad.zip`, a TorchScript archive
of which only the state is taken.

In: face RGB (n, 3, 256, 256) in 0..1. Out: after each hourglass, heatmaps (n, 68, 64, 64) of the points, of
which the last are meant.

Source: 1adrianb/face-alignment, BSD-3-Clause; for the weights no terms are stated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

HOURGLASSES = 4


def fan(hourglasses: int = HOURGLASSES) -> nn.Module:
    """The published network with fresh weights."""
    from face_alignment.models import FAN

    network: nn.Module = FAN(hourglasses)
    return network
