"""Face generator and discriminator: shapes at every size, what they look at, and what they cannot see."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from lipdub.networks import face_colours, face_warp
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_discriminator import FaceDiscriminator
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize, hide_lower_half
from lipdub.networks.talking_face import close_mouths

TINY = FaceGeneratorSize(24, 4, 8, 16)
CHANGES = FaceGeneratorSize(24, 4, 8, 16, draws_change=True)


def inputs(pixels: int, sound: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    faces = torch.rand(2, 2, 3, pixels, pixels, generator=drawn)
    heard = torch.nn.functional.normalize(torch.randn(2, sound, generator=drawn))
    return heard, hide_lower_half(faces[0]), faces[1]


def wild(size: FaceGeneratorSize) -> FaceGenerator:
    """A generator that moves and covers what it is given, unlike an untrained one."""
    torch.manual_seed(0)
    network = FaceGenerator(size).eval()
    if size.draws_change:
        torch.nn.init.normal_(network.flow.weight)
        torch.nn.init.normal_(network.hue.weight)
    return network


@pytest.mark.parametrize("draws_change", [False, True])
@pytest.mark.parametrize("pixels", [24, 32, 96, 128, 192, 256])
def test_a_face_as_large_as_was_given(pixels: int, draws_change: bool) -> None:
    torch.manual_seed(0)
    size = FaceGeneratorSize(pixels, 4, 8, 16, draws_change)
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


@pytest.mark.parametrize("size", [TINY, CHANGES])
def test_all_that_is_given_matters_and_the_lower_half_of_the_pose_is_not_seen(size: FaceGeneratorSize) -> None:
    torch.manual_seed(0)
    network = wild(size)
    sound, pose, identity = inputs(24, 16)
    other = inputs(24, 16, seed=1)
    with torch.no_grad():
        made = network(sound, pose, identity)
        for changed in ((other[0], pose, identity), (sound, other[1], identity), (sound, pose, other[2])):
            assert (network(*changed) - made).abs().max() > 1e-4
    assert not pose[:, :, 12:].any() and pose[:, :, :12].any()


def test_a_generator_that_hears_the_sound_itself() -> None:
    torch.manual_seed(0)
    network = FaceGenerator(replace(TINY, own_sound=6, audio_rows=50, audio_columns=41)).eval()
    faces, sound = torch.rand(2, 3, 24, 24), torch.zeros(2, TINY.sound)
    audio = torch.zeros(2, 50, 41)
    audio[1, 7, 15:25] = 1.0
    with torch.no_grad():
        made = network(sound, faces[:1].expand(2, -1, -1, -1), faces[1:].expand(2, -1, -1, -1), audio)
    assert (made[0] - made[1]).abs().max() > 1e-4
    network(sound, faces, faces, audio).sum().backward()
    assert network.audio_encoder is not None and network.audio_encoder.conv1.weight.grad.abs().sum() > 0


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


def test_other_light_changes_nothing_but_the_light() -> None:
    """A gain per channel of what is given is that of the result."""
    network = wild(CHANGES)
    sound, pose, identity = inputs(24, 16)
    pose, identity = 0.3 + 0.3 * pose, 0.3 + 0.3 * identity
    gain = torch.tensor([1.3, 0.6, 0.9])[:, None, None]
    with torch.no_grad():
        made = network.train(False)(sound, hide_lower_half(pose), identity)
        seen = network(sound, hide_lower_half(pose * gain), identity * gain)
    inside = (made > 0.01) & (made < 0.7) & (seen > 0) & (seen < 1)  # the rest is cut at black and white
    assert inside.float().mean() > 0.5
    assert torch.allclose((made * gain)[inside], seen[inside], atol=2e-5)


def test_what_is_drawn_is_bounded_and_lies_in_the_lower_face() -> None:
    network = wild(CHANGES)
    with torch.no_grad():
        for layer in (network.paint, network.hue):
            for parameter in layer.parameters():
                parameter.mul_(1e4)
        sound, pose, identity = inputs(24, 16)
        made = network.train()(sound, pose, identity)
        skin = face_colours.measure_skin(identity)
        far = torch.full((2, 1, 24, 24), 1e6)
        plain = torch.zeros(2, 3, 24, 24)
        ends = [
            face_colours.shade(identity, face_colours.Paint(sign * far, plain, share * far), skin)
            for sign in (1, -1)
            for share in (1, -1)
        ]
    reach = float(torch.stack(ends).abs().max()) * math.exp(2 * face_colours.TINT_BOUND)
    assert torch.isfinite(made).all() and made.abs().max() <= reach
    assert torch.stack(ends).abs().max() > 1.5, "the bound is the only limit here"
    assert torch.allclose(made[:, :, :11], pose[:, :, :11], atol=1e-5)
    assert torch.allclose(made[:, :, 12:, 0], identity[:, :, 12:, 0], atol=1e-5)
    assert (made[:, :, 18, 8:16] - identity[:, :, 18, 8:16]).abs().max() > 0.1


@pytest.mark.parametrize("light", [(0.7, 0.7, 0.7), (0.9, 0.5, 0.7), (0.3, 0.4, 0.6)])
def test_a_dark_mouth_has_the_hue_of_the_lips_in_any_light(light: tuple[float, ...]) -> None:
    """In pink light, subtracting the same from every channel would give a violet mouth."""
    torch.manual_seed(0)
    lips = (torch.tensor(light) * torch.tensor([1.0, 0.5, 0.45]))[None, :, None, None].expand(1, 3, 16, 16)
    face = torch.tensor(light)[None, :, None, None] * (0.4 + 0.6 * torch.rand(1, 1, 16, 16))
    skin = face_colours.measure_skin(face)
    dark = -0.7 / float((skin.spread / skin.mean).mean()) * torch.ones(1, 1, 16, 16)
    plain, lip = torch.zeros(1, 3, 16, 16), torch.full((1, 1, 16, 16), -30.0)
    made = face_colours.shade(lips, face_colours.Paint(dark, plain, lip), skin)
    assert 0.1 < float(made.mean() / skin.mean.mean()) < 0.5
    ratios = made[0, :, 0, 0] / made.mean()
    right = lips[0, :, 0, 0] / lips.mean()
    assert torch.allclose(ratios, right, rtol=0.15)


@pytest.mark.parametrize("lipstick", [(1.0, 0.5, 0.45), (0.9, 0.2, 0.5)])
def test_teeth_are_the_same_between_any_lips(lipstick: tuple[float, ...]) -> None:
    torch.manual_seed(0)
    light = torch.tensor([0.8, 0.6, 0.5])[None, :, None, None]
    lips = (light * torch.tensor(lipstick)[None, :, None, None]).expand(1, 3, 16, 16)
    skin = face_colours.measure_skin(light * (0.4 + 0.6 * torch.rand(1, 1, 16, 16)))
    tint = torch.tensor([-0.4, 0.1, 0.3])[None, :, None, None].expand(1, 3, 16, 16)
    own = torch.full((1, 1, 16, 16), 30.0)
    teeth = face_colours.shade(lips, face_colours.Paint(torch.zeros(1, 1, 16, 16), tint, own), skin)[0, :, 0, 0]
    whiter = face_colours.shade(lips, face_colours.Paint(torch.zeros(1, 1, 16, 16), 0 * tint, own), skin)[0, :, 0, 0]
    assert torch.allclose(whiter / whiter.mean(), skin.mean.flatten() / skin.mean.mean(), atol=1e-3)
    assert float(teeth[0] / teeth[2]) < 0.6 * float(whiter[0] / whiter[2])


def test_the_mouth_says_nothing_of_the_skin() -> None:
    faces = torch.rand(2, 3, 64, 64)
    spoken = faces.clone()
    spoken[:, :, 42:58, 26:38] = 0
    before, after = face_colours.measure_skin(faces), face_colours.measure_skin(spoken)
    assert torch.allclose(before.mean, after.mean, atol=0.01) and torch.allclose(before.spread, after.spread, atol=0.01)
    flat = face_colours.measure_skin(torch.full((1, 3, 64, 64), 0.4))
    assert torch.isfinite(flat.take_out(faces)).all() and flat.mean.flatten().tolist() == pytest.approx([0.4] * 3)


def test_a_warp_moves_by_what_the_flow_says() -> None:
    picture = torch.linspace(0, 1, 64)[None, None, :, None].expand(1, 1, 64, 64).contiguous()
    everywhere = torch.ones(64, 64)
    still = face_warp.warp(picture, torch.zeros(1, 2, 16, 16), everywhere)
    assert torch.allclose(still, picture, atol=1e-5)
    far = torch.zeros(1, 2, 16, 16)
    far[:, 1] = 100.0
    moved = face_warp.warp(picture, far, everywhere)
    step = face_warp.REACH * 64 / 63
    assert torch.allclose(moved[:, :, 8:48], picture[:, :, 8:48] + step, atol=1e-3), "no further than the reach"
    assert torch.equal(face_warp.warp(picture, far, torch.zeros(64, 64)), still)
    low = face_warp.warp(picture, far, everywhere[-20:])
    assert torch.allclose(low, moved[:, :, -20:], atol=1e-6), "the lowest rows alone are the same"
    region = face_warp.draw_lower_face_region(picture)
    assert region[48, 32] == 1 and region[:28].max() == 0 and region[:, 0].max() == 0
    assert torch.allclose(region, region.flip(1), atol=1e-6)


def test_what_is_drawn_keeps_the_hue_of_what_it_covers() -> None:
    """An untrained generator changes the brightness of lips and not their colour."""
    torch.manual_seed(0)
    network = FaceGenerator(CHANGES).eval()
    torch.nn.init.constant_(network.paint.bias[1:], 9.0)  # it covers all it may
    torch.nn.init.constant_(network.hue.bias[3:], -9.0)  # in the hue of what it covers
    sound, pose, identity = inputs(24, 16)
    skin = face_colours.measure_skin(identity)
    with torch.no_grad():
        made = network.train()(sound, pose, identity)[:, :, 16:, 6:18]
    before = identity[:, :, 16:, 6:18]
    assert (before - made).abs().max() > 0.1
    hue = made / made.clamp(min=1e-3).log().mean(1, keepdim=True).exp()
    is_lit = (made > 0.05).all(1, keepdim=True).expand_as(made)
    assert torch.allclose(face_colours.take_hue(before, skin)[is_lit], hue[is_lit], atol=3e-2)


def test_generators_of_lipdub_0_1_draw_what_they_drew() -> None:
    """Weights and inputs by rule; the numbers were recorded with the code before `draws_change`."""
    network = FaceGenerator(FaceGeneratorSize(24, 4, 8, 16)).eval()
    with torch.no_grad():
        for i, (name, value) in enumerate(sorted(network.state_dict().items())):
            if value.dtype.is_floating_point:
                wave = torch.sin(torch.arange(value.numel()) * 0.7 + i).reshape(value.shape)
                value.copy_(wave.abs() + 0.5 if name.endswith("running_var") else 0.3 * wave)
        faces = (torch.sin(torch.arange(2 * 2 * 3 * 24 * 24) * 0.37) / 2 + 0.5).reshape(2, 2, 3, 24, 24)
        sound = torch.nn.functional.normalize(torch.sin(torch.arange(32.0)).reshape(2, 16))
        made = network(sound, hide_lower_half(faces[0]), faces[1])
    recorded = [0.620445, 0.182547, 0.763515, 0.300107, 0.821805, 0.459186]
    recorded += [0.734803, 0.625193, 0.689763, 0.765661, 0.604130, 0.820630]
    assert made[:, :, 15:19:3, 12].flatten().tolist() == pytest.approx(recorded, abs=2e-6)


def test_a_generator_that_changes_faces_closes_a_mouth_twice() -> None:
    torch.manual_seed(0)
    sync = AVSyncNet(AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)).eval()
    quiet = sync.audio_features(sync.make_silence(1)).expand(2, -1)
    faces = torch.rand(2, 3, 24, 24)
    for size, times in ((TINY, 1), (CHANGES, 2)):
        silent, expected = wild(size), faces
        with torch.no_grad():
            for _ in range(times):
                expected = silent(quiet, hide_lower_half(expected), expected)
            assert torch.allclose(close_mouths(silent, sync, faces), expected, atol=1e-6)
