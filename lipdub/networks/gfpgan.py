"""GFPGAN: restores a blurred or damaged face with the features of a face generator.

Wang et al., Towards Real-World Blind Face Restoration with Generative Facial Prior (CVPR 2021). A U-Net of the damaged
face computes the latents of a StyleGAN2 decoder, and scales and shifts for half of its features. The `gfpgan` package
builds it, in its "clean" variant, with the published values. Checkpoints `GFPGANv1.3.pth` and `GFPGANv1.4.pth`, key
params_ema, or params where that is missing.

Input: a face aligned as facexlib does, (n, 3, 512, 512), RGB in [-1, 1]. Output: the same, not clipped.

Source: TencentARC/GFPGAN, Apache-2.0; its licence lists third-party parts, some not for commercial use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipdub.networks.compat import fix_torchvision

if TYPE_CHECKING:
    from torch import nn


def gfpgan(size: int = 512, style_dim: int = 512, multiplier: int = 2, narrow: float = 1.0) -> nn.Module:
    """Return the published network; a smaller ``size`` (power of two), ``style_dim`` or ``narrow`` makes small copies.

    Its ``forward(image, return_rgb=False, randomize_noise=False)`` returns the restored faces and an empty list. The
    noise is then the checkpoint's. With ``randomize_noise``, the default, it is drawn anew at every call.
    """
    fix_torchvision()
    from gfpgan.archs.gfpganv1_clean_arch import GFPGANv1Clean

    network: nn.Module = GFPGANv1Clean(
        out_size=size,
        num_style_feat=style_dim,
        channel_multiplier=multiplier,
        decoder_load_path=None,
        fix_decoder=False,
        num_mlp=8,
        input_is_latent=True,
        different_w=True,
        narrow=narrow,
        sft_half=True,
    )
    return network
