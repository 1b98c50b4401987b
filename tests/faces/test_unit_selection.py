"""Unit selection: every cost term alone, the search, crossfades, and a golden of the drawn sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.faces.talker_tables import UnitColumn, UnitTable
from lipdub.faces.unit_selection import (
    CLOSED_WIDTH_REACH,
    DEFAULT_COSTS,
    OPEN_WIDTH_REACH,
    FrameTargets,
    Inventory,
    UnitCosts,
    clamp_to_reach,
    compute_crossfade_weights,
    compute_target_costs,
    find_covered,
    select_units,
)
from tests.faces import sample_units
from tests.properties import repeatable

SPREAD = np.array([0.2, 0.1])


def inventory(n: int = 80) -> Inventory:
    """Units of a talker whose mouth opens and closes."""
    t = np.arange(n)
    measures = np.stack([0.1 + 0.1 * np.sin(t / 4), 0.8 + 0.05 * np.cos(t / 7)], 1)
    return alike(n, frame=t, measures=measures)


def alike(n: int, **columns: object) -> Inventory:
    """Units that differ in nothing but the given columns."""
    same = Inventory(
        frame=np.zeros(n, int),
        measures=np.tile([0.1, 0.8], (n, 1)),
        angles=np.zeros((n, 3)),
        scale=np.full(n, 100.0),
        heights=np.full((n, 2), 0.1),
        sharpness=np.ones(n),
        colour=np.full((n, 3), 0.5),
        light=np.zeros(n),
        is_usable=np.ones(n, bool),
        is_covered=np.zeros(n, bool),
    )
    return replace(same, **{name: np.asarray(column) for name, column in columns.items()})


def targets(measures: np.ndarray, *, yaw: float = 0.0, frame: np.ndarray | None = None) -> FrameTargets:
    n = len(measures)
    return FrameTargets(
        measures=measures,
        heights=np.full((n, 2), 0.1),
        angles=np.tile([yaw, 0, 0], (n, 1)),
        scale=np.full(n, 100.0),
        frame=np.arange(n) if frame is None else frame,
        light=np.zeros(n),
    )


def target_costs(units: Inventory, measures: np.ndarray, yaw: float = 0.0) -> np.ndarray:
    return compute_target_costs(units, targets(measures, yaw=yaw), SPREAD)


def cost_of_second(opening: float = 0.1, **columns: object) -> float:
    """How much more the second of two units costs than the first, at a frame that the first fits exactly."""
    units = alike(2, **columns)
    first, second = target_costs(units, np.array([[opening, 0.8]]))[0]
    assert first == pytest.approx(0, abs=1e-6)
    return float(second)


# Every cost term alone. Together these fail when any term is left out.


def test_a_blurred_unit_costs_more() -> None:
    # The median of the two is 0.6, so the blurred unit has a third of it.
    assert cost_of_second(sharpness=[1.0, 0.2]) == pytest.approx(3 * (0.7 - 1 / 3), rel=1e-5)


def test_a_unit_a_little_less_sharp_costs_nothing() -> None:
    assert cost_of_second(sharpness=[1.0, 0.9]) == 0


@pytest.mark.parametrize("scale", [50.0, 200.0])
def test_a_face_of_other_size_costs_more(scale: float) -> None:
    assert cost_of_second(scale=[100.0, scale]) == pytest.approx((np.log(2) / 0.15) ** 2, rel=1e-5)


def test_a_unit_of_another_light_costs_beyond_what_is_matched_up_to_a_limit() -> None:
    assert cost_of_second(light=[0.0, -0.5]) == 0
    assert cost_of_second(light=[0.0, 0.75]) == pytest.approx(6, rel=1e-5)
    assert cost_of_second(light=[0.0, -2.0]) == pytest.approx(12, rel=1e-5)


def test_light_is_told_by_the_brow_and_most_where_it_clips() -> None:
    rows = np.zeros((4, len(UnitColumn)), np.float32)
    rows[:, UnitColumn.BROW_RED : UnitColumn.BROW_BLUE + 1] = np.array([0.2, 0.4, 0.8, 1.0])[:, None]
    steps = np.diff(Inventory.from_table(UnitTable(rows)).light)
    assert steps == pytest.approx([np.log(2) + np.log(4 / 3) / 2, np.log(2) + np.log(3) / 2, np.log(25) / 2], rel=0.1)
    assert steps[2] > steps[1] > steps[0] > DEFAULT_COSTS.light_tolerance


def test_units_of_another_light_do_not_fade_into_each_other() -> None:
    units = inventory()
    units.light[20:] = 1.0
    assert all(len(mixture) == 1 for mixture in compute_crossfade_weights(units, np.array([5, 6, 40, 41])))


def test_a_unit_of_another_time_costs_more_up_to_a_limit() -> None:
    assert cost_of_second(frame=[0, 250]) == pytest.approx(0.5 * (1 - np.exp(-1)), rel=1e-5)
    assert cost_of_second(frame=[0, 100_000]) == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("lip", [0, 1])
def test_a_lip_of_other_height_costs_more(lip: int) -> None:
    heights = np.full((2, 2), 0.1)
    heights[1, lip] += 0.07
    assert cost_of_second(heights=heights) == pytest.approx(4, rel=1e-5)


@pytest.mark.parametrize(("angle", "degrees", "cost"), [(0, 9, 1.0), (1, 9, 0.8), (2, 15, 0.3), (1, -18, 3.2)])
def test_a_turned_head_costs_more(angle: int, degrees: float, cost: float) -> None:
    angles = np.zeros((2, 3))
    angles[1, angle] = degrees
    assert cost_of_second(angles=angles) == pytest.approx(cost, rel=1e-5)


def test_opening_a_unit_costs_more_than_closing_it() -> None:
    step = 0.22 * SPREAD[0]
    assert cost_of_second(measures=[[0.1, 0.8], [0.1 + step, 0.8]]) == pytest.approx(1, rel=1e-5)
    assert cost_of_second(measures=[[0.1, 0.8], [0.1 - step, 0.8]]) == pytest.approx(1.6, rel=1e-5)


def test_width_costs_more_the_further_the_mouth_is_open() -> None:
    step = 0.35 * SPREAD[1]
    assert cost_of_second(0.15, measures=[[0.15, 0.8], [0.15, 0.8 + step]]) == pytest.approx(2, rel=1e-5)
    units = alike(2, measures=[[0.0, 0.8], [0.0, 0.8 + step]])
    first, second = target_costs(units, np.array([[0.0, 0.8]]))[0]
    assert second - first == pytest.approx(1, rel=1e-5)


def test_an_ajar_unit_is_no_closed_mouth() -> None:
    units = alike(2, measures=[[-0.005, 0.8], [0.025, 0.8]])
    first, second = target_costs(units, np.array([[0.0, 0.8]]))[0]
    without = replace(DEFAULT_COSTS, closed_weight=0.0)
    rest = compute_target_costs(units, targets(np.array([[0.0, 0.8]])), SPREAD, without)[0]
    assert second - rest[1] == pytest.approx(6, rel=1e-5)
    assert first - rest[0] == pytest.approx(0, abs=1e-6)


def test_a_closed_unit_is_not_chosen_to_be_opened() -> None:
    units = inventory()
    units.measures[:, 0] = 0.0
    units.measures[50, 0] = 0.05
    target = np.tile([0.05, units.measures[0, 1]], (1, 1))
    of_closed = target_costs(units, target)[0, units.frame != units.frame[50]]
    assert target_costs(units, target)[0, 50] + 2 < of_closed.min()


def test_an_unusable_unit_costs_more_than_any_path() -> None:
    units = alike(2, is_usable=[True, False])
    assert target_costs(units, np.array([[0.1, 0.8]]))[0, 1] == DEFAULT_COSTS.unusable


MOVING_TARGET = np.array([[0.1, 0.8], [0.3, 0.8]])


def selected_after_first(**columns: object) -> int:
    """Which of units 1 and 2 follows unit 0, when both fit the second frame equally well."""
    units = alike(3, frame=[0, 100, 200], **columns)
    forced = np.array([[0, 100, 100], [100, 0, 0]], np.float32)
    return int(select_units(units, forced, MOVING_TARGET, SPREAD)[1])


def test_a_jump_goes_to_skin_of_the_same_colour() -> None:
    assert selected_after_first(colour=[[0.5] * 3, [0.5, 0.4, 0.5], [0.5] * 3]) == 2
    assert selected_after_first(colour=[[0.5] * 3, [0.5] * 3, [0.5, 0.4, 0.5]]) == 1


def test_a_jump_goes_to_the_shape_that_is_nearest() -> None:
    assert selected_after_first(measures=[[0.1, 0.8], [0.3, 0.8], [0.15, 0.8]]) == 2
    assert selected_after_first(measures=[[0.1, 0.8], [0.15, 0.8], [0.3, 0.8]]) == 1


def colour_join(weight: float) -> int:
    """Which unit follows unit 0 when the one of the same colour fits a little less well."""
    units = alike(3, frame=[0, 100, 200], colour=[[0.5] * 3, [0.4] * 3, [0.5] * 3])
    forced = np.array([[0, 100, 100], [100, 0, 1]], np.float32)
    costs = UnitCosts(colour_join_weight=weight)
    return int(select_units(units, forced, MOVING_TARGET, SPREAD, costs)[1])


def test_colour_is_worth_twelve_per_unit() -> None:
    assert DEFAULT_COSTS.colour_join_weight == 12
    assert colour_join(12.0) == 2
    assert colour_join(9.0) == 1


def second_unit(measures: np.ndarray, unit_measures: object) -> int:
    """Which unit of two successive ones follows the first, when the second fits the target a little better."""
    units = alike(2, frame=[0, 1], measures=unit_measures)
    forced = np.array([[0, 100], [0.4, 0]], np.float32)
    return int(select_units(units, forced, measures, SPREAD)[1])


def test_a_still_target_is_held_rather_than_shown_the_units_own_motion() -> None:
    still, moving = np.tile([0.1, 0.8], (2, 1)), [[0.1, 0.8], [0.15, 0.8]]
    assert second_unit(still, moving) == 0
    assert second_unit(MOVING_TARGET, moving) == 1
    assert second_unit(still, [[0.1, 0.8], [0.1, 0.8]]) == 1


# The search.


def test_the_talkers_own_motion_is_played_back_as_it_was() -> None:
    units = inventory()
    selected = select_units(units, target_costs(units, units.measures[20:60]), units.measures[20:60], SPREAD)
    assert (np.diff(selected) == 1).mean() > 0.9
    assert np.abs(units.measures[selected] - units.measures[20:60]).max() < 0.05


def test_pose_counts_and_unusable_units_are_never_shown() -> None:
    units = inventory()
    turned = replace(units, angles=np.where(np.arange(80)[:, None] < 40, [[30.0, 0, 0]], 0.0))
    selected = select_units(turned, target_costs(turned, units.measures[:30], yaw=30), units.measures[:30], SPREAD)
    assert (selected < 40).all()
    hidden = replace(units, is_usable=np.arange(80) >= 50)
    selected = select_units(hidden, target_costs(hidden, units.measures[:30]), units.measures[:30], SPREAD)
    assert (selected >= 50).all()


def test_a_mouth_at_rest_is_held() -> None:
    units = inventory()
    rest = np.tile([0.02, 0.8], (40, 1))
    selected = select_units(units, target_costs(units, rest), rest, SPREAD)
    assert np.ptp(units.measures[selected, 0]) < 0.02
    assert len(set(selected.tolist())) <= 4


def test_no_frames_select_no_units() -> None:
    assert select_units(inventory(), np.zeros((0, 80), np.float32), np.zeros((0, 2)), SPREAD).shape == (0,)


def unit_table(n: int) -> np.ndarray:
    rows = np.zeros((n, len(UnitColumn)), np.float32)
    rows[:, UnitColumn.FRAME] = np.arange(n)
    rows[:, UnitColumn.SCALE] = 100
    rows[:, [UnitColumn.SHARPNESS, UnitColumn.IS_WHOLE]] = 1
    rows[:, UnitColumn.RED : UnitColumn.BLUE + 1] = 0.6
    rows[:, UnitColumn.BROW_RED : UnitColumn.BROW_BLUE + 1] = 0.7
    return rows


def test_a_hand_before_the_mouth_makes_a_unit_unusable() -> None:
    rows = unit_table(50)
    rows[30:35, UnitColumn.RED : UnitColumn.BLUE + 1] = (0.2, 0.3, 0.9)
    units = Inventory.from_table(UnitTable(rows))
    assert not units.is_usable[30:35].any()
    assert units.is_usable.sum() == 45
    assert units.is_covered[30:35].all()
    assert units.is_covered.sum() == 5


@pytest.mark.parametrize(
    ("factor", "white"),
    [((0.5, 0.5, 0.5), 0.0), ((0.1, 0.1, 0.1), 0.0), ((0.6, 0.4, 0.3), 0.0), ((1.0, 1.0, 1.0), 0.6)],
    ids=["dim", "nearly black", "warm lamp", "fade to white"],
)
def test_another_light_does_not_cover_the_mouth(factor: tuple[float, ...], white: float) -> None:
    rng = np.random.default_rng(0)
    skin, brow = (np.array(colour) + rng.normal(0, 0.004, (50, 3)) for colour in ((0.7, 0.5, 0.4), (0.75, 0.56, 0.47)))
    light = np.arange(50) % 10 < 4
    for colour in (skin, brow):
        colour[light] = colour[light] * factor * (1 - white) + white
    assert not find_covered(skin, brow).any()
    skin[12:14] = 0.1, 0.12, 0.14  # a microphone, once in this light and once in the usual one
    skin[17:19] = 0.1, 0.12, 0.14
    assert np.flatnonzero(find_covered(skin, brow)).tolist() == [12, 13, 17, 18]


def test_units_cut_off_at_the_patch_are_used_only_when_there_are_no_others() -> None:
    rows = unit_table(4)
    rows[:2, UnitColumn.IS_WHOLE] = 0
    assert Inventory.from_table(UnitTable(rows)).is_usable.tolist() == [False, False, True, True]
    rows[:, UnitColumn.IS_WHOLE] = 0
    assert Inventory.from_table(UnitTable(rows)).is_usable.all()


# Crossfades and reach.


def test_textures_fade_at_jumps_and_only_there() -> None:
    units = inventory()
    mixtures = compute_crossfade_weights(units, np.array([5, 6, 7, 32, 33, 34]))
    assert mixtures[0] == [(5, 1.0)]
    assert mixtures[5] == [(34, 1.0)]
    assert [u for u, _ in mixtures[2]] == [7, 31]
    assert [u for u, _ in mixtures[3]] == [32, 8]


def test_open_and_closed_mouths_do_not_fade_into_each_other() -> None:
    units = inventory()
    units.measures[:20, 0], units.measures[20:, 0] = 0.0, 0.2
    mixtures = compute_crossfade_weights(units, np.array([5, 6, 40, 41]))
    assert all(len(mixture) == 1 for mixture in mixtures)


@pytest.mark.slow
@repeatable
@given(data=st.data())
def test_crossfades_sum_to_one_and_never_show_an_unusable_unit(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))
    frames = np.cumsum(data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)))
    usable = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    usable[data.draw(st.integers(0, n - 1))] = True
    openings = data.draw(st.lists(st.floats(-0.05, 0.4), min_size=n, max_size=n))
    units = alike(n, frame=frames, is_usable=usable, measures=np.column_stack([openings, np.full(n, 0.8)]))
    selected = data.draw(st.lists(st.sampled_from(np.flatnonzero(usable).tolist()), min_size=1, max_size=20))
    mixtures = compute_crossfade_weights(units, np.array(selected))
    assert len(mixtures) == len(selected)
    for unit, mixture in zip(selected, mixtures, strict=True):
        weights = dict(mixture)
        assert len(weights) == len(mixture)
        assert sum(weights.values()) == pytest.approx(1)
        assert all(units.is_usable[u] for u in weights)
        assert max(weights, key=lambda u: weights[u]) == unit


def test_width_goes_no_further_than_the_shown_units_allow() -> None:
    units = inventory()
    mixtures = [[(0, 1.0)]] * 20
    narrow_open, narrow_closed = np.tile([0.2, 0.5], (20, 1)), np.tile([0.0, 0.6], (20, 1))
    closed_in_reach = np.tile([0.0, 0.7], (20, 1))
    own = units.measures[0, 1]
    assert np.allclose(clamp_to_reach(units, mixtures, narrow_open)[:, 1], own - OPEN_WIDTH_REACH)
    assert np.allclose(clamp_to_reach(units, mixtures, narrow_closed)[:, 1], own - CLOSED_WIDTH_REACH)
    assert np.allclose(clamp_to_reach(units, mixtures, closed_in_reach)[:, 1], 0.7)


def test_a_closed_mouth_is_not_warped_open() -> None:
    units = inventory()
    units.measures[3, 0] = -0.02  # lips pressed together
    pressed, parted = [[(3, 1.0)]] * 10, [[(20, 1.0)]] * 10
    closed, ajar = np.tile([0.0, 0.8], (10, 1)), np.tile([0.02, 0.8], (10, 1))
    assert np.allclose(clamp_to_reach(units, pressed, closed)[:, 0], -0.02)
    assert np.allclose(clamp_to_reach(units, parted, closed)[:, 0], min(0, units.measures[20, 0]))
    assert np.allclose(clamp_to_reach(units, pressed, ajar)[:, 0], 0.02)


# The drawn sample. `python -m tests.faces.sample_units` measures it anew and prints the digest.

SAMPLE_DIGEST = "eee017cb86db6b94"


def test_the_units_of_the_drawn_sample_are_the_golden_ones() -> None:
    units, frame_targets, spread = sample_units.load()
    costs = compute_target_costs(units, frame_targets, spread)
    selected = select_units(units, costs, frame_targets.measures, spread)
    assert sample_units.digest(selected) == SAMPLE_DIGEST, selected.tolist()
