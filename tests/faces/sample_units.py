"""Measures the units and targets of the drawn sample: the input of the golden of unit selection.

python -m tests.faces.sample_units      writes sample_units.npz beside this file and prints the digest
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import lipdub
from lipdub.faces import unit_selection
from lipdub.faces.talker_tables import UnitTable
from tests.sample import SPEECH, TALKER

UNITS = Path(__file__).with_name("sample_units.npz")


def digest(selected: np.ndarray) -> str:
    """First 16 digits of the SHA-256 of selected units (n,)."""
    return hashlib.sha256(selected.astype("<i8").tobytes()).hexdigest()[:16]


def load() -> tuple[unit_selection.Inventory, unit_selection.FrameTargets, np.ndarray]:
    """The sample's units, its frames' targets, and the talker's range of measures."""
    with np.load(UNITS) as sample:
        units = unit_selection.Inventory.from_table(UnitTable(sample["unit_table"]))
        targets = unit_selection.FrameTargets(
            *(sample[name] for name in ("measures", "heights", "angles", "scale", "frame", "light"))
        )
        return units, targets, sample["spread"]


def main() -> None:
    """Dubs the sample and keeps what unit selection is given."""
    kept: dict[str, Any] = {}
    from_table, compute = unit_selection.Inventory.from_table, unit_selection.compute_target_costs

    def keep_table(table: UnitTable) -> unit_selection.Inventory:
        kept["unit_table"] = table.rows
        return from_table(table)

    def keep_targets(units: Any, targets: Any, spread: np.ndarray, *rest: Any) -> np.ndarray:
        kept.update({name: np.array(column) for name, column in vars(targets).items()}, spread=spread)
        return compute(units, targets, spread, *rest)

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(unit_selection.Inventory, "from_table", keep_table),
        mock.patch.object(unit_selection, "compute_target_costs", keep_targets),
    ):
        out = Path(folder) / "out.mkv"
        lipdub.dub(TALKER, SPEECH, out, length="shortest", lossless=True)
    np.savez_compressed(UNITS, **kept)
    units, targets, spread = load()
    costs = unit_selection.compute_target_costs(units, targets, spread)
    print(digest(unit_selection.select_units(units, costs, targets.measures, spread)))


if __name__ == "__main__":
    main()
