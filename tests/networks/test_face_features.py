"""The network of face features: its maps at any size, and how it says where things are."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from lipdub.networks.face_features import FaceFeatures, FaceTasks, _middles


@pytest.mark.parametrize("pixels", [64, 96, 128, 250])
def test_maps_of_falling_size(pixels: int) -> None:
    network = FaceFeatures().eval()
    with torch.inference_mode():
        maps = network(torch.rand(2, 3, pixels, pixels))
    sides = [-(-pixels // 2**i) for i in range(5)]
    assert [tuple(m.shape) for m in maps] == [(2, c, s, s) for c, s in zip((16, 32, 64, 96, 128), sides, strict=True)]
    assert all(float(m.min()) >= 0 for m in maps)


def test_it_is_small_and_sees_the_same_everywhere() -> None:
    torch.manual_seed(0)
    network = FaceFeatures().eval()
    assert 300_000 < sum(p.numel() for p in network.parameters()) < 600_000
    picture = torch.full((1, 3, 96, 96), 0.5)
    picture[..., 32:40, 32:40] = torch.rand(3, 8, 8)
    with torch.inference_mode():
        maps, moved = network(picture), network(picture.roll((16, 16), (2, 3)))
    for i, (a, b) in enumerate(zip(maps, moved, strict=True)):
        shift = 16 >> i
        torch.testing.assert_close(
            a.roll((shift, shift), (2, 3))[..., 2:-2, 2:-2], b[..., 2:-2, 2:-2], rtol=1e-4, atol=1e-5
        )
        if i == 3:
            break  # what the last one sees reaches to the edges


def test_answers_are_of_the_picture_whatever_its_size() -> None:
    network = FaceTasks(FaceFeatures((4, 4, 6, 6)), 7).eval()
    for pixels in (32, 96):
        with torch.inference_mode():
            places, colours = network(torch.rand(2, 3, pixels, pixels))
        assert places.shape == (2, 7, 2) and colours.shape == (2, 3, 16, 16)
        assert float(places.min()) > 0 and float(places.max()) < 1
        assert float(colours.min()) > 0 and float(colours.max()) < 1


def test_the_middle_of_what_is_warm() -> None:
    heat = torch.full((1, 2, 4, 8), -100.0)
    heat[0, 0, 1, 2] = 100.0
    heat[0, 1, 3, 0] = heat[0, 1, 3, 7] = 50.0
    torch.testing.assert_close(_middles(heat), torch.tensor([[[2.5 / 8, 1.5 / 4], [0.5, 3.5 / 4]]]))
    torch.testing.assert_close(_middles(torch.zeros(1, 1, 3, 5)), torch.full((1, 1, 2), 0.5))
