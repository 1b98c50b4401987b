"""Eq. 5 and 7 by hand, and that optimised latents meet their landmarks, the same way however the frames are cut."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lipdub.faces.editing.landmark_loss import HeatMapper, heatmap_distance, landmark_weights
from lipdub.faces.editing.optimisation import (
    Edit,
    EditOptions,
    Editor,
    edit_frames,
    edit_loss,
    edit_window,
    landmark_error,
    step_sizes,
)
from lipdub.faces.perceptual import perceptual
from lipdub.networks.landmark_heatmaps import draw_heatmaps
from tests.faces.editing.small import PIXELS, Means, frames, generator, latents, mapper, points

FEW = EditOptions(learning_rate=0.05, steps=5)


def editor(options: EditOptions = FEW) -> Editor:
    return Editor(generator(), Means(), mapper(), options)


def test_the_options_are_the_papers() -> None:
    options = EditOptions.published()
    assert (options.perceptual, options.landmarks, options.smoothness) == (1.0, 5e-3, 1e-4)
    assert (options.learning_rate, options.steps, options.window, options.tolerance) == (1e-3, 300, 1, 0.0)
    assert EditOptions.fast().steps * 5 <= options.steps


def test_equation_seven_by_hand() -> None:
    values = torch.tensor([[1.0, 2.0], [1.0, 5.0], [3.0, 5.0]])
    assert float(step_sizes(values, None)) == 9 + 4
    assert float(step_sizes(values, torch.tensor([0.0, 0.0]))) == 1 + 4 + 9 + 4
    assert float(step_sizes(values[:1], None)) == 0


@torch.no_grad()
def test_equation_five_is_its_weighted_terms() -> None:
    made, codes, shown, wanted = editor(), latents(2), frames(2), points(2)
    pictures = made.generator(codes)
    heatmaps = made.mapper.compute(pictures, wanted)
    true = made.features((shown + 1) / 2)
    before = Edit(codes[0] - 1, codes[0] - 2)
    alike = sum(float(perceptual(made.features((pictures[[k]] + 1) / 2), [m[[k]] for m in true])) for k in range(2))
    target = made.mapper.draw_wanted(wanted, heatmaps.shape[-1])
    apart = float(heatmap_distance(heatmaps, target, landmark_weights()).sum())
    steps = float(step_sizes(codes, before.latent))
    total = edit_loss(made, codes, pictures, heatmaps, (true, wanted), (before, None))
    assert float(total) == pytest.approx(alike + 5e-3 * apart + 1e-4 * steps, rel=1e-5)
    rough = replace(made, options=replace(FEW, smooths="nothing"))
    assert float(edit_loss(rough, codes, pictures, heatmaps, (true, wanted), (before, None))) == pytest.approx(
        alike + 5e-3 * apart, rel=1e-5
    )
    seen = replace(made, options=replace(FEW, smooths="frames"))
    last = made.generator(before.latent[None])
    assert float(edit_loss(seen, codes, pictures, heatmaps, (true, wanted), (before, last))) == pytest.approx(
        alike + 5e-3 * apart + 1e-4 * float(step_sizes(pictures, last[0])), rel=1e-5
    )


def draw_blobs(codes: torch.Tensor) -> torch.Tensor:
    """Pictures with a blob where the first two entries of the latents say."""
    blobs = draw_heatmaps(codes[:, 0, :2], PIXELS, 1.5)
    return (2 * blobs - 1)[:, None].expand(-1, 3, -1, -1)


@pytest.mark.parametrize("options", [EditOptions(perceptual=0.0, smoothness=0.0), EditOptions.fast()])
def test_landmarks_go_where_they_are_wanted(options: EditOptions) -> None:
    see = HeatMapper("blobs", lambda pictures: pictures[:, :1].expand(-1, 68, -1, -1), 1.5)
    made = Editor(draw_blobs, Means(), see, replace(options, learning_rate=5e-3))
    begin = torch.full((3, 1, 2), 0.5)
    wanted = torch.tensor([[0.55, 0.5], [0.6, 0.45], [0.6, 0.4]])
    edited = edit_frames(made, begin, draw_blobs(begin), wanted[:, None].expand(-1, 68, -1))
    assert float((edited[:, 0] - wanted).norm(dim=1).max()) < 0.02


def test_latents_that_have_arrived_stay() -> None:
    made = editor(replace(FEW, tolerance=1.0))
    assert torch.equal(edit_window(made, latents(2), frames(2), points(2)), latents(2))
    assert landmark_error(made.mapper, made.mapper.compute(frames(2), points(2)), points(2)) < 1.0


def test_what_no_longer_gets_better_is_left() -> None:
    steps = []

    def count(codes: torch.Tensor) -> torch.Tensor:
        steps.append(len(codes))
        return frames(1).expand(len(codes), -1, -1, -1) + 0 * codes.sum()

    made = replace(editor(replace(FEW, steps=50, patience=3)), generator=count)
    edit_window(made, latents(1), frames(1), points(1))
    assert len(steps) == 4, "the first is the best, and three more are no better"


def test_a_frame_begins_where_the_one_before_was_moved_to() -> None:
    before = Edit(latents(1, seed=5)[0], latents(1, seed=6)[0])
    still = editor(replace(FEW, steps=0, carries_on=True))
    moved = edit_window(still, latents(2), frames(2), points(2), before)
    torch.testing.assert_close(moved, latents(2) + (before.latent - before.pivot))
    stays = editor(replace(FEW, steps=0))
    assert torch.equal(edit_window(stays, latents(2), frames(2), points(2), before), latents(2))


@pytest.mark.parametrize(
    "options",
    [FEW, replace(FEW, window=2, ahead=1, carries_on=True), replace(FEW, smooths="frames")],
    ids=["published", "fast", "frames"],
)
def test_a_run_that_goes_on_makes_what_an_unbroken_one_makes(options: EditOptions) -> None:
    given = latents(5), frames(5), points(5)
    whole = edit_frames(editor(options), *given)
    cut = options.window * 2
    first = edit_frames(editor(options), *given)[:cut]
    rest = edit_frames(editor(options), *(part[cut:] for part in given), Edit(given[0][cut - 1], first[-1]))
    assert torch.equal(torch.cat([first, rest]), whole)
    assert not torch.equal(whole, given[0])


def test_the_future_beyond_what_is_looked_ahead_changes_nothing() -> None:
    options = replace(FEW, window=2, ahead=1, carries_on=True)
    codes, shown, wanted = latents(5), frames(5), points(5)
    one = edit_frames(editor(options), codes, shown, wanted)
    other = edit_frames(editor(options), codes[:3], shown[:3], wanted[:3])
    assert torch.equal(one[:2], other[:2])


@pytest.mark.parametrize("change", [{"steps": -1}, {"window": 0}, {"ahead": -1}, {"learning_rate": 0.0}])
def test_options_without_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no such optimisation"):
        EditOptions(**change)  # type: ignore[arg-type]
