"""The training loop that all networks share.

The loop runs on Hugging Face Accelerate: `accelerate launch` decides how many processes and devices take part.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import nn

from lipdub.errors import EnvironmentFailure
from lipdub.offline import import_torch_compiler
from lipdub.parallel import map_ordered
from lipdub.training.config import setting
from lipdub.training.training_log import TrainingLog

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

Batch = TypeVar("Batch")

PRECISIONS = ("no", "bf16", "fp16", "auto")
_SEED_STRIDE = 1_000_003  # a prime: seeds of neighbouring trainings share no step's seed
_EMA_RAMP_STEPS = 20  # the average follows the network faster in its first steps


@dataclass(frozen=True)
class LoopOptions:
    """How a network is trained.

    Attributes:
        steps: optimiser steps.
        minutes: minutes of wall time after which the schedule ends early, 0: no limit.
        max_minutes: minutes of wall time after which this call stops; another call resumes. 0: no limit.
        learning_rate: AdamW's learning rate after the warm-up.
        weight_decay: AdamW's weight decay.
        betas: AdamW's betas.
        warmup: steps in which the learning rate rises to its full value.
        min_lr_ratio: share of `learning_rate` that is left at the end of the cosine schedule.
        clip: largest norm of the gradients.
        ema_decay: decay of the exponential moving average of the weights, which is the result.
        accumulate: batches added up for one step.
        precision: "no" (float32), "bf16", "fp16", or "auto" (the setting of `accelerate launch`).
        workers: threads that draw batches ahead; 0: none; -1: one with a GPU, none on a CPU, where the network
            takes all cores.
        save_every: steps between checkpoints.
        report_every: steps between reports.
        sample_every: steps between sample pictures, 0: none.
        validate_every: steps between validations, 0: none.
        patience: validations without improvement after which the training ends with its best weights; 0: it runs
            to its end and gives the last weights.
        tensorboard: write figures and pictures for TensorBoard too.

    Raises:
        ValueError: a value is out of range.
    """

    steps: int = 10_000
    minutes: float = 0.0
    max_minutes: float = 0.0
    learning_rate: float = setting(1e-3, was="rate")
    weight_decay: float = setting(0.02, was="decay")
    betas: tuple[float, float] = (0.9, 0.98)
    warmup: int = 200
    min_lr_ratio: float = setting(0.005, was="floor")
    clip: float = 1.0
    ema_decay: float = setting(0.998, was="average")
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


def make_small_loop(**changes: Any) -> LoopOptions:
    """Make the options of a face generator's training in an hour on a CPU, with changes."""
    usual = LoopOptions(
        weight_decay=0.0,
        betas=(0.5, 0.99),
        warmup=50,
        clip=10.0,
        ema_decay=0.99,
        precision="bf16",
        workers=-1,
        save_every=100,
        report_every=25,
        sample_every=250,
        validate_every=250,
    )
    return replace(usual, **changes)


def make_full_loop(**changes: Any) -> LoopOptions:
    """Make the options of a face generator's training at a paper's size on a GPU, with changes."""
    usual = LoopOptions(
        steps=200_000,
        learning_rate=1e-4,
        weight_decay=0.0,
        warmup=0,
        precision="bf16",
        workers=-1,
        sample_every=1000,
        validate_every=1000,
    )
    return replace(usual, **changes)


_OLD_STATE_NAMES = {"spent": "seconds", "best": "best_value", "worse": "worse_count", "over": "is_over"}


@dataclass
class TrainingState:
    """How far a training is. Each checkpoint holds it.

    Attributes:
        step: optimiser steps done.
        seconds: wall time spent, over all calls.
        figures: sum and count of each figure since the last report.
        best_value: the lowest validation value.
        best_step: the step of the lowest validation value.
        worse_count: validations since then.
        is_over: the training ended early, as validation no longer improved.
    """

    step: int = 0
    seconds: float = 0.0
    figures: dict[str, tuple[float, int]] = field(default_factory=dict)
    best_value: float = math.inf
    best_step: int = 0
    worse_count: int = 0
    is_over: bool = False

    def state_dict(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the values of `state_dict`, also those of lipdub 0.1."""
        for name, value in state.items():
            setattr(self, _OLD_STATE_NAMES.get(name, name), value)

    def add_figures(self, figures: dict[str, float]) -> None:
        """Add the figures of one batch."""
        for name, value in figures.items():
            total, count = self.figures.get(name, (0.0, 0))
            self.figures[name] = (total + value, count + 1)

    def pop_means(self) -> dict[str, float]:
        """Give the means of the figures since the last call."""
        means = {name: total / count for name, (total, count) in self.figures.items()}
        self.figures = {}
        return means


@dataclass(frozen=True)
class Adversary:
    """A second network, trained against the first: a GAN's discriminator. It takes a step after each of the first's.

    Attributes:
        network: the second network. It gets no gradients from the first one's loss.
        loss: function of the first network's last batch: the value to minimise, and figures to report.
        rate_ratio: its learning rate as a multiple of the first one's.
    """

    network: nn.Module
    loss: Callable[[nn.Module], tuple[torch.Tensor, dict[str, float]]]
    rate_ratio: float = 1.0


@dataclass(frozen=True)
class TrainingTask(Generic[Batch]):
    """A network and its objective.

    Attributes:
        network: the network to train.
        draw_batch: gives the batch of a number, on any device: the same batch at any time and in any thread. No number
            is used twice and processes use different numbers, so the step is also the place in the data.
        loss: function of a batch on the network's device: the value to minimise, and figures to report.
        validate: value of the averaged network in evaluation mode; lower is better.
        measure: further figures of the averaged network, for the log where it is validated.
        draw_samples: pictures of the averaged network, float (rows, columns, 3, h, w) in 0..1.
        adversary: the network that is trained against it.
    """

    network: nn.Module
    draw_batch: Callable[[int], Batch]
    loss: Callable[[nn.Module, Batch], tuple[torch.Tensor, dict[str, float]]]
    validate: Callable[[nn.Module], float] | None = None
    measure: Callable[[nn.Module], dict[str, float]] | None = None
    draw_samples: Callable[[nn.Module], torch.Tensor] | None = None
    adversary: Adversary | None = None


class Trainer(Generic[Batch]):
    """Trains a network, or resumes a stopped training exactly, from the checkpoints in its folder.

    The folder also gets `log.csv` and sample pictures (`training.training_log`). `accelerate launch` decides the number
    of processes and the devices; each process draws batches of its own. PyTorch's generator is seeded for each step, so
    that dropout is the same in a resumed training.

    Args:
        task: the network and its objective.
        folder: where checkpoints, figures and pictures lie.
        options: how to train.
        device: "auto" for the GPU if there is one, or PyTorch's name of a device.
        seed: seeds PyTorch's generator.
        progress: called with one line of text at each report.

    Raises:
        EnvironmentFailure: the device or TensorBoard is missing.
    """

    def __init__(
        self,
        task: TrainingTask[Batch],
        folder: Path,
        options: LoopOptions,
        *,
        device: str = "cpu",
        seed: int = 0,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._task, self._folder, self._options, self._seed = task, folder, options, seed
        self._accelerator = _make_accelerator(options, device)
        self._average = copy.deepcopy(task.network).to(self._accelerator.device).eval()
        self._network, self._optimizer = self._accelerator.prepare(task.network, _make_optimizer(task.network, options))
        self._opponent = _Opponent(self._accelerator, task.adversary, options) if task.adversary is not None else None
        self._moving_average = MovingAverage.of(self._average, self._accelerator.unwrap_model(self._network))
        self._state = TrainingState()
        self._accelerator.register_for_checkpointing(self._state, _Checkpointed(self._average))
        self._is_main = bool(self._accelerator.is_main_process)
        self._progress = progress if self._is_main else None
        self._latest, self._best = folder / "latest", folder / "best.pt"
        self._resume()
        folder.mkdir(parents=True, exist_ok=True)
        self._log = TrainingLog(folder, self._state.step, options.tensorboard) if self._is_main else None
        self._first_step, self._seconds_before = self._state.step, self._state.seconds
        self._share = 0.0  # of the training that is over

    def run(self) -> nn.Module:
        """Train to the end of the schedule, or until this call's minutes are over.

        Returns:
            the averaged network on the CPU, in evaluation mode; with `patience` the one that validated best.
        """
        options, state = self._options, self._state
        began = time.monotonic()
        batches = self._open_batches()
        while not state.is_over and self._has_time(self._seconds_before + time.monotonic() - began):
            self.step(batches)
            self.report()
            self.validate()
            if state.is_over or state.step % options.save_every == 0:
                self.checkpoint()
        batches.close()
        self.checkpoint()
        if self._log is not None:
            self._log.close()
        if options.patience and state.best_step and self._best.exists():
            self._average.load_state_dict(torch.load(self._best, map_location="cpu", weights_only=True))
        self._accelerator.free_memory()
        return self._average.cpu().eval()

    def step(self, batches: Iterator[Batch]) -> None:
        """Take one optimiser step, the adversary's included, and update the averaged network."""
        from accelerate.utils import send_to_device

        accelerator, state = self._accelerator, self._state
        rate = learning_rate_at(state.step, self._share, self._options)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._network.train()
        if self._opponent is not None:
            self._opponent.begin_step(rate)
        torch.manual_seed(self._seed * _SEED_STRIDE + state.step)
        for _ in range(accelerator.gradient_accumulation_steps):
            batch = send_to_device(next(batches), accelerator.device)
            with accelerator.accumulate(self._network):
                loss, figures = self._task.loss(self._network, batch)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self._network.parameters(), self._options.clip)
                self._optimizer.step()
                self._optimizer.zero_grad()
            state.add_figures({"loss": float(loss.detach()), **figures})
            if self._opponent is not None:
                state.add_figures(self._opponent.step())
        state.step += 1
        decay = min(self._options.ema_decay, state.step / (state.step + _EMA_RAMP_STEPS))
        self._moving_average.update(decay)

    def report(self) -> None:
        """Log the mean figures and the sample pictures, where they are due."""
        options, state = self._options, self._state
        if self._log is None:
            return
        if _is_due(state.step, options.report_every):
            means = state.pop_means()
            rate = self._optimizer.param_groups[0]["lr"]
            self._log.add(state.step, {"seconds": state.seconds, "rate": rate, **means})
            text = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
            self._tell(f"step {state.step}, {100 * self._share:.0f} %, {text}, {state.seconds / 60:.1f} min")
        if self._task.draw_samples and _is_due(state.step, options.sample_every):
            with torch.no_grad():
                self._log.add_picture(state.step, self._task.draw_samples(self._average))

    def validate(self) -> None:
        """Validate the averaged network where it is due: keep the best one, and end the training without progress."""
        options, state = self._options, self._state
        if self._task.validate is None or not _is_due(state.step, options.validate_every):
            return
        value, figures = math.nan, {}
        if self._log is not None:
            with torch.no_grad():
                value = float(self._task.validate(self._average))
                if self._task.measure is not None:
                    figures = self._task.measure(self._average)
            self._average.eval()
            self._log.add(state.step, {"seconds": state.seconds, "validation": value, **figures})
        value = _broadcast_value(self._accelerator, value)
        if value < state.best_value:
            state.best_value, state.best_step, state.worse_count = value, state.step, 0
            if self._is_main and options.patience:
                partial = self._best.with_suffix(".new")
                torch.save(self._average.state_dict(), partial)
                partial.replace(self._best)
            self._accelerator.wait_for_everyone()
        else:
            state.worse_count += 1
        state.is_over = bool(options.patience and state.worse_count >= options.patience)
        end = f"; no improvement since step {state.best_step}, training ends" if state.is_over else ""
        text = "".join(f", {name} {figure:.3f}" for name, figure in figures.items())
        self._tell(f"step {state.step}, validation {value:.4f}, best {state.best_value:.4f}{text}{end}")

    def checkpoint(self) -> None:
        """Write a checkpoint next to the last one and put it in its place."""
        partial, old = _swap_paths(self._latest)
        if self._is_main:
            shutil.rmtree(partial, ignore_errors=True)
            self._latest.parent.mkdir(parents=True, exist_ok=True)
        self._accelerator.wait_for_everyone()
        self._accelerator.save_state(str(partial))
        self._accelerator.wait_for_everyone()
        if self._is_main:
            shutil.rmtree(old, ignore_errors=True)
            if self._latest.exists():
                self._latest.rename(old)
            partial.rename(self._latest)
            shutil.rmtree(old, ignore_errors=True)

    def _resume(self) -> None:
        if self._is_main:
            recover_checkpoint(self._latest)
        self._accelerator.wait_for_everyone()
        if self._latest.exists():
            self._accelerator.load_state(str(self._latest))

    def _open_batches(self) -> Generator[Batch, None, None]:
        accelerator, workers = self._accelerator, self._options.workers
        if workers < 0:
            workers = int(accelerator.device.type != "cpu")
        first = self._state.step * accelerator.gradient_accumulation_steps
        numbers = (number * accelerator.num_processes + accelerator.process_index for number in itertools.count(first))
        return _draw_batches(self._task.draw_batch, numbers, workers)

    def _has_time(self, seconds: float) -> bool:
        """Note the wall time spent and answer whether another step is to follow."""
        options, state = self._options, self._state
        if options.minutes > 0 or options.max_minutes > 0:
            seconds = _broadcast_value(self._accelerator, seconds)
        state.seconds = seconds
        self._share = _compute_progress(state, options)
        if self._share >= 1:
            return False
        if state.step > self._first_step and 0 < 60 * options.max_minutes <= seconds - self._seconds_before:
            self._tell(f"stopped at step {state.step}, {100 * self._share:.0f} %: run the same command again to resume")
            return False
        return True

    def _tell(self, text: str) -> None:
        if self._progress is not None:
            self._progress(text)


class _Opponent:
    """An adversary with its optimiser, both on the accelerator."""

    def __init__(self, accelerator: Any, adversary: Adversary, options: LoopOptions) -> None:
        self._accelerator, self._adversary, self._clip = accelerator, adversary, options.clip
        optimizer = _make_optimizer(adversary.network, options)
        self._network, self._optimizer = accelerator.prepare(adversary.network, optimizer)
        adversary.network.requires_grad_(False)

    def begin_step(self, rate: float) -> None:
        """Prepare for a step of the first network, which has this learning rate."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate * self._adversary.rate_ratio
        self._network.train()

    def step(self) -> dict[str, float]:
        """Learn from the first network's last batch. Returns figures to report."""
        accelerator = self._accelerator
        self._adversary.network.requires_grad_(True)
        # Accelerate counts the first network's batches: its steps are the adversary's too.
        context = contextlib.nullcontext() if accelerator.sync_gradients else accelerator.no_sync(self._network)
        with context:
            loss, figures = self._adversary.loss(self._network)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(self._network.parameters(), self._clip)
            self._optimizer.step()
            self._optimizer.zero_grad()
        self._adversary.network.requires_grad_(False)
        return {"adversary": float(loss.detach()), **figures}


class _Checkpointed:
    """A network that checkpoints hold whole."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def state_dict(self) -> dict[str, Any]:
        result: dict[str, Any] = self.network.state_dict()
        return result

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state)


def prefix_lines(name: str, progress: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """Make a progress function that puts a name before each line."""
    return (lambda text: progress(f"{name}: {text}")) if progress is not None else None


def learning_rate_at(step: int, share: float, options: LoopOptions) -> float:
    """Give the learning rate of a step.

    Args:
        step: steps done, from 0.
        share: share of the training that is over, 0 to 1.
        options: learning rate, warm-up and final ratio.
    """
    warm = min(1.0, (step + 1) / max(options.warmup, 1))
    return options.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * share) + options.min_lr_ratio)


@dataclass(frozen=True)
class MovingAverage:
    """An exponential moving average of a network's weights; its buffers are copied.

    The tensors are listed once: to walk through all modules at each step can take longer than to average them.
    """

    parameters: list[tuple[nn.Parameter, nn.Parameter]]
    buffers: list[tuple[torch.Tensor, torch.Tensor]]

    @classmethod
    def of(cls, average: nn.Module, network: nn.Module) -> MovingAverage:
        """List the tensors of the averaged network and of the one it follows."""
        parameters = list(zip(average.parameters(), network.parameters(), strict=True))
        return cls(parameters, list(zip(average.buffers(), network.buffers(), strict=True)))

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Move the average towards the network."""
        for a, b in self.parameters:
            a.lerp_(b, 1 - decay)
        for a, b in self.buffers:
            a.copy_(b)


def recover_checkpoint(latest: Path) -> None:
    """Finish putting a checkpoint in its place, where a killed process had begun to."""
    partial, old = _swap_paths(latest)
    if not latest.exists() and old.exists():  # the new one was whole before the old one was moved away
        (partial if partial.exists() else old).rename(latest)


def _swap_paths(latest: Path) -> tuple[Path, Path]:
    """Return the path for a new checkpoint, and the path of the last one while it is replaced."""
    return latest.with_name("latest.new"), latest.with_name("latest.old")


def _make_optimizer(network: nn.Module, options: LoopOptions) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, betas=options.betas
    )


def _make_accelerator(options: LoopOptions, device: str) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    import_torch_compiler()
    AcceleratorState._reset_state()  # noqa: SLF001 - else a process could train with one precision only
    accelerator = Accelerator(
        cpu=device == "cpu",
        mixed_precision=None if options.precision == "auto" else options.precision,
        gradient_accumulation_steps=options.accumulate,
        step_scheduler_with_optimizer=False,
    )
    if device not in ("auto", accelerator.device.type):
        raise EnvironmentFailure(f"there is no device {device} to train on", hint="Give --device cpu, or auto.")
    return accelerator


def _draw_batches(draw: Callable[[int], Batch], numbers: Iterator[int], workers: int) -> Generator[Batch, None, None]:
    if workers > 0:
        yield from map_ordered(draw, numbers, workers)
    else:
        yield from map(draw, numbers)


def _broadcast_value(accelerator: Any, value: float) -> float:
    """Give all processes the main one's value: clocks differ, and all must end at the same step."""
    if accelerator.num_processes == 1:
        return value
    from accelerate.utils import broadcast_object_list

    return float(broadcast_object_list([value])[0])


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _compute_progress(state: TrainingState, options: LoopOptions) -> float:
    """Compute the share of the training that is over."""
    share = state.step / max(options.steps, 1)
    return max(share, state.seconds / (60 * options.minutes)) if options.minutes > 0 else share
