"""A weights store filled by rule: every network at its published size, with values drawn from its entries' names.

    python -m tests.bench.filled FOLDER [--users wav2lip retalking ...] [--names NAME ...]

For measuring and for whole runs where no published weights are at hand: LIPDUB_WEIGHTS=FOLDER. The values are the
same everywhere, by the rule of the parity fixtures (tests/networks/parity.py); nothing was trained, and each file is
added as one's own, so that every result made with it says so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.weights import manifest
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lipdub.weights.manifest import ManifestEntry

USERS = ("wav2lip", "retalking", "gfpgan", "gpen", "vqfr")  # the recipes and the enhancers

_STYLES: dict[str, Any] = {
    "matrix": "unit",  # its layers scale their weights themselves
    "overrides": [{"match": r"style\.\d+\.weight$", "scale": 100.0}],
    "leave": [r"\.kernel$"],
}
#: Where the rule alone would saturate a network, what the fixtures' own settings are, by the network.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "Wav2Lip": {"gain": 1.3, "overrides": [{"match": r"^output_block\.1\.weight$", "scale": 0.02}]},
    "SyncExpert": {"gain": 1.3},
    "QualityDiscriminator": {"gain": 1.5},
    "BiSeNet": {"gain": 1.2},
    "GPEN": _STYLES,
    "StyleGAN2": _STYLES,
    "gfpgan": {"overrides": [{"match": r"noises\.noise\d+$", "scale": 1.0}]},
    "retinaface": {"overrides": [{"match": r"^body\.conv1\.weight$", "scale": 0.001}]},
}


def fill(store: WeightsStore, entry: ManifestEntry) -> bool:
    """Adds a file to the store in the published form of ``entry``, as one's own.

    Returns False for a form that cannot be filled: a TorchScript archive, or a network of another package.
    """
    with tempfile.TemporaryDirectory(prefix="lipdub-filled-") as name:
        path = Path(name) / entry.file
        if entry.format == "matlab":
            _save_templates(path)
        elif entry.format == "checkpoint" and entry.parts:
            _save_states(path, entry)
        else:
            return False
        store.add(entry, path, own=True)
    return True


def _save_states(path: Path, entry: ManifestEntry) -> None:
    import torch

    from lipdub.weights.checkpoint import build_network
    from tests.networks.parity import filled

    content: dict[str, Any] = {}
    for part in entry.parts:
        kind = part.network.partition(":")[2]
        state = filled(build_network(part).state_dict(), dict(SETTINGS.get(kind, {})))
        state = {
            part.prefix + key: value for key, value in state.items() if not part.without or part.without not in key
        }
        (content.setdefault(part.key[0], {}) if part.key else content).update(state)
    torch.save(content, path)


def _save_templates(path: Path) -> None:
    """Two expressions in the form of expression.mat, small and smooth."""
    import numpy as np
    from scipy.io import savemat

    rows = np.linspace(-0.5, 0.5, 128, dtype=np.float32).reshape(2, 64)
    savemat(path, {"expression_center": rows, "expression_mouth": rows[::-1]})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", nargs="*", default=USERS, help=f"of whom: {' '.join(USERS)} by default")
    parser.add_argument("--names", nargs="*", default=(), help="entries of the manifest besides")
    options = parser.parse_args(arguments)
    store = WeightsStore(options.folder)
    names = {entry.name: entry for user in options.users for entry in manifest.find_entries_for(user)}
    names |= {name: manifest.find_entry(name) for name in options.names}
    for name, entry in names.items():
        done = fill(store, entry)
        print(f"{name}: {store.place(entry)}" if done else f"{name}: cannot be filled", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
