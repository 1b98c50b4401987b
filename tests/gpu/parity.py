"""Every network on the device, against the processor in float32.

On the device it runs in float32 (TF32 off), and by autocast in half precision, as `lipdub.stages.inference` runs it.
Differences are shares of the largest value that the processor's output has: the largest of them, and the mean.
Networks that lipdub always runs in float32 are told in half precision too, but nothing is asked of them there.

The last columns are milliseconds of a call: on the processor in float32, and on the device in fp16, or in bf16 if that
is the processor too.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from tests.gpu.networks import Case, list_cases
from tests.gpu.parts import Clock, Report, Row, Setting, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.networks.published import Tensors


@dataclass(frozen=True)
class Bound:
    """How far an output may be off, as shares of its largest value.

    Attributes:
        largest: of all its values.
        mean: over its values.
    """

    largest: float
    mean: float


#: Float32 rounds at 6e-8, float16 at 5e-4 and bfloat16 at 4e-3; networks of a hundred layers add up some of it.
BOUNDS: dict[str, Bound] = {
    "fp32": Bound(2e-3, 1e-4),
    "fp16": Bound(0.1, 0.005),
    "bf16": Bound(0.3, 0.03),
}
_TYPES = {"fp32": None, "fp16": torch.float16, "bf16": torch.bfloat16}
_TIMED, _CALLS = ("fp16", "bf16"), 5  # what lipdub runs on a GPU by default, and what a processor has
_NOT_ON_CPU = ("fp16",)  # seconds for a small network


def run(setting: Setting, clock: Clock) -> Report:
    """Compares the networks one after the other."""
    report = Report()
    with exact_float32():
        for case in list_cases(tiny=setting.tiny):
            title = f"{case.name} ({case.size})"
            if clock.is_over():
                report.notes.append(f"{title}: left out, no time is left")
                continue
            with attempt(report, title):
                row = compare(case, setting.device)
                report.rows.append(row)
                report.faults += check(row, is_exact=case.is_exact)
    return report


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """Float32 without TF32."""
    kept = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = kept


@torch.inference_mode()
def compare(case: Case, device: str) -> Row:
    """The differences of a network in each precision, as a row."""
    network, inputs = case.build().eval(), case.inputs()
    began = time.perf_counter()
    expected = _pick_floats(case.run(network, inputs))
    cpu_seconds = time.perf_counter() - began
    network = network.to(device)
    there = {name: value.to(device) for name, value in inputs.items()}
    row: Row = {"network": case.name, "size": case.size}
    seconds = 0.0
    for name, dtype in _TYPES.items():
        if device == "cpu" and name in _NOT_ON_CPU:
            row[f"{name} largest"] = row[f"{name} mean"] = None
            continue
        with torch.autocast(torch.device(device).type, dtype or torch.bfloat16, enabled=dtype is not None):
            found = _pick_floats(case.run(network, there))
            if name == _TIMED[device == "cpu"]:
                seconds = measure_seconds(lambda: case.run(network, there), device)
        row[f"{name} largest"], row[f"{name} mean"] = measure_difference(expected, found)
    return row | {"cpu ms": 1000 * cpu_seconds, "device ms": 1000 * seconds}


def measure_seconds(call: Callable[[], Any], device: str) -> float:
    """Seconds of a call on a device: on a GPU the mean of several."""
    calls = 1 if device == "cpu" else _CALLS
    _wait(device)
    began = time.perf_counter()
    for _ in range(calls):
        call()
    _wait(device)
    return (time.perf_counter() - began) / calls


def _wait(device: str) -> None:
    """Let a GPU finish: its calls return before their work is done."""
    if device != "cpu":
        torch.cuda.synchronize()


def measure_difference(expected: Tensors, found: Tensors) -> tuple[float, float]:
    """The largest and the mean difference of the worst output, as shares of its largest value; infinite for NaN."""
    largest = mean = 0.0
    for name, wanted in expected.items():
        peak = max(float(wanted.abs().max()), 1e-12)
        difference = (found[name].float().cpu() - wanted).abs() / peak
        largest, mean = max(largest, _finite(difference.max())), max(mean, _finite(difference.mean()))
    return largest, mean


def check(row: Row, *, is_exact: bool) -> list[str]:
    """Where a row exceeds the bounds."""
    faults = []
    for name, bound in BOUNDS.items():
        if is_exact and name != "fp32":
            continue
        for kind, limit in (("largest", bound.largest), ("mean", bound.mean)):
            value = row[f"{name} {kind}"]
            if value is not None and not value <= limit:
                what = f"{row['network']} ({row['size']}), {name}"
                faults.append(f"{what}: the {kind} difference is {value:.3g}, allowed {limit:g}")
    return faults


def _pick_floats(outputs: Any) -> Tensors:
    """The outputs that are not labels: those follow from the others, and jump where two are alike."""
    return {name: value for name, value in outputs.items() if value.is_floating_point()}


def _finite(value: torch.Tensor) -> float:
    number = float(value)
    return math.inf if math.isnan(number) else number
