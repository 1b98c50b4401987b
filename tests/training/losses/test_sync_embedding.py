"""What a synchronization loss shows to AVSyncNet: the lower halves of five faces, at its own size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import interpolate

from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.training.face_augmentation import gaussian_blur
from lipdub.training.losses.sync_embedding import embed_lips

HEARS = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)


def judge(size: AVSyncNetSize = HEARS) -> AVSyncNet:
    torch.manual_seed(0)
    made: AVSyncNet = AVSyncNet(size).eval()
    return made


def faces(pixels: int, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 5, 3, pixels, pixels, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pixels", [24, 16, 64])
@pytest.mark.parametrize("grey", [True, False])
def test_it_sees_the_lower_halves_at_avsyncnets_size(pixels: int, grey: bool) -> None:
    sync, shown = judge(replace(HEARS, grey=grey)), faces(pixels)
    with torch.no_grad():
        found = embed_lips(sync, shown)
        for embedding, window in zip(found, shown, strict=True):
            lower = window[:, :, pixels // 2 :]
            if pixels != 24:
                lower = interpolate(lower, (12, 24), mode="bilinear", antialias=True)
            torch.testing.assert_close(embedding, sync.image_features(lower.flatten(0, 1)[None])[0])
    assert found.shape == (2, 16) and found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))


def test_the_upper_halves_do_not_count() -> None:
    shown = faces(24)
    changed = shown.clone()
    changed[..., :12, :] = 0
    with torch.no_grad():
        assert torch.equal(embed_lips(judge(), changed), embed_lips(judge(), shown))


def test_a_blur_is_applied_at_avsyncnets_size() -> None:
    sync, shown = judge(), faces(48, count=1)
    with torch.no_grad():
        small = interpolate(shown[0, :, :, 24:], (12, 24), mode="bilinear", antialias=True)
        expected = sync.image_features(gaussian_blur(small, 1.5).flatten(0, 1)[None])
        torch.testing.assert_close(embed_lips(sync, shown, 1.5), expected)
        assert not torch.allclose(embed_lips(sync, shown), expected, atol=1e-3)


def test_slopes_reach_the_lower_halves_of_all_five_faces() -> None:
    shown = faces(48).requires_grad_()
    embed_lips(judge(), shown, 1.0)[:, 0].sum().backward()
    assert shown.grad is not None and not shown.grad[..., :24, :].any()
    assert bool(shown.grad[..., 24:, :].flatten(2).any(2).all())
