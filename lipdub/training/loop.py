"""The training loop that all networks share, on Hugging Face Accelerate: one processor, one GPU or many is a matter
of how the program is launched, not of this code."""

from __future__ import annotations

import copy
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

Batch = TypeVar("Batch")

PRECISIONS = ("no", "bf16", "fp16")


@dataclass(frozen=True)
class LoopOptions:
    """steps: optimiser steps; minutes: wall time after which the schedule is over even so (0: no limit); rate, decay,
    betas: AdamW's; warmup: steps to the full rate, which then falls along a cosine to `floor` of itself; clip:
    largest norm of the gradients; average: of the exponential average of the weights, which is what comes out;
    accumulate: batches added up for one step; precision: "no" (float32), "bf16" or "fp16"; save_every, report_every:
    steps."""

    steps: int = 10_000
    minutes: float = 0.0
    rate: float = 1e-3
    decay: float = 0.02
    betas: tuple[float, float] = (0.9, 0.98)
    warmup: int = 200
    floor: float = 0.005
    clip: float = 1.0
    average: float = 0.998
    accumulate: int = 1
    precision: str = "no"
    save_every: int = 500
    report_every: int = 50


@dataclass
class Position:
    """How far a training is: steps done and seconds spent. Kept with each checkpoint."""

    step: int = 0
    spent: float = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"step": self.step, "spent": self.spent}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self.step, self.spent = int(state["step"]), float(state["spent"])


def run_loop(
    network: nn.Module,
    draw: Callable[[int], Batch],
    loss_of: Callable[[nn.Module, Batch], tuple[torch.Tensor, dict[str, float]]],
    folder: Path,
    options: LoopOptions,
    *,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> nn.Module:
    """Train (or go on training) a network; checkpoints lie in `folder`, from which a stopped run resumes exactly.

    draw: the batch of that number, on any device, the same whenever it is asked; numbers are never used twice and
    differ between processes. loss_of: what to minimise, and figures to report, of a batch on the network's device.
    Torch's own generator is seeded for each step, so that dropout, too, is the same in a resumed run. Returns the
    averaged network on the CPU, in evaluation mode. ValueError for an unknown precision.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import send_to_device

    if options.precision not in PRECISIONS:
        raise ValueError(f"precision is {options.precision!r}, not one of {', '.join(PRECISIONS)}")
    AcceleratorState._reset_state()  # else a process could train with one precision only
    accelerator = Accelerator(
        cpu=device == "cpu",
        mixed_precision=options.precision,
        gradient_accumulation_steps=options.accumulate,
        step_scheduler_with_optimizer=False,
    )
    average = copy.deepcopy(network).to(accelerator.device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=options.rate, weight_decay=options.decay, betas=options.betas
    )
    trained, optimiser = accelerator.prepare(network, optimiser)
    at = Position()
    accelerator.register_for_checkpointing(at, _Whole(average))
    latest = folder / "latest"
    if latest.exists():
        accelerator.load_state(str(latest))
    begun = time.monotonic() - at.spent
    figures: dict[str, list[float]] = {}
    while (done := _done(at.step, time.monotonic() - begun, options)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate_at(at.step, done, options)
        trained.train()
        torch.manual_seed(seed * 1_000_003 + at.step)
        for part in range(options.accumulate):
            number = (at.step * options.accumulate + part) * accelerator.num_processes + accelerator.process_index
            batch = send_to_device(draw(number), accelerator.device)
            with accelerator.accumulate(trained):
                loss, seen = loss_of(trained, batch)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(trained.parameters(), options.clip)
                optimiser.step()
                optimiser.zero_grad()
            for name, value in {"loss": float(loss.detach()), **seen}.items():
                figures.setdefault(name, []).append(value)
        at.step += 1
        _follow(average, accelerator.unwrap_model(trained), min(options.average, at.step / (at.step + 20)))
        if progress and accelerator.is_main_process and at.step % options.report_every == 0:
            told = ", ".join(f"{name} {sum(v) / len(v):.3f}" for name, v in figures.items())
            progress(f"step {at.step}, {100 * done:.0f} %, {told}, {(time.monotonic() - begun) / 60:.1f} min")
            figures.clear()
        if at.step % options.save_every == 0:
            at.spent = time.monotonic() - begun
            _save(accelerator, latest)
    at.spent = time.monotonic() - begun
    _save(accelerator, latest)
    accelerator.free_memory()
    return average.cpu().eval()


def rate_at(step: int, done: float, options: LoopOptions) -> float:
    """The learning rate of a step when a share `done` of the training is over."""
    warm = min(1.0, (step + 1) / max(options.warmup, 1))
    return options.rate * warm * (0.5 + 0.5 * math.cos(math.pi * done) + options.floor)


class _Whole:
    """A network to be kept whole with the checkpoints."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def state_dict(self) -> dict[str, Any]:
        return self.network.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state)


def _done(step: int, spent: float, options: LoopOptions) -> float:
    """Share of the training that is over."""
    done = step / max(options.steps, 1)
    return max(done, spent / (60 * options.minutes)) if options.minutes > 0 else done


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    for a, b in zip(average.parameters(), network.parameters(), strict=True):
        a.lerp_(b, 1 - keep)
    for a, b in zip(average.buffers(), network.buffers(), strict=True):
        a.copy_(b)


def _save(accelerator: Any, latest: Path) -> None:
    """Writes a checkpoint beside the last one and puts it in its place."""
    beside, old = latest.with_name("latest.new"), latest.with_name("latest.old")
    if accelerator.is_main_process:
        shutil.rmtree(beside, ignore_errors=True)
        latest.parent.mkdir(parents=True, exist_ok=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(beside))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        if latest.exists():
            latest.rename(old)
        beside.rename(latest)
        shutil.rmtree(old, ignore_errors=True)
