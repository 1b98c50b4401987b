"""What differs too much, or is no number, is a fault."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from tests.gpu import parity
from tests.gpu.networks import Case
from tests.gpu.parts import Clock, Setting

if TYPE_CHECKING:
    from pathlib import Path


class Halving(torch.nn.Module):
    """Halves its input, except that in half precision it is off by a share."""

    def __init__(self, off: float) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1, bias=False)
        self.layer.weight.data.fill_(0.5)
        self.off = off

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        return y if y.dtype == torch.float32 else y * (1 + self.off)


def case(off: float) -> Case:
    inputs = {"x": torch.tensor([[1.0], [-2.0]])}
    return Case("halving", "small", lambda: Halving(off), lambda network, x: {"y": network(x["x"])}, lambda: inputs)


def test_differences_are_shares_of_the_largest_value() -> None:
    wanted = {"a": torch.tensor([4.0, -8.0]), "b": torch.tensor([1.0, 1.0])}
    found = {"a": torch.tensor([4.0, -4.0]), "b": torch.tensor([1.0, 0.9])}
    assert parity.measure_difference(wanted, found) == pytest.approx((0.5, 0.25))


def test_what_is_no_number_is_infinitely_wrong() -> None:
    broken = {"a": torch.tensor([1.0, math.nan])}
    assert parity.measure_difference({"a": torch.ones(2)}, broken) == (math.inf, math.inf)


@pytest.mark.parametrize(("off", "is_exact", "count"), [(0.0, False, 0), (1.0, False, 2), (1.0, True, 0)])
def test_a_bound_is_a_fault_unless_lipdub_stays_in_float32(off: float, is_exact: bool, count: int) -> None:
    row = parity.compare(case(off), "cpu")
    assert row["fp32 largest"] == 0 and row["fp16 largest"] is None  # processors take too long for it
    assert row["bf16 largest"] == pytest.approx(off, abs=0.01)
    faults = parity.check(row, is_exact=is_exact)
    assert len(faults) == count and all("halving (small), bf16" in fault for fault in faults)


def test_float32_is_exact_and_the_setting_comes_back() -> None:
    before = torch.backends.cudnn.allow_tf32
    with parity.exact_float32():
        assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_network_that_fails_does_not_stop_the_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail() -> torch.nn.Module:
        raise RuntimeError("no such kernel")

    def miss() -> torch.nn.Module:
        raise ModuleNotFoundError("none", name="no_such_one")

    cases = [replace(case(0.0), name="a", build=fail), replace(case(0.0), name="b", build=miss), case(0.0)]
    monkeypatch.setattr(parity, "list_cases", lambda tiny: cases)
    report = parity.run(Setting("cpu", True, tmp_path, tmp_path), Clock(1.0))
    assert [row["network"] for row in report.rows] == ["halving"]
    assert report.faults == ["a (small): RuntimeError: no such kernel"]
    assert report.notes == ["b (small): left out, no_such_one is not installed"]
