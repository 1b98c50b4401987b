"""Wav2Lip's visual quality discriminator: whether the lower half of a face was filmed or generated.

Prajwal et al. (see `wav2lip`); it was used to train wav2lip_gan.pth. Checkpoint: visual_quality_disc.pth, key
``state_dict``, no prefix. The source repository has no licence file; its README allows personal, research and other
non-commercial use only. Input: whole 96x96 faces, BGR in [0, 1].
"""

from __future__ import annotations

import torch
from torch import nn

from lipdub.networks.blocks_conv import Size, fold_time


class _Block(nn.Module):
    """Convolution with bias and leaky ReLU, without a norm; the padding keeps the size at stride 1."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: Size = 1, pad: bool = True) -> None:
        super().__init__()
        padding = kernel // 2 if pad else 0
        self.conv_block = nn.Sequential(nn.Conv2d(channels_in, channels_out, kernel, stride, padding))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.leaky_relu(self.conv_block(x), 0.01)


class QualityDiscriminator(nn.Module):
    """The discriminator. ``width`` is the number of channels at full size; others are multiples of it."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        w = width
        self.face_encoder_blocks = nn.ModuleList(
            [
                nn.Sequential(_Block(3, w, 7)),
                nn.Sequential(_Block(w, 2 * w, 5, stride=(1, 2)), _Block(2 * w, 2 * w, 5)),
                nn.Sequential(_Block(2 * w, 4 * w, 5, stride=2), _Block(4 * w, 4 * w, 5)),
                nn.Sequential(_Block(4 * w, 8 * w, 5, stride=2), _Block(8 * w, 8 * w, 5)),
                nn.Sequential(_Block(8 * w, 16 * w, 3, stride=2), _Block(16 * w, 16 * w, 3)),
                nn.Sequential(_Block(16 * w, 16 * w, 3, stride=2), _Block(16 * w, 16 * w, 3)),
                nn.Sequential(_Block(16 * w, 16 * w, 3, pad=False), _Block(16 * w, 16 * w, 1)),
            ]
        )
        self.binary_pred = nn.Sequential(nn.Conv2d(16 * w, 1, kernel_size=1), nn.Sigmoid())

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the probability in (0, 1) that each frame is real, (T * B, 1), time-major.

        Only the lower halves are used.

        Args:
            frames: (B, 3, T, 96, 96).
        """
        x = fold_time(frames)
        x = x[:, :, x.shape[2] // 2 :]
        for block in self.face_encoder_blocks:
            x = block(x)
        return self.binary_pred(x).flatten(1)
