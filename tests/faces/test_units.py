"""Unit choice."""

from __future__ import annotations

import numpy as np

from lipdub.faces.unit_selection import (
    WIDTH_REACH,
    Inventory,
    clamp_to_reach,
    crossfade_weights,
    select_units,
    target_costs,
)


def inventory(n: int = 80) -> Inventory:
    t = np.arange(n)
    measures = np.stack([0.1 + 0.1 * np.sin(t / 4), 0.8 + 0.05 * np.cos(t / 7)], 1)
    return Inventory(
        t,
        measures,
        np.zeros((n, 3)),
        np.full(n, 100.0),
        np.full((n, 2), 0.1),
        np.ones(n),
        np.full((n, 3), 0.5),
        np.ones(n, bool),
        np.zeros(n, bool),
    )


SPREAD = np.array([0.2, 0.1])


def costs(units: Inventory, measures: np.ndarray, yaw: float = 0.0) -> np.ndarray:
    n = len(measures)
    angles = np.tile([yaw, 0, 0], (n, 1))
    return target_costs(units, measures, np.full((n, 2), 0.1), angles, np.full(n, 100.0), np.arange(n), SPREAD)


def test_the_talkers_own_motion_is_played_back_as_it_was() -> None:
    units = inventory()
    chosen = select_units(units, costs(units, units.measures[20:60]), units.measures[20:60], SPREAD)
    assert (np.diff(chosen) == 1).mean() > 0.9
    assert np.abs(units.measures[chosen] - units.measures[20:60]).max() < 0.05


def test_pose_counts_and_unusable_units_are_never_shown() -> None:
    units = inventory()
    turned = Inventory(**{**units.__dict__, "angles": np.where(np.arange(80)[:, None] < 40, [[30.0, 0, 0]], 0.0)})
    chosen = select_units(turned, costs(turned, units.measures[:30], yaw=30), units.measures[:30], SPREAD)
    assert (chosen < 40).all()
    hidden = Inventory(**{**units.__dict__, "usable": np.arange(80) >= 50})
    chosen = select_units(hidden, costs(hidden, units.measures[:30]), units.measures[:30], SPREAD)
    assert (chosen >= 50).all()


def test_a_hand_before_the_mouth_makes_a_unit_unusable() -> None:
    table = np.zeros((50, 14), np.float32)
    table[:, 0], table[:, 6], table[:, 9], table[:, 13] = np.arange(50), 100, 1, 1
    table[:, 10:13] = 0.6
    table[30:35, 10:13] = (0.2, 0.3, 0.9)
    units = Inventory.from_table(table)
    assert not units.usable[30:35].any() and units.usable.sum() == 45
    assert units.covered[30:35].all() and units.covered.sum() == 5


def test_textures_fade_at_jumps_and_only_there() -> None:
    units = inventory()
    parts = crossfade_weights(units, np.array([5, 6, 7, 32, 33, 34]))
    assert parts[0] == [(5, 1.0)] and parts[5] == [(34, 1.0)]
    assert [u for u, _ in parts[2]] == [7, 31] and [u for u, _ in parts[3]] == [32, 8]
    for mix in parts:
        assert np.isclose(sum(w for _, w in mix), 1)


def test_a_mouth_at_rest_is_held() -> None:
    units = inventory()
    rest = np.tile([0.02, 0.8], (40, 1))
    chosen = select_units(units, costs(units, rest), rest, SPREAD)
    assert np.ptp(units.measures[chosen, 0]) < 0.02 and len(set(chosen.tolist())) <= 4


def test_width_goes_no_further_than_the_shown_units_allow() -> None:
    units = inventory()
    shown = [[(0, 1.0)]] * 20
    narrow_open, narrow_shut = np.tile([0.2, 0.5], (20, 1)), np.tile([0.0, 0.7], (20, 1))
    own = units.measures[0, 1]
    assert np.allclose(clamp_to_reach(units, shown, narrow_open)[:, 1], own - WIDTH_REACH[0])
    assert np.allclose(clamp_to_reach(units, shown, narrow_shut)[:, 1], 0.7)


def test_a_shut_mouth_is_not_warped_open() -> None:
    units = inventory()
    units.measures[3, 0] = -0.02  # lips pressed together
    pressed, parted = [[(3, 1.0)]] * 10, [[(20, 1.0)]] * 10
    shut, ajar = np.tile([0.0, 0.8], (10, 1)), np.tile([0.02, 0.8], (10, 1))
    assert np.allclose(clamp_to_reach(units, pressed, shut)[:, 0], -0.02)
    assert np.allclose(clamp_to_reach(units, parted, shut)[:, 0], min(0, units.measures[20, 0]))
    assert np.allclose(clamp_to_reach(units, pressed, ajar)[:, 0], 0.02)


def test_open_and_shut_mouths_do_not_fade_into_each_other() -> None:
    units = inventory()
    units.measures[:20, 0], units.measures[20:, 0] = 0.0, 0.2
    parts = crossfade_weights(units, np.array([5, 6, 40, 41]))
    assert all(len(mix) == 1 for mix in parts)


def test_a_shut_mouth_is_not_chosen_to_be_opened() -> None:
    units = inventory()
    units.measures[:, 0] = 0.0
    units.measures[50, 0] = 0.05
    wanted = np.tile([0.05, units.measures[0, 1]], (1, 1))
    of_shut = costs(units, wanted)[0, units.frame != units.frame[50]]
    assert costs(units, wanted)[0, 50] + 2 < of_shut.min()
