"""A discriminator that judges patches: whether each is of the data or generated.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (CVPR 2017), section 3.2.2: strided
convolutions with leaky ReLU, without fully connected layers. It learns within a hundred steps which detail generated
pictures lack. Here are no normalisations and no condition.
"""

from __future__ import annotations

import torch
from torch import nn

_LEAK = 0.2


class PatchDiscriminator(nn.Module):
    """The discriminator.

    Args:
        width: Channels of the first layer. Each further one has twice as many.
        layers: Layers that halve the picture.
        channels: Of the pictures: 3 for each frame that is judged at once.
    """

    def __init__(self, width: int = 32, layers: int = 4, channels: int = 3) -> None:
        super().__init__()
        self.blocks = nn.Sequential()
        inward = channels
        for layer in range(layers):
            outward = width * 2**layer
            self.blocks.append(nn.Sequential(nn.Conv2d(inward, outward, 4, 2, 1), nn.LeakyReLU(_LEAK)))
            inward = outward
        self.last = nn.Conv2d(inward, 1, 3, 1, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the logits that the patches of pictures are of the data.

        Args:
            pictures: (n, channels, P, P), RGB in -1..1; P is a multiple of 2 ** layers.

        Returns:
            (n, patches).
        """
        logits: torch.Tensor = self.last(self.blocks(pictures))
        return logits.flatten(1)
