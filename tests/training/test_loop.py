"""The shared training loop: it learns, resumes exactly, and averages."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.training.loop import LoopOptions, rate_at, run_loop  # noqa: E402


class Interrupted(Exception):
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


def flat(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_it_learns_and_reports(tmp_path: Path) -> None:
    said: list[str] = []
    options = LoopOptions(steps=300, rate=1e-2, warmup=10, average=0.9, report_every=100, decay=0.0)
    trained = run_loop(network(), draw, loss_of, tmp_path, options, progress=said.append)
    x, y = draw(10_000)
    with torch.no_grad():
        left = float(((trained(x) - y) ** 2).mean())
    assert left < 0.1 * float((y**2).mean())
    assert not trained.training
    assert [line.split(",")[0] for line in said] == ["step 100", "step 200", "step 300"]
    assert all("loss" in line and "error" in line for line in said)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_stopped_training_ends_as_an_unbroken_one(tmp_path: Path, accumulate: int) -> None:
    options = LoopOptions(steps=9, rate=1e-2, warmup=2, save_every=2, report_every=1, accumulate=accumulate)
    whole = run_loop(network(), draw, loss_of, tmp_path / "whole", options, seed=4)

    def stop(text: str) -> None:
        if text.startswith("step 5,"):
            raise Interrupted

    with pytest.raises(Interrupted):
        run_loop(network(), draw, loss_of, tmp_path / "broken", options, seed=4, progress=stop)
    resumed = run_loop(network(), draw, loss_of, tmp_path / "broken", options, seed=4)
    assert torch.equal(flat(whole), flat(resumed))
    other = run_loop(network(), draw, loss_of, tmp_path / "other", options, seed=5)
    assert not torch.equal(flat(whole), flat(other))  # the seed counts: dropout differs


def test_a_finished_training_is_not_gone_on_with(tmp_path: Path) -> None:
    options = LoopOptions(steps=3, rate=1e-2)
    first = run_loop(network(), draw, loss_of, tmp_path, options)

    def never(number: int):
        raise AssertionError("no more batches are needed")

    again = run_loop(network(), never, loss_of, tmp_path, options)
    assert torch.equal(flat(first), flat(again))


def test_accumulated_batches_make_one_step(tmp_path: Path) -> None:
    numbers: list[int] = []

    def noted(number: int):
        numbers.append(number)
        return draw(number)

    run_loop(network(), noted, loss_of, tmp_path, LoopOptions(steps=3, accumulate=3))
    assert numbers == list(range(9))


def test_the_rate_rises_and_falls() -> None:
    options = LoopOptions(steps=100, rate=1.0, warmup=10, floor=0.0)
    rates = [rate_at(step, step / 100, options) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[9] or rates[10] >= rates[20]
    assert rates[-1] < 0.001 and all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_unknown_precision(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="precision is 'half'"):
        run_loop(network(), draw, loss_of, tmp_path, LoopOptions(precision="half"))
