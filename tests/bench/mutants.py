"""Mutation check: which test notices when one line of the product's tuning is changed.

    python -m tests.bench.mutants [NAME ...] [--list] [--json FILE]

Each mutant replaces one text, which must be there exactly once, in a temporary copy of the tree, and runs its tests.
A mutant that no test kills is a fault in the tests; one whose text is not found has to be written anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SELECTION = "lipdub/faces/unit_selection.py"
RENDERING = "lipdub/faces/mouth_rendering.py"
SHAPES = "lipdub/faces/mouth_shapes.py"
VISIBILITY = "lipdub/stages/visibility.py"
PASTE = "lipdub/stages/paste_back/paste.py"
LAPLACIAN = "lipdub/blending/laplacian.py"
LOOP = "lipdub/training/loop.py"
INSPECTION = "lipdub/engine/inspection.py"
RECIPES = "lipdub/engine/recipes.py"


@dataclass(frozen=True)
class Mutant:
    """One change that makes the product worse.

    Attributes:
        name: What is taken away.
        path: The file.
        before: Text that is there exactly once.
        after: What replaces it.
        tests: Files or folders with the tests that must notice.
    """

    name: str
    path: str
    before: str
    after: str
    tests: tuple[str, ...]


def _without_term(name: str, term: str) -> Mutant:
    return Mutant(name, SELECTION, f"    total += {term}\n", "", ("tests/faces/test_unit_selection.py",))


MUTANTS = (
    _without_term("unit selection: no sharpness term", "_compute_blur_cost(units, costs)"),
    _without_term("unit selection: no face-size term", "_compute_size_cost(units, targets, costs)"),
    _without_term("unit selection: no time-distance term", "_compute_time_cost(units, targets, costs)"),
    _without_term("unit selection: no lip-height term", "_compute_lip_height_cost(units, targets, costs)"),
    _without_term("unit selection: no light term", "_compute_light_cost(units, targets, costs)"),
    Mutant(
        "unit selection: no colour in joins",
        SELECTION,
        " + costs.colour_join_weight * colour\n",
        "\n",
        ("tests/faces/test_unit_selection.py",),
    ),
    Mutant(
        "unit selection: no pitch and roll terms",
        SELECTION,
        "        + costs.pitch_weight * (pitch / costs.pitch_scale) ** 2\n"
        "        + costs.roll_weight * (roll / costs.roll_scale) ** 2\n",
        "",
        ("tests/faces/test_unit_selection.py",),
    ),
    Mutant(
        "mouth rendering: inner rings of closed lips not drawn back",
        RENDERING,
        "    out[LIPS_INNER] += depth * amount * (unit[LIPS_NEAR] - unit[LIPS_INNER])\n",
        "",
        ("tests/faces/test_mouth_rendering.py",),
    ),
    Mutant(
        "visibility: no fade where dubbing begins and ends",
        VISIBILITY,
        "FADE_SECONDS = 0.16\n",
        "FADE_SECONDS = 0.001\n",
        ("tests/stages/test_visibility.py",),
    ),
    Mutant(
        "visibility: full profiles are dubbed",
        VISIBILITY,
        "PROFILE_DEGREES = 52.0\n",
        "PROFILE_DEGREES = 520.0\n",
        ("tests/stages/test_visibility.py",),
    ),
    Mutant(
        "paste-back: --colour-match ignored",
        PASTE,
        "    if options.colour_match:\n",
        "    if True:\n",
        ("tests/stages/paste_back/test_paste.py",),
    ),
    Mutant(
        "training: no warm-up",
        LOOP,
        "    warm = min(1.0, (step + 1) / max(options.warmup, 1))\n",
        "    warm = 1.0\n",
        ("tests/training/test_loop.py::test_the_rate_rises_in_the_warm_up_and_falls_along_a_cosine",),
    ),
    Mutant(
        "inspect: profiles only from 85 degrees",
        INSPECTION,
        "for face in faces if profile_weights(np.array(face.yaw)) <= 0}",
        "for face in faces if abs(face.yaw) > 85}",
        ("tests/engine/test_inspection.py",),
    ),
    # These four were noticed before, the first one only by tests of the network recipes.
    Mutant(
        "paste-back: the pyramid reaches beyond the mask's foot",
        LAPLACIAN,
        "np.minimum(mask * FOOT_GAIN, 1.0)",
        "np.ones_like(mask)",
        ("tests/blending", "tests/stages/paste_back/test_paste.py"),
    ),
    Mutant(
        "mouth shapes: motion gain is 1",
        SHAPES,
        "    return float(np.clip(gain, *limits) ** (seconds / (seconds + GAIN_SECONDS)))\n",
        "    return 1.0\n",
        ("tests/faces/test_mouth_shapes.py",),
    ),
    Mutant(
        "mouth rendering: the interior is never painted",
        RENDERING,
        "        if missing_share > 0:\n",
        "        if False:\n",
        ("tests/faces/test_mouth_rendering.py",),
    ),
    Mutant(
        "recipes: auto takes another",
        RECIPES,
        "    return BUILTIN, \"builtin: uses the talker's own mouth",
        "    return WAV2LIP, \"builtin: uses the talker's own mouth",
        (
            "tests/engine/test_recipes.py",
            "tests/stages/test_retalking.py::test_auto_still_takes_what_needs_no_weights",
        ),
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: the names of the tests that killed it, or why it could not be tried."""

    name: str
    killed_by: tuple[str, ...]
    problem: str
    seconds: float


def copy_tree(target: Path) -> None:
    """Copies the tracked files and those that are new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def run_tests(tree: Path, tests: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """Runs tests in a tree: pytest's exit code, and the names of the tests that failed."""
    there = [test for test in tests if (tree / test.partition("::")[0]).exists()]
    if not there:
        return 4, ()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", "--tb=no", *there]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    failed = re.findall(r"^(?:FAILED|ERROR) \S+?::(\w+)", done.stdout, re.MULTILINE)
    return done.returncode, tuple(dict.fromkeys(failed))


def try_mutant(tree: Path, mutant: Mutant) -> Outcome:
    """Applies a mutant to the copy, runs its tests, and puts the file back."""
    began, path = time.monotonic(), tree / mutant.path
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if (count := text.count(mutant.before)) != 1:
        return Outcome(mutant.name, (), f"its text is in {mutant.path} {count} times", 0.0)
    try:
        path.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")
        code, failed = run_tests(tree, mutant.tests)
    finally:
        path.write_text(text, encoding="utf-8")
    problem = "" if code in (0, 1) else f"pytest ended with {code}"
    return Outcome(mutant.name, failed, problem, round(time.monotonic() - began, 1))


def main(arguments: list[str] | None = None) -> int:
    """Tries the mutants and prints the table; 1 where one survives or cannot be tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="parts of the names of the mutants to try; all by default")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the outcomes here")
    options = parser.parse_args(arguments)
    mutants = [m for m in MUTANTS if not options.names or any(part in m.name for part in options.names)]
    if options.list:
        print("\n".join(f"{mutant.name}  ({mutant.path})" for mutant in mutants))
        return 0
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="lipdub-mutants-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
        code, failed = run_tests(tree, tests)
        if code != 0:
            print(f"without a mutant, pytest ends with {code}: {', '.join(failed)}")
            return 1
        print("| mutant | killed by | seconds |\n|---|---|---|")
        for mutant in mutants:
            outcome = try_mutant(tree, mutant)
            outcomes.append(outcome)
            told = outcome.problem or ", ".join(f"`{name}`" for name in outcome.killed_by) or "**nothing**"
            print(f"| {outcome.name} | {told} | {outcome.seconds} |", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps([vars(outcome) for outcome in outcomes], indent=1), encoding="utf-8")
    return int(any(outcome.problem or not outcome.killed_by for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
