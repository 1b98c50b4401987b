"""The mutants of `tests.bench.mutants` are changes of today's code. Whether tests kill them, the bench tells."""

from __future__ import annotations

import pytest

from tests.bench.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_a_mutant_replaces_is_there_once(mutant: Mutant) -> None:
    assert (ROOT / mutant.path).read_text(encoding="utf-8").count(mutant.before) == 1
