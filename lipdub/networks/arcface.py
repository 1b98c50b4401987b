"""ArcFace (IR-SE50): the identity of a face, as a vector of unit length.

Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition (CVPR 2019), in TreB1eN's PyTorch port, as
e4e uses it to compare identities. Checkpoint `model_ir_se50.pth`: the file is the state dict.

Input: face (n, 3, 112, 112), RGB in [-1, 1]. `pool_face` makes it from FFHQ-aligned faces of 256 pixels.
Output: (n, 512) of unit length. The product of two embeddings is their similarity.

The code is MIT licensed; the weights were trained on faces collected for research.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from lipdub.networks.blocks_irse import build_body, build_input_layer

INPUT_SIZE = 112
EMBEDDING_LENGTH = 512

_ROWS, _COLUMNS = slice(35, 223), slice(32, 220)


def pool_face(image: torch.Tensor) -> torch.Tensor:
    """Crop and pool FFHQ-aligned faces to the network's input.

    Args:
        image: (n, c, 256, 256).

    Returns:
        (n, c, 112, 112) in the same range.
    """
    if image.shape[-2:] != (256, 256):
        raise ValueError(f"faces of 256x256 pixels wanted, not {tuple(image.shape)}")
    return functional.adaptive_avg_pool2d(image[..., _ROWS, _COLUMNS], INPUT_SIZE)


class ArcFace(nn.Module):
    """The backbone; `width` is that of its first layer, a multiple of 16."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.input_layer = build_input_layer(width)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(8 * width),
            nn.Dropout(0.6),
            nn.Flatten(),
            nn.Linear(8 * width * (INPUT_SIZE // 16) ** 2, EMBEDDING_LENGTH),
            nn.BatchNorm1d(EMBEDDING_LENGTH),
        )
        self.body = build_body(width)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the embeddings (n, 512), of unit length, of faces (n, 3, 112, 112), RGB in [-1, 1]."""
        return functional.normalize(self.output_layer(self.body(self.input_layer(image))))
