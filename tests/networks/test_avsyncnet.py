"""AVSyncNet: its shapes, its two encoders against what they are after, and what its grey size does not see."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize, ImageEncoder, to_luma

TINY = AVSyncNetSize(24, 48, 4, (1, 1), (2, 2), 4, (1, 1, 1), 16, grey=True)
PHONETIC = replace(TINY, audio="phonetic", audio_rows=50, audio_columns=41)


def inputs(size: AVSyncNetSize, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    seeded = torch.Generator().manual_seed(0)
    sound = 8 * torch.rand(count, size.audio_rows, size.audio_columns, generator=seeded) - 4
    return sound, torch.rand(count, 15, size.height, size.width, generator=seeded)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("size", [AVSyncNetSize(), AVSyncNetSize.small(), TINY, PHONETIC])
def test_both_embeddings_are_of_unit_length(size: AVSyncNetSize) -> None:
    network = AVSyncNet(size).eval()
    with torch.inference_mode():
        sound, mouth = network(*inputs(size))
    assert sound.shape == mouth.shape == (2, size.features)
    for found in (sound, mouth):
        torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
        assert (found[0] - found[1]).abs().max() > 1e-4


def test_the_full_size_is_that_of_the_paper() -> None:
    network = AVSyncNet()
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert network.image_encoder.conv1.in_channels == 15
    seen: list[torch.Size] = []
    network.image_encoder.layer4.register_forward_hook(lambda module, given, found: seen.append(found.shape))
    with torch.inference_mode():
        network.eval().image_features(torch.zeros(1, 15, 112, 224))
    assert seen == [(1, 2048, 7, 7)]  # as ResNet-50's of 224x224 pixels
    along = [m for m in network.audio_encoder.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size[0] > 1]
    assert len(along) + 1 == 34 and len(convolutions) > 34  # and the linear layer


@pytest.mark.slow
def test_the_image_encoder_is_resnet_50() -> None:
    from lipdub.networks.compat import fix_torchvision

    fix_torchvision()
    resnet = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    published = resnet.resnet50(weights=None).eval()
    own = ImageEncoder(3, 64, (3, 4, 6, 3), (2, 2), 1000).eval()
    own.load_state_dict(published.state_dict(), strict=True)
    pictures = torch.rand(2, 3, 112, 112)
    with torch.inference_mode():
        torch.testing.assert_close(own(pictures), published(pictures), rtol=1e-4, atol=1e-4)


def test_the_grey_size_sees_neither_colour_nor_light_nor_contrast() -> None:
    network = AVSyncNet(TINY).eval()
    _, faces = inputs(TINY)
    with torch.inference_mode():
        own = network.image_features(faces)
        torch.testing.assert_close(network.image_features(to_luma(faces)), own, rtol=0, atol=1e-5)
        torch.testing.assert_close(network.image_features(0.5 * faces + 0.2), own, rtol=0, atol=1e-3)
        flat = network.image_features(torch.full_like(faces, 0.5))
    assert torch.isfinite(flat).all() and (flat - own).abs().max() > 1e-3


def test_luma_is_of_each_frame() -> None:
    faces = torch.zeros(1, 6, 2, 2)
    faces[0, 1], faces[0, 5] = 1.0, 1.0  # green, then blue
    torch.testing.assert_close(to_luma(faces)[0, :, 0, 0], torch.tensor([0.587, 0.114]))


def test_a_feature_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="audio is 'mfcc', not one of mel, phonetic"):
        replace(TINY, audio="mfcc")


def test_where_a_phone_lies_counts() -> None:
    network = AVSyncNet(PHONETIC).eval()
    early, late = network.make_silence(2).unbind()
    early[3, 10:14], late[3, 20:24] = 1.0, 1.0
    with torch.inference_mode():
        one, other = network.audio_features(torch.stack([early, late]))
    assert (one - other).abs().max() > 1e-2


def test_a_generator_can_learn_from_it() -> None:
    network = AVSyncNet(TINY).eval().requires_grad_(False)
    mel, faces = inputs(TINY)
    faces.requires_grad_()
    sound, mouth = network(mel, faces)
    network.logit((sound * mouth).sum(1)).sum().backward()
    assert faces.grad is not None and faces.grad.abs().sum() > 0
