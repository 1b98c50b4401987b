"""Fine-tuning of a generator on the frames of one video, which a killed process resumes exactly.

Each step's frames are drawn from its number. A checkpoint holds the generator, the optimizer's moments and the step, so
the generator is the same however often the tuning was interrupted.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lipdub.workspace.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from lipdub.networks.stylegan2 import StyleGAN2

    Loss = Callable[[nn.Module, torch.Tensor, torch.Generator], torch.Tensor]

_FORMAT = "lipdub-tuning-1"
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class TuningLoop:
    """How a generator is tuned.

    Attributes:
        steps: How often its weights change.
        frames: Frames of a step.
        learning_rate: Of Adam.
        save_every: Steps between checkpoints.
        seed: Of the choice of frames.

    Raises:
        ValueError: A value is out of range.
    """

    steps: int
    frames: int = 4
    learning_rate: float = 3e-4
    save_every: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.frames < 1 or self.save_every < 1 or self.learning_rate <= 0:
            raise ValueError(f"no such tuning: {self}")


def tune_generator(
    generator: nn.Module,
    loss: Loss,
    count: int,
    loop: TuningLoop,
    checkpoint: Path,
    key: str,
    check: Callable[[int], None] = lambda step: None,
) -> None:
    """Tune a generator in place, or resume its tuning.

    Args:
        generator: What is tuned. Only parameters that ask for gradients change.
        loss: Takes the generator, the numbers (n,) int64 of the frames of a step, and random numbers.
        count: Frames of the video.
        loop: Steps and learning rate.
        checkpoint: File that keeps the tuning between calls.
        key: Says what the tuning depends on. A checkpoint with another key is begun anew.
        check: Called with the steps that are done, after each; what it raises ends the call.
    """
    parameters = [(name, value) for name, value in generator.named_parameters() if value.requires_grad]
    optimizer = torch.optim.Adam([value for _, value in parameters], lr=loop.learning_rate)
    done = _resume(checkpoint, key, generator, optimizer, parameters)
    for step in range(done, loop.steps):
        random = torch.Generator().manual_seed(loop.seed * 1_000_003 + step)
        chosen = torch.randint(count, (loop.frames,), generator=random)
        optimizer.zero_grad(set_to_none=True)
        loss(generator, chosen, random).backward()
        optimizer.step()
        if (step + 1) % loop.save_every == 0 or step + 1 == loop.steps:
            _save(checkpoint, key, step + 1, generator, optimizer, parameters)
        check(step + 1)


def tune_synthesis(
    generator: StyleGAN2,
    make_loss: Callable[[StyleGAN2], Loss],
    count: int,
    loop: TuningLoop,
    checkpoint: Path,
    key: str,
    check: Callable[[int], None] = lambda step: None,
) -> None:
    """Tune a generator's synthesis network in place, not its mapping, or resume its tuning.

    Args:
        generator: What is tuned. Nothing of it asks for gradients afterwards.
        make_loss: Takes a copy of the generator as it was before, returns the loss of `tune_generator`.
        count: As of `tune_generator`.
        loop: As of `tune_generator`.
        checkpoint: As of `tune_generator`.
        key: As of `tune_generator`.
        check: As of `tune_generator`.
    """
    before = deepcopy(generator).requires_grad_(False)
    generator.requires_grad_(True)
    generator.style.requires_grad_(False)
    tune_generator(generator, make_loss(before), count, loop, checkpoint, key, check)
    generator.requires_grad_(False)


def _save(
    path: Path,
    key: str,
    step: int,
    generator: nn.Module,
    optimizer: torch.optim.Adam,
    parameters: list[tuple[str, nn.Parameter]],
) -> None:
    from safetensors.torch import save

    state = {f"generator.{name}": value for name, value in generator.state_dict().items()}
    for name, value in parameters:
        state |= {f"{moment}.{name}": optimizer.state[value][moment] for moment in _MOMENTS}
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(tensors, {_FORMAT: json.dumps({"key": key, "step": step}, sort_keys=True)}))


def _resume(
    path: Path,
    key: str,
    generator: nn.Module,
    optimizer: torch.optim.Adam,
    parameters: list[tuple[str, nn.Parameter]],
) -> int:
    """Fill generator and optimizer from a checkpoint of this tuning, and return its steps; 0 where there is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(_FORMAT, "{}"))
            if about.get("key") != key:
                return 0
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, ValueError):
        return 0
    state = {name: tensors[f"generator.{name}"] for name in generator.state_dict()}
    generator.load_state_dict(state)
    step = int(about["step"])
    for name, value in parameters:
        moments = {moment: tensors[f"{moment}.{name}"].to(value) for moment in _MOMENTS}
        optimizer.state[value] = {"step": torch.tensor(float(step)), **moments}
    return step
