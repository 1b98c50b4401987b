"""The shared training loop: it learns, resumes exactly, and averages."""

from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from accelerate import Accelerator

from lipdub.errors import EnvironmentFailure
from lipdub.parallel import child_command, child_environment
from lipdub.training.loop import Adversary, LoopOptions, Trainer, TrainingState, TrainingTask, learning_rate_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    BatchOfPairs = tuple[torch.Tensor, torch.Tensor]


class StoppedError(Exception):
    """What a test stops a training with."""


def network() -> torch.nn.Module:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Dropout(0.2), torch.nn.ReLU(), torch.nn.Linear(16, 1))


def draw(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(number))
    return x, (x[:, :1] * 2 - x[:, 1:2]).clone()


def loss_of(net: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]):
    x, y = batch
    loss = ((net(x) - y) ** 2).mean()
    return loss, {"error": float(loss.detach().sqrt())}


def train(
    folder: Path,
    options: LoopOptions,
    *,
    draw_batch: Callable[[int], BatchOfPairs] = draw,
    loss: Callable[[torch.nn.Module, BatchOfPairs], tuple[torch.Tensor, dict[str, float]]] = loss_of,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
    **parts: Any,
) -> torch.nn.Module:
    """Train the network of this module. `parts` are further members of the task."""
    task = TrainingTask(network(), draw_batch, loss, **parts)
    return Trainer(task, folder, options, device=device, seed=seed, progress=progress).run()


def flat(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_it_learns_and_reports(tmp_path: Path) -> None:
    said: list[str] = []
    options = LoopOptions(steps=300, learning_rate=1e-2, warmup=10, ema_decay=0.9, report_every=100, weight_decay=0.0)
    trained = train(tmp_path, options, progress=said.append)
    x, y = draw(10_000)
    with torch.no_grad():
        left = float(((trained(x) - y) ** 2).mean())
    assert left < 0.1 * float((y**2).mean())
    assert not trained.training
    assert [line.split(",")[0] for line in said] == ["step 100", "step 200", "step 300"]
    assert all("loss" in line and "error" in line for line in said)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_stopped_training_ends_as_an_unbroken_one(tmp_path: Path, accumulate: int) -> None:
    options = LoopOptions(steps=9, learning_rate=1e-2, warmup=2, save_every=2, report_every=1, accumulate=accumulate)
    whole = train(tmp_path / "whole", options, seed=4)

    def stop(text: str) -> None:
        if text.startswith("step 5,"):
            raise StoppedError

    with pytest.raises(StoppedError):
        train(tmp_path / "broken", options, seed=4, progress=stop)
    resumed = train(tmp_path / "broken", options, seed=4)
    assert torch.equal(flat(whole), flat(resumed))
    other = train(tmp_path / "other", options, seed=5)
    assert not torch.equal(flat(whole), flat(other))  # the seed counts: dropout differs


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("left", [("latest", "latest.new"), ("latest.old", "latest.new"), ("latest.old",)])
def test_killed_while_a_checkpoint_is_put_in_its_place(tmp_path: Path, left: tuple[str, ...]) -> None:
    options = LoopOptions(steps=6, learning_rate=1e-2, save_every=2, report_every=1)
    whole = train(tmp_path / "whole", options)
    with pytest.raises(StoppedError):
        train(tmp_path / "broken", options, progress=broken_at("step 5,"))
    kept = tmp_path / "kept"
    (tmp_path / "broken" / "latest").rename(kept)
    for name in left:
        if (name, left[0]) == ("latest.new", "latest"):  # not whole yet
            (tmp_path / "broken" / name).mkdir()
        else:
            shutil.copytree(kept, tmp_path / "broken" / name)
    numbers: list[int] = []

    def noted(number: int):
        numbers.append(number)
        return draw(number)

    resumed = train(tmp_path / "broken", options, draw_batch=noted)
    assert torch.equal(flat(whole), flat(resumed)) and numbers == [4, 5]  # gone on with, not begun anew


def test_a_finished_training_is_not_gone_on_with(tmp_path: Path) -> None:
    options = LoopOptions(steps=3, learning_rate=1e-2)
    first = train(tmp_path, options)

    def never(number: int):
        raise AssertionError("no more batches are needed")

    again = train(tmp_path, options, draw_batch=never)
    assert torch.equal(flat(first), flat(again))


def test_accumulated_batches_make_one_step(tmp_path: Path) -> None:
    numbers: list[int] = []

    def noted(number: int):
        numbers.append(number)
        return draw(number)

    train(tmp_path, LoopOptions(steps=3, accumulate=3), draw_batch=noted)
    assert numbers == list(range(9))


def test_the_rate_rises_in_the_warm_up_and_falls_along_a_cosine() -> None:
    options = LoopOptions(steps=100, learning_rate=1.0, warmup=10, min_lr_ratio=0.0)
    rates = [learning_rate_at(step, step / 100, options) for step in range(100)]
    cosine = [0.5 + 0.5 * math.cos(math.pi * step / 100) for step in range(100)]
    for step in range(10):
        assert rates[step] == pytest.approx(cosine[step] * (step + 1) / 10)
    assert rates[10:] == pytest.approx(cosine[10:])
    assert rates[:9] == sorted(rates[:9])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    floor = learning_rate_at(100, 1.0, replace(options, min_lr_ratio=0.25))
    assert floor == pytest.approx(0.25)


def test_the_optimiser_takes_the_rate_of_the_schedule(tmp_path: Path) -> None:
    options = LoopOptions(steps=6, learning_rate=1e-2, warmup=4, report_every=1)
    train(tmp_path, options)
    expected = [learning_rate_at(step, step / 6, options) for step in range(6)]
    assert [float(row["rate"]) for row in rows(tmp_path)] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("wrong", [{"precision": "half"}, {"steps": 0}, {"save_every": 0}, {"accumulate": 0}])
def test_options_that_cannot_be(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LoopOptions(**wrong)


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    other = next(name for name in ("xpu", "mps", "cuda") if name != Accelerator().device.type)
    with pytest.raises(EnvironmentFailure, match=f"no device {other}"):
        train(tmp_path, LoopOptions(steps=1), device=other)


def test_batches_drawn_ahead_are_the_same(tmp_path: Path) -> None:
    options = LoopOptions(steps=7, learning_rate=1e-2, accumulate=2)
    plain = train(tmp_path / "plain", options)
    ahead = train(tmp_path / "ahead", replace(options, workers=2))
    assert torch.equal(flat(plain), flat(ahead))


@pytest.mark.slow
def test_each_call_stops_after_its_minutes_and_the_last_ends_as_one(tmp_path: Path) -> None:
    options = LoopOptions(steps=6, learning_rate=1e-2, warmup=2)
    whole = train(tmp_path / "whole", options)
    said: list[str] = []
    for _ in range(6):  # each does a step, then its time is up
        part = train(tmp_path / "parts", replace(options, max_minutes=1e-9), progress=said.append)
    assert [line.split(",")[0] for line in said] == [f"stopped at step {n}" for n in range(1, 6)]
    assert torch.equal(flat(whole), flat(part))


def rows(folder: Path) -> list[dict[str, str]]:
    """The log but the time it took."""
    with (folder / "log.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def broken_at(text: str):
    """What stops a training when it says so."""

    def stop(said: str) -> None:
        if said.startswith(text):
            raise StoppedError

    return stop


def held_out(net: torch.nn.Module) -> float:
    assert not net.training
    x, y = draw(10_000)
    return float(((net(x) - y) ** 2).mean())


def pictures(net: torch.nn.Module) -> torch.Tensor:
    shade = net(torch.ones(1, 4)).sigmoid().reshape(1, 1, 1, 1, 1)
    return shade * torch.ones(2, 3, 3, 8, 8)


@pytest.mark.slow
def test_figures_and_pictures_of_a_stopped_training_are_those_of_an_unbroken_one(tmp_path: Path) -> None:
    options = LoopOptions(
        steps=12, learning_rate=1e-2, save_every=5, report_every=3, sample_every=4, validate_every=6, patience=4
    )
    more = {"validate": held_out, "draw_samples": pictures}
    whole = train(tmp_path / "whole", options, **more)
    with pytest.raises(StoppedError):
        train(tmp_path / "broken", options, progress=broken_at("step 9,"), **more)
    (tmp_path / "broken" / "log.csv").open("a").write("10,3")  # a row cut off by the end of the process
    resumed = train(tmp_path / "broken", options, **more)
    assert torch.equal(flat(whole), flat(resumed))
    assert [row["step"] for row in rows(tmp_path / "whole")] == ["3", "6", "9", "12"]
    assert rows(tmp_path / "whole") == rows(tmp_path / "broken")
    first, second, _, _ = rows(tmp_path / "whole")
    assert first["validation"] == "" and float(second["validation"]) > 0 and float(first["loss"]) > 0
    names = ["0000004.png", "0000008.png", "0000012.png"]
    for folder in (tmp_path / "whole" / "samples", tmp_path / "broken" / "samples"):
        assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        seen = (tmp_path / "whole" / "samples" / name).read_bytes()
        assert seen == (tmp_path / "broken" / "samples" / name).read_bytes()


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("broken", [False, True])
def test_it_ends_when_nothing_gets_better_and_gives_the_best(tmp_path: Path, broken: bool) -> None:
    answers = {2: 3.0, 4: 1.0, 6: 2.0, 8: 1.5, 10: 1.0, 12: 0.0}
    seen: dict[int, torch.Tensor] = {}
    said: list[str] = []
    options = LoopOptions(steps=20, learning_rate=1e-2, validate_every=2, patience=3, save_every=3, report_every=1)
    step = 0

    def validate(net: torch.nn.Module) -> float:
        seen[step] = flat(net).clone()
        return answers[step]

    def follow(text: str) -> None:
        nonlocal step
        said.append(text)
        step = int(text.split(",")[0].split()[1])
        if broken and text.startswith("step 8,") and len(said) < 13:
            raise StoppedError

    if broken:
        with pytest.raises(StoppedError):
            train(tmp_path, options, progress=follow, validate=validate)
    trained = train(tmp_path, options, progress=follow, validate=validate)
    assert said[-1] == "step 10, validation 1.0000, best 1.0000; no improvement since step 4, training ends"
    assert torch.equal(flat(trained), seen[4])
    again = train(tmp_path, options, validate=lambda net: pytest.fail("it is over"))
    assert torch.equal(flat(again), seen[4])


def test_tensorboard_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("torch.utils.tensorboard", reason="TensorBoard is not installed")
    options = LoopOptions(steps=4, report_every=2, sample_every=4, tensorboard=True)
    train(tmp_path, options, draw_samples=pictures)
    written = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").iterdir())
    assert all(name in written for name in (b"loss", b"rate", b"samples"))


@pytest.mark.slow
def test_two_processes_share_the_work(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**child_environment(), "ACCELERATE_USE_CPU": "true", "ACCELERATE_MIXED_PRECISION": "no"}
    command = [
        *child_command("torch.distributed.run"),
        "--standalone",
        "--nproc_per_node",
        "2",
        str(program),
        str(tmp_path),
    ]
    try:
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=240)
    except subprocess.CalledProcessError as error:
        pytest.fail(error.stderr.decode()[-3000:])
    one, two = (json.loads((tmp_path / f"told-{rank}.json").read_text()) for rank in (0, 1))
    assert one["numbers"] == [0, 2, 4, 6] and two["numbers"] == [1, 3, 5, 7]
    assert one["weights"] == two["weights"]
    assert [row["step"] for row in rows(tmp_path / "train")] == ["2", "4"]


PROGRAM = """
import json, os, sys
from pathlib import Path
import torch
from lipdub.training.loop import LoopOptions, Trainer, TrainingTask

out, numbers = Path(sys.argv[1]), []

def draw(number):
    numbers.append(number)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(number))
    return x, x[:, :1] * 2

def loss_of(net, batch):
    return ((net(batch[0]) - batch[1]) ** 2).mean(), {}

torch.manual_seed(1)
options = LoopOptions(steps=4, learning_rate=1e-2, report_every=2, precision="auto", minutes=10.0,
    validate_every=2, patience=9)
task = TrainingTask(torch.nn.Linear(4, 1), draw, loss_of, validate=lambda n: 1.0)
net = Trainer(task, out / "train", options, device="auto").run()
told = {"numbers": numbers, "weights": [p.tolist() for p in net.parameters()]}
(out / f"told-{os.environ['RANK']}.json").write_text(json.dumps(told))
"""


class Judge(torch.nn.Module):
    """A little adversary with layers that keep state."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(1, 8))
        self.last = torch.nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.layer(x)))


def against(folder: Path, options: LoopOptions, progress=None, note=None) -> tuple[torch.nn.Module, Judge]:
    judge, made = Judge(), {}

    def first(net: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]):
        x, y = batch
        said = net(x)
        made["real"], made["said"] = y, said.detach()
        assert not any(p.requires_grad for p in judge.parameters())
        return ((said - y) ** 2).mean() - 0.1 * judge(said).mean(), {}

    def second(net: torch.nn.Module):
        if note is not None:
            note.append([p.grad is None or float(p.grad.abs().sum()) == 0 for p in judge.parameters()])
        return net(made["said"]).mean() - net(made["real"]).mean() + 0.1 * net(made["real"]).square().mean(), {}

    adversary = Adversary(judge, second, rate_ratio=0.5)
    return train(folder, options, loss=first, seed=4, progress=progress, adversary=adversary), judge


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_an_adversary_is_trained_in_turn_and_resumed_exactly(tmp_path: Path, accumulate: int) -> None:
    options = LoopOptions(steps=9, learning_rate=1e-2, warmup=2, save_every=2, report_every=1, accumulate=accumulate)
    said: list[str] = []
    grads: list[list[bool]] = []
    before = flat(Judge()).clone()
    whole, judge = against(tmp_path / "whole", options, said.append, grads)
    assert not torch.equal(flat(judge), before) and all("adversary" in line for line in said)
    assert all(grads[0::accumulate][i] == [True] * len(grads[0]) for i in range(9))  # none of the first network's loss
    with pytest.raises(StoppedError):
        against(tmp_path / "broken", options, broken_at("step 5,"))
    resumed, other = against(tmp_path / "broken", options)
    assert torch.equal(flat(whole), flat(resumed)) and torch.equal(flat(judge), flat(other))


def test_the_state_of_a_checkpoint_of_lipdub_0_1_is_taken_over() -> None:
    old = {
        "step": 4,
        "spent": 2.5,
        "figures": {"loss": (3.0, 2)},
        "best": 0.5,
        "best_step": 2,
        "worse": 1,
        "over": False,
    }
    state = TrainingState()
    state.load_state_dict(old)
    assert state == TrainingState(4, 2.5, {"loss": (3.0, 2)}, 0.5, 2, 1, False)
    assert set(vars(state)) == set(state.state_dict())
