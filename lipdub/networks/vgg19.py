"""VGG-19 without its classifier: its inner maps serve perceptual losses.

Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition (2014). torchvision builds
it.
"""

from __future__ import annotations

import torch
from torch import nn

from lipdub.networks.compat import fix_torchvision

_MAPS = (3, 8, 13, 22, 31)  # among its layers: relu1_2, relu2_2, relu3_2, relu4_2, relu5_2
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours


class VGG19(nn.Module):
    """All 16 convolutions, named as torchvision's."""

    def __init__(self) -> None:
        super().__init__()
        fix_torchvision()
        from torchvision.models.vgg import cfgs, make_layers

        self.features = make_layers(cfgs["E"])
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None], persistent=False)

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps relu1_2, 2_2, 3_2, 4_2 and 5_2, of 64, 128, 256, 512 and 512 channels.

        The first is as large as the picture; each other one has half the height and width of the one before.

        Args:
            pictures: (n, 3, H, W), RGB in 0..1, 16 pixels or more.
        """
        maps = []
        x = (pictures - self.mean) / self.deviation
        for number, layer in enumerate(self.features[: _MAPS[-1] + 1]):
            x = layer(x)
            if number in _MAPS:
                maps.append(x)
        return maps
