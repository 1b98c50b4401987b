"""Face generator and discriminator: shapes at every size, what they look at, and what they cannot see."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from lipdub.networks.avsyncnet import AVSyncNetSize
from lipdub.networks.face_discriminator import FaceDiscriminator
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize, hide_lower_half

TINY = FaceGeneratorSize(24, 4, 8, 16)


def inputs(pixels: int, sound: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    faces = torch.rand(2, 2, 3, pixels, pixels, generator=drawn)
    heard = torch.nn.functional.normalize(torch.randn(2, sound, generator=drawn))
    return heard, hide_lower_half(faces[0]), faces[1]


@pytest.mark.parametrize("pixels", [24, 32, 96, 128, 192, 256])
def test_a_face_as_large_as_was_given(pixels: int) -> None:
    torch.manual_seed(0)
    size = FaceGeneratorSize(pixels, 4, 8, 16)
    network = FaceGenerator(size).eval()
    assert size.sides()[-1] == (3 if pixels % 3 == 0 else 4)
    with torch.no_grad():
        made = network(*inputs(pixels, 16))
    assert made.shape == (2, 3, pixels, pixels) and made.min() >= 0 and made.max() <= 1
    assert FaceDiscriminator(size)(made).shape == (2,)


@pytest.mark.parametrize("pixels", [100, 72 + 2, 80, 5])
def test_pixels_that_cannot_be_halved(pixels: int) -> None:
    with pytest.raises(ValueError, match="pixels"):
        FaceGeneratorSize(pixels)


def test_sizes_of_the_paper_and_of_a_cpu() -> None:
    def millions(network: torch.nn.Module) -> float:
        return sum(p.numel() for p in network.parameters()) / 1e6

    assert FaceGeneratorSize().channels() == [64, 128, 256, 512, 512]
    assert 1.5 < millions(FaceGenerator(FaceGeneratorSize.small())) < 3
    assert FaceGeneratorSize.small().sound == AVSyncNetSize.small().features


def test_all_that_is_given_matters_and_the_lower_half_of_the_pose_is_not_seen() -> None:
    torch.manual_seed(0)
    network = FaceGenerator(TINY).eval()
    sound, pose, identity = inputs(24, 16)
    other = inputs(24, 16, seed=1)
    with torch.no_grad():
        made = network(sound, pose, identity)
        for changed in ((other[0], pose, identity), (sound, other[1], identity), (sound, pose, other[2])):
            assert (network(*changed) - made).abs().max() > 1e-4
    assert not pose[:, :, 12:].any() and pose[:, :, :12].any()


def test_the_discriminator_judges_the_lower_half_alone() -> None:
    torch.manual_seed(0)
    network = FaceDiscriminator(TINY).eval()
    faces = torch.rand(1, 3, 24, 24)
    upper, lower = faces.clone(), faces.clone()
    upper[:, :, :12] = 0
    lower[:, :, 12:] = 0
    with torch.no_grad():
        assert torch.equal(network(upper), network(faces))
        assert not torch.equal(network(lower), network(faces))
