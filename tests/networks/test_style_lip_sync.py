"""StyleLipSync's generator against Ki and Min's equations, worked out by hand, and what it cannot see."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from lipdub.networks.style_lip_sync import (
    SMOOTHING_REACH,
    AudioStyleEncoder,
    LatentSmoothing,
    MaskedFusion,
    StyleLipSync,
    StyleLipSyncSize,
    decode,
)
from lipdub.networks.stylegan2 import StyleGAN2, StyleGAN2Size

if TYPE_CHECKING:
    from lipdub.arrays import F64

# Blocks of 4, 8 and 16 pixels, of four channels; six codes of five numbers.
TINY = StyleLipSyncSize(StyleGAN2Size(16, 5, 1, 1 / 128), audio_width=2, audio_features=8)
PLAIN = replace(TINY, fuses_by_style=False, smooths=False)
PHONETIC = replace(TINY, audio="phonetic", audio_rows=50, audio_columns=21, audio_width=1)
SHUT = 1e4  # a logit whose sigmoid is 1 to the last bit, and with a minus 0


def network(size: StyleLipSyncSize = TINY) -> StyleLipSync:
    """Make a network whose noise and biases count, too."""
    torch.manual_seed(0)
    made: StyleLipSync = StyleLipSync(size).eval()
    with torch.no_grad():
        for name, value in made.named_parameters():
            if name.endswith("noise.weight"):
                value.fill_(0.3)
            elif name.endswith("bias"):
                value.add_(0.2 * torch.randn_like(value))
    return made


def seeded(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs(
    size: StyleLipSyncSize, count: int = 2, frames: int = 3
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give sounds, faces, masks of the lower half, and references."""
    pixels, drawn = size.decoder.pixels, torch.Generator().manual_seed(2)
    sounds = torch.randn(count, frames, size.audio_rows, size.audio_columns, generator=drawn)
    faces = torch.rand(count, frames, 3, pixels, pixels, generator=drawn)
    masks = torch.zeros(count, frames, 1, pixels, pixels)
    masks[..., pixels // 2 :, 2:-2] = 1
    return sounds, faces, masks, torch.rand(count, 3, pixels, pixels, generator=drawn)


def features_of(made: StyleLipSync, count: int = 2) -> list[torch.Tensor]:
    """Give random features as the face encoder's."""
    return [seeded(count, 4, side, side, seed=side) for side in made.size.sides()]


def with_masks(made: StyleLipSync, logit: float) -> StyleLipSync:
    """Let every fusion's mask be 1, or 0, whatever it sees."""
    with torch.no_grad():
        for fusion in made.fusions:
            fusion.bias.fill_(logit)
    return made


# Eq. 2


def convolve(picture: F64, kernel: F64) -> F64:
    """Convolve a map (c, h, w) by a kernel (c, 3, 3) with zeros around it, pixel by pixel: (h, w)."""
    padded = np.pad(picture, ((0, 0), (1, 1), (1, 1)))
    high, wide = picture.shape[1:]
    out = np.zeros((high, wide))
    for row in range(high):
        for column in range(wide):
            out[row, column] = (padded[:, row : row + 3, column : column + 3] * kernel).sum()
    return out


@pytest.mark.parametrize("style_dim", [6, 0])
def test_fusion_is_eq_2_with_the_mask_of_a_convolution_and_a_sigmoid(style_dim: int) -> None:
    torch.manual_seed(0)
    fusion = MaskedFusion(3, style_dim).double()
    encoded, generated, style = (
        seeded(*shape, seed=i).double() for i, shape in enumerate([(2, 3, 4, 5)] * 2 + [(2, 6)])
    )
    with torch.no_grad():
        fusion.bias.fill_(0.3)
        mask, fused = fusion.predict_mask(encoded, style), fusion(generated, encoded, style)
    kernel = fusion.predict.weight.detach().numpy().reshape(3, 3, 3) / math.sqrt(3 * 9)
    for i in range(2):
        scale = np.ones(3)
        if style_dim:
            affine = fusion.predict.modulation
            scale = (affine.weight @ style[i] / math.sqrt(6) + affine.bias).detach().numpy()
        logits = convolve(encoded[i].numpy(), kernel * scale[:, None, None]) + 0.3
        expected = 1 / (1 + np.exp(-logits))
        np.testing.assert_allclose(mask[i, 0], expected, atol=1e-12)
        by_hand = expected * encoded[i].numpy() + (1 - expected) * generated[i].numpy()
        np.testing.assert_allclose(fused[i], by_hand, atol=1e-12)
    assert 0 < float(mask.min()) < float(mask.max()) < 1


def test_a_style_steers_the_mask_of_its_own_picture_and_only_where_the_fusion_has_styles() -> None:
    torch.manual_seed(0)
    encoded, style = seeded(2, 4, 8, 8), seeded(2, 5)
    changed = style.clone()
    changed[1] += 1
    with torch.no_grad():
        for has_style in (True, False):
            fusion = MaskedFusion(4, 5 if has_style else 0)
            before, after = fusion.predict_mask(encoded, style), fusion.predict_mask(encoded, changed)
            assert torch.equal(before[0], after[0]) and torch.equal(before[1], after[1]) != has_style


@pytest.mark.parametrize("size", [TINY, PLAIN])
def test_at_mask_0_the_decoder_draws_what_stylegan2_draws_of_the_codes(size: StyleLipSyncSize) -> None:
    made, codes = with_masks(network(size), -SHUT), seeded(2, size.codes, 5)
    plain = StyleGAN2(16, 5, 1, 1 / 128)
    plain.load_state_dict(made.decoder.state_dict())
    with torch.no_grad():
        drawn = decode(made.decoder, made.fusions, codes, features_of(made))
        assert torch.equal(drawn, plain(codes)), "with its own noises, to the last bit"
        quiet = plain(codes, [torch.zeros_like(noise) for noise in plain.noises.buffers()])
    assert not torch.allclose(drawn, quiet, atol=1e-3)


def test_at_mask_1_every_block_begins_with_the_encoded_features() -> None:
    made, codes = with_masks(network(), SHUT), seeded(2, 6, 5)
    features, decoder = features_of(made), made.decoder
    noises, w = list(decoder.noises.buffers()), codes.unbind(1)
    with torch.no_grad():
        picture = decoder.to_rgb1(decoder.conv1(features[0], w[0], noises[0]), w[1], None)
        for block in (1, 2):
            x = decoder.convs[2 * block - 1](features[block], w[2 * block], noises[2 * block])
            picture = decoder.to_rgbs[block - 1](x, w[2 * block + 1], picture)
        assert torch.equal(decode(decoder, made.fusions, codes, features), picture)
        decoder.input.input.mul_(-3)
        for convolution in decoder.convs[::2]:
            convolution.conv.weight.mul_(-3)
        assert torch.equal(decode(decoder, made.fusions, codes, features), picture), "nothing generated comes through"


def test_the_first_code_of_a_block_steers_its_fusion() -> None:
    made, codes = network(), seeded(2, 6, 5)
    features, given = features_of(made), list[tuple[torch.Tensor, ...]]()
    for fusion in made.fusions:
        fusion.register_forward_hook(lambda module, shown, out: given.append(shown))
    with torch.no_grad():
        decode(made.decoder, made.fusions, codes, features)
    assert len(given) == 3
    for (generated, encoded, style), feature, first in zip(given, features, (0, 1, 3), strict=True):
        assert encoded is feature and generated.shape == feature.shape
        assert torch.equal(style, codes[:, first])
    assert torch.equal(given[0][0], made.decoder.input(2))


# Eq. 3 and 4


def smooth_by_hand(module: LatentSmoothing, codes: F64) -> F64:
    """Compute Conv1Ds of the moving average of codes (T, layers, D), number by number."""
    frames, layers, length = codes.shape

    def at(x: F64, frame: int) -> F64:
        value: F64 = x[min(max(frame, 0), frames - 1)]
        return value

    x: F64 = np.stack([0.25 * at(codes, t - 1) + 0.5 * codes[t] + 0.25 * at(codes, t + 1) for t in range(frames)])
    for convolution, slope in ((module.first, 0.2), (module.second, 1.0)):
        weight = convolution.weight.detach().numpy().reshape(layers, length, length, 3)
        bias = convolution.bias.detach().numpy().reshape(layers, length)
        out = np.zeros_like(x)
        for t in range(frames):
            for layer in range(layers):
                for row in range(length):
                    taps = [weight[layer, row, :, k] @ at(x, t + k - 1)[layer] for k in range(3)]
                    value = bias[layer, row] + sum(taps)
                    out[t, layer, row] = value if value > 0 else slope * value
        x = out
    return x


@pytest.mark.parametrize("frames", [1, 2, 6])
def test_smoothing_is_eq_4_by_hand_also_at_the_ends_of_a_clip(frames: int) -> None:
    torch.manual_seed(0)
    module, codes = LatentSmoothing(3, 4).double(), seeded(2, frames, 3, 4).double()
    with torch.no_grad():
        smooth = module(codes)
    for one, found in zip(codes, smooth, strict=True):
        np.testing.assert_allclose(found, smooth_by_hand(module, one.numpy()), atol=1e-12)


def test_codes_are_the_reference_and_the_smooth_motion_and_the_average() -> None:
    made = network().double()
    reference, audio, average = (
        seeded(2, 6, 5).double(),
        seeded(2, 4, 6, 5, seed=3).double(),
        seeded(5, seed=4).double(),
    )
    made.average_code.copy_(average)
    assert made.smoothing is not None
    with torch.no_grad():
        codes = made.smooth_codes(reference, audio)
    for n in range(2):
        trajectory = (reference[n] + audio[n]).numpy()  # Eq. 3
        expected = reference[n].numpy() + smooth_by_hand(made.smoothing, trajectory) + average.numpy()
        np.testing.assert_allclose(codes[n], expected, atol=1e-12)


def test_without_smoothing_codes_are_those_of_eq_3() -> None:
    made, reference, audio = network(PLAIN), seeded(2, 6, 5), seeded(2, 4, 6, 5, seed=3)
    made.average_code.copy_(seeded(5, seed=4))
    assert made.smoothing is None and not any("smoothing" in name for name in made.state_dict())
    expected = reference[:, None] + audio + made.average_code
    torch.testing.assert_close(made.smooth_codes(reference, audio), expected)


def test_a_layers_code_changes_the_smooth_code_of_that_layer_alone() -> None:
    torch.manual_seed(0)
    module, codes = LatentSmoothing(4, 3), seeded(1, 5, 4, 3)
    with torch.no_grad():
        before = module(codes)
        for layer in range(4):
            changed = codes.clone()
            changed[:, 2, layer] += 1
            differs = (module(changed) != before).any(3).any(1)[0]
            assert differs.tolist() == [layer == other for other in range(4)]


def test_a_smooth_code_depends_on_three_frames_to_each_side() -> None:
    assert SMOOTHING_REACH == 3
    torch.manual_seed(0)
    module, codes = LatentSmoothing(2, 4), seeded(1, 13, 2, 4)
    with torch.no_grad():
        before = module(codes)
        changed = codes.clone()
        changed[:, 6] += 1
        differs = (module(changed) != before).any(3).any(2)[0]
        assert differs.tolist() == [abs(frame - 6) <= SMOOTHING_REACH for frame in range(13)]
        part = module(codes[:, 5 - SMOOTHING_REACH : 7 + SMOOTHING_REACH])[:, SMOOTHING_REACH:-SMOOTHING_REACH]
        torch.testing.assert_close(part, before[:, 5:7])


def test_a_mouth_that_keeps_still_has_the_same_code_in_every_frame() -> None:
    torch.manual_seed(0)
    module, code = LatentSmoothing(2, 4), seeded(1, 1, 2, 4)
    with torch.no_grad():
        alone = module(code)
        for frames in (2, 3, 9):
            torch.testing.assert_close(module(code.expand(-1, frames, -1, -1)), alone.expand(-1, frames, -1, -1))


# The whole network


@pytest.mark.parametrize("size", [TINY, PLAIN, PHONETIC])
def test_it_draws_as_many_faces_as_are_given(size: StyleLipSyncSize) -> None:
    made = network(size)
    sounds, faces, masks, references = inputs(size)
    with torch.no_grad():
        drawn = made(sounds, faces, masks, references)
        assert drawn.shape == faces.shape and bool(drawn.isfinite().all())
        assert made.encode_audio(sounds[0]).shape == (3, 6, 5) and made.encode_references(references).shape == (2, 6, 5)
        assert torch.equal(made(sounds, faces, masks, references), drawn), "its noise is fixed"
        alone = made(sounds[1:], faces[1:], masks[1:], references[1:])
    torch.testing.assert_close(alone, drawn[1:])


def test_a_frame_is_drawn_from_its_codes_its_face_and_its_mask_alone() -> None:
    made = network()
    sounds, faces, masks, references = inputs(TINY)
    with torch.no_grad():
        drawn = made(sounds, faces, masks, references)
        heard = torch.stack([made.encode_audio(sounds[:, t]) for t in range(3)], 1)
        codes = made.smooth_codes(made.encode_references(references), heard)
        for t in range(3):
            torch.testing.assert_close(made.draw(codes[:, t], faces[:, t], masks[:, t]), drawn[:, t])


def test_sound_around_the_frames_changes_the_smoothing_alone() -> None:
    sounds, faces, masks, references = inputs(TINY)
    made, plain = network(), network(PLAIN)
    with torch.no_grad():
        whole = made(sounds, faces, masks, references)
        middle = made(sounds, faces[:, 1:2], masks[:, 1:2], references)
        torch.testing.assert_close(middle, whole[:, 1:2], msg="as in a longer sequence")
        alone = made(sounds[:, 1:2], faces[:, 1:2], masks[:, 1:2], references)
        assert (alone - middle).abs().max() > 1e-5
        without = plain(sounds, faces[:, 1:2], masks[:, 1:2], references)
        torch.testing.assert_close(without, plain(sounds[:, 1:2], faces[:, 1:2], masks[:, 1:2], references))


@pytest.mark.parametrize("size", [TINY, PLAIN])
def test_nothing_under_the_mask_is_seen_and_all_else_is(size: StyleLipSyncSize) -> None:
    made = network(size)
    sounds, faces, masks, references = inputs(size)
    others = torch.rand(faces.shape, generator=torch.Generator().manual_seed(9))
    hidden, shown = faces * (1 - masks) + others * masks, faces * masks + others * (1 - masks)
    with torch.no_grad():
        drawn = made(sounds, faces, masks, references)
        assert torch.equal(made(sounds, hidden, masks, references), drawn), "to the last bit"
        for changed in (
            (sounds + 1, faces, masks, references),
            (sounds, shown, masks, references),
            (sounds, faces, masks.roll(1, 3), references),
            (sounds, faces, masks, 1 - references),
        ):
            assert (made(*changed) - drawn).abs().max() > 1e-4


def test_a_hidden_pixel_is_not_taken_for_a_grey_one() -> None:
    made, codes = network(), seeded(1, 6, 5)
    grey, nowhere = torch.full((1, 3, 16, 16), 0.5), torch.zeros(1, 1, 16, 16)
    with torch.no_grad():
        assert not torch.equal(made.draw(codes, grey, nowhere), made.draw(codes, grey, nowhere + 1))


def test_all_but_the_decoders_mapping_learns() -> None:
    made = network(replace(TINY, audio_width=8))
    sounds, faces, masks, references = inputs(TINY, count=4)
    made.train()(sounds, faces, masks, references).square().sum().backward()
    idle = {name for name, value in made.named_parameters() if value.grad is None or not value.grad.any()}
    assert {name for name in idle if not name.startswith("decoder.style.")} == set()
    assert idle, "codes come from the encoders, not from latents"


# Sizes


def test_the_published_size_has_14_codes_of_512_for_7_blocks() -> None:
    size = StyleLipSyncSize()
    assert size.codes == 14 and size.sides() == [4, 8, 16, 32, 64, 128, 256]
    with torch.device("meta"):
        made, plain = StyleLipSync(size), StyleGAN2(256)
    assert made.decoder.layers == 14 and len(made.fusions) == 7 and made.average_code.shape == (512,)
    shapes = {name: value.shape for name, value in plain.state_dict().items()}
    assert {name: value.shape for name, value in made.decoder.state_dict().items()} == shapes
    widths = [fusion.predict.weight.shape[2] for fusion in made.fusions]
    assert widths == [512, 512, 512, 512, 512, 256, 128], "a fusion's features are those of its block"
    assert all(fusion.predict.weight.shape[1] == 1 for fusion in made.fusions), "a mask has one channel"


def test_the_small_size_is_the_small_decoders() -> None:
    size = StyleLipSyncSize.small()
    assert size.decoder == StyleGAN2Size.small() and size.codes == 12 and size.sides()[-1] == size.decoder.pixels


def test_a_narrow_reference_encoder_leaves_the_other_networks_as_they_are() -> None:
    made, narrow = (StyleLipSync(replace(TINY, encoder_narrow=share)) for share in (1.0, 0.5))
    differing = {
        name.split(".")[0]
        for name, value in made.state_dict().items()
        if value.shape != narrow.state_dict()[name].shape
    }
    assert differing == {"reference_encoder"}


def test_an_audio_feature_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="audio is 'wav', not one of mel, phonetic"):
        StyleLipSyncSize(audio="wav")


def test_a_style_code_of_sound_never_falls_silent() -> None:
    """A rectifier behind the encoder could be driven below zero for every sound."""
    encoder = AudioStyleEncoder(StyleLipSyncSize(StyleGAN2Size(8, 4, 1, 1 / 64), audio_width=2, audio_features=8))
    torch.nn.init.constant_(encoder.encoder.fc.bias, -100.0)
    sounds = torch.from_numpy(np.random.default_rng(3).standard_normal((2, 80, 16)).astype(np.float32))
    with torch.inference_mode():
        first, second = encoder.eval()(sounds)
    assert float((first - second).abs().max()) > 1e-2
