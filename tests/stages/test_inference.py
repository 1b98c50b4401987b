"""How networks are run: precision, batches, OpenVINO where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lipdub.engine.job import make_job
from lipdub.errors import EnvironmentFailure, UsageError
from lipdub.stages import inference, inference_options
from lipdub.stages.enhance.options import EnhanceOptions
from lipdub.stages.inference_options import resolve_inference_options as resolve
from lipdub.stages.neutralize.options import NeutralizeOptions
from lipdub.stages.sync.options import SyncOptions

torch = pytest.importorskip("torch")

OPTIONS = (SyncOptions, NeutralizeOptions, EnhanceOptions)
METHODS = {SyncOptions: ("lnet", "units"), NeutralizeOptions: ("dnet", "rest"), EnhanceOptions: ("gfpgan", "none")}


class Net(torch.nn.Module):
    """A convolution and a norm of fixed values, and the sizes of the batches it was given."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU())
        self.eval()
        self.sizes: list[int] = []

    def forward(self, image: Any, factor: Any) -> Any:
        self.sizes.append(len(image))
        return self.layers(image) * factor[:, :, None, None]


def inputs(count: int) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, 16, 12, generator=generator), torch.rand(count, 1, generator=generator)


def ready(
    traits: inference.NetworkTraits, network: Any = None, told: list[str] | None = None, **options: Any
) -> inference.NetworkRunner:
    context: Any = SimpleNamespace(device="cpu", threads=1, warn=(told if told is not None else []).append)
    chosen = SimpleNamespace(**{"precision": "auto", "cpu_backend": "none", **options})
    return inference.prepare_network(context, chosen, network or Net(), traits, items=10)


@pytest.fixture
def wanted() -> Any:
    with torch.inference_mode():
        return Net()(*inputs(7))


def test_batches_on_a_processor_are_always_the_same(wanted: Any) -> None:
    network = Net()
    made = inference.run_network(ready(inference.NetworkTraits(batch=3), network), inference.call_directly, *inputs(7))
    assert network.sizes == [3, 3, 1] and made.dtype == torch.float32
    assert torch.allclose(made, wanted, atol=1e-5)
    assert torch.equal(inference.run_network(Net(), inference.call_directly, *inputs(7)), wanted)  # a module as it is


def test_batches_are_halved_where_memory_does_not_do(wanted: Any) -> None:
    class Small(Net):
        def forward(self, image: Any, factor: Any) -> Any:
            if len(image) > 2:
                self.sizes.append(-len(image))
                raise torch.OutOfMemoryError("out of memory")
            return super().forward(image, factor)

    network = Small()
    made = inference.run_network(ready(inference.NetworkTraits(batch=32), network), inference.call_directly, *inputs(7))
    assert network.sizes == [-7, -3, 1, 1, 1, 1, 1, 1, 1]
    assert torch.allclose(made, wanted, atol=1e-5)

    class Missing(Net):
        def forward(self, image: Any, factor: Any) -> Any:
            raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        inference.run_network(ready(inference.NetworkTraits(batch=4), Missing()), inference.call_directly, *inputs(4))


def test_half_precision_is_near_and_only_where_it_may_be(wanted: Any) -> None:
    traits = inference.NetworkTraits(batch=8, channels_last=True)
    made = inference.run_network(ready(traits, precision="bf16"), inference.call_directly, *inputs(7))
    assert made.dtype == torch.float32 and 1e-5 < float((made - wanted).abs().max()) < 0.05
    exact = inference.NetworkTraits(batch=8, channels_last=True, exact=True)
    assert torch.allclose(
        inference.run_network(ready(exact, precision="bf16"), inference.call_directly, *inputs(7)), wanted, atol=1e-5
    )
    with pytest.raises(UsageError, match="fp16"):
        ready(traits, precision="fp16")


def test_what_openvino_cannot_take_pytorch_does(wanted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*how: Any) -> Any:
        raise RuntimeError("No conversion rule found\nfor operations: aten::odd")

    monkeypatch.setattr(inference, "_compile_with_openvino", refused)
    told: list[str] = []
    network = ready(inference.NetworkTraits(batch=4, accelerated=10), told=told, cpu_backend="openvino 2026.4.1")
    assert torch.allclose(inference.run_network(network, inference.call_directly, *inputs(7)), wanted, atol=1e-5)
    inference.run_network(network, inference.call_directly, *inputs(7))
    assert told == ["OpenVINO does not run Net, PyTorch does instead: No conversion rule found"]
    few = ready(
        inference.NetworkTraits(batch=4, accelerated=11), told=told, cpu_backend="openvino 2026.4.1"
    )  # not worth its start
    inference.run_network(few, inference.call_directly, *inputs(7))
    assert len(told) == 1


@pytest.mark.skipif(inference_options.openvino_version() is None, reason="the extra accel (OpenVINO) is not installed")
def test_openvino_gives_the_same(wanted: Any) -> None:
    told: list[str] = []
    traits = inference.NetworkTraits(batch=3, accelerated=10)
    for count in (7, 2):
        network = ready(traits, told=told, cpu_backend="openvino")
        made = inference.run_network(network, inference.call_directly, *(value[:count] for value in inputs(7)))
        assert made.shape[0] == count and torch.allclose(made, wanted[:count], atol=1e-4)
    half = inference.run_network(
        ready(traits, told=told, cpu_backend="openvino", precision="bf16"), inference.call_directly, *inputs(7)
    )
    assert float((half - wanted).abs().max()) < 0.05
    assert not told and sys.modules["openvino_telemetry"] is None  # it tells nobody that it is used


def test_the_options_say_what_they_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, auto in ((None, "none"), ("2026.4.1", "openvino 2026.4.1")):
        monkeypatch.setattr(inference_options, "openvino_version", lambda version=version: version)
        for kind in OPTIONS:
            with_networks, without = METHODS[kind]
            for backend, resolved in (("auto", auto), ("none", "none"), ("openvino 2025.0.0", auto)):
                options = resolve(kind(method=with_networks, cpu_backend=backend), uses_networks=True)
                assert options.cpu_backend == resolved  # a version is of an earlier run
            same = resolve(kind(method=without, cpu_backend="none", precision="bf16"), uses_networks=False)
            assert same == resolve(kind(method=without), uses_networks=False)
            assert (same.cpu_backend, same.precision) == ("none", "auto")
        if version is None:
            with pytest.raises(EnvironmentFailure, match="not installed"):
                resolve(SyncOptions(method="lnet", cpu_backend="openvino"), uses_networks=True)
        else:
            assert resolve(SyncOptions(method="lnet", cpu_backend="openvino"), uses_networks=True).cpu_backend == auto


@pytest.mark.parametrize(("name", "value"), [("precision", "int8"), ("cpu_backend", "cuda"), ("cpu_backend", "none 1")])
def test_other_values_are_refused(name: str, value: str) -> None:
    for kind in OPTIONS:
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} '{value}'"):
            kind(**{name: value})


def test_a_run_gives_them_to_every_stage_with_networks() -> None:
    job = make_job(Path("a.mp4"), Path("b.wav"), options={"precision": "bf16", "strength": 0.5})
    assert job.options["sync"] == {"precision": "bf16", "strength": 0.5}
    assert all(job.options[stage]["precision"] == "bf16" for stage in ("neutralize", "enhance"))
