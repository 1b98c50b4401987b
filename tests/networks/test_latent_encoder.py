"""The latent encoder: a code that is common to all layers, and differences to it."""

from __future__ import annotations

import torch

from lipdub.networks.latent_encoder import LatentEncoder
from lipdub.networks.stylegan2 import StyleGAN2Size

SIZE = StyleGAN2Size(16, 6, 1, 1 / 64)


def test_latents_are_the_mean_the_common_code_and_a_layers_own_difference() -> None:
    torch.manual_seed(0)
    encoder = LatentEncoder(SIZE, torch.arange(6.0)).eval()
    with torch.inference_mode():
        differences, latents = encoder.differences(torch.rand(2, 3, 16, 16)), encoder(torch.rand(2, 3, 16, 16))
        assert differences.shape == latents.shape == (2, SIZE.build().layers, 6)
        joined = encoder.join(differences)
    common = torch.arange(6.0) + differences[:, 0]
    torch.testing.assert_close(joined[:, 0], common)
    torch.testing.assert_close(joined[:, 3], common + differences[:, 3])


def test_the_mean_code_is_part_of_its_state() -> None:
    encoder = LatentEncoder(SIZE, torch.arange(6.0), 2.0)
    assert torch.equal(encoder.state_dict()["average_code"], torch.arange(6.0))
    wide, narrow = (sum(p.numel() for p in LatentEncoder(SIZE, torch.zeros(6), w).parameters()) for w in (2.0, 1.0))
    assert wide > narrow
