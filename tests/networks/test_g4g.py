"""G4G's networks: its equations by hand, what the pixels do, and its shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lipdub.faces.alignment.tall_face import ZOOM, cut_columns
from lipdub.networks.g4g import (
    G4G,
    HEIGHT,
    POSITIONS,
    BlendNet,
    G4GSize,
    adaptive_instance_norm,
    affine_flow,
    affine_warp,
    bound_colours,
    draw_at_size,
    join_references,
    make_affine,
    move_references,
    smooth_mask,
)

SIZE = G4GSize(4, 2, 3, 8, audio_width=2)
MOVING = replace(SIZE, shows_landmarks=True, moves=2)
STILL = torch.tensor([0.0, 1.0, 0.0, 0.0])


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def network(size: G4GSize = MOVING, seed: int = 0) -> G4G:
    torch.manual_seed(seed)
    return G4G(size).eval()


def inputs(size: G4GSize = MOVING, count: int = 2, seed: int = 1) -> tuple[torch.Tensor, ...]:
    """Sound, sources, masks, references and landmark images."""
    height, width = size.height, size.breadth
    masks = torch.zeros(count, 1, height, width)
    masks[:, :, height // 2 : -4, 6:-6] = 1
    return (
        rand(count, size.audio_rows, size.audio_columns, seed=seed),
        rand(count, 3, height, width, seed=seed + 1),
        masks,
        rand(count, size.references, 3, height, width, seed=seed + 2),
        rand(count, 1, height, width, seed=seed + 3),
    )


# Eq. 5


def test_adain_gives_each_channel_its_new_mean_and_deviation() -> None:
    x = rand(2, 3, POSITIONS)
    deviation, mean = rand(2, 3, seed=1) + 0.5, rand(2, 3, seed=2) - 0.5
    out = adaptive_instance_norm(x, deviation, mean)
    torch.testing.assert_close(out.mean(2), mean, rtol=0, atol=1e-5)
    torch.testing.assert_close(out.std(2, unbiased=False), deviation, rtol=1e-3, atol=1e-3)
    by_hand = deviation[0, 1] * (x[0, 1] - x[0, 1].mean()) / x[0, 1].std(unbiased=False) + mean[0, 1]
    torch.testing.assert_close(out[0, 1], by_hand, rtol=1e-3, atol=1e-3)


def test_adain_of_a_constant_channel_is_its_new_mean() -> None:
    out = adaptive_instance_norm(
        torch.full((1, 2, POSITIONS), 7.0), torch.tensor([[3.0, 1.0]]), torch.tensor([[0.5, -2]])
    )
    assert torch.equal(out[0, 0], torch.full((POSITIONS,), 0.5)) and torch.equal(
        out[0, 1], torch.full((POSITIONS,), -2.0)
    )


# Eq. 11


def test_the_identity_moves_nothing() -> None:
    features = rand(2, 3, 6, 9)
    torch.testing.assert_close(affine_warp(features, STILL.expand(2, 3, 4)), features, rtol=0, atol=1e-6)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_quarter_turn_is_that_of_numpy(quarters: int) -> None:
    """A place takes its value from where the rotation maps it: the picture turns the other way."""
    features = rand(1, 1, 8, 8)
    turn = torch.tensor([quarters * torch.pi / 2, 1.0, 0.0, 0.0])
    turned = affine_warp(features, turn.expand(1, 1, 4))[0, 0].numpy()
    np.testing.assert_allclose(turned, np.rot90(features[0, 0].numpy(), quarters), atol=1e-5)


def test_a_turn_is_one_in_pixels_of_maps_that_are_not_square() -> None:
    """A square in the middle of a wide map turns to itself."""
    features = torch.zeros(1, 1, 8, 14)
    features[..., 2:6, 5:9] = rand(4, 4)
    turned = affine_warp(features, torch.tensor([torch.pi / 2, 1.0, 0.0, 0.0]).expand(1, 1, 4))[0, 0]
    np.testing.assert_allclose(turned[2:6, 5:9].numpy(), np.rot90(features[0, 0, 2:6, 5:9].numpy()), atol=1e-5)


def test_any_map_is_that_of_the_equation() -> None:
    """Against Eq. 11 written out for one place: x to the right, y down, from the middle, in half heights."""
    angle, scale, right, down = 0.4, 0.7, 0.2, -0.1
    flow = affine_flow(torch.tensor([angle, scale, right, down]), 5, 8)
    row, column = 1, 6
    y, x = (row + 0.5) * 2 / 5 - 1, (column + 0.5 - 4) * 2 / 5
    matrix = np.array(
        [
            [scale * np.cos(angle), -scale * np.sin(angle), right],
            [scale * np.sin(angle), scale * np.cos(angle), down],
        ]
    )
    np.testing.assert_allclose(flow[row, column].numpy(), matrix @ [x, y, 1], atol=1e-6)


def test_each_channel_moves_by_its_own_coefficients() -> None:
    features = rand(1, 2, 8, 8)
    down = torch.tensor([0.0, 1.0, 0.0, 2 * 2 / 8])  # a place takes what is two pixels below it
    moved = affine_warp(features, torch.stack([STILL, down])[None])
    torch.testing.assert_close(moved[0, 0], features[0, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(moved[0, 1, :6], features[0, 1, 2:], rtol=0, atol=1e-5)
    assert not moved[0, 1, 6:].any(), "beyond the edges is nothing"


def test_coefficients_are_bounded_and_begin_as_the_identity() -> None:
    assert torch.equal(make_affine(torch.zeros(4)), STILL)
    most = make_affine(torch.full((4,), 50.0))
    torch.testing.assert_close(most, torch.tensor([torch.pi, 2.0, 1.0, 1.0]))


# pixels


def test_references_without_flow_stay_and_are_joined_by_attention() -> None:
    references = rand(2, 3, 3, 12, 10)
    moved = move_references(references, torch.zeros(2, 3, 2, 6, 5))
    torch.testing.assert_close(moved, references, rtol=0, atol=1e-6)
    attention = torch.zeros(2, 3, 6, 5)
    attention[:, 1] = 1
    torch.testing.assert_close(join_references(moved, attention), references[:, 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1, 3])
def test_a_flow_is_the_same_share_of_pictures_of_any_size(scale: int) -> None:
    height, width = 12 * scale, 10 * scale
    references = rand(1, 1, 3, height, width)
    flow = torch.zeros(1, 1, 2, 6, 5)
    flow[:, :, 1] = 2 / 12  # a sixth of the height below
    moved = move_references(references, flow)
    torch.testing.assert_close(moved[0, 0, :, : -2 * scale], references[0, 0, :, 2 * scale :], rtol=0, atol=1e-5)


def test_a_smooth_mask_fades_inside_alone() -> None:
    masks = torch.zeros(1, 1, 24, 20)
    masks[..., 6:18, 4:16] = 1
    smooth = smooth_mask(masks, 1.5)
    assert not smooth[masks == 0].any()
    assert smooth[0, 0, 12, 10] == pytest.approx(1, abs=1e-3) and 0 <= smooth[0, 0, 6, 10] < 0.5
    assert (smooth[0, 0, 6:12, 10].diff() >= 0).all()


def test_an_untrained_blend_net_gives_the_composed_face() -> None:
    faces, masks = rand(2, 3, 8, 8), rand(2, 1, 8, 8, seed=1)
    torch.testing.assert_close(BlendNet(6)(faces, masks), faces, rtol=0, atol=1e-6)


@torch.inference_mode()
def test_drawing_at_the_networks_own_size_is_what_it_drew() -> None:
    model, given = network(), inputs()
    drawn = model(*given)
    again = draw_at_size(drawn, given[1], given[2], given[1], given[3])
    torch.testing.assert_close(again, drawn.faces, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_at_another_size_given_pixels_stay_and_moved_ones_have_its_detail() -> None:
    model, given = network(), inputs()
    drawn = model(*given)
    assert drawn.motion is not None
    # Without flow and cover, the result inside the mask is the first reference, whatever the size.
    flow, attention = torch.zeros_like(drawn.motion.flow), torch.zeros_like(drawn.motion.attention)
    attention[:, 0] = 1
    motion = drawn.motion._replace(flow=flow, attention=attention, cover=torch.zeros_like(drawn.motion.cover))
    drawn = drawn._replace(motion=motion, faces=torch.lerp(given[1], drawn.decoded, smooth_mask(given[2], 1.0)))
    height, width = 2 * MOVING.height, 2 * MOVING.breadth
    pictures, references = rand(2, 3, height, width, seed=8), rand(2, 3, 3, height, width, seed=9)
    made = draw_at_size(drawn, given[1], given[2], pictures, references)
    middle = (
        slice(None),
        slice(None),
        slice(height * 3 // 4 - 2, height * 3 // 4 + 2),
        slice(width // 2 - 2, width // 2),
    )
    torch.testing.assert_close(made[middle], references[:, 0][middle], rtol=0, atol=2e-2)
    torch.testing.assert_close(made[..., : height // 3, :], pictures[..., : height // 3, :], rtol=0, atol=1e-5)


def test_colours_are_no_brighter_and_no_more_tinted_than_the_talkers_mouth() -> None:
    skin, lips = torch.tensor([0.7, 0.5, 0.4]), torch.tensor([0.6, 0.2, 0.2])
    references = torch.ones(1, 2, 3, SIZE.height, SIZE.breadth)  # what is white lies around the mouth
    references[0, :, :, 28:48, 12:28] = skin[:, None, None]
    references[0, 1, :, 36:40, 16:24] = lips[:, None, None]
    asked = [skin, lips, skin / 2, torch.zeros(3), torch.full((3,), 0.5), torch.ones(3), torch.tensor([0.2, 0.4, 0.6])]
    bright = float(skin.mean())
    # White is as bright as skin, and bluish is grey; what the mouth has stays.
    expected = [*asked[:5], torch.full((3,), bright), torch.full((3,), 0.4)]
    made = bound_colours(torch.stack(asked, 1)[None, :, :, None], references)
    torch.testing.assert_close(made[0, :, :, 0].T, torch.stack(expected), rtol=0, atol=1e-6)
    red = bound_colours(torch.tensor([1.5, 0.0, 0.0])[None, :, None, None], references).flatten()
    assert float(red[0] - red[1]) == pytest.approx(0.4) and float(red.mean()) == pytest.approx(0.5)


# the whole


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"moves": 0},
        {"shows_landmarks": False, "moves": 0},
        {"aligns": False},
        {"deforms": False},
        {"fuses": False},
        {"audio": "phonetic", "audio_rows": 50, "audio_columns": 41},
    ],
)
def test_shapes_and_ranges(change: dict[str, Any]) -> None:
    size = replace(MOVING, **change)
    with torch.inference_mode():
        drawn = network(size)(*inputs(size))
    shape = (2, 3, size.height, size.breadth)
    assert drawn.faces.shape == drawn.decoded.shape == shape
    for embedding in (drawn.face_embedding, drawn.sound_embedding):
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
    assert (drawn.motion is not None) == bool(size.moves)
    if drawn.motion is not None:
        assert drawn.motion.moved.shape == (2, 3, *shape[1:])
        torch.testing.assert_close(drawn.motion.attention.sum(1), torch.ones(2, *drawn.motion.attention.shape[2:]))
        assert float(drawn.motion.cover.min()) >= 0 and float(drawn.motion.cover.max()) <= 1


def test_all_but_the_switched_off_parts_learn() -> None:
    model = network().train()
    drawn = model(*inputs())
    assert drawn.motion is not None
    embedded = (drawn.face_embedding * drawn.sound_embedding).sum()
    (drawn.faces.square().sum() + embedded + drawn.motion.cover.sum()).backward()
    assert [name for name, value in model.named_parameters() if value.grad is None] == []


@torch.inference_mode()
def test_what_the_mask_hides_is_not_seen() -> None:
    model, (audio, sources, masks, references, landmarks) = network(), inputs()
    hidden = torch.where(masks > 0, rand(*sources.shape, seed=9), sources)
    one, other = (model(audio, faces, masks, references, landmarks) for faces in (sources, hidden))
    torch.testing.assert_close(one.decoded, other.decoded, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_faces_do_not_depend_on_their_batch() -> None:
    model, given = network(), inputs(count=3)
    together = model(*given).faces
    alone = torch.cat([model(*(part[i : i + 1] for part in given)).faces for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_landmarks_and_sound_steer_what_is_drawn() -> None:
    torch.manual_seed(3)
    model = G4G(MOVING).eval()
    with torch.no_grad():  # untrained heads move nothing
        for head in (model.transformation, model.movement.affine):  # type: ignore[union-attr]
            head.last.weight.normal_(std=0.5)
        audio, *others, landmarks = inputs()
        first = model(audio, *others, landmarks).decoded
        assert not torch.allclose(first, model(audio.flip(1), *others, landmarks).decoded, atol=1e-4)
        assert not torch.allclose(first, model(audio, *others, landmarks.flip(2)).decoded, atol=1e-4)


def test_sizes() -> None:
    full, small = G4GSize(), G4GSize.small()
    assert (full.height, full.breadth, full.channels) == (416, 320, 256) and not full.moves
    assert (small.height, small.breadth) == (156, 120) and small.height == 128 * ZOOM
    assert full.height * 10 == full.breadth * HEIGHT
    for size in (full, small):
        columns = cut_columns(size.height)
        assert columns.stop - columns.start == size.breadth and columns.start == size.height - columns.stop


@pytest.mark.parametrize(
    "change", [{"unit": 6}, {"unit": 0}, {"width": 1}, {"references": 0}, {"moves": -1}, {"audio": "none"}]
)
def test_sizes_that_make_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unit|size|audio"):
        replace(SIZE, **change)
