"""The training loop that all networks share, on Hugging Face Accelerate: one processor, one GPU or many is a matter
of how the program is launched, not of this code.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import shutil
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from lipdub.errors import EnvironmentFailure
from lipdub.parallel import map_ordered
from lipdub.training.training_log import TrainingLog

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

Batch = TypeVar("Batch")

PRECISIONS = ("no", "bf16", "fp16", "auto")


@dataclass(frozen=True)
class LoopOptions:
    """How a network is trained.

    steps: optimiser steps; minutes: wall time after which the schedule is over even so (0: no limit); max_minutes: of this
    call, after which it stops where it is, to be gone on with by another (0: no limit); rate, decay, betas: AdamW's;
    warmup: steps to the full rate, which then falls along a cosine to `floor` of itself; clip: largest norm of the
    gradients; average: of the exponential average of the weights, which is what comes out; accumulate: batches added up for
    one step; precision: "no" (float32), "bf16", "fp16", or "auto", which is as `accelerate launch` was told; workers:
    threads that draw batches ahead (0: none, each is drawn when it is needed; -1: one beside a GPU, none on a processor, all of
    whose cores the network takes); save_every, report_every: steps from one checkpoint, one report to the next; sample_every,
    validate_every: the same of sample pictures and validations (0: none);
    patience: validations without a better number after which the training is over, and its best weights come out (0: it
    goes on to its end, and the last come out); tensorboard: figures and pictures for it too. ValueError for what cannot be.
    """

    steps: int = 10_000
    minutes: float = 0.0
    max_minutes: float = 0.0
    rate: float = 1e-3
    decay: float = 0.02
    betas: tuple[float, float] = (0.9, 0.98)
    warmup: int = 200
    floor: float = 0.005
    clip: float = 1.0
    average: float = 0.998
    accumulate: int = 1
    precision: str = "no"
    workers: int = 0
    save_every: int = 500
    report_every: int = 50
    sample_every: int = 0
    validate_every: int = 0
    patience: int = 0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}, not one of {', '.join(PRECISIONS)}")
        if self.workers < -1:
            raise ValueError(f"workers must be -1 or more, not {self.workers}")
        for name in ("steps", "accumulate", "save_every", "report_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")


@dataclass
class TrainingState:
    """How far a training is: steps done and seconds spent; sums and counts of the figures since the last report; the best
    validation, its step, and how many came after it; whether it ended early. Kept with each checkpoint.
    """

    step: int = 0
    spent: float = 0.0
    figures: dict[str, tuple[float, int]] = field(default_factory=dict)
    best: float = math.inf
    best_step: int = 0
    worse: int = 0
    over: bool = False

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        for name, value in state.items():
            setattr(self, name, value)

    def saw(self, figures: dict[str, float]) -> None:
        """Adds figures of one batch."""
        for name, value in figures.items():
            total, count = self.figures.get(name, (0.0, 0))
            self.figures[name] = (total + value, count + 1)

    def means(self) -> dict[str, float]:
        """The means of the figures since this was last asked."""
        means = {name: total / count for name, (total, count) in self.figures.items()}
        self.figures = {}
        return means


@dataclass(frozen=True)
class Adversary:
    """A second network that is trained against the first, a step after each of its steps (a GAN's discriminator).

    network: it gets no gradients from the first one's loss. loss_of: what it is to minimise on what the first one made of the
    last batch, and figures to report. rate: its learning rate as a multiple of the first one's.
    """

    network: nn.Module
    loss_of: Callable[[nn.Module], tuple[torch.Tensor, dict[str, float]]]
    rate: float = 1.0


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
    validate: Callable[[nn.Module], float] | None = None,
    samples: Callable[[nn.Module], torch.Tensor] | None = None,
    adversary: Adversary | None = None,
) -> nn.Module:
    """Train (or go on training) a network; checkpoints lie in `folder`, from which a stopped run resumes exactly.

    Figures go into `log.csv` there and sample pictures into `samples` (`training.log`). How many processes and which
    devices is for `accelerate launch` to say, whose settings hold; each process draws batches of its own.

    Args:
        draw: the batch of that number, on any device, the same whenever and in whatever thread it is asked; numbers are never
            used twice and differ between processes, so a checkpoint's step is also its place in the data.
        loss_of: what to minimise, and figures to report, of a batch on the network's device.
        device: "auto" is the GPU where there is one; else torch's name of it.
        validate: of the averaged network, in evaluation mode: a number, lower is better.
        samples: of the same: pictures float (rows, columns, 3, H, W) in 0..1.
        adversary: what is trained against the network.
    Torch's own generator is seeded for each step, so that dropout, too, is the same in a resumed run.

    Returns:
        the averaged network on the CPU, in evaluation mode.

    Raises:
        EnvironmentFailure: no such device, no TensorBoard.
    """
    from accelerate.utils import send_to_device

    accelerator = _accelerator(options, device)
    average = copy.deepcopy(network).to(accelerator.device).eval()
    trained, optimiser = accelerator.prepare(network, _optimiser(network, options))
    opponent = _Opponent(accelerator, adversary, options) if adversary is not None else None
    at = TrainingState()
    accelerator.register_for_checkpointing(at, _Whole(average))
    latest, best = folder / "latest", folder / "best.pt"
    if accelerator.is_main_process:
        recover_checkpoint(latest)
    accelerator.wait_for_everyone()
    if latest.exists():
        accelerator.load_state(str(latest))
    folder.mkdir(parents=True, exist_ok=True)
    log = TrainingLog(folder, at.step, options.tensorboard) if accelerator.is_main_process else None
    began, before, first = time.monotonic(), at.spent, at.step
    parts = accelerator.gradient_accumulation_steps
    workers = options.workers if options.workers >= 0 else int(accelerator.device.type != "cpu")
    batches = _batches(draw, _numbers(at.step, parts, accelerator), workers)
    while not at.over:
        at.spent = before + time.monotonic() - began
        if options.minutes > 0 or options.max_minutes > 0:
            at.spent = _agreed(accelerator, at.spent)
        done = _done(at.step, at.spent, options)
        if done >= 1:
            break
        if at.step > first and 0 < 60 * options.max_minutes <= at.spent - before:
            if progress and accelerator.is_main_process:
                progress(f"stopped at step {at.step}, {100 * done:.0f} %: the same again goes on from here")
            break
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(at.step, done, options)
        trained.train()
        if opponent is not None:
            opponent.begin(learning_rate_at(at.step, done, options))
        torch.manual_seed(seed * 1_000_003 + at.step)
        for _ in range(parts):
            batch = send_to_device(next(batches), accelerator.device)
            with accelerator.accumulate(trained):
                loss, seen = loss_of(trained, batch)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(trained.parameters(), options.clip)
                optimiser.step()
                optimiser.zero_grad()
            at.saw({"loss": float(loss.detach()), **seen})
            if opponent is not None:
                at.saw(opponent.step())
        at.step += 1
        update_ema(average, accelerator.unwrap_model(trained), min(options.average, at.step / (at.step + 20)))
        if log is not None and at.step % options.report_every == 0:
            means = at.means()
            log.add(at.step, {"seconds": at.spent, "rate": optimiser.param_groups[0]["lr"], **means})
            if progress:
                told = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
                progress(f"step {at.step}, {100 * done:.0f} %, {told}, {at.spent / 60:.1f} min")
        if samples and log is not None and _due(at.step, options.sample_every):
            with torch.no_grad():
                log.picture(at.step, samples(average))
        if validate and _due(at.step, options.validate_every):
            _validated(accelerator, average, validate, at, options, best, log, progress)
        if at.over or at.step % options.save_every == 0:
            _save(accelerator, latest)
    batches.close()
    _save(accelerator, latest)
    if log is not None:
        log.close()
    if options.patience and at.best_step and best.exists():
        average.load_state_dict(torch.load(best, map_location="cpu", weights_only=True))
    accelerator.free_memory()
    return average.cpu().eval()


def _optimiser(network: nn.Module, options: LoopOptions) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=options.decay, betas=options.betas)


class _Opponent:
    """An adversary with its optimiser, both on the accelerator."""

    def __init__(self, accelerator: Any, adversary: Adversary, options: LoopOptions) -> None:
        self._accelerator, self._adversary, self._clip = accelerator, adversary, options.clip
        own = _optimiser(adversary.network, options)
        self._trained, self._optimiser = accelerator.prepare(adversary.network, own)
        self._learning(False)

    def begin(self, rate: float) -> None:
        """Before a step of the first network, whose learning rate is given."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate * self._adversary.rate
        self._trained.train()

    def step(self) -> dict[str, float]:
        """After a batch of the first network. Returns figures."""
        self._learning(True)
        apart = (
            contextlib.nullcontext() if self._accelerator.sync_gradients else self._accelerator.no_sync(self._trained)
        )
        with apart:  # the first network's batches are counted, and its steps are this one's
            loss, seen = self._adversary.loss_of(self._trained)
            self._accelerator.backward(loss)
            if self._accelerator.sync_gradients:
                self._accelerator.clip_grad_norm_(self._trained.parameters(), self._clip)
            self._optimiser.step()
            self._optimiser.zero_grad()
        self._learning(False)
        return {"adversary": float(loss.detach()), **seen}

    def _learning(self, on: bool) -> None:
        self._adversary.network.requires_grad_(on)


def _accelerator(options: LoopOptions, device: str) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()  # else a process could train with one precision only
    accelerator = Accelerator(
        cpu=device == "cpu",
        mixed_precision=None if options.precision == "auto" else options.precision,
        gradient_accumulation_steps=options.accumulate,
        step_scheduler_with_optimizer=False,
    )
    if device not in ("auto", accelerator.device.type):
        raise EnvironmentFailure(f"there is no device {device} to train on", hint="Give --device cpu, or auto.")
    return accelerator


def _numbers(step: int, parts: int, accelerator: Any) -> Iterator[int]:
    """The numbers of this process's batches from a step on."""
    for number in itertools.count(step * parts):
        yield number * accelerator.num_processes + accelerator.process_index


def _batches(draw: Callable[[int], Batch], numbers: Iterator[int], workers: int) -> Generator[Batch, None, None]:
    if workers > 0:
        yield from map_ordered(draw, numbers, workers)
    else:
        yield from map(draw, numbers)


def _validated(
    accelerator: Any,
    average: nn.Module,
    validate: Callable[[nn.Module], float],
    at: TrainingState,
    options: LoopOptions,
    best: Path,
    log: TrainingLog | None,
    progress: Callable[[str], None] | None,
) -> None:
    """Notes the validation of the averaged network, keeps it if it is the best one, and ends the training if none has been
    better for long.
    """
    value = math.nan
    if log is not None:
        with torch.no_grad():
            value = float(validate(average))
        average.eval()
        log.add(at.step, {"seconds": at.spent, "validation": value})
    value = float(_agreed(accelerator, value))
    if value < at.best:
        at.best, at.best_step, at.worse = value, at.step, 0
        if log is not None and options.patience:
            beside = best.with_suffix(".new")
            torch.save(average.state_dict(), beside)
            beside.replace(best)
        accelerator.wait_for_everyone()
    else:
        at.worse += 1
    at.over = bool(options.patience and at.worse >= options.patience)
    if progress and log is not None:
        end = f"; over, the best was step {at.best_step}" if at.over else ""
        progress(f"step {at.step}, validation {value:.4f}, best {at.best:.4f}{end}")


def _agreed(accelerator: Any, value: float) -> float:
    """What the main process has, in all: clocks differ, and all must end at the same step."""
    if accelerator.num_processes == 1:
        return value
    from accelerate.utils import broadcast_object_list

    return float(broadcast_object_list([value])[0])


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def learning_rate_at(step: int, done: float, options: LoopOptions) -> float:
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
def update_ema(average: nn.Module, network: nn.Module, keep: float) -> None:
    for a, b in zip(average.parameters(), network.parameters(), strict=True):
        a.lerp_(b, 1 - keep)
    for a, b in zip(average.buffers(), network.buffers(), strict=True):
        a.copy_(b)


def recover_checkpoint(latest: Path) -> None:
    """Puts the checkpoint in its place that a process was about to when it was killed."""
    beside, old = latest.with_name("latest.new"), latest.with_name("latest.old")
    if not latest.exists() and old.exists():  # the new one was whole before the old one was moved away
        (beside if beside.exists() else old).rename(latest)


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
        shutil.rmtree(old, ignore_errors=True)
        if latest.exists():
            latest.rename(old)
        beside.rename(latest)
        shutil.rmtree(old, ignore_errors=True)
