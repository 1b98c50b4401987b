"""Makes the goldens anew: ``python -m tests.goldens [RECIPE ...]``; with ``--check`` it compares and writes nothing."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.goldens.dubs import DUBS
from tests.goldens.record import compare, fingerprint, load, record, save


def main(arguments: list[str] | None = None) -> int:
    """Dubs the sample by every recipe and records the frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", help=f"of {', '.join(DUBS)}; all by default")
    parser.add_argument("--check", action="store_true", help="compare with what is recorded, exactly where it can be")
    parser.add_argument("--coarse", action="store_true", help="with --check: compare grey levels only")
    options = parser.parse_args(arguments)
    names = options.recipes or list(DUBS)
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="lipdub-golden-") as folder:
            found[name] = record(DUBS[name](Path(folder)))
        print(f"{name}: {len(found[name]['result'])} frames", flush=True)
    if not options.check:
        known = load()["recipes"] if len(names) < len(DUBS) else {}
        save({name: found.get(name, known.get(name)) for name in DUBS})
        return 0
    golden = load()
    exact = golden["fingerprint"] == fingerprint() and not options.coarse
    print("compared exactly" if exact else "compared by grey levels")
    differences = [compare(name, golden["recipes"][name], found[name], exact) for name in names]
    for difference in filter(None, differences):
        print(difference)
    return int(any(differences))


if __name__ == "__main__":
    sys.exit(main())
