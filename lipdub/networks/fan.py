"""FAN: the 68 iBUG landmarks of a face.

Bulat, Tzimiropoulos, How Far Are We from Solving the 2D & 3D Face Alignment Problem? (ICCV 2017): four hourglasses in a
row. The `face-alignment` package builds it; the package's own loader is not used, because it downloads missing files.
Checkpoints `2DFAN4-11f355bf06.pth.tar`, the state dict, and `2DFAN4-cd938726ad.zip`, a TorchScript archive of which
only the state is taken.

Input: face (n, 3, 256, 256), RGB in 0..1. Output: heatmaps (n, 68, 64, 64) of the points after each hourglass; the last
are the result.

Source: 1adrianb/face-alignment, BSD-3-Clause; no terms are stated for the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

HOURGLASSES = 4


def fan(hourglasses: int = HOURGLASSES) -> nn.Module:
    """Return the published network with fresh weights."""
    from face_alignment.models import FAN

    network: nn.Module = FAN(hourglasses)
    return network
