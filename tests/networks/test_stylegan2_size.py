"""Sizes of StyleGAN2, and its average code."""

from __future__ import annotations

from dataclasses import astuple

import pytest
import torch

from lipdub.networks.stylegan2 import StyleGAN2, StyleGAN2Size


@pytest.mark.parametrize("size", [StyleGAN2Size(8, 3, 1, 1 / 256), StyleGAN2Size(128, 6, 2, 1 / 128)])
def test_a_size_builds_the_generator_that_it_describes(size: StyleGAN2Size) -> None:
    built, expected = size.build(), StyleGAN2(*astuple(size))
    shapes = {name: value.shape for name, value in expected.state_dict().items()}
    assert {name: value.shape for name, value in built.state_dict().items()} == shapes
    with torch.no_grad():
        assert built(torch.zeros(1, size.style_dim)).shape == (1, 3, size.pixels, size.pixels)


def test_the_default_is_the_published_generator_of_256_pixels() -> None:
    assert StyleGAN2Size() == StyleGAN2Size(256, 512, 2, 1.0)
    assert StyleGAN2Size.small().pixels == 128


@pytest.mark.parametrize("pixels", [0, 4, 12, 100, -8])
def test_pixels_that_are_no_power_of_two_from_8_on(pixels: int) -> None:
    with pytest.raises(ValueError, match=f"power of two from 8 on, not {pixels}"):
        StyleGAN2Size(pixels)


@pytest.mark.parametrize("wrong", [{"style_dim": 0}, {"narrow": 0.0}, {"narrow": 1 / 200}, {"multiplier": 0}])
def test_channels_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no such channels"):
        StyleGAN2Size(256, **wrong)  # type: ignore[arg-type]


def test_the_average_code_is_the_mean_of_many_codes() -> None:
    torch.manual_seed(0)
    generator = StyleGAN2Size(8, 6, 1, 1 / 256).build()
    average = generator.average_code(count=50, seed=3)
    z = torch.randn(50, 6, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        one_by_one = torch.cat([generator.mapping(latent[None]) for latent in z])
    torch.testing.assert_close(average, one_by_one.mean(0))
    assert not average.requires_grad and torch.equal(average, generator.average_code(count=50, seed=3))
    assert not torch.equal(average, generator.average_code(count=50, seed=4))
    apart = (generator.average_code(seed=1) - generator.average_code(seed=2)).norm()
    assert apart < 0.1 * one_by_one.std(0).norm(), "ten thousand of them tell it well"
